"""The recorded run of part IV: every rival could choose what the others could choose.

    python -m amer_book.runs.fair [world ...] [--data FOLDER] [--draw N] [--models NAME ...]

For every world (`amer_book.runs.settings`) the plain rivals, which train nothing, and every trained
model of `MODELS`. All trained ones walk the same ladders (`LADDERS`: is the loss masked, is there a
pointer, temperature, learning rate, steps) from the same start, on dev with seed 0, until no step
of the walk betters where they stand (`amer_book.climb`); what is chosen plainly (how a query is
split and merged, how many neighbours vote) walks likewise. Then three seeds each look at test once.

Beside the first splits there are others, ``--draw 1`` and on, drawn anew, whose dev and test
queries stood in none before; settings are those chosen on the first. Experiments are then
``<world>-draw-1``.

``share`` is the weight of the neighbours' vote in what is ranked (`amer_book.beliefs.mix`), 0
without; each training chooses its own on dev.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from amer_book import beliefs
from amer_book.climb import climb
from amer_book.records import Ledger, Record, as_bits, select, tuned
from amer_book.runs import parser_of, percent
from amer_book.runs.settings import NATURAL, WORLDS, World
from amer_lite import AMER, AMERConfig, DecoderConfig, TrainConfig, TrainData, fit
from amer_lite.datasets.types import Run
from amer_lite.evaluation import diagnosis, geometry, metrics, rivals
from amer_lite.evaluation.rivals import Belief, Neighbours
from amer_lite.search import merge as merging
from amer_lite.search.index import Hits, search_sets
from amer_lite.search.merge import Merged
from amer_lite.search.retrieve import Merge, as_run, retrieve, search_and_merge

SEEDS = (1, 2, 3)
CUTS = (10, 100)
DEPTH = 1000  # fetched by each vector; of what lies deeper a softmax says nothing
SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class Point(NamedTuple):
    """What a trained model may choose."""

    masked: bool
    pointer: bool
    temperature: float
    learning_rate: float
    steps: int


START = Point(False, True, 0.02, 3e-4, 400)
LADDERS: Mapping[str, Sequence[Any]] = {
    "masked": (True, False),
    "pointer": (True, False),
    "temperature": (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.4),
    "learning_rate": (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    "steps": (50, 100, 200, 400, 800, 1600, 3200),
}
MODELS: Mapping[str, Mapping[str, Any]] = {  # of the `TrainConfig`
    "single": {"m": 1},
    "amer-mixture": {"m": 6, "loss": "mixture"},
    "amer-matched": {"m": 6, "anchored": True},
}
VOTERS: Mapping[str, Sequence[Any]] = {
    "voters": (1, 3, 10, 30, 100, 300, 1000, 3000),
    "temperature": (0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
}


class Split(NamedTuple):
    """How a query is taken apart, and how the lists of its parts are merged."""

    rule: str
    merge: Merge
    tau: float


RULES = ("words", "clauses", "tokens")
MERGES: Sequence[tuple[Merge, float]] = [
    ("round_robin", 0.05),
    *(("mixture", tau) for tau in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)),
]
SPLITS = [Split(rule, *how) for rule in RULES for how in MERGES]


def build(
    world: World, seed: int, point: Point, weighted: bool, width: int = 384, layers: int = 1
) -> AMER:
    torch.manual_seed(seed)
    states = world.train.prefix.values.shape[2]
    decoder = DecoderConfig(states, width, layers, heads=width // 64, dropout=0.1)
    config = AMERConfig(world.setting.dim, decoder, pointer=point.pointer, weighted=weighted)
    model = AMER(config)
    if model.pointer is not None:
        model.pointer.basis.copy_(world.basis)
    return model


def find(world: World, model: AMER, part: str, m: int, tau: float, depth: int) -> Merged:
    """By the mixture that the model was trained as, cut off at ``depth``."""
    options: dict[str, Any] = {"m": m, "k": depth, "merge": "mixture", "tau": tau}
    return retrieve(model, world.index, world.queries[part], **options)


def believe(world: World, model: AMER, part: str, m: int, tau: float) -> Belief:
    found = find(world, model, part, m, tau, min(DEPTH, len(world.ids)))
    return beliefs.as_belief(found, len(world.ids))


def score(world: World, run: Run) -> float:
    """Mean of Recall at both cut-offs on dev: what every setting is chosen by."""
    return float(np.mean([metrics.recall(run, world.examples["dev"], k).mean() for k in CUTS]))


def best(world: World, belief: Belief, part: str = "dev") -> Run:
    return rivals.best(belief, world.index, world.examples[part], max(CUTS))


def train(
    world: World,
    options: Mapping[str, Any],
    point: Point,
    seed: int,
    *,
    data: TrainData | None = None,
    **shape: int,
) -> tuple[AMER, dict[int, float]]:
    """The best of all evaluations on dev; and step → dev score.

    Args:
        options: of the `TrainConfig`, such as one of `MODELS`.
        data: what is trained on, if not the world's; ``shape``: of the decoder, see `build`.
    """
    config = TrainConfig(
        steps=point.steps,
        learning_rate=point.learning_rate,
        temperature=point.temperature,
        masked=point.masked,
        batch_size=64,
        negatives=8,
        evaluate_every=max(1, point.steps // 4),
        autocast="bfloat16",
        seed=seed,
        **options,
    )
    model = build(world, seed, point, config.loss == "mixture", **shape)

    def dev(model: AMER) -> float:
        found = find(world, model, "dev", config.m, point.temperature, max(CUTS))
        return score(world, as_run(found, world.index, world.examples["dev"]))

    history = fit(model, data or world.train, config, dev, progress=False)
    return model, {past.step: past.score for past in history}


def measured(world: World, run: Run, part: str, **row: Any) -> Iterator[Record]:
    """MRecall and Recall in percent; on test by number of golds too, and a bit for every query."""
    examples = world.examples[part]
    masks = {"all": np.ones(len(examples), bool)} | (world.subsets if part == "test" else {})
    for metric in (metrics.mrecall, metrics.recall):
        for k in CUTS:
            values = metric(run, examples, k)
            for subset, rows in masks.items():
                found: Record = {
                    "split": part, "metric": metric.__name__, "k": k, "subset": subset,
                    "queries": int(rows.sum()), "value": percent(values[rows].mean()), **row,
                }  # fmt: skip
                if metric is metrics.mrecall and subset == "all":
                    found["answered"] = as_bits(values)
                yield found


def both(world: World, beliefs: Mapping[str, Belief], **row: Any) -> Iterator[Record]:
    """Of dev and test."""
    for part, belief in beliefs.items():
        yield from measured(world, best(world, belief, part), part, **row)


class Plain:
    """The rivals of a world that train nothing."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.golds = world.train.golds
        self.common = rivals.common_words([e.query for e in world.examples["train"]])
        self.texts = {part: [e.query for e in some] for part, some in world.examples.items()}
        self.whole = {p: world.encoder.embed(texts) for p, texts in self.texts.items()}

    def untrained(self, part: str) -> Belief:
        vectors = (self.whole[part] @ self.world.basis.numpy().T)[:, None]
        found = search_and_merge(self.world.index, vectors, DEPTH, merge="mixture")
        return beliefs.as_belief(found, len(self.world.ids))

    def vote(self, part: str, how: Neighbours) -> Belief:
        known = self.whole["train"]
        return rivals.vote(self.whole[part], known, self.golds, len(self.world.ids), how)

    def popularity(self) -> Belief:
        return rivals.popularity(self.golds, len(self.world.ids))

    def split(self, part: str, how: Split) -> Run:
        hits, weights = self._lists(part, how.rule)
        if how.merge == "mixture":
            found = merging.mixture(hits.scores, hits.rows, max(CUTS), how.tau, weights)
        else:
            found = merging.round_robin(hits.rows, max(CUTS))
        return as_run(found, self.world.index, self.world.examples[part])

    @cache  # noqa: B019 - lives as long as its world
    def _lists(self, part: str, rule: str) -> tuple[Hits, np.ndarray]:
        vectors, weights = self._parts(part, rule)
        return search_sets(self.world.index, vectors, max(CUTS)), weights

    def _parts(self, part: str, rule: str) -> tuple[np.ndarray, np.ndarray]:
        """A vector a part, (Q, m, d), padded with copies of the first that weigh nothing."""
        basis = self.world.basis.numpy()
        if rule == "tokens":
            states, mask = (x.numpy() for x in self.world.queries[part])
            sets = [row[real] @ basis.T for row, real in zip(states, mask, strict=True)]
            return rivals.padded(sets)
        cut = rivals.clauses if rule == "clauses" else self._telling
        parts = [cut(text) for text in self.texts[part]]
        return rivals.embedded(parts, lambda texts: self.world.encoder.embed(texts) @ basis.T)

    def _telling(self, query: str) -> list[str]:
        return rivals.telling_words(query, self.common)


def common(world: World, place: str, seed: int) -> Record:
    setting = world.setting
    return {"experiment": place, "dataset": setting.dataset, "dim": setting.dim, "seed": seed}


def record_plain(ledger: Ledger, plain: Plain, place: str) -> Neighbours:
    """All rivals that train nothing, each chosen on dev; returns how neighbours vote."""
    world, parts = plain.world, ("dev", "test")
    about = common(world, place, 0)
    ledger.once(
        about | {"model": "world"}, lambda: world, lambda world: describe(world), split="test"
    )
    alone = {part: plain.popularity() for part in parts}
    ledger.once(about | {"model": "popularity"}, lambda: alone, partial(both, world))

    def choose_split() -> Split:
        def quality(how: Split) -> float:
            return score(world, plain.split("dev", how))

        return max(SPLITS, key=quality)

    def of_split(how: Split) -> Iterator[Record]:
        for part in parts:
            yield from measured(world, plain.split(part, how), part, **how._asdict())

    ledger.once(about | {"model": "split"}, choose_split, of_split)

    def choose_voters() -> Neighbours:
        start = Neighbours(100, 0.1)
        return climb(start, VOTERS, lambda how: score(world, best(world, plain.vote("dev", how))))

    ledger.once(
        about | {"model": "neighbours"},
        choose_voters,
        lambda how: both(world, {p: plain.vote(p, how) for p in parts}, **how._asdict()),
    )
    found = select(ledger.records, **about, model="neighbours")[0]
    how = Neighbours(found["voters"], found["temperature"])
    alone = {part: plain.untrained(part) for part in parts}
    ledger.once(about | {"model": "untrained"}, lambda: alone, partial(with_neighbours, plain, how))
    return how


def with_neighbours(plain: Plain, how: Neighbours, alone: Mapping[str, Belief]) -> Iterator[Record]:
    """Dev and test without and with the neighbours' vote, its share chosen on dev."""
    world = plain.world
    yield from both(world, alone, share=0.0)
    votes = {part: plain.vote(part, how) for part in alone}

    def quality(share: float) -> float:
        return score(world, best(world, beliefs.mix(alone["dev"], votes["dev"], share)))

    share = max(SHARES, key=quality)
    mixed = {part: beliefs.mix(alone[part], votes[part], share) for part in alone}
    yield from both(world, mixed, share=share, neighbours=True)


def describe(world: World) -> Iterator[Record]:
    """How large a world is, how far apart its golds, and what one vector reaches at best."""
    examples = world.examples["test"]
    golds = diagnosis.gold_sets(world.index, examples)
    facts = {f"{part} queries": len(some) for part, some in world.examples.items()} | {
        "documents": len(world.ids),
        **diagnosis.facts(golds, world.index, world.examples["train"]),
    }
    for name, value in facts.items():
        yield {"split": "test", "metric": name, "value": round(float(value), 4)}
    oracle = geometry.centroid(golds.points, golds.mask)[:, None]
    run = as_run(search_and_merge(world.index, oracle, max(CUTS)), world.index, examples)
    yield from ({**row, "of": "centroid of the golds"} for row in measured(world, run, "test"))


def chosen(records: Sequence[Record], world: str, name: str) -> Point:
    """Of all that the walk has measured, the point with the best dev score; of equals the first."""
    curves = select(records, experiment=world, model=name, seed=0, metric="mean recall")
    return Point(**tuned(curves, *Point._fields))


def tune(ledger: Ledger, world: World, place: str, name: str) -> Point:
    """The walk of one model, each of its trainings recorded."""

    def quality(point: Point) -> float:
        setting = common(world, place, 0) | {"model": name, "m": MODELS[name]["m"]}
        setting |= point._asdict()
        ledger.once(
            setting,
            lambda: train(world, MODELS[name], point, 0)[1],
            lambda curve: (
                {"split": "dev", "metric": "mean recall", "step": step, "value": percent(value)}
                for step, value in curve.items()
            ),
        )
        return max(record["value"] for record in select(ledger.records, **setting))

    return climb(START, LADDERS, quality)


def look(
    ledger: Ledger, plain: Plain, place: str, name: str, point: Point, seed: int, how: Neighbours
) -> None:
    """Train once more and look at test, without and with the neighbours' vote."""
    world = plain.world
    setting = common(world, place, seed) | {"model": name, "m": MODELS[name]["m"]}
    setting |= point._asdict()

    def found(model: AMER) -> Iterator[Record]:
        options = setting["m"], point.temperature
        alone = {part: believe(world, model, part, *options) for part in ("dev", "test")}
        yield from with_neighbours(plain, how, alone)

    ledger.once(setting, lambda: train(world, MODELS[name], point, seed)[0], found)


def parser() -> argparse.ArgumentParser:
    parser = parser_of(__doc__, "worlds", tuple(WORLDS), NATURAL)
    parser.add_argument("--data", type=Path, help="folder of the world's files, if it has any")
    parser.add_argument("--draw", type=int, default=0, choices=range(10), help="of the splits")
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=MODELS)
    return parser


def main() -> None:
    arguments = parser().parse_args()
    torch.set_num_threads(1)
    draw = arguments.draw
    for name in arguments.worlds:
        ledger = Ledger("fair", f"fair {name}" + f" --draw {draw}" * bool(draw))
        world = World(WORLDS[name], arguments.data, draw)
        place = f"{name}-draw-{draw}" if draw else name
        plain = Plain(world)
        how = record_plain(ledger, plain, place)
        for model in arguments.models:
            if draw:
                point = chosen(ledger.records, name, model)
            else:
                point = tune(ledger, world, place, model)
            for seed in SEEDS:
                look(ledger, plain, place, model, point, seed, how)


if __name__ == "__main__":
    main()
