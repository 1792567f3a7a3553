"""``retrieve``: m vectors a question, all search, lists are merged: a TREC run and its qrels."""

from __future__ import annotations

import re
from pathlib import Path

from amer_lite.commands import golds, stages, tasks
from amer_lite.commands.config import Config
from amer_lite.commands.device import Device
from amer_lite.commands.embed import open_encoder
from amer_lite.commands.train import reader
from amer_lite.datasets.types import Example, Run
from amer_lite.evaluation import trec
from amer_lite.model.amer import AMER
from amer_lite.search.retrieve import as_run
from amer_lite.search.retrieve import retrieve as search
from amer_lite.search.shards import ShardIndex

UNTRAINED = "untrained"


def retrieve(config: Config, untrained: bool = False) -> str:
    """Write ``<folder>/runs/<split>.trec`` and ``.qrels``; returns in words what was written.

    Args:
        config: of the run.
        untrained: search with the document encoder's own vector of the query, the baseline that
            every training has to beat; the files are then called ``<split>-untrained``.

    Raises:
        FileNotFoundError, ValueError: `embed` or `train` was not run, or with other settings; a
            split that is not there.
    """
    stages.require(config, "embed" if untrained else "train")
    device, wanted = Device(), config.retrieve
    task = tasks.load(config)
    if wanted.split not in task.dataset.splits:
        raise ValueError(
            f"[retrieve] split {wanted.split!r} is unknown; the splits are "
            f"{', '.join(task.dataset.splits)}"
        )
    examples = list(task.dataset.splits[wanted.split])
    index = ShardIndex(Path(config.folder) / "embeddings", device=device.name)
    name = f"{wanted.split}-{UNTRAINED}" if untrained else wanted.split
    if untrained:
        encoder = open_encoder(config, device)
        run = Run(golds.nearest(config, encoder, index, examples, wanted.k))
    else:
        model = AMER.load(Path(config.folder) / "model", device.name)
        prefix = reader(config)([example.query for example in examples])
        merged = search(
            model,
            index,
            prefix,
            m=wanted.m,
            k=wanted.k,
            merge=wanted.merge,
            depth=wanted.depth,
            tau=config.tau,
        )
        run = as_run(merged, index, examples)
    if task.answers is not None:
        examples = golds.judged(task, examples, run.rankings)
    runs = Path(config.folder) / "runs"
    golds_as_words = [
        Example(_word(e.id), e.query, [[*map(_word, answer)] for answer in e.golds])
        for e in examples
    ]
    rankings = {_word(query): [*map(_word, docs)] for query, docs in run.rankings.items()}
    trec.write_qrels(runs / f"{name}.qrels", golds_as_words)
    trec.write_run(runs / f"{name}.trec", Run(rankings), tag=name)
    if not untrained:
        stages.finish(config, "retrieve", queries=len(examples))
    vectors = f"{wanted.m} vector(s)" if not untrained else "the encoder's own vector"
    return f"{len(examples):,} questions with {vectors}: {runs / name}.trec"


def _word(name: str) -> str:
    """An id as TREC files can hold it: white space as in an address, ``%20``."""
    return re.sub(r"\s", lambda found: f"%{ord(found[0]):02X}", name)
