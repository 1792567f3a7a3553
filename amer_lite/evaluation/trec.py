"""Runs and qrels as the files that TREC tools read.

Writers raise ValueError on what the formats cannot hold: an id or tag that is empty or has white
space in it, a query without documents. Readers raise FileNotFoundError, and ValueError with file
and line number on a malformed line and on a document that stands twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from amer_lite.datasets.types import Example, Run
from amer_lite.storage import write_text


def write_run(path: str | Path, run: Run, tag: str) -> None:
    """Write ``query Q0 document rank score tag`` lines, atomically.

    TREC tools order by score and ignore the rank, so the scores are n, n - 1, …, 1: strictly
    decreasing, and exact in single precision. A query must rank something.
    """
    lines = []
    for query, ranking in run.rankings.items():
        if not ranking:
            raise ValueError(f"query {query!r} ranks no document: a TREC run cannot hold that")
        for position, doc in enumerate(ranking):
            place = f"{position + 1} {len(ranking) - position}"  # rank and score
            lines.append(f"{_word(query)} Q0 {_word(doc)} {place} {_word(tag)}\n")
    write_text(Path(path), "".join(lines))


def read_run(path: str | Path) -> Run:
    """Read a TREC run; equal scores are ordered as trec_eval does, by document id downwards."""
    scored: dict[str, dict[str, float]] = {}
    for place, (query, _, doc, _, score, _) in _lines(Path(path), 6):
        documents = scored.setdefault(query, {})
        if doc in documents:
            raise ValueError(f"{place}: document {doc!r} stands twice for query {query!r}")
        documents[doc] = _number(score, float, place)
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


def read_qrels(path: str | Path) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Read qrels as ``{query id: golds}``, the golds as `Example` takes them.

    Lines of one query with the same second column are one answer, except that 0 and Q0 make each
    document an answer of its own. Lines with a relevance of 0 or less are left out, and with them a
    query that has no others.
    """
    golds: dict[str, dict[str, dict[str, None]]] = {}
    for place, (query, column, doc, relevance) in _lines(Path(path), 4):
        if _number(relevance, int, place) > 0:
            answer = f"document {doc}" if column in ("0", "Q0") else column
            golds.setdefault(query, {}).setdefault(answer, {})[doc] = None
    return {query: tuple(map(tuple, answers.values())) for query, answers in golds.items()}


def _word(text: str) -> str:
    if text.split() != [text]:
        raise ValueError(f"{text!r} is empty or has white space in it: TREC files cannot hold that")
    return text


def _lines(path: Path, columns: int) -> Iterator[tuple[str, list[str]]]:
    """``("file:line", fields)`` of every line that is not blank."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if fields := line.split():
                if (n := len(fields)) != columns:
                    raise ValueError(f"{path}:{number}: expected {columns} columns, found {n}")
                yield f"{path}:{number}", fields


def _number(text: str, kind: Callable[[str], float], place: str) -> float:
    with suppress(ValueError):
        if math.isfinite(value := kind(text)):
            return value
    raise ValueError(f"{place}: expected a finite number, found {text!r}")
