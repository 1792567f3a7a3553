"""``retrieve``: m vectors a question, all search, lists are merged: a TREC run and its qrels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from amer_lite.commands import stages, task
from amer_lite.commands.config import Config
from amer_lite.commands.embed import accelerator, nearest
from amer_lite.commands.train import reader
from amer_lite.datasets.types import Example, Run
from amer_lite.evaluation import trec
from amer_lite.model.amer import AMER
from amer_lite.search.retrieve import as_run
from amer_lite.search.retrieve import retrieve as search
from amer_lite.search.shards import ShardIndex


def retrieve(config: Config, untrained: bool = False) -> str:
    """Write ``<folder>/runs/<split>.trec`` and ``.qrels``; returns in words what was written.

    With ``untrained`` the document encoder's own vector of the query searches, the baseline that
    every training has to beat; the files are then called ``<split>-untrained``.
    """
    stages.require(config, "embed" if untrained else "train")
    device, folder, wanted = accelerator().device, Path(config.folder), config.retrieve
    loaded = task.load(config)
    examples = loaded.dataset.splits.get(wanted.split)
    if examples is None:
        known = ", ".join(loaded.dataset.splits)
        raise ValueError(f"retrieve.split {wanted.split!r} is unknown; the splits are {known}")
    index = ShardIndex(folder / "embeddings", device=device)
    if untrained:
        name, vectors = f"{wanted.split}-untrained", "the encoder's own vector"
        run = Run(nearest(config.encoder, index, examples, wanted.k))
    else:
        name, vectors = wanted.split, f"{wanted.m} vector(s)"
        model = AMER.load(folder / "model", device)
        prefix = reader(config.lm, config.states)([example.query for example in examples])
        how = wanted.model_dump(exclude={"split"})
        run = as_run(search(model, index, prefix, **how, tau=config.tau), index, examples)
    golds: Mapping[str, Sequence[Sequence[str]]] = {e.id: e.golds for e in examples}
    if loaded.answers is not None:  # the name stands for all others: an answer not found is missed
        golds = {
            query: [[f"answer-{n}-of-{query}", *docs] for n, docs in enumerate(found, start=1)]
            for query, found in loaded.holders(run.rankings).items()
        }
    judged = [
        Example(_word(query), query, [[*map(_word, docs)] for docs in answers])
        for query, answers in golds.items()
    ]
    rankings = {_word(query): [*map(_word, docs)] for query, docs in run.rankings.items()}
    written = folder / "runs" / f"{name}.trec"
    trec.write_qrels(written.with_suffix(".qrels"), judged)
    trec.write_run(written, Run(rankings), tag=name)
    if not untrained:
        stages.finish(config, "retrieve", queries=len(examples))
    return f"{len(examples):,} questions with {vectors}: {written}"


def _word(name: str) -> str:
    """An id as TREC files can hold it: white space as in an address, ``%20``."""
    return re.sub(r"\s", lambda found: f"%{ord(found[0]):02X}", name)
