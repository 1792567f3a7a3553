"""What :func:`amer_lite.training.fit.fit` keeps of a run, so that a killed one can go on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from amer_lite.encoders.hub import add_weights
from amer_lite.model.amer import AMER
from amer_lite.model.weights import restore, snapshot
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
    texts = {
        "model or trained parameters": (architecture, {}),
        "initial weights": ("", model.state_dict()),
        "training data": (golds, {"documents": data.documents, **data.prefix._asdict()}),
    }
    run = asdict(config)
    for name, (text, tensors) in texts.items():
        digest = hashlib.sha256(text.encode())
        add_weights(digest, tensors.items())
        run[name] = digest.hexdigest()[:16]
    return run


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
    save_bundle(
        folder,
        _KIND,
        {"run": run, "history": [asdict(past) for past in history]},
        {
            f"{name}.safetensors": lambda path, values=values: save_file(values, path)
            for name, values in tensors.items()
        },
    )


def resume(
    folder: Path, run: dict[str, Any], model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[list[Checkpoint], dict[str, Tensor]]:
    """Load what :func:`save` wrote into ``model`` and ``optimizer``.

    Returns:
        The evaluations so far, at least one, and the weights of the best.

    Raises:
        ValueError: the folder holds another run than ``run``, or not a readable one.
    """
    saved, files = load_bundle(folder, _KIND)
    old = saved.get("run", {})
    differ = [
        f"{part} ({old.get(part)} → {run[part]})" for part in run if old.get(part) != run[part]
    ]
    if differ:
        raise ValueError(
            f"{folder}: holds another run, which differs in {', '.join(differ)}. To resume it, "
            f"build the model and the data as they were then (a model that was already trained "
            f"is not); for a new run, give a new folder"
        )
    try:
        restore(model, load_file(files["current.safetensors"]))
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in load_file(files["optimizer.safetensors"]).items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
        history = [Checkpoint(**past) for past in saved["history"]]
        if not history:
            raise ValueError("no evaluation, and a run is saved at its first")
        return history, load_file(files["best.safetensors"])
    except Exception as error:  # whatever a foreign file makes torch or safetensors raise
        raise ValueError(f"{folder}: not a run that can be resumed: {error}") from error
