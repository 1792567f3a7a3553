"""Kinds of damage to a value, by its type: `damaged` draws one."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import torch

from amer_lite import Prefix

Kind = Callable[[Any, random.Random], Any]


def array(change: Callable[[np.ndarray], Any]) -> Kind:
    """A change of numpy arrays, for tensors, too."""

    def changed(value: Any, draw: random.Random) -> Any:
        if isinstance(value, np.ndarray):
            return change(value.copy())
        return torch.from_numpy(np.ascontiguousarray(change(value.detach().numpy().copy())))

    return changed


def spoiled(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def spoil(x: np.ndarray) -> np.ndarray:
        x = x.astype(np.float32) if x.dtype.kind != "f" else x
        x.flat[-1:] = value
        return x

    return spoil


def copied(change: Callable[[bytes, random.Random], bytes]) -> Kind:
    """A file, or one of a folder's, with other bytes in it; a path to write to is in its way."""

    def changed(path: Path, draw: random.Random) -> Path:
        fresh = path.with_name(f"{draw.getrandbits(40):x}-{path.name}")
        sources = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
        spoil = draw.choice(sources)
        for source in sources:
            target = fresh / source.relative_to(path) if path.is_dir() else fresh
            target.parent.mkdir(parents=True, exist_ok=True)
            content = source.read_bytes() if source.exists() else b""
            target.write_bytes(change(content, draw) if source == spoil else content)
        return fresh

    return changed


def flipped(content: bytes, draw: random.Random) -> bytes:
    place = draw.randrange(len(content)) if content else 0
    return content[:place] + bytes([draw.randrange(256)]) + content[place + 1 :]


def inside(value: Any, draw: random.Random) -> Any:
    """A container with a damaged member."""
    if isinstance(value, dict):
        key = draw.choice([*value])
        if draw.random() < 0.3:
            return {k: v for k, v in value.items() if k != key} | {TEXT(key, draw): value[key]}
        return value | {key: damaged(value[key], draw)}
    members = list(value)
    place = draw.randrange(len(members))
    members[place] = damaged(members[place], draw)
    return type(value)(*members) if isinstance(value, Prefix) else type(value)(members)


def always(*values: Any) -> Kind:
    return lambda value, draw: draw.choice(values)


NONSENSE = always(None, True, 3, -2.5, "x", b"x", [], {}, (None,), object(), float("nan"))
ARRAY = [
    *map(array, (lambda x: x[..., None], lambda x: x[0], lambda x: x[:0], lambda x: x[..., :0])),
    *map(array, (lambda x: x[:-1], lambda x: x[..., :-1], lambda x: x.T, lambda x: x.repeat(2, 0))),
    *map(array, map(spoiled, (np.nan, np.inf, -np.inf, 1e38, -1.0, 1e-40))),
    *[array(methodcaller("astype", dtype)) for dtype in ("f2", "f8", "i4", "u1", "?", "c8")],
    array(lambda x: x * 0),
    array(lambda x: np.full_like(x, 7)),
    lambda value, draw: value.tolist(),
    lambda value, draw: np.array([["a", None], [3, {}]], dtype=object),
]
# None is huge: such a call may rightly take for ever.
NUMBER = always(0, -1, -0.5, 0.5, 1.0, float("nan"), float("inf"), "3", True)
TEXT = always(
    "", " ", "\0", "a\0b", "\ud800", "a b", "a\tb\n", "../x", "\ufeffx", "x" * 10_000, "é"
)
PATH = [
    always("/dev/null/x", "/dev/null", "x" * 300, Path("no/such/place"), "a\0b", ""),
    copied(lambda content, draw: b""),
    copied(lambda content, draw: content[: len(content) // 2]),
    copied(flipped),
    copied(flipped),
    copied(lambda content, draw: content + draw.randbytes(50)),
    copied(lambda content, draw: b"\xff\xfe" + content),
    copied(lambda content, draw: b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")),
    copied(lambda content, draw: gzip.compress(content)),
    copied(lambda content, draw: content.decode("latin-1").encode("utf-16")),
    copied(lambda content, draw: content.replace(b"d1", b"d\0")),
    copied(lambda content, draw: b"[" * 5000),
    copied(lambda content, draw: content.replace(b'"', b"")),
    copied(lambda content, draw: content * 2),
]
HOLDER = [
    *[inside] * 6,
    lambda value, draw: type(value)() if not isinstance(value, Prefix) else value[:1],
    lambda value, draw: [*value, *value],
    lambda value, draw: iter(value),
    lambda value, draw: str(value),
]
KINDS: list[tuple[type | tuple[type, ...], list[Kind]]] = [
    ((np.ndarray, torch.Tensor), ARRAY),
    ((int, float), [NUMBER]),
    (str, [TEXT]),
    (Path, PATH),
    ((dict, list, tuple), HOLDER),
]


def damaged(value: Any, draw: random.Random) -> Any:
    fitting = [kind for types, kinds in KINDS if isinstance(value, types) for kind in kinds]
    if not fitting or draw.random() < 0.1:
        return NONSENSE(value, draw)
    return draw.choice(fitting)(value, draw)
