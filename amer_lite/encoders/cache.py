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
    cache: Cache,
    kind: str,
    model: str,
) -> Ragged:
    """``encode`` of all texts, shard by shard; shards that are on disk are not encoded again.

    A shard's key is the content of its texts, the ``kind`` of result and the fingerprint of the
    ``model``, so that a killed run continues where it stopped, and a changed text costs one shard.
    ``encode`` is called with its texts and ``batch_size``; ``progress`` shows a bar while more than
    one shard has to be encoded.

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
    keys = [json.dumps([model, kind, *part]).encode() for part in parts]
    files = [folder / f"{kind}-{hashlib.sha256(key).hexdigest()}.npz" for key in keys]
    shards = [None if cache is False or not file.exists() else _read(file) for file in files]
    missing = [i for i, shard in enumerate(shards) if shard is None]
    silent = not progress or len(missing) < 2
    for i in tqdm(missing, desc="encoding", unit="shard", leave=False, disable=silent):
        shards[i] = shard = encode(parts[i], batch_size)
        if cache is not False:
            with atomic_path(files[i]) as staged, staged.open("wb") as stream:
                np.savez(stream, **shard._asdict())
    whole = [shard for shard in shards if shard is not None]
    return Ragged(*(np.concatenate(arrays) for arrays in zip(*whole, strict=True)))


def _read(file: Path) -> Ragged | None:
    """A shard from the cache; None if it is damaged."""
    try:
        with file.open("rb") as stream, np.load(stream) as arrays:  # a zip: checks CRCs
            return Ragged(arrays["values"], arrays["lengths"])
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        message = f"{file}: not a sound cache file ({error}); its texts are encoded again"
        warnings.warn(message, RuntimeWarning, stacklevel=4)
        return None
