"""AMER: a causal transformer that answers one query with m vectors, one after another.

prefix → hidden state at its end → ``output_projection`` → v₁ → ``input_projection`` → next
position → v₂ → …  Training (:meth:`AMER.rollout`) and inference (:meth:`AMER.generate`) are the
same loop over the same key-value cache: the prefix is encoded once, each further vector costs one
position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from amer_lite.model.decoder import Decoder, DecoderConfig
from amer_lite.model.feedback import Feedback, Matched, checked, in_turn
from amer_lite.model.language_model import LanguageModel, as_json, build
from amer_lite.model.lora import LoRA, add_adapters, frozen_digest
from amer_lite.model.pointer import Pointer
from amer_lite.model.prefix import Prefix, check_prefix
from amer_lite.storage import load_bundle, save_bundle
from amer_lite.training.checkpoint import restore, snapshot

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_KIND = "amer-lite/model-1"


@dataclass(frozen=True)
class AMERConfig:
    """What an :class:`AMER` is made of; exactly one of ``decoder`` and ``lm`` is given.

    Attributes:
        dim: dimension d of the document space.
        decoder: sizes of our own decoder over frozen token states.
        lm: a Hugging Face configuration as a dict (``config.to_dict()``) with its ``model_type``.
        pointer: every vector starts from a place in the query itself, see
            :class:`amer_lite.model.pointer.Pointer`; for decoders over states of the document encoder.
        lora: adapters on a pretrained ``lm``, whose own weights are frozen and are not saved.
        normalize: emit L2-normalised vectors. Switch off only for unnormalised document spaces.
    """

    dim: int
    decoder: DecoderConfig | None = None
    lm: Mapping[str, Any] | None = None
    pointer: bool = False
    lora: LoRA | None = None
    normalize: bool = True

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise ValueError(f"AMERConfig.dim must be ≥ 1, got {self.dim}")
        if (self.decoder is None) == (self.lm is None):
            raise ValueError("AMERConfig: give either decoder or lm, not both and not neither")
        if self.pointer and (self.decoder is None or self.decoder.state_dim < self.dim):
            raise ValueError(
                f"AMERConfig.pointer: needs a decoder over states of at least dim={self.dim} "
                f"coordinates, got {self.decoder}"
            )
        if self.lora is not None and self.lm is None:
            raise ValueError("AMERConfig.lora: adapters need an lm")


class AMER(nn.Module):
    """Autoregressive Multi-Embedding Retriever (arXiv 2511.02770).

    Both projections are linear without bias, as in the paper: ``input_projection`` maps document
    space to the backbone's hidden size, ``output_projection`` maps back.

    Args:
        config: a backbone with random weights is built from it.
    """

    def __init__(self, config: AMERConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone: Decoder | LanguageModel
        if config.decoder is not None:
            self.backbone = Decoder(config.decoder)
        else:
            self.backbone = LanguageModel(build(config.lm or {}))
        self.input_projection = nn.Linear(config.dim, self.backbone.width, bias=False)
        self.output_projection = nn.Linear(self.backbone.width, config.dim, bias=False)
        self.pointer: Pointer | None = None
        if config.pointer and config.decoder is not None:
            self.pointer = Pointer(self.backbone.width, config.decoder.state_dim, config.dim)
            nn.init.zeros_(self.output_projection.weight)  # untrained, it is the encoder itself

    @classmethod
    def from_lm(
        cls, lm: PreTrainedModel, dim: int, *, lora: LoRA | None = None, normalize: bool = True
    ) -> AMER:
        """Wrap a Hugging Face causal LM, keeping its weights (the LM head is not needed).

        Args:
            lm: what ``AutoModelForCausalLM.from_pretrained`` returned; shared, not copied.
            dim: dimension of the document space.
            lora: train these adapters instead of the weights of ``lm``, into which they are put.
            normalize: see :class:`AMERConfig`.
        """
        body = getattr(lm, lm.base_model_prefix, lm)
        config = AMERConfig(dim, lm=lm.config.to_dict(), normalize=normalize)
        with torch.device("meta"):  # the random backbone is replaced at once: do not allocate it
            model = cls(config)
        if lora is not None:
            add_adapters(body, lora)
            model.config = replace(config, lora=lora)
        model.backbone = LanguageModel(body)
        width, weight = model.backbone.width, next(body.parameters())
        like: dict[str, Any] = {"device": weight.device, "dtype": weight.dtype}
        model.input_projection = nn.Linear(dim, width, bias=False, **like)
        model.output_projection = nn.Linear(width, dim, bias=False, **like)
        return model

    def rollout(
        self,
        prefix: Prefix,
        golds: Tensor | None = None,
        gold_mask: Tensor | None = None,
        *,
        m: int | None = None,
        feedback: Feedback = "predicted",
        sampling: float = 0.5,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Emit m vectors with gradients; ``feedback`` decides what goes back in after each.

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
            sampling: probability in [0, 1], for ``scheduled`` only.
            generator: on the CPU, for ``scheduled`` only; torch's global one if None.

        Returns:
            (B, m, d) float32, L2-normalised if the config says so.

        Raises:
            ValueError: m < 1, an unknown feedback, missing or mis-shaped golds, an empty query or
                gold set, non-finite values.
        """
        embeds, mask = self._embed_prefix(prefix)
        if feedback not in get_args(Feedback):
            raise ValueError(f"feedback {feedback!r}: choose predicted, gold, scheduled or matched")
        if golds is None and (m is None or feedback != "predicted"):
            raise ValueError(f"rollout: feedback {feedback!r} with m={m} needs golds (B, n, d)")
        if golds is not None:
            device = self.input_projection.weight.device
            golds, gold_mask = checked(golds, gold_mask, (len(mask), self.config.dim), device)
        if m is None:
            m = golds.shape[1] if golds is not None else 0
        if m < 1:
            raise ValueError(f"m must be ≥ 1, got {m}: a query needs at least one vector")

        emit = _Emitter(self, prefix)
        if golds is None or feedback == "predicted":
            return self._loop(embeds, mask, m, emit, lambda step, vector: vector)
        assert gold_mask is not None
        turns = in_turn(golds, gold_mask, m)
        if feedback == "gold":  # every input is known beforehand: no loop
            fed = self._read(turns[:, : m - 1])
            mask = F.pad(mask, (0, m - 1), value=True)
            hidden, _ = self.backbone(torch.cat([embeds, fed], 1), mask)
            return torch.stack([emit(state) for state in hidden[:, -m:].unbind(1)], 1)
        if feedback == "scheduled":
            if not 0 <= sampling <= 1:
                raise ValueError(f"sampling must lie in [0, 1], got {sampling}")
            draws = torch.rand(len(golds), m, 1, generator=generator).to(golds.device)
            return self._loop(
                embeds, mask, m, emit,
                lambda step, vector: torch.where(
                    draws[:, step] < sampling, vector, turns[:, step]
                ),
            )  # fmt: skip
        return self._loop(embeds, mask, m, emit, Matched(golds, gold_mask))

    @torch.no_grad()
    def generate(self, prefix: Prefix, m: int, *, batch_size: int = 256) -> Tensor:
        """Emit m vectors per query for inference: ``rollout`` with predicted feedback.

        Dropout is off while it runs; queries go through in batches of ``batch_size``.

        Args:
            prefix: of B queries.
            m: vectors per query.
            batch_size: bounds the memory.

        Returns:
            (B, m, d) float32.

        Raises:
            ValueError: as :meth:`rollout`; batch_size < 1.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size must be ≥ 1, got {batch_size}")
        check_prefix(prefix)
        modes = [(module, module.training) for module in self.modules()]
        self.eval()
        try:
            rows = torch.arange(len(prefix.mask)).split(batch_size)
            return torch.cat([self.rollout(prefix.select(part), m=m) for part in rows])
        finally:
            for module, training in modes:
                module.training = training

    @torch.no_grad()
    def attention(self, prefix: Prefix, m: int) -> Tensor:
        """Which tokens of the query each of m vectors points at.

        Args:
            prefix: of B queries of up to L tokens, in one batch.
            m: vectors per query.

        Returns:
            (B, m, L) float32; the m rows of a query sum to one each, padding has zero.

        Raises:
            ValueError: a model without a pointer, or one in training mode; see also
                :meth:`rollout`.
        """
        if self.pointer is None or self.training:
            raise ValueError("attention: needs AMERConfig(pointer=True) and model.eval()")
        emit = _Emitter(self, prefix)
        self._loop(*self._embed_prefix(prefix), m, emit, lambda step, vector: vector)
        return torch.stack(emit.attention, 1).float()

    def save(self, folder: str | Path) -> None:
        """Write weights (safetensors) and config (JSON) to ``folder``, atomically.

        Of a model with adapters only the adapters and the two projections are written.
        """
        config = {**asdict(self.config), "lm": as_json(self.config.lm)}
        weights = {name: value.contiguous() for name, value in self.state_dict().items()}
        if self.config.lora is not None:
            config["base_sha256"] = frozen_digest(self)
            weights = snapshot(self)
        save_bundle(
            folder, _KIND, config, {"weights.safetensors": lambda path: save_file(weights, path)}
        )

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "cpu") -> AMER:
        """Read what :meth:`save` wrote; of a model with adapters the base is opened by its name.

        Raises:
            FileNotFoundError: nothing saved there, or the base is not to be had.
            ValueError: a foreign or corrupt file, an unknown config field, weights that do not fit,
                a base with other weights than those that the adapters were trained on.
        """
        config, files = load_bundle(folder, _KIND)
        if config.get("lora") is not None:
            weights = load_file(files["weights.safetensors"])
            return cls._load_adapted(folder, config, weights).to(device)
        try:
            if config.get("decoder") is not None:
                config["decoder"] = DecoderConfig(**config["decoder"])
            weights = load_file(files["weights.safetensors"])
            model = cls(AMERConfig(**config)).to(weights["output_projection.weight"].dtype)
            model.load_state_dict(weights)
        except Exception as error:  # whatever a foreign config makes torch or transformers raise
            raise ValueError(f"{folder}: not a model this version can load: {error}") from error
        return model.to(device)

    @classmethod
    def _load_adapted(
        cls, folder: str | Path, config: dict[str, Any], weights: dict[str, Tensor]
    ) -> AMER:
        from amer_lite.encoders.prompt import open_lm

        try:
            lora = LoRA(**config["lora"])
            lm, _ = open_lm(lora.base)
            model = cls.from_lm(lm, config["dim"], lora=lora, normalize=config["normalize"])
            restore(model, weights)
            expected = config["base_sha256"]
        except (TypeError, KeyError, ValueError, RuntimeError) as error:
            raise ValueError(f"{folder}: not a model this version can load: {error}") from error
        if frozen_digest(model) != expected:
            raise ValueError(
                f"{folder}: was trained on other weights of {lora.base!r} than those found now; "
                f"train again, or open the base that it was trained on"
            )
        return model

    def _loop(self, embeds: Tensor, mask: Tensor, m: int, emit: _Emitter, feed: Any) -> Tensor:
        """The one autoregressive loop. ``feed(step, vector)`` returns what goes back in, (B, d)."""
        vectors: list[Tensor] = []
        cache = None
        for step in range(m):
            hidden, cache = self.backbone(embeds, mask, cache)
            if cache is None and step + 1 < m:
                raise ValueError(
                    "the language model keeps no KV cache, without which later vectors would not "
                    "see the query: switch activation checkpointing off, or use feedback='gold'"
                )
            vectors.append(emit(hidden[:, -1]))
            if step + 1 < m:
                embeds = self._read(feed(step, vectors[-1]))[:, None]
                mask = F.pad(mask, (0, 1), value=True)
        return torch.stack(vectors, 1)

    def _read(self, vectors: Tensor) -> Tensor:
        return self.input_projection(vectors.to(self.input_projection.weight.dtype))

    def _embed_prefix(self, prefix: Prefix) -> tuple[Tensor, Tensor]:
        """Embeddings (B, L, width) and mask (B, L), every row moved to end at the last column."""
        check_prefix(prefix)
        device = self.input_projection.weight.device
        values, mask = prefix.values.to(device), prefix.mask.to(device)
        # Whatever stands in the padding must reach neither a softmax nor an embedding table.
        values = values.masked_fill(~mask[..., None] if values.ndim == 3 else ~mask, 0)
        order = mask.long().argsort(dim=1, stable=True)  # padding first, tokens in their order
        rows = torch.arange(len(mask), device=device)[:, None]
        return self.backbone.embed(values[rows, order]), mask[rows, order]


class _Emitter:
    """Hidden state (B, width) → vector (B, d); remembers where the pointer has looked."""

    def __init__(self, model: AMER, prefix: Prefix) -> None:
        self.model = model
        self.attention: list[Tensor] = []
        if model.pointer is not None:
            weight = model.pointer.key.weight
            self.mask = prefix.mask.to(weight.device)
            states = prefix.values.to(weight.device, weight.dtype)
            self.states = states.masked_fill(~self.mask[..., None], 0)
            self.seen = states.new_zeros(self.mask.shape)

    def __call__(self, hidden: Tensor) -> Tensor:
        # float32 from here on: half-precision norms overflow, and rounding moves neighbours.
        vectors = self.model.output_projection(hidden).float()
        if self.model.pointer is not None:
            place, attention = self.model.pointer(hidden, self.states, self.mask, self.seen)
            vectors = vectors + place.float()
            self.attention.append(attention)
            self.seen = self.seen + attention
        return F.normalize(vectors, dim=-1) if self.model.config.normalize else vectors
