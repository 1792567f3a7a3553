"""Any Hugging Face causal LM behind the decoder's interface, trained whole or with LoRA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field, PositiveFloat, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from amer_lite.model.checks import check_shape

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class LanguageModel(nn.Module):
    """A Hugging Face causal LM's body, with the interface of :class:`~.decoder.Decoder`."""

    def __init__(self, body: PreTrainedModel) -> None:
        super().__init__()
        self.body = body
        self.width: int = body.get_input_embeddings().embedding_dim

    def check(self, ids: Tensor) -> None:
        """Raise ValueError unless all of ``ids`` are tokens that the model knows."""
        known = self.body.get_input_embeddings().num_embeddings
        if not 0 <= ids.min() <= ids.max() < known:
            raise ValueError(
                f"prefix.values: token ids {ids.min()} to {ids.max()}, but the language model "
                f"knows {known} tokens; use its own tokenizer"
            )

    def embed(self, values: Tensor) -> Tensor:
        """Token ids (B, L) int64, or ready embeddings (B, L, width) float → (B, L, width)."""
        if values.is_floating_point():
            check_shape("prefix.values", values, ("B", "L", self.width))
            return values
        return self.body.get_input_embeddings()(values)

    def forward(
        self, embeds: Tensor, mask: Tensor, cache: Any = None, last: int | None = None
    ) -> tuple[Tensor, Any]:
        """As :meth:`amer_lite.model.decoder.Decoder.forward`, with the LM's own cache object."""
        position = (mask.cumsum(1) - 1).clamp(min=0)[:, -embeds.shape[1] :]
        out = self.body(
            inputs_embeds=embeds,
            attention_mask=mask.long(),
            position_ids=position,
            past_key_values=cache,
            use_cache=True,
        )
        return out.last_hidden_state[:, -(last or len(mask[0])) :], out.past_key_values


def build(config: Mapping[str, Any]) -> PreTrainedModel:
    """A causal LM's body with random weights, from a config dict with its ``model_type``."""
    from transformers import AutoConfig, AutoModel

    if "model_type" not in config:
        raise ValueError("AMERConfig.lm: no model_type; use the dict of a Hugging Face config")
    return AutoModel.from_config(AutoConfig.for_model(**config))


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class LoRA:
    """Which linear layers of a language model get a low-rank update (arXiv 2106.09685).

    A layer computes W·x + (alpha / rank)·B·A·x, and only A and B are trained: A (rank, in) starts
    from torch's global random state, B (out, rank) from zero.

    Attributes:
        base: the language model, as :func:`amer_lite.encoders.prompt.open_lm` opens it again.
        rank: of the update.
        alpha: its scale is ``alpha / rank``.
        dropout: on the input of A, in training only.
        targets: names of the linear layers, in every block.
    """

    base: Annotated[str, Field(min_length=1)]
    rank: PositiveInt = 16
    alpha: PositiveFloat = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    targets: Annotated[tuple[str, ...], Field(min_length=1)] = ("q_proj", "v_proj")


def add_adapters(body: PreTrainedModel, lora: LoRA) -> None:
    """Put adapters into a model and freeze its own weights; ValueError if it lacks the layers."""
    import peft

    sizes = {"r": lora.rank, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout}
    config = peft.LoraConfig(**sizes, target_modules=list(lora.targets))
    peft.inject_adapter_in_model(config, body)
    for name, parameter in body.named_parameters():
        parameter.requires_grad_("lora_" in name)
