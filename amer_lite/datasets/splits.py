"""Leak-safe splits.

A test query is only evidence if nothing like it was trained on. Two examples are *alike* when their
normalised queries are equal, or when their gold sets overlap with a Jaccard index of at least 0.8,
as those of synonyms do. Likeness is closed under chains; a group of like examples never parts.
"""

from __future__ import annotations

import hashlib
import math
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cache, partial
from numbers import Integral

import numpy as np

from amer_lite.datasets.types import Example

JACCARD = Fraction(4, 5)  # exact: in floats, ceil(0.8 * 35) is 29
FRACTIONS: Mapping[str, float] = {"train": 0.8, "dev": 0.1, "test": 0.1}


@cache
def _punctuation() -> dict[int, str]:
    """A ``str.translate`` table that turns punctuation into spaces."""
    codes = range(sys.maxunicode + 1)
    return {code: " " for code in codes if unicodedata.category(chr(code)).startswith("P")}


def normalise_text(text: str) -> str:
    """``text`` in NFKC, case-folded, every run of punctuation and white space one space.

    Symbols (``+``, ``$``) stay, and so does punctuation in a text of nothing else.
    """
    nfkc = partial(unicodedata.normalize, "NFKC")
    folded = nfkc(nfkc(text).casefold())
    return " ".join(folded.translate(_punctuation()).split()) or " ".join(folded.split())


def fingerprint(text: str) -> str:
    """12 hex digits that name ``text`` by its content: texts equal once normalised share them."""
    return hashlib.sha256(normalise_text(text).encode()).hexdigest()[:12]


def overlaps(sets: Iterable[frozenset[str]]) -> list[tuple[frozenset[str], frozenset[str]]]:
    """All pairs of *different* sets with a Jaccard index of at least ``JACCARD``.

    Prefix filtering (Chaudhuri et al., ICDE 2006; Bayardo et al., WWW 2007): sets so alike share
    one of their few rarest members, so only those are indexed and all-pairs work is never done.
    """
    distinct = list(dict.fromkeys(sets))
    uses = Counter(member for members in distinct for member in members)
    holders: dict[str, list[int]] = defaultdict(list)
    pairs = []
    for j, members in enumerate(distinct):
        rarest = sorted(members, key=lambda member: (uses[member], member))
        candidates: set[int] = set()
        for member in rarest[: len(members) - math.ceil(JACCARD * len(members)) + 1]:
            candidates.update(holders[member])
            holders[member].append(j)
        for i in candidates:
            common, union = len(members & distinct[i]), len(members | distinct[i])
            if common * JACCARD.denominator >= JACCARD.numerator * union:
                pairs.append((i, j))
    return [(distinct[i], distinct[j]) for i, j in sorted(pairs)]


def groups(
    examples: Sequence[Example], families: Mapping[str, Hashable] | None = None
) -> list[Hashable]:
    """A label per example; examples that are alike, even by a chain, share it.

    An example joins its normalised query, its gold set and, if ``families`` (by query id) are
    given, its family; an overlap joins two gold sets.
    """
    from scipy.cluster.hierarchy import DisjointSet

    sets = [frozenset(example.gold_ids) for example in examples]
    queries = [normalise_text(example.query) for example in examples]
    kin: Sequence[Hashable] = queries
    if families is not None:
        kin = [("family", families[example.id]) for example in examples]
    joined: DisjointSet[Hashable] = DisjointSet([*queries, *sets, *kin])
    pairs: list[tuple[Hashable, Hashable]] = [*zip(queries, sets, strict=True), *overlaps(sets)]
    for one, other in [*pairs, *zip(queries, kin, strict=True)]:
        joined.merge(one, other)
    return [joined[query] for query in queries]


def split(
    examples: Sequence[Example],
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
    families: Mapping[str, Hashable] | None = None,
    largest: float = math.inf,
) -> dict[str, list[Example]]:
    """Share ``examples`` out, each once and in their order; like ones (see `groups`) never part.

    The groups are shuffled; each goes to the split that is furthest below its share, but one of
    several examples and more than ``largest`` times the smallest split to the first: else a large
    family can be most of a test. Who goes where does not depend on the order of the examples.
    KeyError: an example without a family, where ``families`` are given. ValueError: no examples,
    bad fractions, or too few groups to give every split one.
    """
    if not examples:
        raise ValueError("split: no examples")
    shares = fractions.values()
    if min(shares, default=0) <= 0 or not math.isclose(sum(shares), 1, abs_tol=1e-9):
        raise ValueError(f"split: fractions must be positive and sum to 1, got {dict(fractions)}")
    if not isinstance(seed, Integral) or seed < 0 or not largest > 0:
        raise ValueError(f"split: need int seed >= 0 and largest > 0, got {seed!r} and {largest!r}")
    members: dict[Hashable, list[int]] = defaultdict(list)
    for i, label in enumerate(groups(examples, families)):
        members[label].append(i)
    ordered = sorted(members.values(), key=lambda group: min(examples[i].id for i in group))
    chosen: dict[str, list[int]] = {name: [] for name in fractions}
    limit = max(1, largest * min(shares) * len(examples))
    shuffled = np.random.default_rng(seed).permutation(len(ordered))
    for g in sorted(shuffled, key=lambda g: len(ordered[g]) <= limit):  # the too large ones first
        # round(): equal rests must tie exactly, and ties go to the first name
        neediest = max(
            chosen, key=lambda name: round(fractions[name] * len(examples) - len(chosen[name]), 6)
        )
        chosen[neediest if len(ordered[g]) <= limit else next(iter(fractions))] += ordered[g]
    if empty := [name for name, rows in chosen.items() if not rows]:
        whole = f"{len(examples)} examples form {len(ordered)} groups that must stay whole"
        raise ValueError(f"split: nothing left for {empty}: {whole}")
    return {name: [examples[i] for i in sorted(rows)] for name, rows in chosen.items()}
