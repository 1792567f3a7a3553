"""Runs and qrels as the files that TREC tools read.

Writers raise ValueError on what the formats cannot hold: an id or tag that is empty, has white
space, NUL or half a surrogate pair in it, or begins with a byte-order mark. Readers take UTF-8,
plain or gzip; they raise FileNotFoundError, and ValueError with file and line number on a malformed
line and on a document that stands twice.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from amer_lite.datasets.types import Example, Run
from amer_lite.storage import text_lines, write_text

_FLOAT = r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?"


def write_run(path: str | Path, run: Run, tag: str) -> None:
    """Write ``query Q0 document rank score tag`` lines, atomically.

    TREC tools order by score and ignore the rank, so the scores are n, n - 1, …, 1. Queries that
    rank nothing are left out, with a warning: measures count what a run does not hold as zero.
    """
    lines = []
    if empty := [query for query, ranking in run.rankings.items() if not ranking]:
        said = f"{path}: {len(empty)} queries rank no document, such as {empty[0]!r}; left out"
        warnings.warn(said, stacklevel=2)
    for query, ranking in run.rankings.items():
        for position, doc in enumerate(ranking):
            place = f"{position + 1} {len(ranking) - position}"  # rank and score
            lines.append(f"{_word(query)} Q0 {_word(doc)} {place} {_word(tag)}\n")
    write_text(Path(path), "".join(lines))


def read_run(path: str | Path) -> Run:
    """Read a TREC run, ordered as trec_eval does: scores as float32, ties by id downwards."""
    scored: dict[str, dict[str, float]] = {}
    for place, (query, _, doc, _, score, _) in _lines(Path(path), 6):
        documents = scored.setdefault(query, {})
        if doc in documents:
            raise ValueError(f"{place}: document {doc!r} stands twice for query {query!r}")
        documents[doc] = float(np.float32(_number(score, _FLOAT, place)))
    ranked = {
        query: sorted(found, key=lambda doc: (found[doc], doc), reverse=True)
        for query, found in scored.items()
    }
    return Run(ranked)


def write_qrels(path: str | Path, examples: Sequence[Example]) -> None:
    """Write ``query answer document 1`` lines, atomically.

    The second column is the number of the answer from 1, as in TREC's diversity tasks; it is 0, as
    in plain qrels, for a query whose answers all have one document.
    """
    lines = []
    for example in examples:
        plain = all(len(answer) == 1 for answer in example.golds)
        for number, answer in enumerate(example.golds, start=1):
            place = f"{_word(example.id)} {0 if plain else number}"
            lines += [f"{place} {_word(doc)} 1\n" for doc in answer]
    write_text(Path(path), "".join(lines))


def read_qrels(
    path: str | Path, *, clusters: bool = False
) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Read qrels as ``{query id: golds}``, the golds as `Example` takes them.

    Every document is an answer of its own. With ``clusters`` those of one query with the same
    second column are one answer, as `write_qrels` writes them, unless it is 0 or Q0; elsewhere that
    column may hold anything, such as TREC-COVID's rounds. Lines with a relevance of 0 or less are
    left out, and with them a query that has no others.
    """
    golds: dict[str, dict[str, dict[str, None]]] = {}
    judged: set[tuple[str, ...]] = set()
    for place, (query, column, doc, relevance) in _lines(Path(path), 4):
        answer = column if clusters and column not in ("0", "Q0") else f"document {doc}"
        if (query, answer, doc) in judged:
            said = f"{place}: document {doc!r} stands twice for query {query!r}"
            raise ValueError(said + ("" if clusters else "; is its second column one of clusters?"))
        judged.add((query, answer, doc))
        if _number(relevance, r"[-+]?\d+", place) > 0:
            golds.setdefault(query, {}).setdefault(answer, {})[doc] = None
    return {query: tuple(map(tuple, answers.values())) for query, answers in golds.items()}


def _word(text: str) -> str:
    whole = text.encode(errors="ignore").decode("utf-8-sig")  # as it would be read
    if text.split() != [text] or whole != text or "\0" in text:
        said = "is empty, or has white space in it or what UTF-8 does not keep"
        raise ValueError(f"{text!r} {said}: TREC files cannot hold that")
    return text


def _lines(path: Path, columns: int) -> Iterator[tuple[str, list[str]]]:
    """``("file, line n", fields)`` of every line that is not blank."""
    for number, line in text_lines(path):
        if fields := re.findall(r"\S+", line, re.ASCII):  # trec_eval's white space
            place = f"{path}, line {number}"
            if (n := len(fields)) != columns:
                raise ValueError(f"{place}: expected {columns} columns, found {n}")
            yield place, fields


def _number(text: str, form: str, place: str) -> float:
    value = float(text) if re.fullmatch(form, text, re.ASCII | re.IGNORECASE) else np.nan
    if not abs(value) < 3.4e38:  # float32's
        raise ValueError(f"{place}: expected a finite number, found {text!r}")
    return value
