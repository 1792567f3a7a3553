"""Files and bundles: whole or not there, checked when they are read."""

from __future__ import annotations

import gzip
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from amer_lite import storage
from amer_lite.storage import (
    atomic_folder,
    atomic_path,
    load_bundle,
    locked,
    save_bundle,
    text_lines,
    write_text,
)

PACKED = gzip.compress(b"a\nb\n" * 99, mtime=0)


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    assert path.stat().st_mode == ordinary.stat().st_mode


def test_a_bundle_is_replaced_as_one(tmp_path: Path) -> None:
    def save(text: str, second: str | None = None) -> None:
        files = {"a.txt": lambda path: path.write_text(text)}
        files["b.txt"] = lambda path: path.write_bytes((second or text).encode("ascii"))
        save_bundle(tmp_path, "kind-1", {"text": text}, files)

    def read() -> list[str]:
        config, paths = load_bundle(tmp_path, "kind-1")
        return [config["text"], *(paths[name].read_text() for name in ("a.txt", "b.txt"))]

    save("one")
    assert read() == ["one"] * 3
    with pytest.raises(UnicodeEncodeError):
        save("two", "zwö")  # a.txt is written by then
    assert read() == ["one"] * 3
    save("three")
    assert read() == ["three"] * 3
    assert len(list(tmp_path.iterdir())) == 3


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    folder = tmp_path / "bundle"
    save_bundle(folder, "kind-1", {}, {"a.txt": lambda path: path.write_text("x")})
    (file,) = folder.glob("a-*")
    for bad in ("y", ""):
        file.write_text(bad)
        with pytest.raises(ValueError, match="checksum differs"):
            load_bundle(folder, "kind-1")
    file.unlink()
    with pytest.raises(FileNotFoundError, match="which is missing"):
        load_bundle(folder, "kind-1")
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace(file.name, "../secret"))
    with pytest.raises(ValueError, match="not a manifest of amer-lite"):
        load_bundle(folder, "kind-1")
    with pytest.raises(FileNotFoundError, match=r"no manifest\.json here"):
        load_bundle(tmp_path / "nowhere", "kind-1")


def test_readers_and_writers_do_not_disturb_each_other(tmp_path: Path) -> None:
    def write(text: str) -> None:
        for _ in range(40):
            files = {"a.txt": lambda path: path.write_text(text * 9)}
            save_bundle(tmp_path, "kind-1", {"text": text}, files)

    write("one")
    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(write, text) for text in ("one", "two")]
        while not all(writer.done() for writer in writers):
            read = lambda config, paths: (config["text"] * 9, paths["a.txt"].read_text())  # noqa: E731
            said, found = load_bundle(tmp_path, "kind-1", read)
            assert said == found
    assert [writer.result() for writer in writers] == [None, None]
    assert len(list(tmp_path.iterdir())) == 2


def test_only_our_own_leftovers_are_cleaned_up(tmp_path: Path) -> None:
    (tmp_path / "a-backup.txt").write_text("the user's")
    for name in ("a-0123456789ab.txt", ".a.txt.tmp", ".manifest.json.tmp"):
        (tmp_path / name).write_text("of a writer that was killed")
    save_bundle(tmp_path, "kind-1", {}, {"a.txt": lambda path: path.write_text("x")})
    left = {path.name for path in tmp_path.iterdir()}
    assert len(left) == 3 and {"a-backup.txt", "manifest.json"} < left


def test_leftovers_of_other_writers_are_removed_and_a_live_writer_is_named(tmp_path: Path) -> None:
    for name in ("x", "made"):
        (tmp_path / f".{name}.tmp").mkdir()
    write_text(tmp_path / "x", "new")
    with atomic_folder(tmp_path / "made") as staged:
        (staged / "file").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "x"]
    named = pytest.raises(OSError, match="x: another process is writing here")
    with locked(tmp_path / "x"), named, locked(tmp_path / "x", 0):
        pass


@pytest.mark.parametrize("value", [{1, 2}, "\ud800", b"x"])
def test_a_config_that_json_cannot_hold_is_refused_first(value: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="config: not for a JSON file"):
        save_bundle(tmp_path / "b", "kind-1", {"x": value}, {})
    assert not list(tmp_path.iterdir())


def test_text_is_packed_if_its_name_says_so(tmp_path: Path) -> None:
    write_text(tmp_path / "x.gz", "é\n")
    assert gzip.decompress((tmp_path / "x.gz").read_bytes()) == "é\n".encode()


def test_a_bundle_does_not_replace_one_of_another_kind(tmp_path: Path) -> None:
    save_bundle(tmp_path, "kind-1", {"x": 1}, {})
    with pytest.raises(ValueError, match="'kind-2' in a folder of its own"):
        save_bundle(tmp_path, "kind-2", {}, {})
    assert load_bundle(tmp_path, "kind-1") == ({"x": 1}, {})


@pytest.mark.parametrize("manifest", ["[]", "3", "{}", "[" * 100_000, '{"kind": "kind-1"}'])
def test_a_manifest_of_any_other_form_is_refused(tmp_path: Path, manifest: str) -> None:
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(ValueError, match="not a manifest of amer-lite"):
        load_bundle(tmp_path, "kind-1")


def test_a_changed_config_is_noticed(tmp_path: Path) -> None:
    labels = {i: f"label {i}" for i in range(12)}  # integer keys become strings in JSON
    save_bundle(tmp_path, "kind-1", {"metric": "cosine", "labels": labels, "sizes": (1, 2)}, {})
    assert load_bundle(tmp_path, "kind-1")[0]["sizes"] == [1, 2]
    manifest = tmp_path / "manifest.json"
    manifest.write_text(manifest.read_text().replace("cosine", "ip"))
    with pytest.raises(ValueError, match="checksum of the config differs"):
        load_bundle(tmp_path, "kind-1")


@pytest.mark.parametrize("name", ["text", "text.gz"])
def test_text_is_read_with_a_mark_or_without_plain_or_packed(name: str, tmp_path: Path) -> None:
    text = "é\r\n\n日本\u2028\x0b\nlast"
    (tmp_path / "plain").write_bytes(text.encode("utf-8-sig"))
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) + gzip.compress(b"\nend"))
    lines = [(1, "é\r\n"), (2, "\n"), (3, "日本\u2028\x0b\n"), (4, "last")]
    assert list(text_lines(tmp_path / "plain")) == lines
    assert list(text_lines(tmp_path / name)) == [*lines[:3], (4, "last\n"), (5, "end")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\nb\xe9\n", "line 2: 'utf-8' codec.*save the file as UTF-8"),  # Latin-1
        ("a\nb".encode("utf-16"), "line 1: a NUL"),
        ("a\nb".encode("utf-16-le"), "line 1: a NUL"),
        (b"a\n\xed\xa0\x80\n", "line 2: 'utf-8' codec"),  # a lone surrogate
        (PACKED[:-9], r"line \d+: .*fetch it again"),
        (PACKED[:15] + b"\xff" + PACKED[16:], r"line \d+: .*fetch it again"),
        (PACKED + b"no gzip", r"line 199: .*fetch it again"),
        (gzip.compress(b"a\n" + b"b" * (1 << 21), mtime=0), "line 2: no line .* longer than 1 MiB"),
    ],
)
def test_what_is_no_text_is_named_with_its_line(
    content: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_LONGEST", 1 << 20)
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path / 'x'}, ") + message):
        list(text_lines(tmp_path / "x"))
