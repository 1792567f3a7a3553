"""When has a model said enough? Rules for the number of vectors, and a guarantee for any of them.

A rule gives a *count* for each query, (Q,) int64 from 1 to M: so many vectors, the first ones, are
searched with. Rules that have a threshold take it last; a greater one means fewer vectors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amer_lite.search import merge
from amer_lite.search.index import Rows, Scores

Counts = NDArray[np.int64]
Numbers = NDArray[np.float64]


def log_rule(queries: Sequence[str], most: int) -> Counts:
    """max(1, min(M, log₂ n)), rounded down, with the number of words as n.

    MIND (arXiv 1904.08030) gives a user of n clicks so many interests. A query has no clicks; its
    words are known before anything is decoded.
    """
    words = np.array([len(query.split()) for query in queries])
    return np.clip(np.log2(words).astype(np.int64), 1, most)


class StopHead:
    """Ridge regression from the first vector to what n lists gain over one: a linear stop head.

    Args:
        vectors: (H, d), first vectors of queries that the model was not trained on.
        quality: (H, M), what the first n lists are worth for each of them.
        strength: of the ridge.
    """

    def __init__(self, vectors: Numbers, quality: Numbers, strength: float = 10.0) -> None:
        x, gain = _with_one(vectors), quality - quality[:, :1]
        self.weights = np.linalg.solve(x.T @ x + strength * np.eye(x.shape[1]), x.T @ gain)

    def __call__(self, vectors: Numbers, price: float) -> Counts:
        """The count of greatest expected gain, where each list after the first costs ``price``."""
        gain = _with_one(vectors) @ self.weights
        return 1 + (gain - price * np.arange(gain.shape[1])).argmax(1)


def gains(scores: Scores, rows: Rows, k: int, tau: float) -> Numbers:
    """What each list adds: (Q, M) probability, of the first list all that its top k hold.

    With n lists the belief is their mixture. Its top k hold a probability; the top k of n − 1 lists
    hold, under the same belief, at most as much. List n has added the difference, so a list that
    changes nobody's place in the top k adds nothing.

    Args:
        scores, rows: (Q, M, depth), as merges read them.
        k, tau: of the merged list; temperature of each list's softmax.
    """
    share = np.exp((scores - scores[:, :, :1]) / tau)
    share /= share.sum(2, keepdims=True)
    added = [share[:, 0, :k].sum(1)]
    before = merge.mixture(scores[:, :1], rows[:, :1], k, tau)
    for n in range(2, rows.shape[1] + 1):
        after = merge.mixture(scores[:, :n], rows[:, :n], k, tau)
        same = before.rows[:, :, None] == rows[:, None, n - 1]  # (Q, k, depth)
        now = ((n - 1) * before.scores.sum(1) + (same * share[:, None, n - 1]).sum((1, 2))) / n
        added.append(after.scores.sum(1) - now)
        before = after
    return np.stack(added, 1).astype(np.float64)


def until_nothing(added: Numbers, least: float) -> Counts:
    """The first list that adds less than ``least`` is the last: it had to be fetched to be seen."""
    nothing = added[:, 1:] < least
    return np.where(nothing.any(1), 2 + nothing.argmax(1), added.shape[1])


def p_value(losses: Numbers, allowed: float) -> Numbers:
    """P-value of "the mean loss is above ``allowed``", for losses (…, Q) between −1 and 1.

    Bet on each query that its loss is lower. If the claim is true no bet gains on average, so that
    a wealth of 1/p is reached with a probability of at most p, whatever the number of queries
    (Waudby-Smith and Ramdas, arXiv 2010.09686). Here it is the mean of nineteen sizes of bet.
    """
    return np.exp(-np.logaddexp.reduce(log_wealth(losses, allowed).sum(-2), -1) + np.log(len(BETS)))


BETS = np.arange(1, 20) / 20


def log_wealth(losses: Numbers, allowed: float) -> Numbers:
    """What each query adds to the log of each bet's wealth: (…, Q, bets)."""
    return np.log1p(BETS * (allowed - losses[..., None]))


def certified(p_values: ArrayLike, error: float = 0.05) -> int:
    """How many settings are certified, of a path that begins with the safest.

    Learn then Test (Angelopoulos et al. 2021, arXiv 2110.01052) with a fixed sequence: test one
    after the other at the full level, stop at the first that fails. That any of those before it
    breaks the promise has a probability of at most ``error``.
    """
    passes = np.asarray(p_values) <= error
    return len(passes) if passes.all() else int(passes.argmin())


def redraw(lost: Numbers, size: int, allowed: float, draws: int = 1000) -> Counts:
    """(draws,): how many settings are certified on each of so many samples of ``size`` queries.

    ``lost``: (settings, Q) losses of a path; queries are drawn with replacement.
    """
    generator = np.random.default_rng(0)
    queries = lost.shape[1]
    times = generator.multinomial(size, np.full(queries, 1 / queries), draws)  # (draws, Q)
    log = times @ log_wealth(lost, allowed)  # (settings, draws, bets)
    p_values = np.exp(np.log(log.shape[2]) - np.logaddexp.reduce(log, 2))
    return np.array([certified(some) for some in p_values.T])


def _with_one(vectors: Numbers) -> Numbers:
    return np.column_stack([np.ones(len(vectors)), vectors])
