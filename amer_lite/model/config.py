"""What an AMER is made of, in one frozen dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import StrictBool
from pydantic.dataclasses import dataclass

from amer_lite.model.decoder import DecoderConfig
from amer_lite.model.language_model import LoRA
from amer_lite.model.numbers import CONFIG, Count


@dataclass(frozen=True, config=CONFIG)
class AMERConfig:
    """What an :class:`~amer_lite.model.amer.AMER` is made of, with either ``decoder`` or ``lm``.

    Attributes:
        dim: dimension d of the document space.
        decoder: sizes of our own decoder over frozen token states.
        lm: a Hugging Face configuration as a dict (``config.to_dict()``) with its ``model_type``.
        pointer: every vector starts from a place in the query itself, for decoders over states of
            the document encoder; see :class:`amer_lite.model.pointer.Pointer`.
        lora: adapters on a pretrained ``lm``, whose own weights are frozen and are not saved.
        normalize: emit L2-normalised vectors. Switch off only for unnormalised document spaces.
        weighted: learn how much of the answer each vector stands for; see
            :class:`~amer_lite.model.emission.Emission`.
    """

    dim: Count
    decoder: DecoderConfig | None = None
    lm: Mapping[str, Any] | None = None
    pointer: StrictBool = False
    lora: LoRA | None = None
    normalize: StrictBool = True
    weighted: StrictBool = False

    def __post_init__(self) -> None:
        if (self.decoder is None) == (self.lm is None):
            raise ValueError("give either decoder or lm, not both and not neither")
        if self.pointer and (self.decoder is None or self.decoder.state_dim < self.dim):
            raise ValueError(f"pointer: needs a decoder with state_dim ≥ dim={self.dim}")
        if self.lora is not None and self.lm is None:
            raise ValueError("lora: adapters need an lm")
