"""Any Hugging Face causal LM behind the decoder's interface, trained whole or with LoRA."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from amer_lite.model.checks import check_shape
from amer_lite.model.numbers import CONFIG, Count, Dropout, Positive

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from amer_lite.model.prefix import Prefix


class LanguageModel(nn.Module):
    """A Hugging Face causal LM's body, with the interface of :class:`~.decoder.Decoder`.

    ValueError unless it does, on a few tokens, all that :meth:`~.amer.AMER.rollout` rests on.
    """

    def __init__(self, body: PreTrainedModel) -> None:
        super().__init__()
        self.body = body
        try:
            self.width: int = body.get_input_embeddings().embedding_dim
            # A body without this argument counts the positions of the mask itself.
            self._placed = "position_ids" in inspect.signature(body.forward).parameters
            with evaluating(self), torch.enable_grad():
                fault = self._fault()
        except Exception as error:  # whatever a body raises that works otherwise
            fault = f"{type(error).__name__}: {error}"
        if fault:
            wanted = "a causal language model that reads embeddings one after another, with a cache"
            raise ValueError(f"{type(body).__name__} is not {wanted}: {fault}")

    def _fault(self) -> str:
        """What is wrong, shown by five tokens and by three of them behind padding; or ""."""
        table = self.body.get_input_embeddings()
        ids = torch.arange(1, 6, device=table.weight.device)[None] * 7 % table.num_embeddings
        mask = torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]], device=ids.device).bool()
        with torch.no_grad():
            plain = self.embed(ids)
            read = self.body(input_ids=ids, use_cache=False).last_hidden_state
        x = torch.cat([plain, plain.roll(2, 1)]).requires_grad_()
        whole, cache = self(x.clone(), mask)[0], None  # a copy: some write into it
        states: list[Tensor] = []
        for part in (slice(0, 3), slice(3, 4), slice(4, 5)):
            state, cache = self(x[:, part].clone(), mask[:, : part.stop], cache)
            if cache is None:
                return "it keeps no cache"
            states.append(state)
        steps, toward = torch.cat(states, 1), torch.linspace(-1, 1, self.width).to(x)
        slopes = [torch.autograd.grad((y[:, -1] @ toward).sum(), x)[0] for y in (whole, steps)]
        compared = {
            "there is more to a token than its embedding": (whole[:1], read),
            "it looks ahead, or counts padding": (whole[1, 2:], whole[0, :3]),
            "with its cache it computes something else": (steps[mask], whole[mask]),
            "with its cache it has other gradients": (slopes[1], slopes[0]),
        }
        most = torch.finfo(x.dtype).eps ** 0.4  # of rounding, and of a router that it tips over
        for fault, (one, other) in compared.items():
            off = float((one - other).detach().norm() / other.detach().norm())
            if not off < most:
                return f"{fault} (off by {off:.2g})"
        return ""

    def check(self, prefix: Prefix, m: int) -> None:
        """Raise ValueError unless the model can read ``prefix`` and m − 1 vectors after it."""
        if not prefix.values.is_floating_point():
            ids, known = prefix.values[prefix.mask], self.body.get_input_embeddings().num_embeddings
            if not 0 <= ids.min() <= ids.max() < known:
                said = f"token ids {ids.min()} to {ids.max()}, but the model knows {known} tokens"
                raise ValueError(f"prefix.values: {said}; use its own tokenizer")
        places = getattr(self.body.config, "max_position_embeddings", None) or math.inf
        if (length := int(prefix.mask.sum(1).max())) + m - 1 > places:
            said = f"{length} tokens and m={m} vectors, but the model has {places} positions"
            raise ValueError(f"prefix: {said}; shorten the prompt")

    def embed(self, values: Tensor) -> Tensor:
        """Token ids (B, L) int64, or ready embeddings (B, L, width) float → (B, L, width)."""
        table = self.body.get_input_embeddings()
        if values.is_floating_point():
            check_shape("prefix.values", values, ("B", "L", self.width))
            return values.to(table.weight.dtype)
        return table(values)

    def forward(
        self, embeds: Tensor, mask: Tensor, cache: Any = None, last: int | None = None
    ) -> tuple[Tensor, Any]:
        """As :meth:`amer_lite.model.decoder.Decoder.forward`, with the LM's own cache object."""
        position = (mask.cumsum(1) - 1).clamp(min=0)[:, -embeds.shape[1] :]
        out = self.body(
            inputs_embeds=embeds,
            attention_mask=mask.long(),
            past_key_values=cache,
            use_cache=True,
            **({"position_ids": position} if self._placed else {}),
        )
        states = out.last_hidden_state[:, -(last or len(mask[0])) :]
        return states, getattr(out, "past_key_values", None)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Without dropout; then every part is in the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def body_of(lm: PreTrainedModel) -> PreTrainedModel:
    """What a causal LM reads with, without its head; of several models the one for text."""
    if not hasattr(lm, "base_model_prefix"):
        raise ValueError(f"expected a model as AutoModelForCausalLM opens it, got {type(lm)}")
    body = getattr(lm, lm.base_model_prefix, getattr(lm, "model", lm))
    return body.get_decoder() if hasattr(body, "get_decoder") else body


def build(config: Mapping[str, Any]) -> PreTrainedModel:
    """A causal LM's body with random weights, from a config dict with its ``model_type``."""
    from transformers import AutoConfig, AutoModelForCausalLM

    if "model_type" not in config:
        raise ValueError("AMERConfig.lm: no model_type; use the dict of a Hugging Face config")
    try:
        return body_of(AutoModelForCausalLM.from_config(AutoConfig.for_model(**config)))
    except Exception as error:  # whatever sizes that do not fit make transformers raise
        said = f"{type(error).__name__}: {error}".partition("Model type should be")[0]
        raise ValueError(f"AMERConfig.lm: {config['model_type']!r}: {said:.300}") from error


@dataclass(frozen=True, config=CONFIG)
class LoRA:
    """Which linear layers of a language model get a low-rank update (arXiv 2106.09685).

    A layer computes W·x + (alpha / rank)·B·A·x, and only A and B are trained: A (rank, in) starts
    from torch's global random state, B (out, rank) from zero.

    Attributes:
        base: the language model, as :func:`amer_lite.encoders.prompt.open_lm` opens it again.
        rank: of the update.
        alpha: its scale is ``alpha / rank``.
        dropout: on the input of A, in training only.
        targets: names of linear layers, in every block; each must be there.
    """

    base: Annotated[str, Field(min_length=1)]
    rank: Count = 16
    alpha: Positive = 32
    dropout: Dropout = 0.0
    targets: Annotated[tuple[str, ...], Field(min_length=1)] = ("q_proj", "v_proj")


def add_adapters(body: PreTrainedModel, lora: LoRA) -> None:
    """Put adapters into a model and freeze its own weights; ValueError for layers it lacks."""
    import peft
    from transformers.pytorch_utils import Conv1D

    linear = [name for name, x in body.named_modules() if isinstance(x, nn.Linear | Conv1D)]
    if any("lora_" in name for name in linear):
        raise ValueError("lora: the language model has adapters already; open it again")
    ends = {target: f".{target}" for target in lora.targets}
    if absent := [t for t, end in ends.items() if not any(f".{x}".endswith(end) for x in linear)]:
        known = sorted({name.rpartition(".")[2] for name in linear})
        raise ValueError(f"lora: no linear layer is named {absent}; there are {known}")
    sizes = {"r": lora.rank, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout}
    config = peft.LoraConfig(**sizes, target_modules=list(lora.targets))
    peft.inject_adapter_in_model(config, body)
    for name, parameter in body.named_parameters():
        parameter.requires_grad_("lora_" in name)
