"""The recorded run of chapter 13: a language model as query encoder, by the five commands.

    python -m amer_book.runs.language_model [--smoke]

Everything is ``data/configs/words.toml`` with some values changed: LoRA on SmolLM2, or a small
decoder over its frozen states; one vector, or three. Both learning rates are tried with seed 0 and
the better on dev is kept; then two more seeds. Recorded in ``language_model.jsonl``; started again,
it goes on where it stopped, inside a training too.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from amer_book.records import Ledger, Record
from amer_book.runs import parser_of, percent
from amer_lite.__main__ import configs
from amer_lite.__main__ import main as amer_lite
from amer_lite.commands import stages
from amer_lite.commands.config import read
from amer_lite.commands.evaluate import measure
from amer_lite.storage import cache_folder, write_text

CONFIG = configs() / "words.toml"
RATES = (3e-4, 1e-3)
SEEDS = (0, 1, 2)
SETTING: Record = {"experiment": "lm", "dataset": "wordnet", "dim": 384}
Changes = dict[str, object]
STATES = "[states]\nlayers = [16, 26]\nlast = 1\nwidth = 384\nheads = 6\n"
# Section of the config and epochs. Frozen states cost a twentieth of LoRA: once they get its number
# of steps, once eight times as many.
BACKBONES: dict[str, tuple[str | None, int]] = {
    "states": (STATES, 2),
    "states-long": (STATES, 16),
    "lora": (None, 2),
}
MODELS: dict[str, Changes] = {
    "single": {"train.m": 1, "train.anchored": False, "train.pairing": "coverage",
               "retrieve.m": 1, "retrieve.merge": "round_robin"},
    "amer-anchored": {},
}  # fmt: skip


class Recorder:
    """Runs the commands in a folder per setting of the user's cache.

    Args:
        smoke: a hundred words and one step per epoch; writes no records.
    """

    def __init__(self, smoke: bool) -> None:
        self.root = cache_folder() / "runs" / ("lm-smoke" if smoke else "lm")
        self.ledger = Ledger("language_model")
        self.smoke = smoke
        self.small: Changes = {"data.documents": 300, "evaluate.resamples": 50} if smoke else {}

    def run(self, command: str, folder: Path, changes: Changes, *more: str) -> None:
        """One command; an error ends the recording."""
        settings = {"folder": str(folder), **self.small, **changes}
        text = [f"{name}={json.dumps(value)}" for name, value in settings.items()]
        arguments = [word for change in text for word in ("--set", change)]
        own = folder / "config.toml"
        config = own if own.exists() else CONFIG
        if code := amer_lite([command, str(config), *arguments, *more]):
            raise SystemExit(f"`{command}` ended with {code}")

    def prepare(self) -> Path:
        """The embedded definitions, and the encoder's own run over them."""
        base = self.root / "base"
        self.run("embed", base, {})
        if not (base / "runs").exists():
            self.run("retrieve", base, {}, "--untrained")
        return base

    def train(self, backbone: str, model: str, rate: float, seed: int) -> Path:
        """Train, search and measure; returns the folder. What is done is not done again."""
        section, epochs = BACKBONES[backbone]
        changes = MODELS[model] | {"train.learning_rate": rate, "train.seed": seed}
        changes |= {"train.epochs": epochs}
        folder = self.folder(backbone, model, rate, seed)
        for part in ("embeddings", "stages/embed"):
            shutil.copytree(self.root / "base" / part, folder / part, dirs_exist_ok=True)
        if section is not None:
            text = re.sub(r"\[lora\]\n.*?\n(?=\n)", section, CONFIG.read_text(), flags=re.DOTALL)
            write_text(folder / "config.toml", text)
        setting = SETTING | {"backbone": backbone, "model": model, "seed": seed}
        setting |= (
            {"m": 1, "merge": "round_robin"} if model == "single" else {"m": 3, "merge": "mixture"}
        )
        setting |= {"learning_rate": rate, "epochs": epochs}
        known = bool(self.ledger.select(**setting))
        if known and (folder / "evaluation").exists():
            return folder
        start = time.perf_counter()
        self.run("train", folder, changes)
        wall = time.perf_counter() - start
        self.run("retrieve", folder, changes)
        other, against = "encoder", self.root / "base" / "runs" / "test-untrained.trec"
        if model != "single":  # which comes first, so that its rate is chosen
            single = self.folder(backbone, "single", self.best_rate(backbone, "single"), seed)
            other, against = "single", single / "runs" / "test.trec"
        self.run("evaluate", folder, changes, "--against", str(against))
        found = [{**record, "against": other} for record in records(folder)]
        if self.smoke:
            print(setting, found)
        elif not known:  # else only the folder was lost
            self.ledger.add(setting, found, wall)
        return folder

    def folder(self, backbone: str, model: str, rate: float, seed: int) -> Path:
        return self.root / f"{backbone}-{model}-{rate:g}-{seed}"

    def best_rate(self, backbone: str, model: str) -> float:
        """The rate with the best Recall@100 on dev with seed 0; of equals the first."""
        rates = RATES[:1] if self.smoke else RATES
        return max(rates, key=lambda rate: dev_recall(self.train(backbone, model, rate, 0)))

    def record_encoder(self, base: Path) -> None:
        """The untrained document encoder on the same questions: what has to be beaten."""
        setting = SETTING | {"backbone": "none", "model": "encoder", "seed": 0}
        setting |= {"m": 1, "merge": "round_robin"}
        if not self.smoke and not self.ledger.select(**setting):
            own = measure(base / "runs" / "test-untrained.trec", read(CONFIG).evaluate)
            self.ledger.add(setting, map(on_test, own), 0.0)


def records(folder: Path) -> Iterator[Record]:
    """What `evaluate` found on test, in percent, and the Recall@100 on dev that chose the weights.

    ``p_value`` and ``difference`` of one vector are against the untrained document encoder, those
    of several against one vector of the same backbone and seed.
    """
    value = percent(dev_recall(folder))
    yield {"split": "dev", "metric": "recall", "k": 100, "value": value, "p_value": None}
    yield from map(on_test, json.loads((folder / "evaluation" / "test.json").read_text()))


def on_test(record: Record) -> Record:
    names = {"value": "value", "low": "ci_low", "high": "ci_high", "difference": "difference"}
    found = {new: percent(record[old]) for old, new in names.items() if old in record}
    kept = {name: record[name] for name in ("metric", "k", "queries")}
    return {"split": "test", **kept, **found, "p_value": record.get("p_value")}


def dev_recall(folder: Path) -> float:
    return float(stages.noted(folder, "train")["facts"]["dev_recall"])


def parser() -> argparse.ArgumentParser:
    parser = parser_of(__doc__)
    parser.add_argument("--smoke", action="store_true", help="minutes instead of hours, no records")
    return parser


def main() -> None:
    recorder = Recorder(parser().parse_args().smoke)
    torch.set_num_threads(1)
    recorder.record_encoder(recorder.prepare())
    for backbone in BACKBONES:
        for model in MODELS:
            rate = recorder.best_rate(backbone, model)
            for seed in SEEDS[:1] if recorder.smoke else SEEDS:
                recorder.train(backbone, model, rate, seed)


if __name__ == "__main__":
    main()
