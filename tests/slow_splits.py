"""Likeness of examples as plain loops over all pairs: oracle and yardstick."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from amer_lite.datasets.splits import normalise_text
from amer_lite.datasets.types import Example


def alike(one: Example, other: Example) -> bool:
    a, b = set(one.gold_ids), set(other.gold_ids)
    return normalise_text(one.query) == normalise_text(other.query) or 5 * len(a & b) >= 4 * len(
        a | b
    )


def groups(examples: Sequence[Example]) -> list[int]:
    label = list(range(len(examples)))
    for i, j in itertools.combinations(range(len(examples)), 2):
        if alike(examples[i], examples[j]):
            label = [label[i] if value == label[j] else value for value in label]
    return label
