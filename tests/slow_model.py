"""The obvious rollout: no cache, the whole sequence is run again for every vector."""

from __future__ import annotations

import torch
from torch import Tensor

from amer_lite.model.amer import AMER
from amer_lite.model.prefix import Prefix


def rollout(model: AMER, prefix: Prefix, m: int, fed: Tensor | None = None) -> Tensor:
    """(B, m, d) for a prefix without padding; ``fed`` (B, m − 1, d) replaces predictions."""
    start = model.backbone.embed(prefix.values)
    emitted = start.new_zeros(len(start), 0, model.config.dim)
    seen = torch.zeros(prefix.mask.shape)
    for step in range(m):
        inputs = emitted if fed is None else fed[:, :step]
        embeds = torch.cat([start, model.input_projection(inputs)], 1)
        mask = torch.ones(embeds.shape[:2], dtype=torch.bool)
        hidden, _ = model.backbone(embeds, mask)
        vector = model.output_projection(hidden[:, -1])
        if model.pointer is not None:
            place, attention = model.pointer(hidden[:, -1], prefix.values, prefix.mask, seen)
            vector, seen = vector + place, seen + attention
        vector = torch.nn.functional.normalize(vector, dim=-1)
        emitted = torch.cat([emitted, vector[:, None]], 1)
    return emitted
