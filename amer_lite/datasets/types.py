"""The value types that everyone shares: an example, a data set, a run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain


def _plain(text: object) -> bool:
    """A str that is not blank and can be written (no lone surrogates)."""
    if not isinstance(text, str) or not text.strip():
        return False
    return text.isascii() or text.encode(errors="ignore").decode() == text


@dataclass(frozen=True, init=False)
class Example:
    """One query with the unordered set of its gold documents.

    A gold is an answer: a document, or several of which any proves it (QAMPARI). Repeated documents
    and answers are dropped: a model must never be asked to emit one document twice. ValueError for
    an id or a query that is blank or no plain text, no golds, or an empty answer.
    """

    id: str  # unique within its data set
    query: str
    golds: tuple[tuple[str, ...], ...]

    def __init__(self, id: str, query: str, golds: Sequence[str | Sequence[str]]) -> None:
        if not (_plain(id) and _plain(query)):
            raise ValueError(f"Example {id!r}: empty id or empty query text {query!r}, or no str")
        if isinstance(golds, str):
            raise ValueError(f"Example {id!r}: golds is a single str {golds!r}; pass a list")
        answers: dict[frozenset[str], tuple[str, ...]] = {}
        for gold in golds:
            answer = (gold,) if isinstance(gold, str) else tuple(gold)
            if not answer or not all(map(_plain, answer)):
                raise ValueError(f"Example {id!r}: an answer without a document id in {golds!r}")
            answers.setdefault(frozenset(answer), tuple(dict.fromkeys(answer)))
        if not answers:
            raise ValueError(f"Example {id!r}: empty gold set; drop the query or give it golds")
        for name, value in (("id", id), ("query", query), ("golds", tuple(answers.values()))):
            object.__setattr__(self, name, value)

    @property
    def gold_ids(self) -> tuple[str, ...]:
        """All gold document ids, each once, answers in order."""
        return tuple(dict.fromkeys(chain.from_iterable(self.golds)))


@dataclass(frozen=True)
class Dataset:
    """A corpus ``{document id: text}`` and named splits of examples over it.

    ValueError for a document that is blank or no plain text, a gold that is not in the corpus, a
    query id given twice, a name of a split that could not be one of a file.
    """

    name: str
    corpus: Mapping[str, str]
    splits: Mapping[str, Sequence[Example]]
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for doc, text in self.corpus.items():
            if not (_plain(doc) and _plain(text)):
                said = f"document {doc!r} has an empty text, or no str: {text!r:.60}"
                raise ValueError(f"{self.name}: {said}")
        for split in self.splits:
            if not _plain(split) or not re.fullmatch(r"[^./\\:\s][^/\\:\x00-\x1f]*", split):
                raise ValueError(f"{self.name}: {split!r} cannot name a split; try one like 'test'")
        for query, times in Counter(example.id for example in self.examples()).items():
            if times > 1:
                raise ValueError(f"{self.name}: query id {query!r} stands twice")
        for example in self.examples():
            if lost := [doc for doc in example.gold_ids if doc not in self.corpus]:
                raise ValueError(f"{self.name}: gold {lost[0]!r} of {example.id!r} is no document")

    def examples(self) -> Iterator[Example]:
        return chain.from_iterable(self.splits.values())


@dataclass(frozen=True)
class Run:
    """Ranked document ids per query id, best first.

    ValueError for an id that is empty or no str, a ranking without an order (a str, a set, a dict),
    or one that has a document twice.
    """

    rankings: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        lists: dict[str, Sequence[str]] = {}
        for query, ranking in self.rankings.items():
            lists[query] = found = list(ranking)
            ordered = not isinstance(ranking, str | set | frozenset | dict)
            if not ordered or not all(isinstance(name, str) and name for name in (query, *found)):
                raise ValueError(f"Run: query {query!r}: no list of document ids: {ranking!r:.60}")
            if len(set(found)) != len(found):
                twice = Counter(found).most_common(1)[0][0]
                raise ValueError(f"Run: query {query!r} ranks document {twice!r} more than once")
        object.__setattr__(self, "rankings", lists)
