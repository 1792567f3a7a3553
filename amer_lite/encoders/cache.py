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
    ``encode`` is called with its texts and ``batch_size``. A cache that cannot be read or written
    costs a warning, no result. ValueError: no texts, a bare str, an item that is not a str or is
    blank, batch_size < 1, or results that are not finite.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be ≥ 1, got {batch_size}")
    if isinstance(texts, str) or not len(texts):
        raise ValueError(f"texts: {texts!r}; pass a list of at least one text")
    for i, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"texts[{i}]: {text!r}; expected a str that is not blank")
    for device in filter(torch.is_autocast_enabled, ("cpu", "cuda")):  # other results
        model += f" {device} {torch.get_autocast_dtype(device)}"
    folder = cache_folder() / "encoders" if cache is None else Path(cache or "")
    parts = [list(texts[start : start + SHARD]) for start in range(0, len(texts), SHARD)]
    keys = [json.dumps([model, kind, *part]).encode() for part in parts]
    files = [folder / f"{kind}-{hashlib.sha256(key).hexdigest()}.npz" for key in keys]
    pairs = zip(files, parts, strict=True)
    shards = [None if cache is False else _read(file, len(part)) for file, part in pairs]
    missing = [i for i, shard in enumerate(shards) if shard is None]
    silent = not progress or len(missing) < 2
    for i in tqdm(missing, desc="encoding", unit="shard", leave=False, disable=silent):
        shards[i] = shard = encode(parts[i], batch_size)
        if not np.isfinite(shard.values).all():
            raise ValueError(f"{kind}: not finite; is the model damaged, or its precision too low?")
        if cache is not False:
            try:
                with atomic_path(files[i]) as staged, staged.open("wb") as stream:
                    np.savez(stream, **shard._asdict())
            except OSError as error:
                _warn(f"{folder}: results cannot be kept here ({error}); going on without")
                cache = False
    return Ragged(*map(np.concatenate, zip(*filter(None, shards), strict=True)))


def _read(file: Path, texts: int) -> Ragged | None:
    """A shard from the cache; None if there is none, or a damaged one."""
    try:
        with file.open("rb") as stream, np.load(stream) as arrays:  # a zip: checks CRCs
            found = Ragged(arrays["values"], arrays["lengths"])
        if found.lengths.shape != (texts,) or len(found.values) != found.lengths.sum():
            raise ValueError(f"shapes {found.values.shape}, {found.lengths.shape}")
        return found
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, EOFError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        _warn(f"{file}: not a sound cache file ({error}); its texts are encoded again")
        return None


def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=5)
