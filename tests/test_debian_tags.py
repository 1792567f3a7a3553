"""Pairs of package tags: small texts in the true formats, and this machine's packages if any."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from amer_book.worlds import debian_tags

from amer_lite.datasets.audit import audit

VOCABULARY = """\
Facet: implemented-in
Description: Implemented in
 What language the software is written in

Tag: implemented-in::python
Description: Python

Tag: implemented-in::c
Status: draft
Description: C

Facet: network
Description: Networking

Tag: network::server
Description: Server
 A server: it serves.
 .
 Tag: not a field, for the line begins with a space

Tag: network::TODO
Description: Need an extra tag

Facet: use
Description: Purpose

Tag: use::editing
Description: Editing

Tag: use::gameplaying
Description: Game Playing
"""
STANZA = """\
Package: {}
Version: 1.0-1
Depends: libc6 (>= 2.34), python3:any
Description: {}
Description-md5: d943033bedada21853d2ae54a2578a7b
Tag: role::program, use::editing,
 x11::application
Section: editors

"""
PY, C, NET = "implemented-in::python", "implemented-in::c", "network::server"
EDIT, PLAY = "use::editing", "use::gameplaying"
PHRASES = {
    PY: "written in Python", C: "written in C", NET: "for Networking: Server",
    EDIT: "for Editing", PLAY: "for Game Playing",
}  # fmt: skip
# Package to description and tags.
PACKAGES = {
    "alpha": ("an editor", f"{PY}, {EDIT}, {NET}"),
    "beta": ("a second editor", f"{EDIT}, {PY}, role::unheard-of, {PLAY}"),
    "gamma": ("a game of chess", f"{PLAY}, {C}, {EDIT}"),
    "delta": ("a game  of Chess!", f"{PLAY}, {C}, {PY}"),  # the same document as gamma
    "thin": ("a shell", f"{PY}, {EDIT}"),
    "served": ("a web server", f"{NET}, {C}, {PY}"),
    "served-two": ("another web server", f"{NET}, {C}, {PY}"),
    "todo": ("a stub", f"{PY}, {EDIT}, network::TODO"),
}
HALVES = {"train": 0.5, "test": 0.5}


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with `PACKAGES`, whose ``apt-cache`` prints the file ``available``."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(debian_tags, "FOLDER", tmp_path)
    (tmp_path / "vocabulary").write_text(VOCABULARY)
    with gzip.open(tmp_path / "tags-current.gz", "wt") as file:
        file.writelines(f"{name}: {tags}\n" for name, (_, tags) in PACKAGES.items())
        file.write("gone: role::program\n")
    (tmp_path / "available").write_text(
        "".join(STANZA.format(name, text) for name, (text, _) in PACKAGES.items())
        + STANZA.format("untagged", "something else")
    )
    _apt(tmp_path, f'[ "$1 $LC_ALL" = "dumpavail C" ] && /bin/cat {tmp_path}/available')
    return tmp_path


def _apt(folder: Path, script: str) -> None:
    (folder / "bin/apt-cache").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "bin/apt-cache").chmod(0o755)


def test_pairs_of_tags(debian: Path) -> None:
    dataset = debian_tags.load(documents=None, fractions=HALVES)
    assert len(dataset.corpus) == 5  # gamma and delta are one; thin and todo have too few tags
    texts = {e.query: {*map(dataset.corpus.get, e.gold_ids)} for e in dataset.examples()}
    assert texts == {
        # not the game: one of its packages is written in Python, the other is an editor
        "software written in Python and for Editing": {"a second editor", "an editor"},
        "software written in C and for Networking: Server": {"a web server", "another web server"},
    }  # everything for Game Playing is for Editing too, so that pair asks for no more than one tag
    assert {e.id for e in dataset.examples()} == {f"p-{PY}+{EDIT}", f"p-{C}+{NET}"}
    assert "debtags" in dataset.source
    assert audit(dataset).clean


def test_sampling_documents(debian: Path) -> None:
    smaller, larger, other = (
        debian_tags.load(1, 2, documents, min_tags=2, seed=seed, fractions=HALVES).corpus
        for documents, seed in ((5, 0), (6, 0), (5, 3))
    )
    assert (len(smaller), len(larger)) == (5, 6)
    assert smaller.items() < larger.items() and other != smaller


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"min_golds": 3, "max_golds": 2}, "got 3, 2"),
        ({"documents": 6}, "documents <= 5 .*with 3 tags.*got 6"),
        ({"documents": None, "min_golds": 6}, "no pair of tags has 6 to 8 golds"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str, debian: Path) -> None:
    with pytest.raises(ValueError, match=message):
        debian_tags.load(**arguments)


def test_what_is_missing_or_broken_is_said_with_the_command(debian: Path) -> None:
    _apt(debian, "exit 0")
    with pytest.raises(FileNotFoundError, match="apt-get update"):
        debian_tags.load()
    _apt(debian, "echo no cache here >&2; exit 100")
    with pytest.raises(OSError, match="dumpavail` failed: no cache here"):
        debian_tags.load()
    for file, message in (("vocabulary", "install debtags"), ("bin/apt-cache", "Debian or Ubuntu")):
        (debian / file).unlink()
        with pytest.raises(FileNotFoundError, match=message):
            debian_tags.load()


def test_parsing_packages_and_tags() -> None:
    text = STANZA.format("a", "first  line\t") + "Package: b\nVersion: 2\n\n"
    text += "Package: c\nDescription-en: a thing: small\n long text\n Description: none\n\n"
    text += STANZA.format("a", "older version")
    found = debian_tags.parse_packages(text.split("\n"))
    assert found == {"a": "first line", "c": "a thing: small"}
    tags = debian_tags.parse_tags(["a: x::y, x::z:w\n", "\n", "b: x::y\n"])
    assert tags == {"a": ["x::y", "x::z:w"], "b": ["x::y"]}
    with pytest.raises(ValueError, match="no 'package: tags' in 'no colon'"):
        debian_tags.parse_tags(["no colon\n"])


def test_parsing_the_vocabulary() -> None:
    assert debian_tags.parse_vocabulary(VOCABULARY) == PHRASES
    with pytest.raises(ValueError, match="no label or no facet for 'use::editing'"):
        debian_tags.parse_vocabulary("Tag: use::editing\nDescription: Editing\n")
    with pytest.raises(ValueError, match="has no tag"):
        debian_tags.parse_vocabulary("<html>not found</html>")


def test_the_packages_of_this_machine() -> None:
    try:
        dataset = debian_tags.load()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert len(dataset.corpus) == 5_000
    assert sum(map(len, dataset.splits.values())) > 3_000  # 6,739 on Debian 12
    assert audit(dataset).clean
