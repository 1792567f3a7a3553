"""Atomic, checksummed folders of files: the one way in which the library writes to disk.

A *bundle* is a folder with a ``manifest.json`` that names its format, its configuration and its
files with their sha256. Files are written first, under names that contain their digest; replacing
the manifest is the single step that makes the new version visible. A writer killed at any moment
leaves the previous version readable, and what it left half-written is removed by the next; a reader
never sees a half-written version, and reads again if the one that it reads is replaced. Writers
take turns, by a lock beside what they write; OSError names the path that cannot be written.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import platformdirs
from filelock import FileLock, Timeout
from pydantic import BaseModel, Field, ValidationError

MANIFEST = "manifest.json"
_LONGEST = 1 << 28  # bytes of a line: a small archive may unpack to any length


class _File(BaseModel):
    file: str = Field(pattern=r"^\w[\w.-]*$")  # inside the bundle's folder
    sha256: str


class _Manifest(BaseModel):
    kind: str
    config: dict[str, Any]
    config_sha256: str
    files: dict[str, _File]


def cache_folder() -> Path:
    """Where downloads and embeddings go: ``$AMER_LITE_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("AMER_LITE_CACHE") or platformdirs.user_cache_path("amer-lite"))


@contextmanager
def locked(path: Path, patience: float = 600) -> Iterator[None]:
    """Hold the lock of ``path``, a file beside it; OSError after ``patience`` seconds."""
    if not path.name or "\0" in str(path):
        raise ValueError(f"{str(path)!r} names nothing that can be written")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    try:
        held = FileLock(lock).acquire(timeout=patience)
    except Timeout as error:
        raise OSError(f"{path}: another process is writing here; wait for its end") from error
    with held:
        try:
            yield
        finally:
            _remove(lock)  # while it is held: who waits for a lock that is gone makes another


@contextmanager
def _staged(path: Path) -> Iterator[Path]:
    """A path to write to and to rename to ``path``, whose lock must be held.

    It lies in a folder of its own: libraries put their own temporary files beside what they write.
    """
    room = path.with_name(f".{path.name}.tmp")
    _remove(room)  # of a writer that was killed
    try:
        room.mkdir()
        yield room / path.name
    except Exception as error:
        said, nameless = str(error), isinstance(error, OSError) and not error.filename
        if nameless or "os error" in said or (room.name in said and type(error) is RuntimeError):
            raise OSError(f"{path}: could not be written: {error}") from error  # a full disk, often
        raise
    finally:
        _remove(room)


def _remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)  # which leaves files
    with suppress(OSError):  # Windows keeps what a reader has open; the next writer tries
        path.unlink()


def _to_disk(path: Path) -> Path:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; it is renamed to ``path`` if the block succeeds."""
    with locked(path), _staged(path) as staged:
        yield staged
        _to_disk(staged).replace(path)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``folder``; rename it to ``folder`` if the block succeeds.

    For content that is the same whoever writes it: if ``folder`` is there by then, it stays.
    """
    with locked(folder), _staged(folder) as staged:
        staged.mkdir()
        yield staged
        for path in filter(Path.is_file, staged.rglob("*")):
            _to_disk(path)
        if not folder.is_dir():  # else another process was faster
            staged.rename(folder)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path`` atomically, packed if its name ends in ``.gz``."""
    content = text.encode()
    with atomic_path(path) as staged:
        staged.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


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
                mark = "-sig" if number == 1 else ""  # with which Windows likes to begin
                yield number, raw.decode(f"utf-8{mark}")
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
    """Write a bundle.

    Args:
        folder: created if missing.
        kind: format name with version, such as ``"amer-lite/model-1"``.
        config: JSON-serialisable settings, kept in the manifest.
        files: ``{"weights.safetensors": writer}``; each writer is called with the path to fill.

    Raises:
        ValueError: ``folder`` holds a bundle of another kind; a config that JSON cannot hold.
        OSError: the disk is full, or another process writes here and does not end.
    """
    folder, digest = Path(folder), _digest(config)
    with locked(folder / MANIFEST):
        old = _manifest(folder)
        if old and old.kind != kind:
            raise ValueError(f"{folder}: holds {old.kind!r}; save {kind!r} in a folder of its own")
        before, entries = old.files if old else {}, {}
        _keep_only(before, {*before, *files}, folder)
        for name, write in files.items():
            with _staged(folder / name) as staged:
                write(staged)
                sha = sha256(_to_disk(staged))
                own = f"{Path(name).stem}-{sha[:12]}{Path(name).suffix}"
                entries[name] = _File(file=own, sha256=sha)
                staged.replace(folder / own)
        manifest = _Manifest(kind=kind, config=dict(config), config_sha256=digest, files=entries)
        with _staged(folder / MANIFEST) as staged:
            staged.write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
            _to_disk(staged).replace(folder / MANIFEST)
        _keep_only(entries, {*before, *files}, folder)


def _keep_only(entries: Mapping[str, _File], names: Iterable[str], folder: Path) -> None:
    """Remove older versions of the files of these names, and those of killed writers."""
    kept = {entry.file for entry in entries.values()}
    for name in map(Path, names):
        for path in folder.glob(f"{name.stem}-{'[0-9a-f]' * 12}{name.suffix}"):
            if path.name not in kept:
                _remove(path)


def load_bundle(
    folder: str | Path,
    kind: str,
    read: Callable[[dict[str, Any], dict[str, Path]], Any] = lambda config, paths: (config, paths),
) -> Any:
    """What ``read`` makes of a bundle's configuration and the verified paths of its files.

    If a writer replaces the bundle meanwhile, the new one is read: files are safe to open only in
    ``read``. By default it returns both. FileNotFoundError: no manifest in ``folder``, or a file
    that it names is missing. ValueError: not a bundle of this ``kind``, unreadable JSON, a checksum
    that differs, or contents of which ``read`` complains.
    """
    folder = Path(folder)
    while True:
        version = _version(folder)
        try:
            config, paths = _verified(folder, kind)
            try:
                return read(config, paths)
            except OSError:
                raise
            except Exception as error:  # whatever foreign content makes other libraries raise
                raise ValueError(f"{folder}: not a sound {kind!r}: {error}") from error
        except (OSError, ValueError):
            if version == _version(folder):
                raise


def _verified(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, Path]]:
    path = folder / MANIFEST
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


def _version(folder: Path) -> tuple[int, int] | None:
    """Differs when the manifest was replaced, be it by an equal one."""
    with suppress(OSError):
        seen = (folder / MANIFEST).stat()
        return seen.st_ino, seen.st_mtime_ns
    return None


def _manifest(folder: Path) -> _Manifest | None:
    """None if there is no manifest, or none that can be read."""
    try:
        return _Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None


def _digest(config: Mapping[str, Any]) -> str:
    try:
        plain = json.loads(json.dumps(dict(config)))  # as it will be read: JSON's keys are strings
        json.dumps(plain, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        raise ValueError(f"config: not for a JSON file in UTF-8: {error}") from error
    return digest_of(plain)


def digest_of(content: Any) -> str:
    """sha256 in hex of what JSON can hold, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
