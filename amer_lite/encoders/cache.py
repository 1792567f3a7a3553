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


class Rows(NamedTuple):
    """Vectors of n texts, end to end: ``values`` (ΣL, dim) float32, ``lengths`` (n,) int64."""

    values: np.ndarray
    lengths: np.ndarray


def rows_of(
    texts: Sequence[str],
    compute: Callable[[list[str]], Rows],
    *,
    cache: Cache,
    kind: str,
    model: str,
    progress: bool,
) -> list[Rows]:
    """``compute`` of all texts, shard by shard; shards that are on disk are not computed again.

    A shard's key is the content of its texts, so that a killed run continues where it stopped, and
    a text that changes costs one shard.

    Args:
        texts: at least one, none of them blank.
        compute: called with up to 1,024 texts.
        cache: folder of the files, False for none; None is the user's cache folder.
        kind: what is computed; part of the key and of the file's name.
        model: fingerprint of what computes it; part of the key.
        progress: show a bar while more than one shard has to be computed.

    Raises:
        ValueError: no texts, a bare str, an item that is not a str or is blank.
    """
    texts = _checked(texts)
    folder = cache_folder() / "encoders" if cache is None else cache and Path(cache)
    parts = [texts[start : start + SHARD] for start in range(0, len(texts), SHARD)]
    files = [_file(folder, kind, model, part) if folder else None for part in parts]
    shards = [_read(file, len(part)) for file, part in zip(files, parts, strict=True)]
    missing = [i for i, shard in enumerate(shards) if shard is None]
    silent = not progress or len(missing) < 2
    for i in tqdm(missing, desc="encoding", unit="shard", leave=False, disable=silent):
        shards[i] = rows = compute(parts[i])
        if file := files[i]:
            with atomic_path(file) as staged, staged.open("wb") as stream:
                np.savez(stream, values=rows.values, lengths=rows.lengths)
    return [shard for shard in shards if shard is not None]


def as_prefix(shards: Sequence[Rows]) -> Prefix:
    """Padded on the right with zeros: values (N, L, dim), L the longest text's number of rows."""
    lengths = torch.from_numpy(np.concatenate([shard.lengths for shard in shards]))
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    states = torch.from_numpy(np.concatenate([shard.values for shard in shards]))
    values = torch.zeros(*mask.shape, states.shape[1])
    values[mask] = states
    return Prefix(values, mask)


def _file(folder: Path, kind: str, model: str, texts: list[str]) -> Path:
    content = json.dumps([model, kind, *texts]).encode()
    return folder / f"{kind}-{hashlib.sha256(content).hexdigest()}.npz"


def _read(file: Path | None, count: int) -> Rows | None:
    """A shard of ``count`` texts from the cache; None if it is not there or not sound."""
    if file is None or not file.exists():
        return None
    try:
        with file.open("rb") as stream, np.load(stream) as arrays:  # a zip: checks CRCs
            rows = Rows(arrays["values"], arrays["lengths"])
        if len(rows.lengths) != count or len(rows.values) != rows.lengths.sum():
            raise ValueError(f"arrays of shapes {rows.values.shape}, {rows.lengths.shape}")
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        message = f"{file}: not a sound cache file ({error}); {count} texts are encoded again"
        warnings.warn(message, RuntimeWarning, stacklevel=4)
        return None
    return rows


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
