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
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from amer_book import beliefs
from amer_book.climb import climb
from amer_book.records import Ledger, Record, select, tuned
from amer_book.runs import parser_of, percent
from amer_book.runs.plain import CUTS, DEPTH, Plain, common, record_plain, score, with_neighbours
from amer_book.runs.settings import USUAL, WORLDS, Setting, World
from amer_lite import AMER, AMERConfig, DecoderConfig, SentenceEncoder, TrainConfig, TrainData, fit
from amer_lite.evaluation.rivals import Belief, Neighbours
from amer_lite.search.merge import Merged
from amer_lite.search.retrieve import as_run, retrieve

SEEDS = (1, 2, 3)


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
    "temperature": (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.4),
    "learning_rate": (3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
    "steps": (50, 100, 200, 400, 800, 1600, 3200),
}
MODELS: Mapping[str, Mapping[str, Any]] = {  # of the `TrainConfig`
    "single": {"m": 1},
    "amer-mixture": {"m": 6, "loss": "mixture"},
    "amer-matched": {"m": 6, "anchored": True},
    "amer-fixed": {"m": 6, "loss": "mixture"},
}
FIXED = ("amer-fixed",)  # stays where the walk starts: nothing is chosen


def walk_of(setting: Setting) -> tuple[Point, Mapping[str, Sequence[Any]]]:
    """Where a model of this world starts, and its ladders."""
    if setting.reader is SentenceEncoder:
        return START, LADDERS
    # States of another model than the documents' are no places in their space: nothing to point at.
    others = {name: rungs for name, rungs in LADDERS.items() if name != "pointer"}
    return START._replace(pointer=False), others


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
    examples = world.examples["dev"]

    def dev(model: AMER) -> float:
        found = find(world, model, "dev", config.m, point.temperature, max(CUTS))
        return score(examples, as_run(found, world.index, examples))

    history = fit(model, data or world.train, config, dev, progress=False)
    return model, {past.step: past.score for past in history}


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

    return climb(*walk_of(world.setting), quality)


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
    parser = parser_of(__doc__, "worlds", tuple(WORLDS), USUAL)
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
            if model in FIXED:
                point = walk_of(world.setting)[0]
            elif draw:
                point = chosen(ledger.records, name, model)
            else:
                point = tune(ledger, world, place, model)
            for seed in SEEDS:
                look(ledger, plain, place, model, point, seed, how)


if __name__ == "__main__":
    main()
