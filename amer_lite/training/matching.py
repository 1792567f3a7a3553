"""Which emitted vector answers for which gold document, and the losses that follow.

A gold *set* has no order, so before a loss can be computed every gold needs a vector. A *pairing*
decides that from similarities alone, without gradients, and returns indices. The losses then
gather the pairs once and make a single ``cross_entropy`` or ``mse_loss`` call; nothing loops over
examples in the differentiable part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

Pairing = Literal["hungarian", "complete", "coverage", "ordered"]


class Pairs(NamedTuple):
    """P pairs: vector ``vector[p]`` of example ``example[p]`` answers for its gold ``gold[p]``.

    Three int64 tensors of shape (P,), sorted by example.
    """

    example: Tensor
    vector: Tensor
    gold: Tensor


def match(similarity: Tensor, gold_mask: Tensor | None = None) -> Pairs:
    """One-to-one assignment of greatest total similarity within each example (Kuhn 1955).

    With fewer vectors than golds some golds stay without a vector, with more some vectors without
    a gold: min(m, number of golds) pairs an example. As long as every vector gets a gold, raw
    similarities give the same answer as log-probabilities, which differ from them by a constant in
    each row. With vectors to spare they need not: similarities keep the vectors nearest to the
    golds, log-probabilities the most confident ones.

    Args:
        similarity: (B, m, n) float, vector i of an example against its gold j; no gradient flows.
        gold_mask: (B, n) bool, True where a gold is real; None if all are.

    Raises:
        ValueError: wrong shapes, an example without golds, NaN or infinite similarities.
    """
    mask = _check_similarity(similarity, gold_mask)
    scores = similarity.detach().double().cpu().numpy()  # one transfer for the whole batch
    valid = mask.cpu().numpy()
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for score, real in zip(scores, valid, strict=True):
        golds = np.flatnonzero(real)
        if len(golds) < len(real):
            score = score[:, golds]
        i, j = linear_sum_assignment(score, maximize=True)
        found.append((i, golds[j]))
    sizes = torch.tensor([len(i) for i, _ in found])
    vector, gold = (torch.from_numpy(np.concatenate(part)) for part in zip(*found, strict=True))
    example = torch.arange(len(found)).repeat_interleave(sizes)
    return Pairs(*(index.to(similarity.device) for index in (example, vector, gold)))


def complete(similarity: Tensor, gold_mask: Tensor | None = None) -> Pairs:
    """:func:`match`, and each vector that it leaves over with its most similar gold: m pairs.

    A vector without a gold is trained by nothing, and yet its list is merged with the others.

    Arguments and errors as for :func:`match`.
    """
    matched = match(similarity, gold_mask)
    spare = torch.ones(similarity.shape[:2], dtype=torch.bool, device=similarity.device)
    spare[matched.example, matched.vector] = False
    example, vector = spare.nonzero(as_tuple=True)
    reachable = similarity.detach()
    if gold_mask is not None:
        reachable = reachable.masked_fill(~gold_mask[:, None], -torch.inf)
    pairs = zip(matched, (example, vector, reachable[example, vector].argmax(1)), strict=True)
    example, vector, gold = (torch.cat(both) for both in pairs)
    order = example.argsort(stable=True)
    return Pairs(example[order], vector[order], gold[order])


def cover(similarity: Tensor, gold_mask: Tensor | None = None) -> Pairs:
    """Each gold with its most similar vector; one vector may answer for several golds.

    Arguments and errors as for :func:`match`.
    """
    mask = _check_similarity(similarity, gold_mask)
    example, gold = mask.nonzero(as_tuple=True)
    return Pairs(example, similarity.detach().argmax(1)[example, gold], gold)


def pair_in_order(similarity: Tensor, gold_mask: Tensor | None = None) -> Pairs:
    """Vector i with gold i as far as both exist: no matching, the golds' order is taken as given.

    Arguments and errors as for :func:`match`.
    """
    mask = _check_similarity(similarity, gold_mask)
    both = min(similarity.shape[1:])
    example, gold = mask[:, :both].nonzero(as_tuple=True)
    return Pairs(example, gold, gold)


_PAIRINGS: dict[str, Callable[[Tensor, Tensor | None], Pairs]] = {
    "hungarian": match,
    "complete": complete,
    "coverage": cover,
    "ordered": pair_in_order,
}


def set_info_nce(
    vectors: Tensor,
    golds: Tensor,
    gold_mask: Tensor | None = None,
    *,
    pairing: Pairing = "hungarian",
    masked: bool = False,
    gold_ids: Tensor | None = None,
    negatives: Tensor | None = None,
    negative_ids: Tensor | None = None,
    temperature: float = 0.05,
) -> Tensor:
    """InfoNCE over paired vectors and golds: mean of −log softmax(v·d / temperature) over pairs.

    The candidates of every vector are all golds of the batch and the extra negatives. With ids,
    each document stands among them once, however often the batch holds it; without ids every gold
    counts as a document of its own.

    Args:
        vectors: (B, m, d) float, usually L2-normalised.
        golds: (B, n, d) float document embeddings, padded where ``gold_mask`` is False.
        gold_mask: (B, n) bool; None if all are real.
        pairing: ``hungarian`` (the paper), ``complete`` (the same, and every vector to spare with
            its best gold), ``coverage`` (each gold by its best vector) or ``ordered`` (gold i by
            vector i).
        masked: leave the *other* golds of the same example out of the denominator. The paper keeps
            them (False); its authors added the masked form later.
        gold_ids: (B, n) int64 document ids ≥ 0, distinct within an example.
        negatives: (N, d) float extra candidates.
        negative_ids: (N,) int64, needed where both ``negatives`` and ``gold_ids`` are given.
        temperature: > 0.

    Returns:
        Scalar loss, differentiable in vectors, golds and negatives.

    Raises:
        ValueError: wrong shapes, an empty gold set, non-finite values (rows are named), a
            temperature ≤ 0, ids without their partner, or nothing to contrast with.

    Source: arXiv 2511.02770, section 3; InfoNCE of arXiv 1807.03748.
    """
    mask = _check_sets(vectors, golds, gold_mask)
    if not temperature > 0:
        raise ValueError(f"temperature must be > 0, got {temperature}")
    pairs = _pair(pairing, torch.einsum("bmd,bnd->bmn", vectors.detach(), golds.detach()), mask)
    documents, column = _candidates(golds, mask, gold_ids, negatives, negative_ids)
    rows = vectors[pairs.example, pairs.vector] / temperature  # (P, d): cheaper than on (P, C)
    logits = rows @ documents.T
    target = column[pairs.example, pairs.gold]
    own = column[pairs.example]
    if masked:
        pair, other = ((own >= 0) & (own != target[:, None])).nonzero(as_tuple=True)
        logits[pair, own[pair, other]] = -torch.inf
    # Where nothing remains beside an example's own golds, its loss is a silent zero.
    taken = (own >= 0).sum(1) if masked else torch.ones_like(target)
    if (taken >= len(documents)).all():
        raise ValueError("nothing to contrast with: give negatives or a batch of several examples")
    return F.cross_entropy(logits, target)


def single_info_nce(
    vectors: Tensor,
    golds: Tensor,
    gold_mask: Tensor | None = None,
    *,
    masked: bool = False,
    gold_ids: Tensor | None = None,
    negatives: Tensor | None = None,
    negative_ids: Tensor | None = None,
    temperature: float = 0.05,
) -> Tensor:
    """The classic contrastive loss of a single-vector retriever, averaged over all golds.

    Args:
        vectors: (B, d) float, one a query. Everything else as for :func:`set_info_nce`.
    """
    if vectors.ndim != 2:
        raise ValueError(f"vectors: expected (B, d), got {tuple(vectors.shape)}")
    return set_info_nce(
        vectors[:, None],
        golds,
        gold_mask,
        pairing="coverage",
        masked=masked,
        gold_ids=gold_ids,
        negatives=negatives,
        negative_ids=negative_ids,
        temperature=temperature,
    )


def set_mse(
    vectors: Tensor,
    golds: Tensor,
    gold_mask: Tensor | None = None,
    *,
    pairing: Pairing = "hungarian",
) -> Tensor:
    """Mean squared error of paired vectors and golds; pairs are chosen by squared distance.

    Args and errors as for :func:`set_info_nce`.
    """
    mask = _check_sets(vectors, golds, gold_mask)
    with torch.no_grad():
        distance = torch.cdist(vectors.float(), golds.masked_fill(~mask[..., None], 0).float())
    pairs = _pair(pairing, -distance.square(), mask)
    return F.mse_loss(vectors[pairs.example, pairs.vector], golds[pairs.example, pairs.gold])


def _pair(pairing: str, similarity: Tensor, mask: Tensor) -> Pairs:
    if pairing not in _PAIRINGS:
        raise ValueError(f"pairing {pairing!r} is unknown; choose one of {', '.join(_PAIRINGS)}")
    return _PAIRINGS[pairing](similarity, mask)


def _candidates(
    golds: Tensor,
    mask: Tensor,
    gold_ids: Tensor | None,
    negatives: Tensor | None,
    negative_ids: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The distinct documents (C, d) of a batch and each gold's column (B, n), −1 = padding."""
    documents = golds[mask]
    column = torch.full(mask.shape, -1, device=golds.device)
    count = len(documents)
    if negatives is not None:
        if negatives.ndim != 2 or negatives.shape[1] != golds.shape[2]:
            raise ValueError(
                f"negatives: expected (N, {golds.shape[2]}), got {tuple(negatives.shape)}"
            )
        _check_finite(negatives, "negatives")
        documents = torch.cat([documents, negatives])
    if gold_ids is None:
        if negative_ids is not None:
            raise ValueError("negative_ids without gold_ids: give both or neither")
        column[mask] = torch.arange(count, device=golds.device)
        return documents, column
    if gold_ids.shape != mask.shape or gold_ids.dtype != torch.int64:
        raise ValueError(
            f"gold_ids: expected int64 {tuple(mask.shape)}, "
            f"got {gold_ids.dtype} {tuple(gold_ids.shape)}"
        )
    padding = -1 - torch.arange(mask.shape[1], device=mask.device)
    ordered = torch.where(mask, gold_ids, padding).sort(1).values
    repeats = (ordered[:, 1:] == ordered[:, :-1]).any(1)
    if repeats.any():
        rows = repeats.nonzero().flatten().tolist()[:10]
        raise ValueError(f"gold_ids: a document stands twice in rows {rows}; a set has no copies")
    ids = gold_ids[mask]
    if negatives is not None:
        if negative_ids is None or negative_ids.shape != negatives.shape[:1]:
            raise ValueError(
                f"negatives and gold_ids are given: negative_ids ({len(negatives)},) too"
            )
        ids = torch.cat([ids, negative_ids])
    distinct, place = torch.unique(ids, return_inverse=True)
    order = torch.arange(len(ids), device=ids.device)
    first = order.new_full((len(distinct),), len(ids)).scatter_reduce(0, place, order, "amin")
    column[mask] = place[:count]
    return documents[first], column


def _check_similarity(similarity: Tensor, gold_mask: Tensor | None) -> Tensor:
    if similarity.ndim != 3 or 0 in similarity.shape:
        raise ValueError(f"similarity: expected non-empty (B, m, n), got {tuple(similarity.shape)}")
    batch, _, n = similarity.shape
    mask = _check_mask(gold_mask, batch, n, similarity.device)
    _check_finite(similarity.masked_fill(~mask[:, None], 0), "similarity")
    return mask


def _check_sets(vectors: Tensor, golds: Tensor, gold_mask: Tensor | None) -> Tensor:
    if vectors.ndim != 3 or 0 in vectors.shape:
        raise ValueError(f"vectors: expected non-empty (B, m, d), got {tuple(vectors.shape)}")
    batch, _, dim = vectors.shape
    if golds.ndim != 3 or golds.shape[0] != batch or golds.shape[2] != dim or 0 in golds.shape:
        raise ValueError(f"golds: expected ({batch}, n ≥ 1, {dim}), got {tuple(golds.shape)}")
    _check_finite(vectors, "vectors")
    return _check_mask(gold_mask, batch, golds.shape[1], golds.device)


def _check_mask(gold_mask: Tensor | None, batch: int, n: int, device: torch.device) -> Tensor:
    if gold_mask is None:
        return torch.ones(batch, n, dtype=torch.bool, device=device)
    if gold_mask.shape != (batch, n) or gold_mask.dtype != torch.bool:
        raise ValueError(
            f"gold_mask: expected bool ({batch}, {n}), "
            f"got {gold_mask.dtype} {tuple(gold_mask.shape)}"
        )
    empty = (~gold_mask.any(1)).nonzero().flatten().tolist()
    if empty:
        raise ValueError(f"gold_mask: empty gold set in rows {empty[:10]}; drop these examples")
    return gold_mask


def _check_finite(values: Tensor, name: str) -> None:
    if not torch.isfinite(values).all():
        bad = (~torch.isfinite(values.flatten(1)).all(1)).nonzero().flatten().tolist()
        raise ValueError(f"{name}: NaN or infinite values in rows {bad[:10]}")
