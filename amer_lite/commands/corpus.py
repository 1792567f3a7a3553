"""Passages line by line: a corpus of any size passes through, and never stands in memory."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

from amer_lite.datasets.files import Document, read_jsonl, read_lines, validated


def read(pattern: str) -> Iterator[Document]:
    """The passages of all files that match, in the order of their names.

    A line of JSON is a `Document`, as it is in QAMPARI's chunks too. A ``.tsv`` file begins with a
    line that names its columns: ``id``, ``text`` and, if it likes, ``title``.

    FileNotFoundError if no file matches; ValueError names a line that is neither.
    """
    at = Path(pattern)
    files = sorted(path for path in at.parent.glob(at.name) if path.is_file())
    if not files:
        raise FileNotFoundError(f"{pattern}: no such file; check corpus (now in {Path.cwd()})")
    for path in files:
        if ".tsv" in path.suffixes:
            yield from _rows(path)
        else:
            yield from (passage for _, passage in read_jsonl(path, Document))


def _rows(path: Path) -> Iterator[Document]:
    columns: list[str] = []
    for number, line in read_lines(path):
        where, cells = f"{path}, line {number}", line.rstrip("\r\n").split("\t")
        columns = columns or cells
        if len(cells) != len(columns):
            raise ValueError(f"{where}: {len(cells)} cells, but the columns are {columns}")
        if number > 1:
            row = dict(zip(columns, cells, strict=True))
            yield validated(Document.model_validate, row, where)


def plain(passage: Document) -> str:
    """Title and text with every white space made plain: no trace of who prepared the file."""
    return " ".join(f"{passage.title or ''} {passage.text}".split())


def is_odd(passage: Document) -> bool:
    """Title or text has white space that is made plain."""
    return " ".join(filter(None, (passage.title, passage.text))) != plain(passage)


def select(
    pattern: str, wanted: Callable[[Document], bool], sample: int, seed: int
) -> tuple[list[Document], list[Document]]:
    """All wanted passages, and a uniform sample of the others (Vitter's algorithm R)."""
    chosen: list[Document] = []
    others: list[Document] = []
    rng, seen = random.Random(seed), 0
    for passage in read(pattern):
        if wanted(passage):
            chosen.append(passage)
            continue
        seen += 1
        if len(others) < sample:
            others.append(passage)
        elif (place := rng.randrange(seen)) < sample:
            others[place] = passage
    return chosen, others
