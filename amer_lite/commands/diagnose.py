"""``diagnose``: what the data say, before any training, of several vectors and their rivals."""

from __future__ import annotations

import json as jsonlib
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from amer_lite.commands import task
from amer_lite.commands.config import Config
from amer_lite.commands.embed import accelerator, opened
from amer_lite.datasets.types import Example, Run
from amer_lite.evaluation import diagnosis, geometry, metrics, rivals
from amer_lite.search.faiss import FaissIndex
from amer_lite.search.index import VectorIndex, Vectors
from amer_lite.search.retrieve import Merge, as_run, search_and_merge
from amer_lite.storage import write_text

AT = (diagnosis.K, 100)
LEAST, ASKED, KNOWN = 20, 500, 5_120  # questions; of more, so many are drawn
VOTERS = rivals.Neighbours(100, 0.1)
WHOLE, SPLITS = "the question", ("its words", "its clauses")
ONE = (WHOLE, "popularity", "vote of neighbours")  # what one trained vector reaches, too


def diagnose(config: Config, json: str | None = None) -> str:
    """What needs no training as a table, and what several trained vectors may gain over one.

    The questions are those of ``retrieve.split``, the corpus that of `task.load`: all golds, and of
    many other passages a sample. ``json`` is a file for the same. ValueError: fewer than 20
    questions or passages.
    """
    loaded, split = task.load(config), config.retrieve.split
    draw, corpus = random.Random(config.data.seed), loaded.dataset.corpus
    asked, known = (
        draw.sample(examples, min(most, len(examples)))
        for examples, most in (
            (loaded.questions(split), ASKED),
            (loaded.dataset.splits.get("train", ()), KNOWN),
        )
    )
    if min(len(asked), len(corpus)) < LEAST:
        few = f"{split} has {len(asked)} questions over {len(corpus)} passages"
        raise ValueError(f"data: {few}; a diagnosis needs {LEAST} of each")
    encoder, size = opened(config.encoder, accelerator().device, None), config.encoder.batch_size
    index = FaissIndex(encoder.dim)
    index.add(encoder.embed([*corpus.values()], size), [*corpus])
    found = {"split": split, "questions": len(asked), "passages": len(corpus)}
    enough = known if len(known) >= LEAST else []
    found |= examine(index, partial(encoder.embed_queries, batch_size=size), asked, enough)
    if json is not None:
        write_text(Path(json), jsonlib.dumps(found, indent=1) + "\n")
    return "\n".join(_lines(found))


def examine(
    index: VectorIndex,
    embed: Callable[[list[str]], Vectors],
    asked: Sequence[Example],
    known: Sequence[Example],
) -> dict[str, Any]:
    """All that is printed, of questions over an index into which ``embed`` takes them.

    ``known`` are those of training, if any; without them, and without a question of two golds,
    there is no ``predicted gain``, nor the ``cosines`` that it comes from.
    """
    depth = min(max(AT), len(index.ids))

    def by(vectors: Vectors, shares: Vectors | None = None, merge: Merge = "mixture") -> Run:
        sets = vectors.reshape(len(asked), -1, index.dim)
        merged = search_and_merge(index, sets, depth, merge=merge, weights=shares)
        return as_run(merged, index, asked)

    texts, before = ([example.query for example in some] for some in (asked, known))
    golds, queries = diagnosis.gold_sets(index, asked), embed(texts)
    common = rivals.common_words(before or texts)
    words = [rivals.telling_words(text, common) for text in texts]
    parts = [rivals.embedded(cut, embed) for cut in (words, [*map(rivals.clauses, texts)])]
    runs = {WHOLE: by(queries)} | {n: by(*cut) for n, cut in zip(SPLITS, parts, strict=True)}
    if known:
        vectors, learnt = embed(before), diagnosis.gold_sets(index, known)
        rows = [index.rows(example.gold_ids).tolist() for example in known]
        often = rivals.popularity(rows, len(index.ids))
        votes = rivals.vote(queries, vectors, rows, len(index.ids), VOTERS)
        guess = diagnosis.linear(queries, vectors, learnt)
        runs["popularity"] = rivals.best(often, index, asked, depth)
        runs["vote of neighbours"] = rivals.best(votes, index, asked, depth)
        runs["a linear map of it"] = by(guess)
    runs["centroid of golds"] = by(geometry.centroid(golds.points, golds.mask))
    runs["a vector a gold"] = by(golds.points, merge="round_robin")
    every = {name: [100 * metrics.mrecall(run, asked, k) for k in AT] for name, run in runs.items()}
    mrecall = {name: [float(value.mean()) for value in values] for name, values in every.items()}
    best = max(SPLITS, key=lambda name: mrecall[name])
    gain, rng = every[best][0] - every[WHOLE][0], np.random.default_rng(0)
    ends = metrics.bootstrap_mean(gain, 10_000, 0.95, rng)
    facts = diagnosis.facts(golds, index, known)
    found = {"facts": facts, "mrecall": mrecall, "gain of a split": (float(gain.mean()), *ends)}
    if known and facts["golds"] > 1:
        whole = [queries[:, None], *(vectors for vectors, _ in parts)]
        found["cosines"] = cosines = diagnosis.measure(golds, index, learnt, guess, whole)
        found["predicted gain"] = diagnosis.predict(cosines, max(mrecall[n][0] for n in ONE))
    return found


def _lines(found: dict[str, Any]) -> Iterator[str]:
    yield f"{found['questions']:,} questions of {found['split']}, {found['passages']:,} passages"
    yield ", ".join(f"{name} {value:.2f}" for name, value in found["facts"].items())
    yield f"{'MRecall':<20}" + "".join(f"{f'@{k}':>8}" for k in AT)
    for name, values in found["mrecall"].items():
        yield f"{name:<20}" + "".join(f"{value:8.2f}" for value in values)
    for name in ("gain of a split", "predicted gain"):
        if name in found:
            value, low, high = found[name]
            yield f"{name:<20}{value:+8.2f}  [{low:+.2f}, {high:+.2f}]"
    if found["facts"]["golds"] == 1:
        yield "no question has two golds: one vector suffices, there is no gain to predict"
    elif "predicted gain" not in found:
        yield f"fewer than {LEAST} training questions: no vote, no linear map, no prediction"
