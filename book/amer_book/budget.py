"""What rivals do with a larger budget than one search, and which systems are worth their cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from amer_lite.search.index import Rows, Vectors


def mmr(relevance: Vectors, similar: Vectors, k: int, lam: float) -> Rows:
    """Maximal marginal relevance (Carbonell and Goldstein 1998): places of the k chosen, in order.

    Each turn takes the candidate of greatest λ · relevance − (1 − λ) · its greatest similarity to
    what has been taken, of equals the first; the first turn the most relevant.

    Args:
        relevance: (n,) and ``similar``: (n, n), of the candidates of one query.
        lam: λ in [0, 1]; at 1 the order is that of relevance.
    """
    if not 0 <= lam <= 1:
        raise ValueError(f"mmr: lambda {lam!r} must lie in [0, 1]; 1 keeps the order of relevance")
    chosen = [int(relevance.argmax())]
    near = similar[chosen[0]].copy()
    open_ = np.zeros(len(relevance), np.float32)
    while len(chosen) < min(k, len(relevance)):
        open_[chosen[-1]] = -np.inf
        best = int((lam * relevance - (1 - lam) * near + open_).argmax())
        chosen.append(best)
        np.maximum(near, similar[best], out=near)
    return np.array(chosen)


def rocchio(vectors: Vectors, found: Vectors, weight: float) -> Vectors:
    """Pseudo-relevance feedback: the queries (Q, d) moved towards what they found (Q, n, d).

    ``weight`` ≥ 0 is that of the mean of the n, against 1 of the query; L2-normalised.
    """
    if weight < 0:
        raise ValueError(f"rocchio: weight {weight!r} must not be negative")
    moved = vectors + weight * found.mean(1)
    return moved / np.linalg.norm(moved, axis=-1, keepdims=True)


def sub_queries(answer: str, most: int = 5) -> list[str]:
    """The lines of a language model's answer, without bullets and numbers, each once.

    Raises:
        ValueError: there is none.
    """
    lines = (
        re.sub(r"^\s*(?:[-*•]|\d+[.):])*\s*", "", line).strip(' "') for line in answer.split("\n")
    )
    found = list(dict.fromkeys(line for line in lines if any(map(str.isalnum, line))))
    if not found:
        said = "holds no sub-query; search with the query itself"
        raise ValueError(f"sub_queries: the answer {answer!r} {said}")
    return found[:most]


class Point(NamedTuple):
    """A system: lower cost and higher quality are better."""

    cost: float
    quality: float


def pareto(systems: Mapping[str, Point]) -> list[str]:
    """The systems that no other one beats, cheapest first.

    One beats another if it is no worse in cost and quality, and better in one of them.
    """
    found: list[str] = []
    for name, point in sorted(systems.items(), key=lambda s: (s[1].cost, -s[1].quality)):
        if not found or point.quality > systems[found[-1]].quality or point == systems[found[-1]]:
            found.append(name)
    return found


def affordable(systems: Mapping[str, Point], budget: float) -> str:
    """The best system whose cost is within the budget, of equals the cheapest."""
    within = {name: point for name, point in systems.items() if point.cost <= budget}
    if not within:
        name, point = min(systems.items(), key=lambda s: s[1].cost)
        raise ValueError(
            f"no system meets a budget of {budget:g}; the cheapest, {name}, costs {point.cost:g}"
        )
    return max(within, key=lambda name: (within[name].quality, -within[name].cost))
