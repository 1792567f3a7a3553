"""The value types that everyone shares: an example, a data set, a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Example:
    """One query with the unordered set of its gold documents.

    ``golds`` is a sequence of answers. An answer is a document id, or a sequence of document ids
    when any of several passages proves it (QAMPARI). Repeated ids and repeated answers are dropped:
    a model must never be asked to emit one document twice.

    Attributes:
        id: unique within its data set.
        query: the text.
        golds: one tuple of document ids per answer, in first-seen order.

    Raises:
        ValueError: empty id or query, no golds, or an empty answer.
    """

    id: str
    query: str
    golds: tuple[tuple[str, ...], ...]

    def __init__(self, id: str, query: str, golds: Sequence[str | Sequence[str]]) -> None:
        if not id:
            raise ValueError("Example: empty id; give every query an id of its own")
        if not query.strip():
            raise ValueError(f"Example {id!r}: empty query text")
        if isinstance(golds, str):
            raise ValueError(f"Example {id!r}: golds is a single str {golds!r}; pass a list of ids")
        clusters: dict[frozenset[str], tuple[str, ...]] = {}
        for answer in golds:
            cluster = (answer,) if isinstance(answer, str) else tuple(dict.fromkeys(answer))
            if not cluster or not all(isinstance(doc, str) and doc for doc in cluster):
                raise ValueError(f"Example {id!r}: an answer without a document id in {golds!r}")
            clusters.setdefault(frozenset(cluster), cluster)
        if not clusters:
            raise ValueError(f"Example {id!r}: empty gold set; drop the query or give it golds")
        object.__setattr__(self, "id", id)
        object.__setattr__(self, "query", query)
        object.__setattr__(self, "golds", tuple(clusters.values()))

    @property
    def gold_ids(self) -> tuple[str, ...]:
        """All gold document ids, each once, answers in order."""
        return tuple(dict.fromkeys(doc for answer in self.golds for doc in answer))


@dataclass(frozen=True)
class Dataset:
    """A corpus ``{document id: text}`` and named splits of examples over it.

    Raises:
        ValueError: a gold id that is not in the corpus, an empty document text, or a query id that
            stands twice.
    """

    name: str
    corpus: Mapping[str, str]
    splits: Mapping[str, Sequence[Example]]
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for doc, text in self.corpus.items():
            if not text.strip():
                raise ValueError(f"{self.name}: document {doc!r} has an empty text")
        seen: set[str] = set()
        for split, examples in self.splits.items():
            for example in examples:
                if example.id in seen:
                    raise ValueError(f"{self.name}/{split}: query id {example.id!r} stands twice")
                seen.add(example.id)
                for doc in example.gold_ids:
                    if doc not in self.corpus:
                        raise ValueError(
                            f"{self.name}/{split}: gold {doc!r} of query {example.id!r} "
                            f"is not among the {len(self.corpus)} documents of the corpus"
                        )

    def examples(self) -> Iterator[Example]:
        """All examples of all splits, in order."""
        for split in self.splits.values():
            yield from split


@dataclass(frozen=True)
class Run:
    """Ranked document ids per query, best first: ``{query id: [document id, …]}``.

    Raises:
        ValueError: a document that stands twice in one ranking.
    """

    rankings: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        for query, ranking in self.rankings.items():
            if len(set(ranking)) != len(ranking):
                twice = next(doc for doc in ranking if list(ranking).count(doc) > 1)
                raise ValueError(f"Run: query {query!r} ranks document {twice!r} more than once")
