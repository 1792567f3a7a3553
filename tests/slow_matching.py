"""The obvious versions of the set losses: one example, one permutation, one pair at a time."""

from __future__ import annotations

from itertools import permutations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor


def best_total(similarity: Tensor) -> float:
    """Greatest total of a one-to-one assignment of (m, n), by trying every one of them."""
    m, n = similarity.shape
    if m > n:
        return best_total(similarity.T)
    orders = permutations(range(n), m)
    return max(sum(float(similarity[pair]) for pair in enumerate(order)) for order in orders)


def set_info_nce(
    vectors: Tensor, golds: list[Tensor], gold_ids: list[list[int]], *, masked: bool
) -> Tensor:
    """InfoNCE under Hungarian matching: a softmax over what is kept, pair by pair."""
    documents: dict[int, Tensor] = {}
    for own, ids in zip(golds, gold_ids, strict=True):
        documents |= dict(zip(ids, own, strict=True))
    names, candidates = list(documents), torch.stack(list(documents.values()))
    terms = []
    for emitted, ids in zip(vectors, gold_ids, strict=True):
        logits = emitted @ candidates.T / 0.05
        columns = [names.index(name) for name in ids]
        chosen = linear_sum_assignment(-logits[:, columns].detach().cpu().numpy())
        for i, j in zip(*chosen, strict=True):
            others = [c for c in columns if c != columns[j]] if masked else []
            kept = [c for c in range(len(names)) if c not in others]
            terms.append(logits[i, kept].logsumexp(0) - logits[i, columns[j]])
    return torch.stack(terms).mean()


def mixture_info_nce(
    vectors: Tensor,
    log_weights: Tensor,
    golds: list[Tensor],
    gold_ids: list[list[int]],
    *,
    masked: bool,
) -> Tensor:
    """Minus the log of the weighted sum of softmaxes, gold by gold."""
    documents: dict[int, Tensor] = {}
    for own, ids in zip(golds, gold_ids, strict=True):
        documents |= dict(zip(ids, own, strict=True))
    terms = []
    for emitted, weights, ids in zip(vectors, log_weights.exp(), gold_ids, strict=True):
        for gold in ids:
            kept = [name for name in documents if name == gold or not (masked and name in ids)]
            logits = emitted @ torch.stack([documents[name] for name in kept]).T / 0.05
            terms.append(-(weights @ logits.softmax(1)[:, kept.index(gold)]).log())
    return torch.stack(terms).mean()


def authors_loop(vectors: Tensor, golds: Tensor, temperature: float = 0.05) -> Tensor:
    """The loop that most implementations start from: B × n distinct golds, one example a turn."""
    batch, n, dim = golds.shape
    log_p = (vectors @ golds.reshape(-1, dim).T / temperature).log_softmax(-1)
    total = vectors.new_zeros(())
    for b in range(batch):
        own = log_p[b, :, b * n : (b + 1) * n]
        rows, columns = linear_sum_assignment(-own.detach().cpu().numpy())
        total = total - own[rows, columns].mean()
    return total / batch
