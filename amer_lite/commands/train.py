"""``train``: a language model learns to emit vectors; a killed run resumes to the same figures."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from amer_lite.commands import stages, task
from amer_lite.commands.config import LM, Adapters, Config, Encoder, States, Training
from amer_lite.commands.embed import accelerator, nearest
from amer_lite.commands.task import Task
from amer_lite.datasets.cleaning import distinct_golds
from amer_lite.datasets.types import Example
from amer_lite.encoders import prompt
from amer_lite.evaluation.evaluator import evaluator
from amer_lite.model.amer import AMER, AMERConfig
from amer_lite.model.decoder import DecoderConfig
from amer_lite.model.language_model import LoRA
from amer_lite.model.prefix import Prefix
from amer_lite.search.shards import ShardIndex
from amer_lite.storage import write_text
from amer_lite.training.data import TrainData
from amer_lite.training.fit import fit

DEPTH = 100  # passages per question in which answers are looked for


def train(config: Config) -> str:
    """Train, with checkpoints in ``<folder>/training``, and save the best as ``<folder>/model``.

    Raises:
        FileNotFoundError, ValueError: `embed` was not run, or with other settings; a split without
            a question; what `fit` raises.
    """
    stages.require(config, "embed")
    processes, folder, settings = accelerator(), Path(config.folder), config.train
    loaded = task.load(config)
    index = ShardIndex(folder / "embeddings", device=processes.device)
    splits = [loaded.dataset.splits[name] for name in ("train", "dev")]
    every = [example for part in splits for example in part]
    if loaded.answers is None:
        golds, least = _indexed(every, index), 1
    else:
        with processes.main_process_first():  # the others find its file
            golds = _mined(folder / "golds.json", loaded, every, index, config.encoder)
        least = config.data.least
    known, dev = (
        [Example(e.id, e.query, golds[e.id]) for e in part if len(golds[e.id]) >= least]
        for part in splits
    )
    if not known or not dev:
        raise ValueError(f"no question of train or dev has golds among the {len(index):,} passages")
    read = reader(config.lm, config.states)
    data = _data(known, read([example.query for example in known]), index, settings)
    torch.manual_seed(settings.seed)
    model = _model(config.lm, config.lora, config.states, data.prefix, index.dim)
    model, recipe = model.to(processes.device), settings.recipe(len(data.golds))
    asked, merge = read([example.query for example in dev]), config.retrieve.merge
    score = evaluator(
        index, asked, dev, m=config.retrieve.m, k=settings.k, merge=merge, tau=config.tau
    )
    path, bar = folder / "training", sys.stderr.isatty()
    history = fit(model, data, recipe, score, folder=path, progress=bar, accelerator=processes)
    best = max(history, key=lambda past: past.score)
    if processes.is_main_process:
        model.save(folder / "model")
        stages.finish(config, "train", best_step=best.step, dev_recall=best.score)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return (
        f"{len(data.golds):,} questions, {recipe.steps:,} steps, {trained:,} weights trained; best "
        f"on dev at step {best.step:,}: Recall@{settings.k} {best.score:.4f}"
    )


def reader(lm: LM, states: States | None) -> Callable[[Sequence[str]], Prefix]:
    """Turns queries into what the model reads: token ids, or a language model's frozen states."""
    if states is None:
        tokenizer = prompt.open_tokenizer(lm.name)
        text = prompt.with_chat_template(tokenizer, lm.prompt) if lm.chat else lm.prompt
        return lambda queries: prompt.prompt_ids(tokenizer, text, queries)
    return prompt.PromptEncoder(
        lm.name, prompt=lm.prompt, chat=lm.chat, layers=states.layers, last=states.last
    ).token_states


def _indexed(asked: Sequence[Example], index: ShardIndex) -> dict[str, list[list[str]]]:
    """Golds by question that the index has: a proof may stand in no passage."""
    rows = index.known(doc for example in asked for doc in example.gold_ids)
    kept = {e.id: [[doc for doc in docs if doc in rows] for docs in e.golds] for e in asked}
    return {query: [docs for docs in answers if docs] for query, answers in kept.items()}


def _mined(
    path: Path, loaded: Task, asked: Sequence[Example], index: ShardIndex, encoder: Encoder
) -> dict[str, list[list[str]]]:
    """Golds by question where the data have answer strings; they are kept in the file ``path``.

    The gold of an answer is the first passage with one of its strings among the 100 nearest to the
    question, by the untrained encoder.
    """
    if not path.exists():
        found = loaded.holders(nearest(encoder, index, asked, DEPTH))
        first = {query: [docs[:1] for docs in part if docs] for query, part in found.items()}
        write_text(path, json.dumps(first))
    mined = json.loads(path.read_text(encoding="utf-8"))
    return {query: distinct_golds(answers)[0] for query, answers in mined.items()}


def _data(
    examples: Sequence[Example], prefix: Prefix, index: ShardIndex, settings: Training
) -> TrainData:
    """Questions, their answers' first golds, and a pool of other passages: never all of them."""
    rows = index.known(doc for example in examples for doc in example.gold_ids)
    targets = [[*dict.fromkeys(rows[docs[0]] for docs in e.golds)] for e in examples]
    rng = np.random.default_rng(settings.seed)
    pool = rng.choice(len(index), min(settings.pool, len(index)), replace=False)
    used = np.unique(np.concatenate([pool, *targets]).astype(np.int64))
    answers = [np.searchsorted(used, own).tolist() for own in targets]
    return TrainData(prefix, answers, torch.from_numpy(index.vectors(used)))


def _model(lm: LM, lora: Adapters | None, states: States | None, prefix: Prefix, dim: int) -> AMER:
    if states is not None:
        sizes = (states.width, states.depth, states.heads, states.dropout)
        return AMER(AMERConfig(dim, decoder=DecoderConfig(prefix.values.shape[2], *sizes)))
    assert lora is not None
    return AMER.from_lm(prompt.open_lm(lm.name)[0], dim, lora=LoRA(base=lm.name, **asdict(lora)))
