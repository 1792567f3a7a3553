"""Which emitted vector answers for which gold document, and the losses that follow.

A gold *set* has no order: a *pairing* decides from similarities alone, without gradients, which
vector stands for which gold, and returns indices. The losses gather the pairs once: nothing loops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from amer_lite.model.checks import check_finite, check_mask, check_rows, check_shape
from amer_lite.model.prefix import check_golds
from amer_lite.training.config import Pairing


class Pairs(NamedTuple):
    """P pairs: vector ``vector[p]`` of example ``example[p]`` answers for its gold ``gold[p]``.

    Three int64 tensors (P,), sorted by example.
    """

    example: Tensor
    vector: Tensor
    gold: Tensor


def match(similarity: Tensor, gold_mask: Tensor | None = None) -> Pairs:
    """One-to-one assignment of greatest total similarity within each example (Kuhn 1955).

    An example has min(m, number of golds) pairs. If every vector gets a gold, similarities give the
    same answer as log-probabilities, which differ from them by a constant in each row; of vectors
    to spare, they keep those nearest to the golds, log-probabilities the most confident ones.

    Args:
        similarity: (B, m, n) float, vector i of an example against its gold j; no gradient flows.
        gold_mask: (B, n) bool, True where a gold is real; None if all are.

    ValueError: wrong shapes, an example without golds, NaN or infinite similarities.
    """
    mask = _mask(similarity, gold_mask)
    scores = similarity.detach().double().cpu().numpy()  # one transfer for the whole batch
    real = mask.cpu().numpy()
    order, sizes = np.argsort(~real, 1, kind="stable"), real.sum(1)  # real golds first
    scores = np.take_along_axis(scores, order[:, None], 2)
    rows = zip(scores, sizes.tolist(), strict=True)
    found = [linear_sum_assignment(score[:, :size], maximize=True) for score, size in rows]
    vector, place = (np.concatenate(part) for part in zip(*found, strict=True))
    example = np.arange(len(found)).repeat(sizes.clip(max=scores.shape[1]))
    pairs = example, vector, order[example, place]
    return Pairs(*(torch.from_numpy(index).to(similarity.device) for index in pairs))


def complete(similarity: Tensor, gold_mask: Tensor | None = None) -> Pairs:
    """:func:`match`, and each vector that it leaves over with its most similar gold: m pairs.

    A vector without a gold is trained by nothing, and yet its list is merged with the others.
    """
    matched = match(similarity, gold_mask)
    mask = _mask(similarity, gold_mask)
    gold = similarity.detach().masked_fill(~mask[:, None], -torch.inf).argmax(2)  # (B, m)
    gold[matched.example, matched.vector] = matched.gold
    spare = torch.ones_like(gold, dtype=torch.bool)
    spare[matched.example, matched.vector] = False
    vector = spare.long().argsort(dim=1, stable=True)  # the matched ones first
    example = torch.arange(len(gold), device=gold.device).repeat_interleave(gold.shape[1])
    return Pairs(example, vector.flatten(), gold.gather(1, vector).flatten())


def coverage(similarity: Tensor, gold_mask: Tensor | None = None) -> Pairs:
    """Each gold with its most similar vector; one vector may answer for several golds."""
    example, gold = _mask(similarity, gold_mask).nonzero(as_tuple=True)
    return Pairs(example, similarity.detach().argmax(1)[example, gold], gold)


def ordered(similarity: Tensor, gold_mask: Tensor | None = None) -> Pairs:
    """Vector i with gold i as far as both exist: the golds' order is taken as given."""
    mask = _mask(similarity, gold_mask)[:, : similarity.shape[1]]
    example, gold = mask.nonzero(as_tuple=True)
    return Pairs(example, gold, gold)


_PAIRINGS: dict[str, Callable[[Tensor, Tensor | None], Pairs]] = {
    "hungarian": match,
    "complete": complete,
    "coverage": coverage,
    "ordered": ordered,
}


def usual_pairing(m: int) -> Pairing:
    """Of m vectors: one answers for all golds of its query, several share them out."""
    return "coverage" if m == 1 else "hungarian"


def set_info_nce(
    vectors: Tensor,
    golds: Tensor,
    gold_mask: Tensor | None = None,
    *,
    pairing: Pairing | None = None,
    masked: bool = False,
    gold_ids: Tensor | None = None,
    negatives: Tensor | None = None,
    negative_ids: Tensor | None = None,
    temperature: float = 0.05,
    check: bool = True,
) -> Tensor:
    """InfoNCE over paired vectors and golds: mean of −log softmax(v·d / temperature) over pairs.

    The candidates of every vector are all golds of the batch and the extra negatives: with ids,
    each document once, however often the batch holds it. All three have gradients.

    Args:
        vectors: (B, m, d) float, usually L2-normalised.
        golds: (B, n, d) float document embeddings, padded where ``gold_mask`` is False.
        gold_mask: (B, n) bool; None if all are real.
        pairing: ``hungarian`` (the paper; :func:`match`), :func:`complete`, :func:`coverage` or
            :func:`ordered`; None: that of :func:`usual_pairing`.
        masked: leave the *other* golds of the same example out of the denominator. The paper keeps
            them (False); its authors added the masked form later.
        gold_ids: (B, n) int64 document ids ≥ 0, distinct within an example.
        negatives: (N, d) float extra candidates.
        negative_ids: (N,) int64, needed where both ``negatives`` and ``gold_ids`` are given.
        temperature: > 0.
        check: look at values, not at shapes alone; see :meth:`amer_lite.model.amer.AMER.rollout`.

    ValueError: wrong shapes, an empty gold set, non-finite values (rows are named), ids without
    their partner, or nothing to contrast with.

    Source: arXiv 2511.02770, section 3; InfoNCE of arXiv 1807.03748.
    """
    mask = _check_sets(vectors, golds, gold_mask, values=check)
    similarity = torch.einsum("bmd,bnd->bmn", vectors.detach(), golds.detach())
    chosen = usual_pairing(vectors.shape[1]) if pairing is None else pairing
    if chosen not in [*_PAIRINGS]:
        raise ValueError(f"pairing {pairing!r} is unknown; choose one of {', '.join(_PAIRINGS)}")
    pairs = _PAIRINGS[chosen](similarity, mask)
    extra = {"gold_ids": gold_ids, "negatives": negatives, "negative_ids": negative_ids}
    documents, column = _candidates(golds, mask, masked, temperature, check, **extra)
    rows = vectors[pairs.example, pairs.vector] / temperature  # (P, d): cheaper than on (P, C)
    logits = rows @ documents.T
    target = column[pairs.example, pairs.gold]
    own = column[pairs.example]
    if masked:
        pair, other = ((own >= 0) & (own != target[:, None])).nonzero(as_tuple=True)
        logits[pair, own[pair, other]] = -torch.inf
    return _finite(F.cross_entropy(logits, target), check)


def single_info_nce(
    vectors: Tensor, golds: Tensor, gold_mask: Tensor | None = None, **options: Any
) -> Tensor:
    """The classic contrastive loss of a single-vector retriever, averaged over all golds.

    ``vectors`` are (B, d) float; all else is as in :func:`set_info_nce`, but for ``pairing``.
    """
    check_shape("vectors", vectors, ("B", "d"))
    return set_info_nce(vectors[:, None], golds, gold_mask, pairing="coverage", **options)


def mixture_info_nce(
    vectors: Tensor,
    log_weights: Tensor,
    golds: Tensor,
    gold_mask: Tensor | None = None,
    *,
    masked: bool = False,
    temperature: float = 0.05,
    check: bool = True,
    **extra: Tensor | None,
) -> Tensor:
    """Mean over golds of −log Σ_i w_i softmax_i(gold): the likelihood of a mixture of softmaxes.

    No pairing: every vector answers for every gold by its share of the mixture, as
    :func:`amer_lite.search.merge.mixture` ranks. Equal to :func:`single_info_nce` for m = 1.

    Args:
        log_weights: (B, m) float, see :class:`amer_lite.model.emission.Emission`.
        **extra: ``gold_ids``, ``negatives``, ``negative_ids``; these, all other arguments and
            the errors are those of :func:`set_info_nce`.

    Source: arXiv 1711.03953, over documents instead of words.
    """
    mask = _check_sets(vectors, golds, gold_mask, values=check)
    check_shape("log_weights", log_weights, vectors.shape[:2], vectors.dtype, vectors.device)
    if check:
        whole = log_weights.logsumexp(1).abs() < 1e-2
        check_rows(whole, "log_weights: the weights of a query do not sum to one")
    documents, column = _candidates(golds, mask, masked, temperature, check, **extra)
    logits = torch.einsum("bmd,cd->bmc", vectors / temperature, documents)
    target = column.clamp(min=0)[:, None].expand(-1, logits.shape[1], -1)  # (B, m, n)
    of_golds = logits.gather(2, target)
    if masked:  # of its own golds a softmax has one at a time
        own = torch.zeros_like(logits[:, 0], dtype=torch.bool)
        own[mask.nonzero(as_tuple=True)[0], column[mask]] = True
        total = logits.masked_fill(own[:, None], -torch.inf).logsumexp(2)[..., None]
        total = torch.logaddexp(total, of_golds)
    else:
        total = logits.logsumexp(2)[..., None]
    likelihood = (log_weights[..., None] + of_golds - total).logsumexp(1)  # (B, n)
    return _finite(-likelihood[mask].mean(), check)


def _finite(loss: Tensor, check: bool = True) -> Tensor:
    if check and not loss.isfinite():
        raise ValueError(f"loss is {loss}: too large vectors, or too low a temperature")
    return loss


def _candidates(
    golds: Tensor,
    mask: Tensor,
    masked: bool,
    temperature: float,
    check: bool,
    gold_ids: Tensor | None = None,
    negatives: Tensor | None = None,
    negative_ids: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The distinct documents (C, d) of a batch and each gold's column (B, n), −1 = padding."""
    if not 0 < temperature < torch.inf:
        raise ValueError(f"temperature must be > 0 and finite, got {temperature}")
    documents = golds[mask]
    column = torch.full(mask.shape, -1, device=golds.device)
    count = len(documents)
    if negatives is not None:
        check_shape("negatives", negatives, ("N", golds.shape[2]), golds.dtype, golds.device)
        if check:
            check_finite("negatives", negatives)
        documents = torch.cat([documents, negatives])
    if (negative_ids is None) == (negatives is not None and gold_ids is not None):
        raise ValueError("negative_ids are given if and only if negatives and gold_ids are")
    order = torch.arange(len(documents), device=golds.device)
    if gold_ids is None:
        column[mask] = order[:count]
    else:
        like = torch.int64, golds.device
        check_shape("gold_ids", gold_ids, mask.shape, *like)
        if check:
            equal = (gold_ids[:, :, None] == gold_ids[:, None]) & mask[:, :, None] & mask[:, None]
            once = equal.sum((1, 2)) == mask.sum(1)
            check_rows(once, "gold_ids: a set has no copies, but a document stands twice")
        ids = gold_ids[mask]
        if negatives is not None and negative_ids is not None:
            check_shape("negative_ids", negative_ids, negatives.shape[:1], *like)
            ids = torch.cat([ids, negative_ids])
        distinct, place = torch.unique(ids, return_inverse=True)
        first = order.new_full((len(distinct),), len(ids)).scatter_reduce(0, place, order, "amin")
        documents, column[mask] = documents[first], place[:count]
    # Where nothing remains beside an example's own golds, its loss is a silent zero.
    count, most = len(documents), column.shape[1] if masked else 1
    if count <= most and (not masked or ((column >= 0).sum(1) == count).all()):
        raise ValueError("nothing to contrast with: give negatives or a batch of several examples")
    return documents, column


def _mask(similarity: Tensor, gold_mask: Tensor | None) -> Tensor:
    check_shape("similarity", similarity, ("B", "m", "n"), float)
    mask = check_mask(gold_mask, similarity[:, 0])
    good = (similarity.isfinite() | ~mask[:, None]).all(2).all(1) & mask.any(1)
    check_rows(good, "similarity: NaN or infinite values, or no gold,")
    return mask


def _check_sets(
    vectors: Tensor, golds: Tensor, gold_mask: Tensor | None, *, values: bool = True
) -> Tensor:
    check_shape("vectors", vectors, ("B", "m", "d"), float)
    if values:
        check_finite("vectors", vectors)
    shape = len(vectors), vectors.shape[2]
    return check_golds(golds, gold_mask, shape, vectors.dtype, vectors.device, values=values)
