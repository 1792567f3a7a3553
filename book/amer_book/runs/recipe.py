"""What helps several vectors where the parts of a need are implied: one change at a time.

    python -m amer_book.runs.recipe [world ...] [--changes NAME ...]

Everything starts from the point that `amer_book.runs.fair` chose for one vector and for the mixture
in that world, and is trained with its three seeds; what helps several might help one, so one vector
gets the same changes. Besides the usual measures on test, without and with the neighbours' vote:
the same of training queries (``split`` seen: what is known but does not carry over), and what is in
any of the lists of all vectors (``any``: what no merge can exceed).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from amer_book.records import Ledger, Record, select
from amer_book.runs import fair, parser_of, percent, plain
from amer_book.runs.settings import WORLDS, World
from amer_lite import AMER, Prefix, TrainData
from amer_lite.evaluation import metrics
from amer_lite.evaluation.rivals import Neighbours
from amer_lite.search.retrieve import as_run, retrieve

SEEN = 1000  # training queries that are asked again
DROPPED = 0.2  # of the tokens, by augmentation
WORLDS_TRIED = ("words", "tags")


class Change(NamedTuple):
    """What differs from `fair.MODELS`: ``of`` is the model whose point it starts from."""

    of: str
    options: Mapping[str, Any]  # of the `TrainConfig`
    masked: bool | None = None  # as chosen if None
    augmented: bool = False
    shape: Mapping[str, int] = {}


_one, _mixture = fair.MODELS["single"], fair.MODELS["amer-mixture"]
CHANGES: Mapping[str, Change] = {
    "single": Change("single", _one),
    "mixture": Change("amer-mixture", _mixture),
    "matched": Change("amer-mixture", {"m": 6}),
    "matched, anchor masked": Change("amer-mixture", {"m": 6, "anchored": True}, masked=True),
    "matched, anchor unmasked": Change("amer-mixture", {"m": 6, "anchored": True}, masked=False),
    "mixture of 3": Change("amer-mixture", {**_mixture, "m": 3}),
    "mixture of 12": Change("amer-mixture", {**_mixture, "m": 12}),
    "complete, 12 vectors": Change("amer-mixture", {"m": 12, "pairing": "complete"}),
    "single, augmented": Change("single", _one, augmented=True),
    "mixture, augmented": Change("amer-mixture", _mixture, augmented=True),
    "single, wider": Change("single", _one, shape={"width": 768}),
    "mixture, wider": Change("amer-mixture", _mixture, shape={"width": 768}),
    "single, deeper": Change("single", _one, shape={"layers": 2}),
    "mixture, deeper": Change("amer-mixture", _mixture, shape={"layers": 2}),
}
PREFIXES = (1, 2, 3)  # of the vectors of "mixture", searched alone


def augmented(data: TrainData, seed: int) -> TrainData:
    """Every query twice, once with some of its tokens left out, never all."""
    values, mask = data.prefix
    kept = mask & (torch.rand(mask.shape, generator=torch.Generator().manual_seed(seed)) > DROPPED)
    kept[~kept.any(1)] = mask[~kept.any(1)]
    twice = Prefix(values.repeat(2, 1, 1), torch.cat([mask, kept]))
    return TrainData(twice, [*data.golds, *data.golds], data.documents)


def links(world: World, model: AMER, m: int, tau: float) -> Iterator[Record]:
    """On queries that were trained on, and on test in any list."""
    believed = fair.believe(world, model, "seen", m, tau)
    yield from plain.measured(world, plain.best(world, believed, "seen"), "seen")
    examples = world.examples["test"]
    for k in plain.CUTS:  # in turns, lists of k give all that is among the first k of any
        merged = retrieve(model, world.index, world.queries["test"], m=m, k=m * k, depth=k)
        found = metrics.mrecall(as_run(merged, world.index, examples), examples, m * k)
        yield {"split": "test", "metric": "mrecall in any list", "k": k,
               "queries": len(found), "value": percent(found.mean())}  # fmt: skip


def brief(found: Iterable[Record]) -> Iterator[Record]:
    """Of all queries only, and a bit for every query of test only: what is compared here."""
    for row in found:
        if row.get("subset", "all") == "all":
            yield {key: value for key, value in row.items()
                   if key != "answered" or row["split"] == "test"}  # fmt: skip


def measured(
    known: plain.Plain, how: Neighbours, model: AMER, m: int, tau: float
) -> Iterator[Record]:
    world = known.world
    alone = {part: fair.believe(world, model, part, m, tau) for part in ("dev", "test")}
    yield from brief(plain.with_neighbours(known, how, alone))
    yield from brief(links(world, model, m, tau))


def look(ledger: Ledger, known: plain.Plain, how: Neighbours, name: str, setting: Record) -> None:
    """Train one change with one seed and measure it."""
    change, seed = CHANGES[name], setting["seed"]
    point = fair.Point(*(setting[field] for field in fair.Point._fields))

    def trained() -> AMER:
        data = augmented(known.world.train, seed) if change.augmented else None
        options = change.options
        return fair.train(known.world, options, point, seed, data=data, **change.shape)[0]

    def found(model: AMER) -> Iterator[Record]:
        yield from measured(known, how, model, setting["m"], point.temperature)
        for first in PREFIXES if name == "mixture" else ():
            for row in measured(known, how, model, first, point.temperature):
                yield {**row, "prefix": first}

    ledger.once(setting, trained, found)


def start(found: Sequence[Record], place: str, change: Change) -> fair.Point:
    """The point at which a change is trained; ``found`` are the records of `fair`."""
    point = fair.chosen(found, place, change.of)
    return point if change.masked is None else point._replace(masked=change.masked)


def record(ledger: Ledger, known: plain.Plain, place: str, names: Sequence[str]) -> None:
    found = Ledger("fair").records
    voters = select(found, experiment=place, model="neighbours")[0]
    how = Neighbours(voters["voters"], voters["temperature"])
    for name in names:
        change = CHANGES[name]
        point = start(found, place, change)
        for seed in fair.SEEDS:
            about = plain.common(known.world, place, seed) | point._asdict()
            look(ledger, known, how, name, about | {"model": name, "m": change.options["m"]})


def parser() -> argparse.ArgumentParser:
    parser = parser_of(__doc__, "worlds", tuple(WORLDS), WORLDS_TRIED)
    parser.add_argument("--changes", nargs="*", default=list(CHANGES), choices=CHANGES)
    return parser


def main() -> None:
    arguments = parser().parse_args()
    torch.set_num_threads(1)
    for name in arguments.worlds:
        world = World(WORLDS[name])
        world.queries["seen"] = world.queries["train"].select(np.arange(SEEN))
        world.examples["seen"] = world.examples["train"][:SEEN]
        ledger = Ledger("recipe", f"recipe {name}")
        record(ledger, plain.Plain(world), name, arguments.changes)


if __name__ == "__main__":
    main()
