"""What :func:`amer_lite.training.fit.fit` keeps of a run, so that a killed one can go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from amer_lite.storage import load_bundle, save_bundle

_KIND = "amer-lite/training-1"


@dataclass(frozen=True)
class Checkpoint:
    """One evaluation: mean training loss since the last one, and the score on dev."""

    step: int
    loss: float
    score: float


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the trained weights and the buffers, on the CPU; frozen weights do not change."""
    frozen = _frozen(model)
    return {
        name: value.detach().cpu().clone()
        for name, value in model.state_dict().items()
        if name not in frozen
    }


def restore(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load what :func:`snapshot` took.

    Raises:
        ValueError: weights of another model, or of one of which other weights were frozen.
    """
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if odd := set(unexpected) | (set(missing) ^ _frozen(model)):
        raise ValueError(f"weights that do not fit the model: {sorted(odd)[:5]}")


def _frozen(model: nn.Module) -> set[str]:
    named = model.named_parameters(remove_duplicate=False)
    return {name for name, value in named if not value.requires_grad}


def save(
    folder: Path,
    run: dict[str, Any],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    history: list[Checkpoint],
    best: dict[str, Tensor],
) -> None:
    """Write the state of a run, atomically; ``run`` says which run it is."""
    state = {
        f"{index}.{name}": value
        for index, slots in optimizer.state_dict()["state"].items()
        for name, value in slots.items()
    }
    current = snapshot(model)
    save_bundle(
        folder,
        _KIND,
        {"run": run, "history": [asdict(past) for past in history]},
        {
            "current.safetensors": lambda path: save_file(current, path),
            "best.safetensors": lambda path: save_file(best, path),
            "optimizer.safetensors": lambda path: save_file(state, path),
        },
    )


def resume(
    folder: Path, run: dict[str, Any], model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[list[Checkpoint], dict[str, Tensor]]:
    """Load what :func:`save` wrote into ``model`` and ``optimizer``.

    Returns:
        The evaluations so far and the weights of the best one.

    Raises:
        ValueError: the folder holds another run than ``run``, or not a readable one.
    """
    saved, files = load_bundle(folder, _KIND)
    old = saved.get("run", {})
    differ = [part for part in run if old.get(part) != run[part]]
    if "TrainConfig" in differ:
        new, past = run["TrainConfig"], old.get("TrainConfig", {})
        changed = [
            f"{key} {past.get(key)} → {new[key]}" for key in new if past.get(key) != new[key]
        ]
        differ[differ.index("TrainConfig")] = "TrainConfig: " + ", ".join(changed)
    if differ:
        raise ValueError(
            f"{folder}: holds another run, which differs in {'; '.join(differ)}. To resume it, "
            f"build the model and the data as they were then (a model that was already trained "
            f"is not); for a new run, give a new folder"
        )
    try:
        restore(model, load_file(files["current.safetensors"]))
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in load_file(files["optimizer.safetensors"]).items():
            index, name = key.split(".", 1)
            slots.setdefault(int(index), {})[name] = value
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": slots, "param_groups": groups})
        history = [Checkpoint(**past) for past in saved["history"]]
        best = load_file(files["best.safetensors"])
        history[-1]  # a run is saved at its first evaluation, not before
    except Exception as error:  # whatever a foreign file makes torch or safetensors raise
        raise ValueError(f"{folder}: not a run that can be resumed: {error}") from error
    return history, best
