"""Weights that are trained are copied and put back; frozen ones are only compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the trained weights and the buffers, on the CPU."""
    kept, frozen = model.state_dict().items(), _frozen(model)
    return {name: value.detach().cpu().clone() for name, value in kept if name not in frozen}


def restore(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load what :func:`snapshot` took; ValueError if other weights were trained then."""
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if odd := {*unexpected, *(set(missing) ^ _frozen(model).keys())}:
        raise ValueError(f"weights that do not fit the model: {sorted(odd)[:5]}")


def frozen_digest(model: nn.Module) -> str:
    """sha256 of the weights that are not trained, which a saved adapter fits and no others."""
    digest = hashlib.sha256()
    add_weights(digest, _frozen(model).items())
    return digest.hexdigest()


def add_weights(digest: hashlib._Hash, weights: Iterable[tuple[str, Tensor]]) -> None:
    """Feed names and bytes of weights to a digest."""
    for name, value in weights:
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)


def _frozen(model: nn.Module) -> dict[str, Tensor]:
    named = model.named_parameters(remove_duplicate=False)
    return {name: value for name, value in named if not value.requires_grad}
