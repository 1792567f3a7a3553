"""What a model reads: the token states or ids of its queries, then what is fed back to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from amer_lite.model.checks import check_finite, check_mask, check_rows, check_shape

Feedback = Literal["predicted", "gold", "scheduled", "matched"]
Feed = Callable[[int, Tensor], Tensor]  # step, emitted vector (B, d) → what is read next (B, d)


class Prefix(NamedTuple):
    """A padded batch of token sequences, padded on either side.

    Attributes:
        values: (B, L, s) float states, or (B, L) int64 token ids.
        mask: (B, L) bool, True where a real token stands.
    """

    values: Tensor
    mask: Tensor

    def select(self, rows: Tensor | ArrayLike) -> Prefix:
        """The sequences at (r ≥ 1,) int64 rows, without columns that are padding in all of them."""
        index = torch.as_tensor(rows, device=self.mask.device)
        check_shape("rows", index, ("r",), torch.int64)
        if not -len(self.mask) <= index.min() <= index.max() < len(self.mask):
            raise ValueError(f"rows: {index.min()} to {index.max()} of {len(self.mask)} queries")
        mask = self.mask[index]
        columns = mask.any(dim=0).nonzero().squeeze(1)
        # One gather: a long sequence elsewhere in the batch must not make the copy long.
        return Prefix(self.values[index[:, None], columns], mask[:, columns])

    def to_the_right(self, device: torch.device) -> Prefix:
        """The same with every sequence at the right end, and zeros before it.

        Whatever stands in the padding must reach neither a softmax nor an embedding table.
        """
        values, mask = self.values.to(device), self.mask.to(device)
        values = values.masked_fill(~mask[..., None] if values.ndim == 3 else ~mask, 0)
        order = mask.long().argsort(dim=1, stable=True)  # padding first, tokens in their order
        rows = torch.arange(len(mask), device=device)[:, None]
        return Prefix(values[rows, order], mask[rows, order])

    def check(self) -> None:
        """Raise ValueError unless every row has a token and all states are finite."""
        check_shape("prefix.mask", self.mask, ("B", "L"), torch.bool)
        if floats := isinstance(self.values, Tensor) and self.values.is_floating_point():
            check_shape("prefix.values", self.values, (*self.mask.shape, "s"))
        else:
            check_shape("prefix.values", self.values, self.mask.shape, torch.int64)
        check_rows(self.mask.any(1), "prefix: query without a token")
        if floats:
            check_finite("prefix", self.values, self.mask)


def check_golds(
    golds: Tensor, mask: Tensor | None, shape: tuple[int, int], *like: Any, values: bool = True
) -> Tensor:
    """The mask of golds (B, n, d); ``shape`` is (B, d), ``like`` what dtype and device must be."""
    check_shape("golds", golds, (shape[0], "n", shape[1]), *(like or (float,)))
    mask = check_mask(mask, golds[..., 0])
    if values:
        check_rows(mask.any(1), "golds: empty gold set")
        check_finite("golds", golds, mask)
    return mask


def feeding(
    feedback: Feedback,
    golds: Tensor | None,
    mask: Tensor | None,
    m: int,
    sampling: float,
    generator: torch.Generator | None,
) -> Feed:
    """What a model reads after each of m vectors; see :meth:`amer_lite.model.amer.AMER.rollout`."""
    if feedback == "predicted":
        return lambda step, vector: vector
    if golds is None or mask is None or feedback not in ("scheduled", "matched"):
        raise ValueError(
            f"feedback {feedback!r} needs golds, or is none of predicted, gold, scheduled, matched"
        )
    if feedback == "scheduled":
        if not 0 <= sampling <= 1:
            raise ValueError(f"sampling must lie in [0, 1], got {sampling}")
        turns = in_turn(golds, mask, m)
        draws = torch.rand(len(golds), m, 1, generator=generator).to(golds.device)
        return lambda step, vector: torch.where(draws[:, step] < sampling, vector, turns[:, step])
    rows = torch.arange(len(golds), device=mask.device)
    uses = torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, torch.inf)

    def most_similar_of_the_least_used(step: int, vector: Tensor) -> Tensor:
        similarity = torch.einsum("bd,bnd->bn", vector.detach(), golds)
        used = uses > uses.amin(1, keepdim=True)
        choice = similarity.masked_fill(used, -torch.inf).argmax(1)
        uses[rows, choice] += 1
        return golds[rows, choice]

    return most_similar_of_the_least_used


def in_turn(golds: Tensor, mask: Tensor, steps: int) -> Tensor:
    """(B, steps, d): each row's real golds in order, over and over."""
    order = (~mask).long().argsort(dim=1, stable=True)  # real golds first
    turn = torch.arange(steps, device=mask.device) % mask.sum(1, keepdim=True)
    return golds[torch.arange(len(golds), device=mask.device)[:, None], order.gather(1, turn)]
