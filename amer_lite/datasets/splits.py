"""Leak-safe splits, and an audit that looks for leaks in any data set.

A test query is only evidence if nothing like it was trained on. Two examples are *alike* when their
normalised queries are equal, or when their gold sets overlap with a Jaccard index of at least 0.8
(a synonym with the same senses, a paraphrase with the same answers). Likeness is closed under
chains, and a whole group of like examples goes to one split.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from itertools import combinations

import numpy as np

from amer_lite.types import Dataset, Example

JACCARD = Fraction(4, 5)  # exact: in floats, ceil(0.8 * 35) is 29
SIGNIFICANT = 0.001  # level of the audit's white-space tests
CASES = 5  # cases that the audit quotes for a finding
_SURFACE = {
    "leading white space": re.compile(r"\A\s"),
    "trailing white space": re.compile(r"\s\Z"),
    "double space": re.compile(r"\S\s{2,}\S"),
    "tab, line break or other odd space": re.compile(r"[^\S ]"),
}
FRACTIONS: Mapping[str, float] = {"train": 0.8, "dev": 0.1, "test": 0.1}


class _Punctuation(dict[int, str]):
    """A ``str.translate`` table, filled as characters turn up: punctuation becomes a space."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = " " if unicodedata.category(character).startswith("P") else character
        return self[code]


_PUNCTUATION = _Punctuation()


def normalise(text: str) -> str:
    """``text`` in NFKC, case-folded, every run of punctuation and white space one space.

    Symbols (``+``, ``$``) stay; a text of nothing but punctuation keeps it, so that two different
    ones do not become equal.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.translate(_PUNCTUATION).split()) or " ".join(folded.split())


def fingerprint(text: str) -> str:
    """12 hex digits that name ``text`` by its content: texts equal once normalised share them."""
    return hashlib.sha256(normalise(text).encode()).hexdigest()[:12]


def _classes(keys: Iterable[Hashable]) -> list[int]:
    """Equal keys get equal numbers, counted from 0 in the order of first sight."""
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(key, len(numbers)) for key in keys]


def _overlapping(sets: Sequence[frozenset[str]]) -> list[tuple[int, int]]:
    """All pairs ``i < j`` of *different* sets with a Jaccard index of at least ``JACCARD``.

    Prefix filtering (Chaudhuri et al., ICDE 2006; Bayardo et al., WWW 2007): sets so alike share
    one of their few rarest members, so only those are indexed and all-pairs work is never done.
    """
    uses: dict[str, int] = defaultdict(int)
    for members in sets:
        for member in members:
            uses[member] += 1
    holders: dict[str, list[int]] = defaultdict(list)
    pairs = []
    for j, members in enumerate(sets):
        rarest = sorted(members, key=lambda member: (uses[member], member))
        candidates = set()
        for member in rarest[: len(members) - math.ceil(JACCARD * len(members)) + 1]:
            candidates.update(holders[member])
            holders[member].append(j)
        for i in candidates:
            common = len(members & sets[i])
            union = len(members) + len(sets[i]) - common
            if common * JACCARD.denominator >= JACCARD.numerator * union:
                pairs.append((i, j))
    return sorted(pairs)


@dataclass(frozen=True)
class _Likeness:
    """Which examples are alike: per example its query class and its gold-set class."""

    queries: list[int]
    golds: list[int]
    overlaps: list[tuple[int, int]]  # pairs of gold-set classes

    @classmethod
    def of(cls, examples: Sequence[Example]) -> _Likeness:
        sets = [frozenset(example.gold_ids) for example in examples]
        return cls(
            _classes(normalise(example.query) for example in examples),
            _classes(sets),
            _overlapping(list(dict.fromkeys(sets))),
        )

    def groups(self) -> list[int]:
        """A group number per example: connected components of likeness."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        n = len(self.queries)
        query, gold = n, n + max(self.queries) + 1  # nodes: examples, query classes, gold classes
        edges = [(i, query + c) for i, c in enumerate(self.queries)]
        edges += [(i, gold + c) for i, c in enumerate(self.golds)]
        edges += [(gold + a, gold + b) for a, b in self.overlaps]
        rows, columns = np.array(edges).T
        size = gold + max(self.golds) + 1
        graph = coo_array((np.ones(len(edges), dtype=np.int8), (rows, columns)), (size, size))
        _, labels = connected_components(graph, directed=False)
        return [int(label) for label in labels[:n]]


def groups(examples: Sequence[Example]) -> list[int]:
    """A group number per example; examples that are alike, even by a chain, share it."""
    return _Likeness.of(examples).groups() if examples else []


def split(
    examples: Sequence[Example],
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
) -> dict[str, list[Example]]:
    """Share ``examples`` out so that like examples (see the module) never part.

    The groups are shuffled; each goes to the split that is furthest below its target. The result
    depends on the examples, the fractions and the seed alone, not on the order of the examples.

    Args:
        examples: with unique ids.
        fractions: name to share, each positive, summing to 1.
        seed: of the shuffle.

    Returns:
        name to examples, these in the order in which they came; every example exactly once.

    Raises:
        ValueError: no examples, an id that stands twice, bad fractions, or too few groups to give
            every split one.
    """
    if not examples:
        raise ValueError("split: no examples; give at least one a split")
    if not fractions or not all(0 < share <= 1 for share in fractions.values()):
        raise ValueError(f"split: fractions must be positive, got {dict(fractions)}")
    if not math.isclose(sum(fractions.values()), 1, abs_tol=1e-9):
        raise ValueError(
            f"split: fractions must sum to 1, got {dict(fractions)} = {sum(fractions.values())}"
        )
    members: dict[int, list[int]] = defaultdict(list)
    seen: set[str] = set()
    for i, group in enumerate(groups(examples)):
        if examples[i].id in seen:
            raise ValueError(f"split: query id {examples[i].id!r} stands twice")
        seen.add(examples[i].id)
        members[group].append(i)

    ordered = sorted(members.values(), key=lambda group: min(examples[i].id for i in group))
    chosen: dict[str, list[int]] = {name: [] for name in fractions}
    for g in np.random.default_rng(seed).permutation(len(ordered)):
        # round(): equal rests must tie exactly, and ties go to the first name
        neediest = max(
            chosen, key=lambda name: round(fractions[name] * len(examples) - len(chosen[name]), 6)
        )
        chosen[neediest] += ordered[g]
    empty = [name for name, rows in chosen.items() if not rows]
    if empty:
        raise ValueError(
            f"split: nothing left for {empty}: {len(examples)} examples form {len(ordered)} groups "
            f"that must stay whole, for {dict(fractions)}; give more examples or larger fractions"
        )
    return {name: [examples[i] for i in sorted(rows)] for name, rows in chosen.items()}


@dataclass(frozen=True)
class Finding:
    """How often a fault was found, and the first few cases in words."""

    count: int = 0
    examples: tuple[str, ...] = ()

    @classmethod
    def of(cls, cases: Sequence[str]) -> Finding:
        """Count all ``cases``, quote the first few."""
        return cls(len(cases), tuple(cases[:CASES]))

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
        return [n for n, f in self.findings.items() if f.count and n != "repeated_queries"]

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
    likeness = _Likeness.of(examples)
    near: dict[int, list[int]] = defaultdict(list)  # gold-set class to the classes that it overlaps
    for a, b in likeness.overlaps:
        near[a].append(b)
        near[b].append(a)

    leaked_queries: list[str] = []
    leaked_golds: list[str] = []
    repeated_queries: list[str] = []
    by_query: dict[int, dict[str, int]] = defaultdict(dict)  # class to {split: first example}
    by_golds: dict[int, dict[str, int]] = defaultdict(dict)
    for i, example in enumerate(examples):
        query, golds = likeness.queries[i], likeness.golds[i]
        twins = {s: j for c in (golds, *near[golds]) for s, j in by_golds[c].items()}
        for found, leaks in ((by_query[query], leaked_queries), (twins, leaked_golds)):
            if earlier := next((s for s in found if s != where[i]), None):
                twin = examples[found[earlier]]
                leaks.append(
                    f"{where[i]} {example.id!r} {example.query!r} is like "
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
        repeated_queries=Finding.of(repeated_queries),
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
