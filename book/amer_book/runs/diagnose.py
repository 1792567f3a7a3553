"""The recorded run behind ``amer-lite diagnose``: what it measures, and the rule that predicts.

    python -m amer_book.runs.diagnose [world ...] [--data FOLDER]

Measures, without any training, natural worlds in which one vector and several have been trained (by
`amer_book.runs.fair`). Then fits the constants of
`amer_lite.evaluation.diagnosis.rule` to all worlds that were trained in and measured, the 80
synthetic ones of `amer_book.runs.phase` among them (see `amer_book.gains`), writes them into the
library, and prints how well the rule predicts data sets that it was not fitted to. Seal-Tools
is read from the folder; worlds on record are not built again. Without a name nothing is
measured.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from amer_book import gains
from amer_book.records import Ledger, Record
from amer_book.runs import parser_of
from amer_book.runs.settings import WORLDS, World
from amer_lite.commands.diagnose import ASKED, KNOWN, examine
from amer_lite.evaluation import diagnosis
from amer_lite.search.index import Vectors, comparable
from amer_lite.storage import write_text


def measured(world: World) -> Iterator[Record]:
    basis = world.basis.numpy()[:, : world.encoder.dim]

    def embed(texts: list[str]) -> Vectors:
        return comparable(world.encoder.embed(texts) @ basis.T, world.index, "queries")

    asked = [example for example in world.examples["test"] if len(example.golds) > 1][:ASKED]
    found = examine(world.index, embed, asked, world.examples["train"][:KNOWN])
    for what in ("facts", "cosines"):
        for name, value in found[what].items():
            yield {"split": "test", "metric": name, "value": round(value, 4)}
    for model, values in found["mrecall"].items():
        yield {"split": "test", "metric": "mrecall", "model": model, "value": values[0]}


def parser() -> argparse.ArgumentParser:
    parser = parser_of(__doc__, "worlds", tuple(WORLDS), ())
    parser.add_argument("--data", type=Path, help="folder of the world's files, if it has any")
    return parser


def main() -> None:
    arguments = parser().parse_args()
    torch.set_num_threads(1)
    ledger = Ledger("diagnose")
    for name in arguments.worlds:
        world = WORLDS[name]
        setting: Record = {"experiment": name, "dataset": world.dataset, "dim": world.dim}
        ledger.once(setting, partial(World, world, arguments.data), measured)
    some = gains.worlds()
    write_text(diagnosis.RULE, json.dumps(gains.fitted(some)) + "\n")
    print(gains.report(some))


if __name__ == "__main__":
    main()
