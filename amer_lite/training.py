"""Training an AMER: ``fit`` with a schedule, seeds, retrieval on dev, and resumable checkpoints."""

from __future__ import annotations

import hashlib
import json
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from amer_lite.checkpoint import Checkpoint, resume, save, snapshot
from amer_lite.matching import Pairing, set_info_nce
from amer_lite.model import AMER, Feedback
from amer_lite.prefix import Prefix
from amer_lite.storage import MANIFEST


@dataclass(frozen=True)
class TrainConfig:
    """How to train. The single-vector baseline is ``m=1, pairing="coverage"``, all else equal.

    Attributes:
        steps: optimiser steps.
        m: vectors emitted per query in training.
        batch_size: queries a step.
        learning_rate: peak; linear warm-up over the share ``warmup`` of the steps, then linear
            decay to zero.
        weight_decay: on matrices only (AdamW).
        max_grad_norm: gradients are clipped to this norm.
        temperature, pairing, masked: see :func:`amer_lite.matching.set_info_nce`.
        feedback: see :meth:`amer_lite.model.AMER.rollout`.
        sampling_cap: with scheduled feedback, the probability of feeding back the prediction rises
            linearly with progress up to this cap.
        negatives: documents drawn from the corpus per query, on top of in-batch golds.
        evaluate_every: steps between two evaluations, which are also the checkpoints.
        seed: of batches, gold order, negatives, sampling and dropout.
    """

    steps: int
    m: int
    batch_size: int = 128
    learning_rate: float = 1e-3
    warmup: float = 0.05
    weight_decay: float = 0.01
    max_grad_norm: float = 5.0
    temperature: float = 0.05
    pairing: Pairing = "hungarian"
    masked: bool = True
    feedback: Feedback = "predicted"
    sampling_cap: float = 0.8
    negatives: int = 0
    evaluate_every: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "m", "batch_size", "evaluate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"TrainConfig.{name} must be ≥ 1, got {getattr(self, name)}")
        for name, known in (("pairing", get_args(Pairing)), ("feedback", get_args(Feedback))):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"TrainConfig.{name} {getattr(self, name)!r} is unknown; "
                    f"choose one of {', '.join(known)}"
                )
        for name in ("learning_rate", "max_grad_norm", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"TrainConfig.{name} must be > 0, got {getattr(self, name)}")
        for name in ("warmup", "sampling_cap"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"TrainConfig.{name} must lie in [0, 1], got {getattr(self, name)}"
                )
        for name in ("negatives", "weight_decay", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"TrainConfig.{name} must be ≥ 0, got {getattr(self, name)}")


@dataclass(frozen=True)
class TrainData:
    """Queries with their golds as rows of a document matrix.

    Attributes:
        prefix: of Q queries.
        golds: Q non-empty integer sequences, rows of ``documents``.
        documents: (N, d) float32, frozen document embeddings.

    Raises:
        ValueError: lengths that differ, an empty gold set, a row that is repeated or not there,
            non-finite documents.
    """

    prefix: Prefix
    golds: Sequence[Sequence[int]]
    documents: Tensor

    def __post_init__(self) -> None:
        if len(self.golds) != len(self.prefix.mask) or not len(self.golds):
            raise ValueError(
                f"TrainData: {len(self.prefix.mask)} queries, {len(self.golds)} gold sets"
            )
        if self.documents.ndim != 2 or self.documents.dtype != torch.float32:
            raise ValueError(
                f"TrainData: documents must be float32 (N, d), got {self.documents.dtype} "
                f"{tuple(self.documents.shape)}"
            )
        for query, golds in enumerate(self.golds):
            if not len(golds):
                raise ValueError(f"TrainData: empty gold set of query {query}")
            rows = [operator.index(row) for row in golds]
            if len(set(rows)) != len(rows):
                raise ValueError(f"TrainData: query {query} repeats a gold row: {rows}")
            if min(rows) < 0 or max(rows) >= len(self.documents):
                raise ValueError(
                    f"TrainData: query {query} has gold rows {rows}, but there are "
                    f"{len(self.documents)} documents"
                )
        finite = torch.isfinite(self.documents).all(1)
        if not finite.all():
            bad = (~finite).nonzero().flatten().tolist()[:10]
            raise ValueError(f"TrainData: documents hold NaN or infinite values in rows {bad}")


def fit(
    model: AMER,
    data: TrainData,
    config: TrainConfig,
    evaluate: Callable[[AMER], float],
    *,
    folder: str | Path | None = None,
    progress: bool = True,
) -> list[Checkpoint]:
    """Train ``model`` in place and leave it with the weights of its best evaluation.

    Every random choice of step t depends on (seed, t) alone, so a run that was killed and started
    again with the same ``folder`` gives the same numbers as one that was not. The caller's random
    state is left as it was.

    Args:
        model: on its device; trained in its current dtype.
        data: training queries and the documents that they are trained against.
        config: see :class:`TrainConfig`.
        evaluate: the model's score, higher is better. Measure *retrieval on dev*: in-batch accuracy
            saturates long before retrieval does. Called without gradients.
        folder: where to keep the checkpoint to resume from; none is kept if None.
        progress: show a progress bar.

    Returns:
        One :class:`~amer_lite.checkpoint.Checkpoint` per evaluation, the last at the last step.

    Raises:
        ValueError: a non-finite loss or score, or a ``folder`` that holds another run.
        FileExistsError: ``folder`` is a file.
    """
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
    model.train()
    optimizer = torch.optim.AdamW(
        _decay_matrices(model, config.weight_decay), lr=config.learning_rate, betas=(0.9, 0.98)
    )
    history: list[Checkpoint] = []
    best = snapshot(model)
    run = _fingerprint(model, data, config) if folder is not None else {}
    start = 0
    if folder is not None and (Path(folder) / MANIFEST).exists():
        history, best = resume(Path(folder), run, model, optimizer)
        start = history[-1].step
    batches = _Batches(data, config)
    losses: list[float] = []
    device = model.input_projection.weight.device
    bar = tqdm(range(start, config.steps), initial=start, total=config.steps, disable=not progress)
    with torch.random.fork_rng():
        for step in bar:
            torch.manual_seed(config.seed * 1_000_003 + step)  # dropout of this step
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * _schedule(config, step)
            loss = _loss(model, batches.at(step), data.documents, config, step, device)
            if not torch.isfinite(loss):
                raise ValueError(f"fit: loss is {loss.item()} at step {step}; lower learning_rate")
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
            optimizer.step()
            losses.append(loss.item())
            if (step + 1) % config.evaluate_every and step + 1 < config.steps:
                continue
            score = _evaluate(model, evaluate)
            if not history or score > max(past.score for past in history):
                best = snapshot(model)
            history.append(Checkpoint(step + 1, float(np.mean(losses)), score))
            losses.clear()
            bar.set_postfix(loss=f"{history[-1].loss:.3f}", dev=f"{score:.4f}")
            if folder is not None:
                save(Path(folder), run, model, optimizer, history, best)
    model.load_state_dict(best)
    return history


@dataclass(frozen=True)
class _Batch:
    prefix: Prefix
    rows: Tensor  # (B, n) int64, golds in a random order
    mask: Tensor  # (B, n) bool
    negatives: Tensor | None  # (negatives · B,) int64
    generator: torch.Generator


class _Batches:
    """The batch of any step, from the seed and the step alone."""

    def __init__(self, data: TrainData, config: TrainConfig) -> None:
        self.data, self.config = data, config
        self.size = min(config.batch_size, len(data.golds))
        self.per_epoch = len(data.golds) // self.size
        width = max(len(rows) for rows in data.golds)
        self.rows = torch.zeros(len(data.golds), width, dtype=torch.long)
        self.mask = torch.zeros(len(data.golds), width, dtype=torch.bool)
        for i, rows in enumerate(data.golds):
            self.rows[i, : len(rows)] = torch.as_tensor(rows)
            self.mask[i, : len(rows)] = True

    def at(self, step: int) -> _Batch:
        epoch, place = divmod(step, self.per_epoch)
        order = np.random.default_rng((self.config.seed, 0, epoch)).permutation(len(self.rows))
        chosen = torch.from_numpy(order[place * self.size : (place + 1) * self.size])
        seed = np.random.SeedSequence((self.config.seed, 1, step)).generate_state(1)[0]
        generator = torch.Generator().manual_seed(int(seed))
        mask = self.mask[chosen]
        key = torch.rand(mask.shape, generator=generator).masked_fill(~mask, torch.inf)
        shuffle = key.argsort(1)
        negatives = None
        if self.config.negatives:
            drawn = (self.config.negatives * len(chosen),)
            negatives = torch.randint(len(self.data.documents), drawn, generator=generator)
        return _Batch(
            self.data.prefix.select(chosen),
            self.rows[chosen].gather(1, shuffle),
            mask.gather(1, shuffle),
            negatives,
            generator,
        )


def _loss(
    model: AMER,
    batch: _Batch,
    documents: Tensor,
    config: TrainConfig,
    step: int,
    device: torch.device,
) -> Tensor:
    golds, mask = documents[batch.rows].to(device), batch.mask.to(device)
    vectors = model.rollout(
        batch.prefix,
        golds,
        mask,
        m=config.m,
        feedback=config.feedback,
        sampling=config.sampling_cap * step / config.steps,
        generator=batch.generator,
    )
    extra = batch.negatives
    return set_info_nce(
        vectors,
        golds,
        mask,
        pairing=config.pairing,
        masked=config.masked,
        gold_ids=batch.rows.to(device),
        negatives=None if extra is None else documents[extra].to(device),
        negative_ids=None if extra is None else extra.to(device),
        temperature=config.temperature,
    )


def _schedule(config: TrainConfig, step: int) -> float:
    warm = math.ceil(config.warmup * config.steps)
    if step < warm:
        return (step + 1) / warm
    return (config.steps - step) / max(1, config.steps - warm)


def _decay_matrices(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]


def _evaluate(model: AMER, evaluate: Callable[[AMER], float]) -> float:
    model.eval()
    try:
        with torch.no_grad():
            score = float(evaluate(model))
    finally:
        model.train()
    if not math.isfinite(score):
        raise ValueError(f"fit: evaluate returned {score}; it must return a finite score")
    return score


def _fingerprint(model: AMER, data: TrainData, config: TrainConfig) -> dict[str, Any]:
    """What must be equal for a run to be resumed: configs, data, and the initial weights."""
    digest = hashlib.sha256()
    for part in (data.documents, data.prefix.values, data.prefix.mask):
        digest.update(part.contiguous().numpy().tobytes())
    digest.update(json.dumps([[int(r) for r in rows] for rows in data.golds]).encode())
    weights = hashlib.sha256()
    for value in snapshot(model).values():
        weights.update(value.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    trained = [name for name, value in model.named_parameters() if value.requires_grad]
    architecture = json.dumps([asdict(model.config), trained], sort_keys=True, default=str)
    return {
        "TrainConfig": asdict(config),
        "training data": digest.hexdigest(),
        "model or trained parameters": hashlib.sha256(architecture.encode()).hexdigest(),
        "initial weights": weights.hexdigest(),
    }
