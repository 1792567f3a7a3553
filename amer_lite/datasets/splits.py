"""Leak-safe splits: what is alike never parts.

A test query is only evidence if nothing like it was trained on. Two examples are *alike* when their
normalised queries are equal, or when their gold sets overlap with a Jaccard index of at least 0.8
(a synonym with the same senses, a paraphrase with the same answers). Likeness is closed under
chains, and a whole group of like examples goes to one split.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from amer_lite.datasets.types import Example

JACCARD = Fraction(4, 5)  # exact: in floats, ceil(0.8 * 35) is 29
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
class Likeness:
    """Which examples are alike: per example its query class and its gold-set class."""

    queries: list[int]
    golds: list[int]
    overlaps: list[tuple[int, int]]  # pairs of gold-set classes

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Likeness:
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
    return Likeness.of(examples).groups() if examples else []


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
