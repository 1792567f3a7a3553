"""``evaluate``: measures with intervals, and a paired test against another run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from amer_lite.commands import stages
from amer_lite.commands.config import Config, Evaluation
from amer_lite.datasets.types import Example, Run
from amer_lite.evaluation import metrics, trec
from amer_lite.storage import write_text

LEVEL = 0.95


def evaluate(config: Config, against: str | Path | None = None) -> str:
    """Write ``<folder>/evaluation/<split>.json`` and return the same as a table.

    Raises:
        FileNotFoundError, ValueError: `retrieve` was not run, or with other settings; what
            :func:`measure` raises, to which ``against`` is handed on.
    """
    stages.require(config, "retrieve")
    folder, split = Path(config.folder), config.retrieve.split
    records = measure(folder / "runs" / f"{split}.trec", config.evaluate, against)
    path = folder / "evaluation" / f"{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(records, indent=1) + "\n")
    return "\n".join(map(_row, records))


def measure(
    run: Path, settings: Evaluation, against: str | Path | None = None
) -> list[dict[str, Any]]:
    """One record per measure and depth: value and interval, difference and p ``against`` another.

    A run is a ``.trec`` file with its ``.qrels`` beside it. MRecall is compared by the exact
    McNemar test, all else by sign flips.

    Raises:
        FileNotFoundError, ValueError: a file is missing or malformed; runs over other questions.
    """
    examples, found = _read(run)
    if against is not None:
        theirs, others = _read(Path(against))
        by_id = {example.id: example for example in theirs}
        if odd := sorted({example.id for example in examples} ^ set(by_id)):
            raise ValueError(
                f"{against}: not the same questions: {len(odd)} are in one run only, such as "
                f"{odd[0]!r}; compare runs over one split of one data set"
            )
        theirs = [by_id[example.id] for example in examples]
    records = []
    for name, k in product(settings.metrics, settings.at):
        metric, times = getattr(metrics, name), settings.resamples
        values = metric(found, examples, k)
        rng = np.random.default_rng(settings.seed)
        low, high = metrics.bootstrap_mean(values, times, LEVEL, rng)
        record: dict[str, Any] = {"metric": name, "k": k, "queries": len(values)}
        record |= {"value": float(values.mean()), "low": low, "high": high}
        if against is not None:
            other = metric(others, theirs, k)
            rng = np.random.default_rng(settings.seed)
            low, high = metrics.bootstrap_difference(values, other, times, LEVEL, rng)
            if name == "mrecall":
                p = metrics.mcnemar_exact(values, other)
            else:
                p = metrics.sign_flip(values, other, times, rng)
            record |= {"against": str(against), "difference": float((values - other).mean())}
            record |= {"difference_low": low, "difference_high": high, "p_value": p}
        records.append(record)
    return records


def _read(run: Path) -> tuple[list[Example], Run]:
    """The questions of a run with their golds, and the run."""
    qrels = run.with_suffix(".qrels")
    for file in (run, qrels):
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such file; `retrieve` writes a run and its qrels")
    golds = trec.read_qrels(qrels)
    if not golds:
        raise ValueError(f"{qrels}: no query has a gold; run `retrieve` again")
    return [Example(query, query, answers) for query, answers in golds.items()], trec.read_run(run)


def _row(record: Mapping[str, Any]) -> str:
    title = f"{record['metric']}@{record['k']}"
    value, low, high = (100 * record[name] for name in ("value", "low", "high"))
    row = f"{title:<14}{value:7.2f}  [{low:.2f}, {high:.2f}]"
    if "against" in record:
        names = ("difference", "difference_low", "difference_high")
        value, low, high = (100 * record[name] for name in names)
        row += f"   difference {value:+.2f}  [{low:+.2f}, {high:+.2f}]  p = {record['p_value']:.4f}"
    return row
