"""Any Hugging Face causal LM behind the interface of :class:`amer_lite.model.decoder.Decoder`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class LanguageModel(nn.Module):
    """A Hugging Face causal LM's body behind the decoder's interface: embed, then step."""

    def __init__(self, body: PreTrainedModel) -> None:
        super().__init__()
        self.body = body
        self.width: int = body.get_input_embeddings().embedding_dim

    def embed(self, values: Tensor) -> Tensor:
        """Token ids (B, L) int64, or ready embeddings (B, L, width) float → (B, L, width)."""
        if values.is_floating_point():
            if values.shape[2] != self.width:
                raise ValueError(
                    f"prefix.values: this language model reads token ids (B, L) or embeddings "
                    f"(B, L, {self.width}), got {tuple(values.shape)}"
                )
            return values
        table = self.body.get_input_embeddings()
        if values.dtype not in (torch.int64, torch.int32) or values.min() < 0:
            raise ValueError(f"prefix.values: expected token ids ≥ 0, got {values.dtype}")
        if (highest := int(values.max())) >= table.num_embeddings:
            raise ValueError(
                f"prefix.values: token id {highest}, but the language model knows "
                f"{table.num_embeddings} tokens; use its own tokenizer"
            )
        return table(values)

    def forward(self, embeds: Tensor, mask: Tensor, cache: Any = None) -> tuple[Tensor, Any]:
        """As :meth:`amer_lite.model.decoder.Decoder.forward`, with the LM's own cache object."""
        position = (mask.cumsum(1) - 1).clamp(min=0)[:, -embeds.shape[1] :]
        out = self.body(
            inputs_embeds=embeds,
            attention_mask=mask.long(),
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
        )
        return out.last_hidden_state, out.past_key_values


def build(config: Mapping[str, Any]) -> PreTrainedModel:
    """A causal LM's body with random weights, from a config dict with its ``model_type``."""
    from transformers import AutoConfig, AutoModel

    fields = dict(config)
    kind = fields.pop("model_type", None)
    if kind is None:
        raise ValueError("AMERConfig.lm: no model_type; use the dict of a Hugging Face config")
    return AutoModel.from_config(AutoConfig.for_model(kind, **fields))


def as_json(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """An LM config as JSON can hold it (dtypes become their names)."""
    if config is None:
        return None
    return {
        key: str(value).removeprefix("torch.") if isinstance(value, torch.dtype) else value
        for key, value in config.items()
    }
