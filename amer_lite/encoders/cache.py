"""What a frozen model says of many texts, kept on disk in files of 1,024 texts each."""

from __future__ import annotations

import hashlib
import json
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from amer_lite.model.prefix import Prefix
from amer_lite.storage import atomic_path, cache_folder

SHARD = 1024  # texts per cache file
Cache = str | Path | Literal[False] | None  # a folder, none, or the user's


class Ragged(NamedTuple):
    """Vectors of n texts, end to end: ``values`` (ΣL, dim) float32, ``lengths`` (n,) int64."""

    values: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, pieces: Sequence[np.ndarray]) -> Ragged:
        return cls(np.concatenate(pieces), np.array([len(piece) for piece in pieces], np.int64))

    def padded(self) -> Prefix:
        """(n, L, dim) with zeros on the right, L the most vectors of a text; mask (n, L)."""
        lengths = torch.from_numpy(self.lengths)
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        values = torch.zeros(*mask.shape, self.values.shape[1])
        values[mask] = torch.from_numpy(self.values)
        return Prefix(values, mask)


def encode_cached(
    texts: Sequence[str],
    encode: Callable[[list[str], int], Ragged],
    batch_size: int,
    progress: bool,
    *,
    cache: Cache,
    kind: str,
    model: str,
) -> Ragged:
    """``encode`` of all texts, shard by shard; shards that are on disk are not encoded again.

    A shard's key is the content of its texts, the ``kind`` of result and the fingerprint of the
    ``model``, so that a killed run continues where it stopped, and a changed text costs one shard.

    Args:
        texts: at least one, none of them blank.
        encode: called with up to 1,024 texts and ``batch_size``.
        batch_size: texts per forward pass.
        progress: show a bar while more than one shard has to be encoded.

    Raises:
        ValueError: no texts, a bare str, an item that is not a str or is blank, batch_size < 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be ≥ 1, got {batch_size}")
    if isinstance(texts, str) or not len(texts):
        raise ValueError(f"texts: {texts!r}; pass a list of at least one text")
    for i, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"texts[{i}]: {text!r}; expected a str that is not blank")
    folder = cache_folder() / "encoders" if cache is None else Path(cache or "")
    parts = [list(texts[start : start + SHARD]) for start in range(0, len(texts), SHARD)]
    files = [folder / _name(kind, model, part) for part in parts]
    kept = [_read(*item) if cache is not False else None for item in zip(files, parts, strict=True)]
    missing = [i for i, shard in enumerate(kept) if shard is None]
    silent = not progress or len(missing) < 2
    for i in tqdm(missing, desc="encoding", unit="shard", leave=False, disable=silent):
        kept[i] = shard = encode(parts[i], batch_size)
        if cache is not False:
            with atomic_path(files[i]) as staged, staged.open("wb") as stream:
                np.savez(stream, **shard._asdict())
    shards = [shard for shard in kept if shard is not None]
    return Ragged(*(np.concatenate(arrays) for arrays in zip(*shards, strict=True)))


def _name(kind: str, model: str, texts: list[str]) -> str:
    content = json.dumps([model, kind, *texts]).encode()
    return f"{kind}-{hashlib.sha256(content).hexdigest()}.npz"


def _read(file: Path, texts: list[str]) -> Ragged | None:
    """A shard from the cache; None if it is not there or not sound."""
    if not file.exists():
        return None
    try:
        with file.open("rb") as stream, np.load(stream) as arrays:  # a zip: checks CRCs
            shard = Ragged(arrays["values"], arrays["lengths"])
        if len(shard.lengths) != len(texts) or len(shard.values) != shard.lengths.sum():
            raise ValueError(f"arrays of shapes {shard.values.shape}, {shard.lengths.shape}")
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        message = f"{file}: not a sound cache file ({error}); {len(texts)} texts are encoded again"
        warnings.warn(message, RuntimeWarning, stacklevel=4)
        return None
    return shard
