"""Natural worlds whose parts are implied: what their loaders share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from amer_lite.datasets.splits import split
from amer_lite.datasets.types import Dataset, Example

LARGEST = 0.2  # see `splits.split`: a family of more than a fifth of the test trains


def over_families(
    world: str,
    queries: Iterable[tuple[str, str, Sequence[str], str]],
    texts: Mapping[str, str],
    source: str,
    limits: tuple[int, int],
    seed: int,
    fractions: Mapping[str, float],
    like_golds_part: bool = False,
) -> Dataset:
    """A data set of those queries (id, text, golds, family) whose number of golds is in ``limits``.

    The corpus is their golds. ``seed`` is that of the split. A family never parts, nor do queries
    of (nearly) the same golds, unless ``like_golds_part``.

    Raises:
        ValueError: not 1 <= min_golds <= max_golds, no such query, or too few families to split.
    """
    least, most = limits
    if not 1 <= least <= most:
        raise ValueError(f"{world}: need 1 <= min_golds <= max_golds, got {least} and {most}")
    kept = [query for query in queries if least <= len(set(query[2])) <= most]
    if not kept:
        raise ValueError(f"{world}: no query has {least} to {most} golds")
    examples = {q: Example(q, text, golds) for q, text, golds, _ in kept}
    families = {q: family for q, _, _, family in kept}
    tied = [Example(q, text, [q] if like_golds_part else golds) for q, text, golds, _ in kept]
    used = sorted({doc for example in examples.values() for doc in example.gold_ids})
    if lost := [doc for doc in used if doc not in texts]:
        raise ValueError(f"{world}: gold {lost[0]!r} has no text")
    try:
        parts = split(tied, fractions, seed, families, LARGEST)
    except ValueError as error:
        number = len({*families.values()})
        remedy = "ask for other limits or fractions"
        raise ValueError(f"{world}: {number} families, {error}; {remedy}") from error
    return Dataset(
        f"{world}-{least}-{most}",
        {doc: texts[doc] for doc in used},
        {name: [examples[e.id] for e in part] for name, part in parts.items()},
        source,
    )
