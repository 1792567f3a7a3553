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

VALUE = ("value", "low", "high")
DIFFERENCE = ("difference", "difference_low", "difference_high")


def evaluate(config: Config, against: str | Path | None = None) -> str:
    """Write ``<folder>/evaluation/<split>.json`` and return the same as a table."""
    stages.require(config, "retrieve")
    folder, split = Path(config.folder), config.retrieve.split
    records = measure(folder / "runs" / f"{split}.trec", config.evaluate, against)
    path = folder / "evaluation" / f"{split}.json"
    write_text(path, json.dumps(records, indent=1) + "\n")
    return "\n".join(map(_row, records))


def measure(
    run: Path, settings: Evaluation, against: str | Path | None = None
) -> list[dict[str, Any]]:
    """One record per measure and depth: value and interval, difference and p ``against`` another.

    A run is a ``.trec`` file with its ``.qrels`` beside it, each also as ``.gz``; both must be over
    the same questions with the same golds. MRecall is compared by the exact McNemar test, all else
    by sign flips.
    """
    asked, found = _read(run)
    if against is not None:
        theirs, others = _read(Path(against))
        ours, other = (
            {query: {*map(frozenset, example.golds)} for query, example in some.items()}
            for some in (asked, theirs)
        )
        if odd := sorted(q for q in ours.keys() | other.keys() if ours.get(q) != other.get(q)):
            said = f"not the same questions with the same golds: {len(odd)} differ"
            raise ValueError(f"{against}: {said}, such as {odd[0]!r}; compare runs over one split")
    records = []
    for name, k in product(settings.metrics, settings.at):
        metric, times = getattr(metrics, name), settings.resamples
        values = metric(found, [*asked.values()], k)
        record: dict[str, Any] = {"metric": name, "k": k, "queries": len(values)}
        ends = metrics.bootstrap_mean(values, times, 0.95, np.random.default_rng(settings.seed))
        record |= zip(VALUE, (float(values.mean()), *ends), strict=True)
        if against is not None:
            rival = metric(others, [*asked.values()], k)
            rng = np.random.default_rng(settings.seed)
            ends = metrics.bootstrap_mean(values - rival, times, 0.95, rng)
            record["against"] = str(against)
            record |= zip(DIFFERENCE, (float((values - rival).mean()), *ends), strict=True)
            if name == "mrecall":
                record["p_value"] = metrics.mcnemar_exact(values, rival)
            else:
                record["p_value"] = metrics.sign_flip(values, rival, times, rng)
        records.append(record)
    return records


def _read(run: Path) -> tuple[dict[str, Example], Run]:
    """The questions of a run with their golds, by id, and the run."""
    beside = run.with_name(run.name.removesuffix(".gz")).with_suffix(".qrels")
    packed = beside.with_name(f"{beside.name}.gz")
    path = packed if packed.exists() and not beside.exists() else beside
    golds = trec.read_qrels(path, clusters=True)
    return {query: Example(query, query, own) for query, own in golds.items()}, trec.read_run(run)


def _row(record: Mapping[str, Any]) -> str:
    title = f"{record['metric']}@{record['k']}"
    value, low, high = (100 * record[name] for name in VALUE)
    row = f"{title:<14}{value:7.2f}  [{low:.2f}, {high:.2f}]"
    if "against" in record:
        value, low, high = (100 * record[name] for name in DIFFERENCE)
        row += f"   difference {value:+.2f}  [{low:+.2f}, {high:+.2f}]  p = {record['p_value']:.4f}"
    return row
