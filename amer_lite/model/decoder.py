"""A small causal transformer that reads frozen token states: a query encoder for CPUs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from amer_lite.model.checks import check_shape
from amer_lite.model.numbers import CONFIG, Count, Dropout

LayerCache = tuple[Tensor, Tensor]  # keys, values: (B, heads, S, width / heads)


@dataclass(frozen=True, config=CONFIG)
class DecoderConfig:
    """Sizes of a :class:`Decoder`.

    Attributes:
        state_dim: size of the token states that it reads (384 for MiniLM).
        width: hidden size.
        layers: number of blocks.
        heads: attention heads; ``width / heads`` must be an even number.
        dropout: on attention weights and block outputs, in training only.
    """

    state_dim: Count
    width: Count = 384
    layers: Count = 2
    heads: Count = 6
    dropout: Dropout = 0.0

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of 2 × heads ({self.heads})")


class Decoder(nn.Module):
    """Pre-norm transformer decoder with rotary positions (arXiv 2104.09864) and a KV cache."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        self.prefix_projection = nn.Linear(config.state_dim, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)

    def embed(self, states: Tensor) -> Tensor:
        """Token states (B, L, state_dim) → embeddings (B, L, width)."""
        check_shape("prefix.values", states, ("B", "L", self.config.state_dim))
        return self.prefix_projection(states.to(self.prefix_projection.weight.dtype))

    def forward(
        self,
        embeds: Tensor,
        mask: Tensor,
        cache: list[LayerCache] | None = None,
        last: int | None = None,
    ) -> tuple[Tensor, list[LayerCache]]:
        """Run T new positions behind the S − T cached ones.

        Args:
            embeds: (B, T, width).
            mask: (B, S) bool over cached and new positions, True = real; rows padded on the left.
            cache: what the previous call returned, None at the start.
            last: of the T positions, those whose hidden states are asked for, all if None. In the
                top layer the others need no more than their keys and values.

        Returns:
            Hidden states (B, last, width) and the cache of all S positions.
        """
        new, total = embeds.shape[1], mask.shape[1]
        position = (mask.cumsum(1) - 1).clamp(min=0)[:, total - new :]
        head = self.width // self.config.heads
        frequency = 10_000.0 ** (-2 * torch.arange(head // 2, device=mask.device) / head)
        angles = (position[..., None] * frequency)[:, None]  # (B, 1, T, head / 2)
        slot = torch.arange(total, device=mask.device)
        query = slot[total - new :, None]
        # Padding may look at itself: a softmax over nothing would be NaN and spread.
        visible = (slot <= query) & (mask[:, None, None, :] | (slot == query))  # (B, 1, T, S)
        x = embeds
        grown: list[LayerCache] = []
        for i, block in enumerate(self.blocks):
            kept = last if last is not None and i + 1 == len(self.blocks) else new
            x, layer = block(x, angles, visible, cache[i] if cache else None, kept)
            grown.append(layer)
        return self.norm(x), grown


class Block(nn.Module):
    """Attention and MLP, each behind a LayerNorm and added to the residual stream."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.attention_norm = nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(config.width),
            nn.Linear(config.width, 4 * config.width),
            nn.GELU(),
            nn.Linear(4 * config.width, config.width),
            nn.Dropout(config.dropout),
        )

    def forward(
        self, x: Tensor, angles: Tensor, visible: Tensor, cache: LayerCache | None, last: int
    ) -> tuple[Tensor, LayerCache]:
        batch, new, width = x.shape
        start, read = new - last, self.attention_norm(x)
        x = x[:, start:]
        weight, bias = self.qkv.weight, self.qkv.bias
        q = F.linear(read[:, start:], weight[:width], bias[:width])
        kv = F.linear(read, weight[width:], bias[width:]).view(batch, new, 2, self.heads, -1)
        q = q.view(batch, last, self.heads, -1).transpose(1, 2)
        k, v = kv.permute(2, 0, 3, 1, 4)  # each (B, heads, T, width / heads)
        q, k = rotate(q, angles[:, :, start:]), rotate(k, angles)
        if cache is not None:
            k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
        dropout = self.dropout if self.training else 0.0
        visible = visible[:, :, start:]
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=visible, dropout_p=dropout)
        mixed = self.out(mixed.transpose(1, 2).reshape(batch, last, width))
        x = x + F.dropout(mixed, dropout)
        return x + self.mlp(x), (k, v)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turn the pairs (x[i], x[i + half]) of the last dimension by ``angles``."""
    a, b = x.chunk(2, -1)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
