"""Atomic, checksummed folders of files: the one way in which the library writes to disk.

A *bundle* is a folder with a ``manifest.json`` that names its format, its configuration and its
files with their sha256. Files are written first, under names that contain their digest; replacing
the manifest is the single step that makes the new version visible. A writer killed at any moment
leaves the previous version readable; a reader never sees a half-written one.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import platformdirs
from pydantic import BaseModel, Field, ValidationError

MANIFEST = "manifest.json"
_LONGEST = 1 << 28  # bytes of a line: a small archive may unpack to any length


class _File(BaseModel):
    file: str = Field(pattern=r"^[^/\\]+$")  # inside the bundle's folder
    sha256: str


class _Manifest(BaseModel):
    kind: str
    config: dict[str, Any]
    config_sha256: str
    files: dict[str, _File]


def cache_folder() -> Path:
    """Where downloads and embeddings go: ``$AMER_LITE_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("AMER_LITE_CACHE") or platformdirs.user_cache_path("amer-lite"))


def _beside(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f"{path.name}.tmp-{uuid4().hex[:12]}")


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; it is renamed to ``path`` if the block succeeds."""
    staged = _beside(path)
    try:
        yield staged
        _to_disk(staged)
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``folder``; rename it to ``folder`` if the block succeeds.

    For content that is the same whoever writes it: if ``folder`` is there by then, it stays.
    """
    staged = _beside(folder)
    staged.mkdir()
    try:
        yield staged
        for path in filter(Path.is_file, staged.rglob("*")):
            _to_disk(path)
        with suppress(OSError):  # another process was faster
            staged.rename(folder)
        if not folder.is_dir():
            raise OSError(f"{folder}: could not be written; is there a file of that name?")
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path`` atomically."""
    with atomic_path(path) as staged:
        staged.write_text(text, encoding="utf-8")


def text_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Numbers from 1 and lines, ends kept, of a UTF-8 text: plain or gzip, with or without mark.

    Read one at a time. ValueError names file and line: another encoding, a NUL character (UTF-16
    without a mark), a damaged archive, a line above 256 MiB.
    """
    number = 1
    try:
        with Path(path).open("rb") as plain:
            packed = plain.peek(2)[:2] == b"\x1f\x8b" or Path(path).suffix == ".gz"
            file = gzip.GzipFile(fileobj=plain) if packed else plain
            while raw := file.readline(_LONGEST + 1):
                if len(raw) > _LONGEST:
                    raise ValueError(f"no line of a text is longer than {_LONGEST >> 20} MiB")
                if b"\0" in raw:
                    raise ValueError("a NUL character, as in UTF-16")
                yield number, raw.decode("utf-8-sig")  # Windows likes to begin with a mark
                number += 1
    except (ValueError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        needed = "save the file as UTF-8" if isinstance(error, ValueError) else "fetch it again"
        raise ValueError(f"{path}, line {number}: {error}; {needed}") from error


def sha256(path: Path) -> str:
    """Hex digest of a file, read in chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_bundle(
    folder: str | Path,
    kind: str,
    config: Mapping[str, Any],
    files: Mapping[str, Callable[[Path], object]],
) -> None:
    """Write a bundle; ValueError if ``folder`` holds one of another kind.

    Args:
        folder: created if missing.
        kind: format name with version, such as ``"amer-lite/model-1"``.
        config: JSON-serialisable settings, kept in the manifest.
        files: ``{"weights.safetensors": writer}``; each writer is called with the path to fill.
    """
    folder = Path(folder)
    if (old := _manifest(folder)) and old.kind != kind:
        raise ValueError(f"{folder}: holds {old.kind!r}; save the {kind!r} in a folder of its own")
    entries = {}
    for name, write in files.items():
        stem, suffix = Path(name).stem, Path(name).suffix
        fresh = folder / f"{stem}-{uuid4().hex[:12]}{suffix}"
        with atomic_path(fresh) as staged:
            write(staged)
        digest = sha256(fresh)
        entries[name] = _File(file=f"{stem}-{digest[:12]}{suffix}", sha256=digest)
        fresh.replace(folder / entries[name].file)
    digest = _digest(config)
    manifest = _Manifest(kind=kind, config=dict(config), config_sha256=digest, files=entries)
    text = json.dumps(manifest.model_dump(), indent=1, ensure_ascii=False)
    write_text(folder / MANIFEST, text + "\n")
    for name, entry in entries.items():  # older versions, and what a killed writer left
        ours = f"{Path(name).stem}-{'[0-9a-f]' * 12}{Path(name).suffix}"
        for path in [*folder.glob(ours), *folder.glob(f"{ours}.tmp-*")]:
            if path.name != entry.file:
                path.unlink(missing_ok=True)


def load_bundle(folder: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, Path]]:
    """Read a bundle's configuration and the verified paths of its files.

    Raises:
        FileNotFoundError: no manifest in ``folder``, or a file that it names is missing.
        ValueError: not a bundle of this ``kind``, unreadable JSON, or a checksum that differs.
    """
    folder, path = Path(folder), Path(folder) / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: no {MANIFEST} here; expected a saved {kind!r}")
    if (manifest := _manifest(folder)) is None:
        raise ValueError(f"{path}: not a manifest of amer-lite; save it again")
    if manifest.kind != kind:
        raise ValueError(f"{path}: holds {manifest.kind!r}, expected {kind!r}")
    if _digest(manifest.config) != manifest.config_sha256:
        raise ValueError(f"{path}: checksum of the config differs; the file was changed")
    paths = {name: folder / entry.file for name, entry in manifest.files.items()}
    for name, entry in manifest.files.items():
        if not paths[name].is_file():
            raise FileNotFoundError(f"{path}: names {entry.file}, which is missing; save it again")
        if sha256(paths[name]) != entry.sha256:
            raise ValueError(f"{paths[name]}: checksum differs from the manifest; file is corrupt")
    return manifest.config, paths


def _manifest(folder: Path) -> _Manifest | None:
    """None if there is no manifest, or none that can be read."""
    try:
        return _Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None


def _digest(config: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(dict(config)))  # as it will be read: JSON's keys are strings
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
