"""Choosing settings: the same walk over the same ladders for everyone who is compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

P = TypeVar("P", bound=Any)  # a named tuple


def beside(point: P, ladders: Mapping[str, Sequence[Any]]) -> Iterator[P]:
    """The points one rung away, up or down one of the ladders; a ladder names a field of ``point``.

    Raises:
        ValueError: the point stands on no rung of a ladder.
    """
    for name, rungs in ladders.items():
        place = list(rungs).index(getattr(point, name))
        for other in (place - 1, place + 1):
            if 0 <= other < len(rungs):
                yield point._replace(**{name: rungs[other]})


def at_an_end(point: P, ladders: Mapping[str, Sequence[Any]]) -> list[str]:
    """The ladders of three rungs and more on whose first or last rung the point stands."""
    return [
        name
        for name, rungs in ladders.items()
        if len(rungs) > 2 and getattr(point, name) in (rungs[0], rungs[-1])
    ]


def climb(start: P, ladders: Mapping[str, Sequence[Any]], score: Callable[[P], float]) -> P:
    """Walk to a point that no point one rung away betters, and return it.

    It measures all points beside where it stands, then moves to the best of all measured so far:
    compass search (Hooke and Jeeves 1961). Of equals the first measured counts. Each point is
    measured once.
    """
    scores = {start: score(start)}
    best = start
    while True:
        for point in beside(best, ladders):
            if point not in scores:
                scores[point] = score(point)
        if max(scores.values()) <= scores[best]:
            return best
        best = max(scores, key=lambda point: scores[point])
