"""Fixed transformations that make golds of queries: random rotations, and networks of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import polar
from scipy.special import ndtr

Vectors = NDArray[np.float32]


def linear_golds(queries: Vectors, transforms: Vectors) -> Vectors:
    """T·x for every query x and transformation T: (Q, g, d) float32, as long as the queries.

    Args:
        queries: (Q, d) float32.
        transforms: (g, d, d) float32, orthogonal; else ValueError.
    """
    _check(queries, transforms)
    return transformed(linear, queries, transforms)


def mlp_golds(queries: Vectors, transforms: Vectors) -> Vectors:
    """R·GELU(R·GELU(R·x)) for every query x and transformation R; see :func:`linear_golds`."""
    _check(queries, transforms)
    return transformed(mlp, queries, transforms)


def linear(x: Vectors, turn: Vectors) -> Vectors:
    """T·x for each row of ``x (Q, d)``."""
    return x @ turn.T


def mlp(x: Vectors, turn: Vectors) -> Vectors:
    """R·GELU(R·GELU(R·x)) for each row of ``x (Q, d)``, with the exact GELU."""
    return _gelu(_gelu(x @ turn.T) @ turn.T) @ turn.T


def transformed(
    apply: Callable[[Vectors, Vectors], Vectors], queries: Vectors, transforms: Vectors
) -> Vectors:
    """All transformations of all queries, (Q, g, d), unchecked."""
    return np.stack([apply(queries, turn) for turn in transforms], axis=1)


def _gelu(x: Vectors) -> Vectors:
    return x * ndtr(x)


def rotation(dim: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """A rotation drawn uniformly (Haar): QR of a Gaussian matrix, determinant +1; (dim, dim)."""
    q, r = np.linalg.qr(rng.standard_normal((dim, dim)))
    q *= np.sign(np.diag(r))  # without it, QR prefers some rotations (Mezzadri 2007)
    if np.linalg.slogdet(q)[0] < 0:
        q[:, 0] *= -1
    return q


def orthogonal_rotations(dim: int, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Random rotations whose Frobenius products ⟨A, B⟩ = tr(AᵀB) are zero; (count, dim, dim).

    Each is drawn at random, then in turns cleared of its overlap with the ones before and moved to
    the nearest orthogonal matrix, until both hold. ValueError if ``dim`` is too small for so many.
    """
    found = np.empty((0, dim, dim))
    for _ in range(20 * count):
        if len(found) == count:
            return found
        candidate = rotation(dim, rng)
        for _ in range(100):
            overlap = np.einsum("kij,ij->k", found, candidate) / dim
            if np.abs(overlap).max(initial=0) < 1e-7:
                if np.linalg.slogdet(candidate)[0] > 0:
                    found = np.concatenate([found, candidate[None]])
                break
            candidate = polar(candidate - np.tensordot(overlap, found, 1))[0]
    if len(found) == count:
        return found
    raise ValueError(
        f"orthogonal_rotations: found {len(found)} of {count} mutually orthogonal rotations in "
        f"{dim} dimensions; take more dimensions or fewer golds"
    )


def _check(queries: Vectors, transforms: Vectors) -> None:
    if queries.ndim != 2 or transforms.shape[1:] != (queries.shape[1],) * 2:
        raise ValueError(
            "queries (Q, d) and transforms (g, d, d) expected, "
            f"got {queries.shape} and {transforms.shape}"
        )
    for number, turn in enumerate(transforms):
        if not (error := np.abs(turn @ turn.T - np.eye(len(turn))).max()) < 1e-4:
            raise ValueError(f"transforms[{number}] is not orthogonal: T·Tᵀ is off by {error:.2g}")
