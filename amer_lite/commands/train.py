"""``train``: a language model learns to emit vectors; a killed run resumes to the same figures."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from amer_lite.commands import golds, stages, tasks
from amer_lite.commands.config import Config
from amer_lite.commands.device import Device
from amer_lite.commands.embed import open_encoder
from amer_lite.datasets.types import Example
from amer_lite.encoders.prompt import (
    PromptEncoder,
    open_lm,
    open_tokenizer,
    prompt_ids,
    with_chat_template,
)
from amer_lite.evaluation import metrics
from amer_lite.model.amer import AMER, AMERConfig
from amer_lite.model.prefix import Prefix
from amer_lite.search.retrieve import as_run, retrieve
from amer_lite.search.shards import ShardIndex
from amer_lite.training.data import TrainData
from amer_lite.training.fit import fit

Reader = Callable[[Sequence[str]], Prefix]


def train(config: Config) -> str:
    """Train, with checkpoints in ``<folder>/training``, and save the best as ``<folder>/model``.

    Raises:
        FileNotFoundError, ValueError: `embed` was not run, or with other settings; what
            `amer_lite.training.fit.fit` raises.
    """
    stages.require(config, "embed")
    device = Device()
    task = tasks.load(config)
    index = ShardIndex(Path(config.folder) / "embeddings", device=device.name)
    if task.answers is not None:
        if device.rank == 0:
            golds.mine(config, task, index, lambda: open_encoder(config, device))
        device.wait()
    examples = golds.trainable(config, task, index)
    settings, read = config.train, reader(config)
    data = _data(config, index, examples["train"], read)
    torch.manual_seed(settings.recipe.seed)
    model = _model(config, index.dim, data.prefix).to(device.name)
    steps = settings.epochs * max(1, len(data.golds) // settings.recipe.batch_size)
    recipe = replace(
        settings.recipe, steps=steps, evaluate_every=math.ceil(steps / settings.evaluations)
    )
    history = fit(
        model,
        data,
        recipe,
        _score(config, index, examples["dev"], read),
        folder=Path(config.folder) / "training",
        progress=sys.stderr.isatty(),
        accelerator=device.accelerator,
    )
    best = max(history, key=lambda past: past.score)
    if device.rank == 0:
        model.save(Path(config.folder) / "model")
        stages.finish(config, "train", best_step=best.step, dev_recall=best.score)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return (
        f"{len(data.golds):,} questions, {steps:,} steps, {trained:,} weights trained; best on dev "
        f"at step {best.step:,}: Recall@{settings.k} {best.score:.4f}"
    )


def reader(config: Config) -> Reader:
    """Turns queries into what the model reads: token ids, or a language model's frozen states."""
    lm, states = config.lm, config.states
    if states is None:
        tokenizer = open_tokenizer(lm.name)
        prompt = with_chat_template(tokenizer, lm.prompt) if lm.chat else lm.prompt
        return lambda queries: prompt_ids(tokenizer, prompt, queries)
    return PromptEncoder(
        lm.name, prompt=lm.prompt, chat=lm.chat, layers=states.layers, last=states.last
    ).token_states


def _data(
    config: Config, index: ShardIndex, examples: Sequence[Example], read: Reader
) -> TrainData:
    """Training questions against their golds and a pool of other passages: never all of them."""
    rows = index.known(doc for example in examples for doc in example.gold_ids)
    targets = golds.targets(examples, rows)
    drawn = golds.pool(index, config.train.pool, config.train.recipe.seed)
    used = np.unique(np.concatenate([drawn, *map(np.asarray, targets)]).astype(np.int64))
    return TrainData(
        read([example.query for example in examples]),
        [np.searchsorted(used, answers).tolist() for answers in targets],
        torch.from_numpy(index.vectors(used)),
    )


def _model(config: Config, dim: int, prefix: Prefix) -> AMER:
    if config.states is not None:
        return AMER(AMERConfig(dim, decoder=config.states.decoder(prefix.values.shape[2])))
    assert config.lora is not None
    lm, _ = open_lm(config.lm.name)
    return AMER.from_lm(lm, dim, lora=config.lora.on(config.lm.name))


def _score(
    config: Config, index: ShardIndex, examples: Sequence[Example], read: Reader
) -> Callable[[AMER], float]:
    """Recall on dev, searching the whole corpus."""
    prefix = read([example.query for example in examples])
    wanted = config.retrieve

    def score(model: AMER) -> float:
        merged = retrieve(
            model, index, prefix, m=wanted.m, k=config.train.k, merge=wanted.merge, tau=config.tau
        )
        run = as_run(merged, index, examples)
        return float(metrics.recall(run, examples, config.train.k).mean())

    return score
