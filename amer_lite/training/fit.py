"""Training an AMER: seeded, scheduled, chosen by retrieval on dev, and resumable."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from amer_lite.model.amer import AMER
from amer_lite.model.weights import restore, snapshot
from amer_lite.storage import MANIFEST, locked
from amer_lite.training.checkpoint import Checkpoint, identity, resume, save
from amer_lite.training.config import TrainConfig
from amer_lite.training.data import Batch, Batches, TrainData
from amer_lite.training.matching import (
    mixture_info_nce,
    set_info_nce,
    single_info_nce,
    usual_pairing,
)

if TYPE_CHECKING:
    from accelerate import Accelerator


def fit(
    model: AMER,
    data: TrainData,
    config: TrainConfig,
    evaluate: Callable[[AMER], float],
    *,
    folder: str | Path | None = None,
    progress: bool = True,
    accelerator: Accelerator | None = None,
) -> list[Checkpoint]:
    """Train ``model`` in place, leave it with its best weights, and return every evaluation.

    Every random choice of step t depends on (seed, t) alone, so a run that was killed and started
    again with the same ``folder`` gives the same numbers. The caller's random state is left alone.

    Under ``accelerate launch`` every process calls this with the same arguments and computes its
    share of a batch's parts; gradients are summed, and the first process evaluates and writes.
    The number of processes changes nothing but rounding.

    Args:
        model: on its device; trained in its current dtype.
        data, config: see :class:`amer_lite.training.data.TrainData` and
            :class:`amer_lite.training.config.TrainConfig`.
        evaluate: the model's score, higher is better. Measure *retrieval on dev*: in-batch accuracy
            saturates long before retrieval does. Called without gradients.
        folder: where to keep the checkpoint to resume from; none is kept if None.
        progress: show a bar.
        accelerator: of several processes, each with its model on its own device; None for one.

    Raises:
        ValueError: queries that the model cannot read, a non-finite loss or score, a ``folder``
            that holds another run, or parts that cannot be shared out among the processes.
        OSError: another process trains in ``folder``, or the disk is full.
    """
    rank = accelerator.process_index if accelerator else 0
    processes = accelerator.num_processes if accelerator else 1
    if config.accumulate % processes:
        said = f"must be a multiple of {processes} processes"
        raise ValueError(f"fit: accumulate={config.accumulate} {said}")
    model.check(data.prefix, config.m)
    batches = Batches(data, config)
    model.train()
    if not (trained := [p for p in model.parameters() if p.requires_grad]):
        raise ValueError("fit: no weight of the model is trainable; requires_grad is off in all")
    groups = [{"params": [p for p in trained if p.ndim >= 2], "weight_decay": config.weight_decay}]
    groups += [{"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), eps=config.epsilon)
    history: list[Checkpoint] = []
    best, run = snapshot(model), {}
    if folder is not None:
        folder, run = Path(folder), identity(model, data, config)
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / MANIFEST).exists():
            history, best = resume(folder, run, model, optimizer)
    start = history[-1].step if history else 0
    warm, losses = math.ceil(config.warmup * config.steps), list[float]()
    device = model.input_projection.weight.device
    silent = not progress or rank > 0
    bar = tqdm(range(start, config.steps), initial=start, total=config.steps, disable=silent)
    own = folder if rank == 0 else None  # to write to
    with torch.random.fork_rng(), locked(own / "training", 0) if own else nullcontext():
        for step in bar:
            left = (config.steps - step) / max(1, config.steps - warm)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * ((step + 1) / warm if step < warm else left)
            optimizer.zero_grad(set_to_none=True)
            total = torch.zeros((), device=device)
            for part, batch in batches.parts(step, rank, processes):
                torch.manual_seed(config.seed * 1_000_003 + step + part * 1_000_000_007)  # dropout
                loss = _loss(model, batch, data.documents, config, step)
                loss.backward()
                total += loss.detach()
            if accelerator is not None and processes > 1:
                gradients = [p.grad for p in trained if p.grad is not None]
                for value in [total, *gradients]:
                    value.copy_(accelerator.reduce(value, "sum"))
            losses.append(total.item())
            if not math.isfinite(losses[-1]):
                raise ValueError(f"fit: loss is {total} at step {step}; lower learning_rate")
            nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
            optimizer.step()
            if (step + 1) % config.evaluate_every and step + 1 < config.steps:
                continue
            score = _evaluate(model, evaluate) if rank == 0 else 0.0
            if accelerator is not None and processes > 1:  # the first process's score, on all
                shared = torch.tensor(score, dtype=torch.float64, device=device)
                score = accelerator.reduce(shared, "sum").item()
            if not history or score > max(past.score for past in history):
                best = snapshot(model)
            history.append(Checkpoint(step + 1, float(np.mean(losses)), score))
            losses.clear()
            bar.set_postfix(loss=f"{history[-1].loss:.3f}", dev=f"{score:.4f}")
            if own:
                save(own, run, model, optimizer, history, best)
    restore(model, best)
    return history


def _loss(model: AMER, batch: Batch, documents: Tensor, config: TrainConfig, step: int) -> Tensor:
    """Of a part of the batch, without a look at values: `TrainData` and `fit` have checked them."""
    device = model.input_projection.weight.device
    golds, mask = documents[batch.rows].to(device), batch.mask.to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=config.autocast is not None):
        vectors, log_weights = model.emit(
            batch.prefix,
            golds,
            mask,
            m=config.m,
            feedback=config.feedback,
            sampling=config.sampling_cap * step / config.steps,
            generator=batch.generator,
            check=False,
        )
    if not vectors.isfinite().all():
        raise ValueError(f"fit: vectors are NaN or infinite at step {step}; lower learning_rate")
    shared: dict[str, Any] = {"temperature": config.temperature, "masked": config.masked}
    shared |= {"gold_ids": batch.rows.to(device), "check": False}
    if (extra := batch.negatives) is not None:
        shared |= {"negatives": documents[extra].to(device), "negative_ids": extra.to(device)}
    of_golds, of_pairs = batch.shares
    if config.loss == "mixture":
        return of_golds * mixture_info_nce(vectors, log_weights, golds, mask, **shared)
    anchor = torch.zeros((), device=device)
    if config.anchored:
        anchor = of_golds * single_info_nce(vectors[:, 0], golds, mask, **shared)
        vectors = vectors[:, 1:]
    pairing = config.pairing or usual_pairing(config.m)
    matched = set_info_nce(vectors, golds, mask, pairing=pairing, **shared)
    return anchor + of_pairs * matched


@torch.no_grad()
def _evaluate(model: AMER, evaluate: Callable[[AMER], float]) -> float:
    model.eval()
    try:
        score = evaluate(model)
    finally:
        model.train()
    try:
        number = float(score)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"fit: evaluate returned {score!r}; it must return a finite score")
    return number
