"""Atomic, checksummed folders of files: the one way in which the library writes to disk.

A *bundle* is a folder with a ``manifest.json`` that names its format, its configuration and its
files with their sha256. Files are written first, under names that contain their digest; replacing
the manifest is the single step that makes the new version visible. A writer killed at any moment
leaves the previous version readable; a reader never sees a half-written one.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import platformdirs

MANIFEST = "manifest.json"


def cache_folder() -> Path:
    """Where downloads and embeddings go: ``$AMER_LITE_CACHE``, else the user's cache folder."""
    return Path(os.environ.get("AMER_LITE_CACHE") or platformdirs.user_cache_path("amer-lite"))


@contextmanager
def _staged(folder: Path, name: str) -> Iterator[Path]:
    """A temporary file in ``folder``, gone after the block if nobody renamed it."""
    folder.mkdir(parents=True, exist_ok=True)
    handle, path = tempfile.mkstemp(prefix=name + ".tmp-", dir=folder)
    os.close(handle)
    try:
        yield Path(path)
    finally:
        Path(path).unlink(missing_ok=True)


def _publish(staged: Path, path: Path) -> None:
    with staged.open("rb") as file:
        os.fsync(file.fileno())
    staged.chmod(0o666 & ~_umask())  # mkstemp makes private files; now as open() would have made it
    staged.replace(path)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` if the block succeeds."""
    with _staged(path.parent, path.name) as staged:
        yield staged
        _publish(staged, path)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``folder``; rename it to ``folder`` if the block succeeds.

    For content that is the same whoever writes it: if ``folder`` is there by then, it stays.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=folder.name + ".tmp-", dir=folder.parent))
    try:
        yield staged
        for path in staged.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        staged.chmod(0o777 & ~_umask())
        with suppress(OSError):  # another process was faster
            staged.rename(folder)
        if not folder.is_dir():
            raise OSError(f"{folder}: could not be written; is there a file of that name?")
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` (UTF-8) to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


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
        ValueError: ``folder`` holds a bundle of another kind.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_other_kind(folder, kind)
    entries: dict[str, dict[str, str]] = {}
    for name, write in files.items():
        with _staged(folder, name) as staged:
            write(staged)
            digest = sha256(staged)
            final = folder / f"{Path(name).stem}-{digest[:12]}{Path(name).suffix}"
            _publish(staged, final)
        entries[name] = {"file": final.name, "sha256": digest}
    manifest = {
        "kind": kind,
        "config": dict(config),
        "config_sha256": _digest(config),
        "files": entries,
    }
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    kept = {entry["file"] for entry in entries.values()}
    for name in files:  # older versions of the same files, and what a killed writer left
        stem, suffix = re.escape(Path(name).stem), re.escape(Path(name).suffix)
        ours = re.compile(rf"{stem}-[0-9a-f]{{12}}{suffix}|{re.escape(name)}\.tmp-\w+")
        for path in list(folder.iterdir()):
            if ours.fullmatch(path.name) and path.name not in kept:
                path.unlink(missing_ok=True)


def load_bundle(folder: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, Path]]:
    """Read a bundle's configuration and the verified paths of its files.

    Raises:
        FileNotFoundError: no manifest in ``folder``, or a file that it names is missing.
        ValueError: not a bundle of this ``kind``, unreadable JSON, or a checksum that differs.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(f"{folder}: no {MANIFEST} here; expected a saved {kind!r}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        found, config, entries = manifest["kind"], manifest["config"], manifest["files"]
        if not isinstance(config, dict):
            raise ValueError("config is not an object")
        wanted = {name: (e["file"], e["sha256"]) for name, e in entries.items()}
        for file, _ in wanted.values():
            if not file or Path(file).name != file:
                raise ValueError(f"file {file!r} lies outside the folder")
        expected = manifest["config_sha256"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: not a manifest of amer-lite ({error}); save it again") from error
    if found != kind:
        raise ValueError(f"{path}: holds {found!r}, expected {kind!r}")
    if _digest(config) != expected:
        raise ValueError(f"{path}: checksum of the config differs; the file was changed")
    paths: dict[str, Path] = {}
    for name, (file, digest) in wanted.items():
        paths[name] = folder / file
        if not paths[name].is_file():
            raise FileNotFoundError(f"{path}: names {file}, which is missing; save it again")
        if sha256(paths[name]) != digest:
            raise ValueError(f"{paths[name]}: checksum differs from the manifest; file is corrupt")
    return config, paths


def _digest(config: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(dict(config)))  # as it will be read: JSON's keys are strings
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _refuse_other_kind(folder: Path, kind: str) -> None:
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["kind"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return  # nothing there, or nothing that could be lost
    if found != kind:
        raise ValueError(f"{folder}: holds {found!r}; save the {kind!r} in a folder of its own")
