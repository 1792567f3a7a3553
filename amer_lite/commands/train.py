"""``train``: a language model learns to emit vectors; a killed run resumes to the same figures."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from amer_lite import AMER, AMERConfig, DecoderConfig, Example, Prefix, TrainData, evaluator, fit
from amer_lite.commands import stages, task
from amer_lite.commands.config import Config, Training
from amer_lite.commands.embed import accelerator, nearest
from amer_lite.commands.task import Task
from amer_lite.datasets.cleaning import distinct_golds
from amer_lite.encoders import prompt
from amer_lite.encoders.hub import tokenizer_rules
from amer_lite.model.language_model import LoRA
from amer_lite.search.shards import ShardIndex
from amer_lite.storage import digest_of


def train(config: Config) -> str:
    """Train, with checkpoints in ``<folder>/training``, and save the best as ``<folder>/model``."""
    stages.require(config, "embed")
    processes, folder, settings = accelerator(), Path(config.folder), config.train
    loaded, index = task.load(config), ShardIndex(folder / "embeddings", device=processes.device)
    stages.require(config, "embed", data_sha256=loaded.sha256)
    if "train" not in loaded.dataset.splits:
        raise ValueError(f"data: no split 'train' to learn from, only {[*loaded.dataset.splits]}")
    with processes.main_process_first():  # the others find its files
        read, identity = reader(config)
        golds = _golds(config, loaded, index)
    known, dev = (
        [Example(e.id, e.query, golds[e.id]) for e in loaded.dataset.splits[name] if e.id in golds]
        for name in ("train", "dev")
    )
    if not known or not dev:
        raise ValueError(f"no question of train or dev has golds among the {len(index):,} passages")
    data = _data(known, read([example.query for example in known]), index, settings)
    torch.manual_seed(settings.seed)
    if config.states is not None:
        at, width = config.states, data.prefix.values.shape[2]
        decoder = DecoderConfig(width, at.width, at.depth, at.heads, at.dropout)
        model = AMER(AMERConfig(index.dim, decoder=decoder))
    else:
        assert config.lora is not None
        lora = LoRA(base=config.lm.source, **config.lora.model_dump())
        model = AMER.from_lm(prompt.open_lm(config.lm.source)[0], index.dim, lora=lora)
    model, recipe = model.to(processes.device), settings.recipe(len(data.golds))
    asked, how = read([example.query for example in dev]), config.retrieve
    score = evaluator(index, asked, dev, m=how.m, k=settings.k, merge=how.merge, tau=config.tau)
    path, bar = folder / "training", sys.stderr.isatty()
    history = fit(model, data, recipe, score, folder=path, progress=bar, accelerator=processes)
    best = max(history, key=lambda past: past.score)
    if processes.is_main_process:
        model.save(folder / "model")
        made_from = {"data_sha256": loaded.sha256, "reader_sha256": identity}
        found = {"best_step": best.step, "dev_recall": best.score}
        stages.finish(config, "train", **found, **made_from)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return (
        f"{len(data.golds):,} questions, {recipe.steps:,} steps, {trained:,} weights trained; best "
        f"on dev at step {best.step:,}: Recall@{settings.k} {best.score:.4f}"
    )


def reader(config: Config) -> tuple[Callable[[Sequence[str]], Prefix], str]:
    """Turns queries into what the model reads: token ids, or a language model's frozen states.

    The second is a digest of all that decides the result. A chat template may write today's date:
    its text is that of the first run in the folder.
    """
    lm, states, tokenizer = config.lm, config.states, prompt.open_tokenizer(config.lm.source)
    rules = digest_of(tokenizer_rules(tokenizer))
    text = lm.prompt
    if lm.chat:
        made_from, make = [lm.prompt, rules], partial(prompt.with_chat_template, tokenizer, text)
        text = stages.kept(config, "prompt", made_from, make)
    if states is None:
        return lambda queries: prompt.prompt_ids(tokenizer, text, queries), digest_of([text, rules])
    settings = states.model_dump(include={"layers", "last"})
    read = prompt.PromptEncoder(lm.source, prompt=text, **settings)
    return read.token_states, read.fingerprint


def _golds(config: Config, loaded: Task, index: ShardIndex) -> dict[str, list[list[str]]]:
    """Golds that the index has, by question of train and dev that has enough of them.

    Where the data have answer strings, the gold of an answer is the first passage with one of them
    among the 100 nearest to the question by the untrained encoder; these are kept in a file.
    """
    asked = [*loaded.dataset.splits["train"], *loaded.dataset.splits["dev"]]
    if loaded.answers is None:  # a proof may stand in no passage
        rows = index.known(doc for example in asked for doc in example.gold_ids)
        known = {e.id: [[doc for doc in docs if doc in rows] for docs in e.golds] for e in asked}
        golds, least = {query: [*filter(None, docs)] for query, docs in known.items()}, 1
    else:

        def mine() -> dict[str, list[list[str]]]:
            found = loaded.holders(nearest(config, index, asked, 100))
            return {query: [docs[:1] for docs in part if docs] for query, part in found.items()}

        mined = stages.kept(config, "golds", stages.noted(config.folder, "embed"), mine)
        golds = {query: distinct_golds(answers)[0] for query, answers in mined.items()}
        least = config.data.least
    return {query: answers for query, answers in golds.items() if len(answers) >= least}


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
