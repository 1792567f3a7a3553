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
    return max(
        sum(float(similarity[i, j]) for i, j in enumerate(order))
        for order in permutations(range(n), m)
    )


def set_info_nce(
    vectors: Tensor,
    golds: list[Tensor],
    gold_ids: list[list[int]],
    *,
    masked: bool,
    temperature: float = 0.05,
) -> Tensor:
    """InfoNCE under Hungarian matching: a full log-softmax per example, sliced pair by pair."""
    documents: dict[int, Tensor] = {}
    for sets, ids in zip(golds, gold_ids, strict=True):
        for gold, name in zip(sets, ids, strict=True):
            documents.setdefault(name, gold)
    names = list(documents)
    candidates = torch.stack(list(documents.values()))
    terms = []
    for emitted, ids in zip(vectors, gold_ids, strict=True):
        logits = emitted @ candidates.T / temperature
        log_p = logits.log_softmax(-1)
        columns = [names.index(name) for name in ids]
        chosen = linear_sum_assignment(-logits[:, columns].detach().cpu().numpy())
        for i, j in zip(*chosen, strict=True):
            if masked:
                others = [c for c in columns if c != columns[j]]
                kept = [c for c in range(len(names)) if c not in others]
                terms.append(-(logits[i, columns[j]] - logits[i, kept].logsumexp(0)))
            else:
                terms.append(-log_p[i, columns[j]])
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
