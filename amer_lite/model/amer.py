"""AMER: a causal transformer that answers one query with m vectors, one after another.

prefix → hidden state at its end → ``output_projection`` → v₁ → ``input_projection`` → next
position → v₂ → …  Training (:meth:`AMER.rollout`) and inference (:meth:`AMER.generate`) are the
same loop over one key-value cache: the prefix is encoded once, a further vector costs a position.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from amer_lite.model.checks import check_finite
from amer_lite.model.config import AMERConfig
from amer_lite.model.decoder import Decoder
from amer_lite.model.emission import Emission, counts_of
from amer_lite.model.language_model import (
    LanguageModel,
    LoRA,
    add_adapters,
    body_of,
    build,
    evaluating,
)
from amer_lite.model.numbers import positive
from amer_lite.model.pointer import Pointer
from amer_lite.model.prefix import Feedback, Prefix, check_golds, feeding, in_turn
from amer_lite.model.weights import frozen_digest, restore, snapshot
from amer_lite.storage import load_bundle, save_bundle

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_KIND = "amer-lite/model-1"


class AMER(nn.Module):
    """Autoregressive Multi-Embedding Retriever (arXiv 2511.02770).

    Both projections are linear without bias, as in the paper: ``input_projection`` maps document
    space to the backbone's hidden size, ``output_projection`` maps back.

    Args:
        config: a backbone with random weights is built from it.
        body: of a language model that is there already, instead; see :meth:`from_lm`.
    """

    def __init__(self, config: AMERConfig, body: PreTrainedModel | None = None) -> None:
        super().__init__()
        self.config = config
        self.backbone: Decoder | LanguageModel
        if config.decoder is not None:
            self.backbone = Decoder(config.decoder)
        else:
            self.backbone = LanguageModel(build(config.lm or {}) if body is None else body)
            if config.lora is not None:
                add_adapters(self.backbone.body, config.lora)
        width, weight = self.backbone.width, next(self.backbone.parameters())
        like: dict[str, Any] = {"device": weight.device, "dtype": weight.dtype}
        self.input_projection = nn.Linear(config.dim, width, bias=False, **like)
        self.output_projection = nn.Linear(width, config.dim, bias=False, **like)
        self.weight_projection: nn.Linear | None = None
        if config.weighted:
            self.weight_projection = nn.Linear(width, 1, bias=False, **like)
            nn.init.zeros_(self.weight_projection.weight)  # even weights
        self.pointer: Pointer | None = None
        if config.pointer and config.decoder is not None:
            self.pointer = Pointer(width, config.decoder.state_dim, config.dim)
            nn.init.zeros_(self.output_projection.weight)  # untrained, it is the encoder itself

    @classmethod
    def from_lm(
        cls, lm: PreTrainedModel, dim: int, *, lora: LoRA | None = None, **options: Any
    ) -> AMER:
        """Wrap a Hugging Face causal LM, keeping its weights (the LM head is not needed).

        Args:
            lm: what ``AutoModelForCausalLM.from_pretrained`` returned; shared, not copied.
            dim: of the document space.
            lora: train these adapters instead of the weights of ``lm``, into which they are put.
            **options: ``normalize`` and ``weighted`` of :class:`AMERConfig`.

        Raises:
            ValueError: a model that cannot be used, see
                :class:`~amer_lite.model.language_model.LanguageModel`; layers that it lacks.
        """
        from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

        body = body_of(lm)
        if lora is None and type(body.config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
            name = type(body).__name__  # it could be saved, but not loaded
            raise ValueError(f"from_lm: AutoModelForCausalLM makes no {name} from its config")
        return cls(AMERConfig(dim, lm=body.config.to_dict(), lora=lora, **options), body)

    def rollout(
        self,
        prefix: Prefix,
        golds: Tensor | None = None,
        gold_mask: Tensor | None = None,
        **options: Any,
    ) -> Tensor:
        """The vectors of :meth:`emit`, (B, m, d), with the same arguments."""
        return self.emit(prefix, golds, gold_mask, **options).vectors

    def emit(
        self,
        prefix: Prefix,
        golds: Tensor | None = None,
        gold_mask: Tensor | None = None,
        *,
        m: int | None = None,
        feedback: Feedback = "predicted",
        sampling: float = 0.5,
        generator: torch.Generator | None = None,
        check: bool = True,
    ) -> Emission:
        """Emit m vectors with gradients, through the one autoregressive loop there is.

        ``feedback`` decides what is read after each vector:

        * ``predicted``: the emitted vector, as in inference. Gradients flow through it.
        * ``gold``: teacher forcing, gold i after step i. One parallel pass.
        * ``scheduled``: the prediction with probability ``sampling``, else gold i (per row).
        * ``matched``: the gold most similar to the emitted vector among those not fed back yet.

        A row with fewer golds than steps starts over with its first gold.

        Args:
            prefix: of B queries, padded on either side.
            golds: (B, n, d) float document embeddings; not needed for ``predicted``.
            gold_mask: (B, n) bool; None if all golds are real.
            m: vectors to emit; n if None.
            sampling, generator: of ``scheduled``: a probability, and on the CPU what it is drawn
                with, torch's global one if None.
            check: look at values, not at shapes alone. It makes a GPU wait, which a loop over
                data that were checked before (:meth:`check`) need not.

        Raises:
            ValueError: m < 1, missing or mis-shaped golds, an empty query or gold set, non-finite
                values, more than the language model has positions for.
        """
        device = self.input_projection.weight.device
        if golds is not None:
            shape = len(prefix.mask), self.config.dim
            gold_mask = check_golds(golds, gold_mask, shape, values=check).to(device)
            m, golds = golds.shape[1] if m is None else m, golds.to(device, torch.float32)
        elif m is None:
            raise ValueError("rollout: give m, or golds (B, n, d)")
        if check:
            m = self.check(prefix, m)
        values, mask = prefix.to_the_right(device)
        embeds = self.backbone.embed(values)
        emit = self._emitter(prefix)
        if feedback == "gold" and golds is not None and gold_mask is not None:
            fed = self._read(in_turn(golds, gold_mask, m)[:, : m - 1])  # all known: no loop
            mask = F.pad(mask, (0, m - 1), value=True)
            hidden, _ = self.backbone(torch.cat([embeds, fed], 1), mask, last=m)
            return _emission([emit(state) for state in hidden.unbind(1)])
        feed = feeding(feedback, golds, gold_mask, m, sampling, generator)
        emitted: list[tuple[Tensor, Tensor]] = []
        cache = None
        for step in range(m):
            hidden, cache = self.backbone(embeds, mask, cache, last=1)
            emitted.append(emit(hidden[:, 0]))
            if step + 1 < m:
                if cache is None:
                    hint = "switch activation checkpointing off, or use feedback='gold'"
                    raise ValueError(f"the language model keeps no KV cache: {hint}")
                embeds = self._read(feed(step, emitted[-1][0]))[:, None]
                mask = F.pad(mask, (0, 1), value=True)
        return _emission(emitted)

    def generate(self, prefix: Prefix, m: int | ArrayLike, *, batch_size: int = 256) -> Tensor:
        """The vectors of :meth:`generate_weighted`, (B, m, d) float32."""
        return self.generate_weighted(prefix, m, batch_size=batch_size).vectors

    @torch.no_grad()
    def generate_weighted(
        self, prefix: Prefix, m: int | ArrayLike, *, batch_size: int = 256
    ) -> Emission:
        """:meth:`emit` with predicted feedback, in batches, without gradients and dropout.

        ``m`` is one number for all queries, or (B,) integers, one for each: none is decoded further
        than it asks for, and the emission is as wide as the greatest of them.

        ValueError also for vectors that are not finite, as those of damaged weights.
        """
        counts = counts_of(m, len(prefix.mask))
        most = self.check(prefix, max(counts.tolist(), default=1))
        size = positive("batch_size", batch_size)
        device = self.input_projection.weight.device
        vectors = torch.zeros(len(counts), most, self.config.dim, device=device)
        log_weights = torch.full(vectors.shape[:2], -torch.inf, device=device)
        with evaluating(self):
            for count in counts.unique().tolist():
                for rows in (counts == count).nonzero()[:, 0].split(size):
                    part = self.emit(prefix.select(rows), m=count, check=False)
                    vectors[rows, :count], log_weights[rows, :count] = part
        check_finite("generate: the model emits", vectors)
        return Emission(vectors, log_weights)

    @torch.no_grad()
    def attention(self, prefix: Prefix, m: int) -> Tensor:
        """Where the pointer looks for each vector, (B, m, L) float32 with rows that sum to one."""
        if self.pointer is None or self.training:
            raise ValueError("attention: needs AMERConfig(pointer=True) and model.eval()")
        looks: list[Tensor] = []
        with self.pointer.register_forward_hook(lambda *call: looks.append(call[-1][1])):
            self.rollout(prefix, m=m)
        return torch.stack(looks, 1).float()

    def check(self, prefix: Prefix, m: int) -> int:
        """m as an int; ValueError unless this model can read every row and emit m vectors."""
        m = positive("m", m)
        prefix.check()
        if isinstance(self.backbone, LanguageModel):
            self.backbone.check(prefix, m)
        return m

    def save(self, folder: str | Path) -> None:
        """Write config and weights to ``folder``, atomically; of adapters without their base."""
        config = asdict(self.config)
        weights = {name: value.contiguous() for name, value in self.state_dict().items()}
        if isinstance(self.backbone, LanguageModel):  # its library knows how to write dtypes
            config["lm"] = json.loads(self.backbone.body.config.to_json_string(use_diff=False))
        if self.config.lora is not None:
            config["base_sha256"], weights = frozen_digest(self), snapshot(self)
        save_bundle(folder, _KIND, config, {"weights.safetensors": partial(save_file, weights)})

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> AMER:
        """Read what :meth:`save` wrote; the base of adapters is opened by its name.

        FileNotFoundError: nothing saved there, or the base is not to be had. ValueError: a foreign
        or corrupt file, or other weights of the base than the adapters were trained on.
        """
        return load_bundle(folder, _KIND, cls._opened).to(device)

    @classmethod
    def _opened(cls, saved: dict[str, Any], files: dict[str, Path]) -> AMER:
        digest, weights = saved.pop("base_sha256", None), load_file(files["weights.safetensors"])
        config = AMERConfig(**saved)
        if config.lora is None:
            model = cls(config).to(weights["output_projection.weight"].dtype)
            model.load_state_dict(weights)
            return model
        from amer_lite.encoders.prompt import open_lm

        model = cls(config, body_of(open_lm(config.lora.base)[0]))
        restore(model, weights)
        if frozen_digest(model) != digest:
            raise ValueError(f"trained on other weights of {config.lora.base!r} than are here")
        return model

    def _read(self, vectors: Tensor) -> Tensor:
        return self.input_projection(vectors.to(self.input_projection.weight.dtype))

    def _emitter(self, prefix: Prefix) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """Hidden state (B, width) → vector (B, d), logit of its weight (B,), with a memory."""
        weight = self.output_projection.weight
        mask = prefix.mask.to(weight.device)
        if self.pointer is not None:
            states = prefix.values.to(weight.device, weight.dtype)
            states = states.masked_fill(~mask[..., None], 0)
            seen = states.new_zeros(mask.shape)

        def emit(hidden: Tensor) -> tuple[Tensor, Tensor]:
            nonlocal seen
            # float32 from here on: half-precision norms overflow, and rounding moves neighbours.
            vectors = self.output_projection(hidden).float()
            if self.pointer is not None:
                place, attention = self.pointer(hidden, states, mask, seen)
                vectors, seen = vectors + place.float(), seen + attention
            weigh = self.weight_projection
            logit = vectors.new_zeros(len(vectors)) if weigh is None else weigh(hidden)[:, 0]
            return F.normalize(vectors, dim=-1) if self.config.normalize else vectors, logit

        return emit


def _emission(emitted: Sequence[tuple[Tensor, Tensor]]) -> Emission:
    vectors, logits = zip(*emitted, strict=True)
    return Emission(torch.stack(vectors, 1), torch.stack(logits, 1).float().log_softmax(1))
