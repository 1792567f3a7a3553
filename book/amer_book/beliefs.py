"""Beliefs (see `amer_lite.evaluation.rivals`) that come from a merge, and their mixtures."""

from __future__ import annotations

import numpy as np

from amer_lite.evaluation.rivals import Belief
from amer_lite.search.merge import Merged


def as_belief(merged: Merged, documents: int) -> Belief:
    """What a merge by probability says, as far as it was fetched."""
    belief = np.zeros((len(merged.rows), documents + 1), np.float32)
    np.put_along_axis(belief, merged.rows, np.where(merged.rows < 0, 0, merged.scores), axis=1)
    return belief[:, :-1]  # padding, row −1, has gone to the last column


def mix(one: Belief, other: Belief, share: float) -> Belief:
    """(1 − share) · one + share · other: interpolation as in kNN-LM (arXiv 1911.00172)."""
    return (1 - share) * one + np.float32(share) * other
