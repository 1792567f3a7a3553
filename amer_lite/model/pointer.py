"""Where in the query a vector looks: attention over the prefix's own states, with a memory.

A frozen encoder embeds a query as the mean of its token states. A pointer starts there and learns
to take the mean over *some* of the tokens: those of one part of a query with several. That is a
place in document space that the encoder itself would name, also for words never seen in training.
Sources: pointer networks (arXiv 1506.03134), coverage (arXiv 1704.04368).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Pointer(nn.Module):
    """Attention of a hidden state (width) over the states of a prefix (state_dim).

    Attributes:
        basis: (dim, state_dim) buffer, not trained: the first ``dim`` coordinates of a state. For
            compressed documents copy the compression into it.
        coverage: how strongly a token is avoided that earlier vectors have looked at.
    """

    basis: Tensor

    def __init__(self, width: int, state_dim: int, dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        nn.init.zeros_(self.query.weight)  # even attention: the mean of all tokens
        self.key = nn.Linear(state_dim, width, bias=False)
        self.coverage = nn.Parameter(torch.tensor(5.0))
        self.weight = nn.Parameter(torch.tensor(1.0))
        self.register_buffer("basis", torch.eye(dim, state_dim))

    def forward(
        self, hidden: Tensor, states: Tensor, mask: Tensor, seen: Tensor
    ) -> tuple[Tensor, Tensor]:
        """A place (B, dim) of length ``weight``, and attention (B, L) whose rows sum to one.

        Args:
            hidden: (B, width); ``states``: (B, L, state_dim); ``mask``: (B, L) bool.
            seen: (B, L) float, attention of earlier vectors, summed.
        """
        hidden, states, seen = (x.to(self.key.weight.dtype) for x in (hidden, states, seen))
        wanted = self.query(hidden) @ self.key.weight  # (B, state_dim): cheaper than keys of all
        scores = torch.einsum("bs,bls->bl", wanted, states)
        scores = scores / hidden.shape[1] ** 0.5 - self.coverage * seen
        attention = scores.masked_fill(~mask, -torch.inf).softmax(1)
        place = torch.einsum("bl,bls->bs", attention, states) @ self.basis.T
        return self.weight * F.normalize(place, dim=-1), attention
