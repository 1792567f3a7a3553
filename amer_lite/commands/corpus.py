"""Passages line by line: a corpus of any size passes through, and never stands in memory."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from amer_lite.datasets.files import Document, read_jsonl, read_lines
from amer_lite.storage import atomic_path


class Passage(NamedTuple):
    """One document of a corpus; ``where`` says in words in which file and line it stands."""

    id: str
    title: str
    text: str
    where: str

    @property
    def plain(self) -> str:
        """Title and text with every white space made plain: no trace of who prepared the file."""
        return " ".join(f"{self.title} {self.text}".split())


def read(pattern: str) -> Iterator[Passage]:
    """The passages of all files that match, in the order of their names.

    A line of JSON is ``{"id", "text"}`` with or without ``"title"``, or as in QAMPARI's chunks
    ``{"id", "contents", "meta": {"title", "content"}}``. A ``.tsv`` file begins with a line that
    names its columns: ``id``, ``text`` and, if it likes, ``title``.

    Raises:
        FileNotFoundError: no file matches.
        ValueError: a line that is none of these, or a passage without words.
    """
    at = Path(pattern)
    files = sorted(path for path in at.parent.glob(at.name) if path.is_file())
    if not files:
        raise FileNotFoundError(f"{pattern}: no such file; check corpus (now in {Path.cwd()})")
    for path in files:
        tsv = ".tsv" in path.suffixes
        for passage in _tsv(path) if tsv else _json(path):
            if not passage.plain:
                raise ValueError(f"{passage.where}: passage {passage.id!r} is blank; drop it")
            yield passage


def _json(path: Path) -> Iterator[Passage]:
    for where, document in read_jsonl(path, Document):
        yield Passage(document.id, document.title or "", document.text, where)


def _tsv(path: Path) -> Iterator[Passage]:
    columns: list[str] = []
    for number, line in read_lines(path):
        where, cells = f"{path}, line {number}", line.rstrip("\r\n").split("\t")
        if not columns:
            columns = cells
            if not {"id", "text"} <= set(columns):
                raise ValueError(f"{where}: {columns}; the first line must name id and text")
            continue
        if len(cells) != len(columns):
            raise ValueError(f"{where}: {len(cells)} cells, but the columns are {columns}")
        row = dict(zip(columns, cells, strict=True))
        yield Passage(row["id"], row.get("title", ""), row["text"], where)


def select(
    passages: Iterable[Passage], wanted: Callable[[Passage], bool], sample: int, seed: int
) -> tuple[list[Passage], list[Passage]]:
    """All wanted passages, and a uniform sample of the others (Vitter's algorithm R)."""
    chosen: list[Passage] = []
    others: list[Passage] = []
    rng, seen = random.Random(seed), 0
    for passage in passages:
        if wanted(passage):
            chosen.append(passage)
            continue
        seen += 1
        if len(others) < sample:
            others.append(passage)
        elif (place := rng.randrange(seen)) < sample:
            others[place] = passage
    return chosen, others


def write_chunks(path: Path, passages: Iterable[Passage]) -> None:
    """Write passages in the form of QAMPARI's chunks, atomically."""
    with atomic_path(path) as staged, gzip.open(staged, "wt", encoding="utf-8") as file:
        for doc, title, text, _ in passages:
            line = {"id": doc, "contents": text, "meta": {"title": title, "content": text}}
            file.write(json.dumps(line) + "\n")
