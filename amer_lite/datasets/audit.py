"""An audit that looks in any data set for what makes its retrieval figures meaningless.

Leaks between splits are judged by the likeness of :mod:`amer_lite.datasets.splits`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import combinations

import numpy as np

from amer_lite.datasets.splits import Likeness, normalise
from amer_lite.datasets.types import Dataset, Example

SIGNIFICANT = 0.001  # level of the audit's white-space tests
CASES = 5  # cases that the audit quotes for a finding
_SURFACE = {
    "leading white space": re.compile(r"\A\s"),
    "trailing white space": re.compile(r"\s\Z"),
    "double space": re.compile(r"\S\s{2,}\S"),
    "tab, line break or other odd space": re.compile(r"[^\S ]"),
}


@dataclass(frozen=True)
class Finding:
    """How often something was found, and the first few cases in words.

    Attributes:
        count: of the cases.
        examples: the first few.
        fault: they falsify an evaluation; False for what is only to be reported.
    """

    count: int = 0
    examples: tuple[str, ...] = ()
    fault: bool = True

    @classmethod
    def of(cls, cases: Sequence[str], fault: bool = True) -> Finding:
        """Count all ``cases``, quote the first few."""
        return cls(len(cases), tuple(cases[:CASES]), fault)

    def rows(self, name: str) -> list[str]:
        """Lines of a table: the count under its name, then the cases."""
        title = f"  {name.replace('_', ' '):<20}{self.count:>8,}"
        return [title, *(f"    {case}" for case in self.examples)]


@dataclass(frozen=True)
class Audit:
    """What `audit` found; ``print`` it for a table.

    Attributes:
        name: of the data set.
        documents: number of documents in the corpus.
        queries: split to number of queries.
        leaked_queries: queries that also stand, normalised, in an earlier split.
        leaked_golds: queries whose gold set has a Jaccard index of at least 0.8 with one of an
            earlier split.
        shared_golds: queries with at least one gold of an earlier split, the leaked ones included.
            Most data sets have them, and a trained model gains from them: report their number.
        repeated_queries: queries like (either way) an earlier one of their own split. They make the
            sample smaller than it looks but favour no model, so `clean` leaves them out.
        repeated_documents: documents whose normalised text an earlier document has.
        repeated_golds: queries with two answers of equal normalised text: one asked for twice.
        white_space: surface features that tell golds from other documents.
    """

    name: str
    documents: int
    queries: Mapping[str, int]
    leaked_queries: Finding
    leaked_golds: Finding
    shared_golds: Finding
    repeated_queries: Finding
    repeated_documents: Finding
    repeated_golds: Finding
    white_space: Finding

    @property
    def findings(self) -> dict[str, Finding]:
        """All findings by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Finding)}

    @property
    def faults(self) -> list[str]:
        """Names of the findings that falsify an evaluation."""
        return [name for name, f in self.findings.items() if f.fault and f.count]

    @property
    def clean(self) -> bool:
        """True if there is no fault."""
        return not self.faults

    def __str__(self) -> str:
        sizes = ", ".join(f"{name} {count:,}" for name, count in self.queries.items())
        lines = [f"{self.name}: {self.documents:,} documents; queries: {sizes}"]
        for name, finding in self.findings.items():
            lines += finding.rows(name)
        verdict = "clean" if self.clean else "not clean: " + ", ".join(self.faults)
        return "\n".join([*lines, f"  {verdict}"])


def audit(dataset: Dataset) -> Audit:
    """Look for the leaks and duplicates that make retrieval figures meaningless.

    It cannot see *false negatives*, documents that answer a query without being its golds.
    """
    examples = list(dataset.examples())
    where = [name for name, members in dataset.splits.items() for _ in members]
    likeness = Likeness.of(examples)
    near: dict[int, list[int]] = defaultdict(list)  # gold-set class to the classes that it overlaps
    for a, b in likeness.overlaps:
        near[a].append(b)
        near[b].append(a)

    leaked_queries: list[str] = []
    leaked_golds: list[str] = []
    shared_golds: list[str] = []
    repeated_queries: list[str] = []
    by_query: dict[int, dict[str, int]] = defaultdict(dict)  # class to {split: first example}
    by_golds: dict[int, dict[str, int]] = defaultdict(dict)
    by_gold: dict[str, dict[str, int]] = defaultdict(dict)  # document to the same
    for i, example in enumerate(examples):
        query, golds = likeness.queries[i], likeness.golds[i]
        twins = {s: j for c in (golds, *near[golds]) for s, j in by_golds[c].items()}
        sharing = {s: j for doc in example.gold_ids for s, j in by_gold[doc].items()}
        for found, leaks, relation in (
            (by_query[query], leaked_queries, "is like"),
            (twins, leaked_golds, "is like"),
            (sharing, shared_golds, "shares a gold with"),
        ):
            if earlier := next((s for s in found if s != where[i]), None):
                twin = examples[found[earlier]]
                leaks.append(
                    f"{where[i]} {example.id!r} {example.query!r} {relation} "
                    f"{earlier} {twin.id!r} {twin.query!r}"
                )
        if where[i] in by_query[query] or where[i] in twins:
            j = by_query[query].get(where[i], twins.get(where[i], i))
            repeated_queries.append(
                f"{where[i]} {example.id!r} {example.query!r} repeats "
                f"{examples[j].id!r} {examples[j].query!r}"
            )
        by_query[query].setdefault(where[i], i)
        by_golds[golds].setdefault(where[i], i)
        for doc in example.gold_ids:
            by_gold[doc].setdefault(where[i], i)

    texts = {doc: normalise(text) for doc, text in dataset.corpus.items()}
    first: dict[str, str] = {}
    repeated_documents = [
        f"{doc!r} repeats {first[text]!r}: {dataset.corpus[doc][:60]!r}"
        for doc, text in texts.items()
        if first.setdefault(text, doc) != doc
    ]
    return Audit(
        name=dataset.name,
        documents=len(dataset.corpus),
        queries={name: len(members) for name, members in dataset.splits.items()},
        leaked_queries=Finding.of(leaked_queries),
        leaked_golds=Finding.of(leaked_golds),
        shared_golds=Finding.of(shared_golds, fault=False),
        repeated_queries=Finding.of(repeated_queries, fault=False),
        repeated_documents=Finding.of(repeated_documents),
        repeated_golds=Finding.of([case for e in examples if (case := _repeated_gold(e, texts))]),
        white_space=Finding.of(_white_space(dataset)),
    )


def _repeated_gold(example: Example, texts: Mapping[str, str]) -> str | None:
    """Two answers proved by different documents of the same text; passages of one answer may be."""
    holders: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for number, answer in enumerate(example.golds):
        for doc in answer:
            holders[texts[doc]].append((number, doc))
    for text, places in holders.items():
        for (one, doc), (other, twin) in combinations(places, 2):
            if one != other and doc != twin:
                return f"{example.id!r} {example.query!r}: {doc!r} and {twin!r} are {text[:60]!r}"
    return None


def _white_space(dataset: Dataset) -> list[str]:
    """Features of white space whose share differs between golds and other documents.

    A model need only learn the feature to find the golds. Fisher's exact test, two-sided.
    """
    from scipy.stats import fisher_exact

    golds = {doc for example in dataset.examples() for doc in example.gold_ids}
    sizes = [len(golds), len(dataset.corpus) - len(golds)]
    found = []
    for feature, pattern in _SURFACE.items():
        counts = [0, 0]
        for doc, text in dataset.corpus.items():
            counts[doc not in golds] += pattern.search(text) is not None
        table = np.array([counts, [n - c for n, c in zip(sizes, counts, strict=True)]])
        p = float(fisher_exact(table).pvalue)
        if p < SIGNIFICANT:
            found.append(
                f"{feature}: {counts[0]:,} of {sizes[0]:,} golds, "
                f"{counts[1]:,} of {sizes[1]:,} other documents (p = {p:.1g})"
            )
    return found
