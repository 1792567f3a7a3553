"""``retrieve``: m vectors a question, all search, lists are merged: a TREC run and its qrels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
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
    before: stages.Stage = "embed" if untrained else "train"
    stages.require(config, before)
    device, folder, wanted = accelerator().device, Path(config.folder), config.retrieve
    loaded = task.load(config)
    stages.require(config, before, data_sha256=loaded.sha256)
    examples = loaded.questions(wanted.split)
    index = ShardIndex(folder / "embeddings", device=device)
    if untrained:
        name, vectors = f"{wanted.split}-untrained", "the encoder's own vector"
        run = Run(nearest(config, index, examples, wanted.k))
    else:
        name, vectors = wanted.split, f"{wanted.m} vector(s)"
        read, identity = reader(config)
        stages.require(config, "train", reader_sha256=identity)
        model = AMER.load(folder / "model", device)
        prefix = read([example.query for example in examples])
        how = wanted.model_dump(exclude={"split"})
        run = as_run(search(model, index, prefix, **how, tau=config.tau), index, examples)
    golds: Mapping[str, Sequence[Sequence[str]]] = {e.id: e.golds for e in examples}
    if loaded.answers is not None:  # the name stands for all others: an answer not found is missed
        golds = {
            query: [[f"answer-{n}-of-{query}", *docs] for n, docs in enumerate(found, start=1)]
            for query, found in loaded.holders(run.rankings).items()
        }
    flat = chain.from_iterable
    words = _words({*golds, *flat(run.rankings.values()), *flat(flat(golds.values()))})
    judged = [
        Example(words[query], query, [[words[doc] for doc in docs] for docs in answers])
        for query, answers in golds.items()
    ]
    rankings = {words[q]: [words[doc] for doc in docs] for q, docs in run.rankings.items()}
    written = folder / "runs" / f"{name}.trec"
    trec.write_qrels(written.with_suffix(".qrels"), judged)
    trec.write_run(written, Run(rankings), tag=name)
    if not untrained:
        stages.finish(config, "retrieve", queries=len(examples))
    return f"{len(examples):,} questions with {vectors}: {written}"


def _words(names: Iterable[str]) -> dict[str, str]:
    """Ids as TREC files can hold them: white space (and marks) as in an address, ``%20``."""
    words = {name: re.sub(r"[\s\ufeff]", lambda c: f"%{ord(c[0]):02X}", name) for name in names}
    if same := [word for word, times in Counter(words.values()).items() if times > 1]:
        raise ValueError(f"two ids are {same[0]!r} once white space is written so; rename one")
    return words
