"""What :func:`amer_lite.training.fit.fit` keeps of a run, so that a killed one can go on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from amer_lite.model.amer import AMER
from amer_lite.model.weights import add_weights, restore, snapshot
from amer_lite.storage import load_bundle, save_bundle
from amer_lite.training.config import TrainConfig
from amer_lite.training.data import TrainData

_KIND = "amer-lite/training-2"


@dataclass(frozen=True)
class Checkpoint:
    """One evaluation: mean training loss since the last one, and the score on dev."""

    step: int
    loss: float
    score: float


def identity(model: AMER, data: TrainData, config: TrainConfig) -> dict[str, Any]:
    """What must be equal for a run to be resumed: settings, data, and the initial weights."""
    trained = [name for name, value in model.named_parameters() if value.requires_grad]
    architecture = json.dumps([asdict(model.config), trained], sort_keys=True, default=str)
    golds = json.dumps([[int(row) for row in rows] for rows in data.golds])
    return asdict(config) | {
        "model or trained parameters": _digest(architecture, {}),
        "initial weights": _digest("", model.state_dict()),
        "training data": _digest(golds, {"documents": data.documents, **data.prefix._asdict()}),
    }


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256(text.encode())
    add_weights(digest, tensors.items())
    return digest.hexdigest()[:16]


def save(
    folder: Path,
    run: dict[str, Any],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    history: list[Checkpoint],
    best: dict[str, Tensor],
) -> None:
    """Write the state of a run, atomically; ``run`` is its :func:`identity`."""
    moments = {
        f"{index}.{name}": value
        for index, slots in optimizer.state_dict()["state"].items()
        for name, value in slots.items()
    }
    tensors = {"current": snapshot(model), "best": best, "optimizer": moments}
    config = {"run": run, "history": [asdict(past) for past in history]}
    files = {f"{name}.safetensors": partial(save_file, part) for name, part in tensors.items()}
    save_bundle(folder, _KIND, config, files)


def resume(
    folder: Path, run: dict[str, Any], model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[list[Checkpoint], dict[str, Tensor]]:
    """Load what :func:`save` wrote, if it was the same run: its evaluations and best weights."""
    saved, parts = load_bundle(
        folder, _KIND, lambda saved, files: (saved, {n: load_file(p) for n, p in files.items()})
    )
    old = saved.get("run", {})
    differ = [f"{key} {old.get(key)} → {run[key]}" for key in run if old.get(key) != run[key]]
    if differ:
        said = f"holds another run, which differs in {', '.join(differ)}"
        raise ValueError(f"{folder}: {said}. Build model and data as then, or give a new folder")
    restore(model, parts["current.safetensors"])
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in parts["optimizer.safetensors"].items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
    return [Checkpoint(**past) for past in saved["history"]], parts["best.safetensors"]
