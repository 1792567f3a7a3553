"""``evaluate``: measures with intervals, and a paired test against another run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from amer_lite.commands import stages
from amer_lite.commands.config import Config, Evaluation
from amer_lite.datasets.types import Example
from amer_lite.evaluation import metrics, trec
from amer_lite.evaluation.metrics import PerQuery
from amer_lite.storage import write_text

LEVEL = 0.95


def evaluate(config: Config, against: str | Path | None = None) -> str:
    """Write ``<folder>/evaluation/<split>.json`` and return the same as a table.

    Args:
        config: of the run.
        against: another run, a ``.trec`` file with its ``.qrels`` beside it, over the same
            questions. MRecall is then compared by the exact McNemar test, all else by sign flips.

    Raises:
        FileNotFoundError, ValueError: `retrieve` was not run, or with other settings; a file that
            is missing or malformed; runs over other questions.
    """
    stages.require(config, "retrieve")
    split = config.retrieve.split
    run = Path(config.folder) / "runs" / f"{split}.trec"
    records = measure(run, config.evaluate, against)
    path = Path(config.folder) / "evaluation" / f"{split}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(records, indent=1) + "\n")
    return "\n".join(map(_row, records))


def measure(
    run: Path, settings: Evaluation, against: str | Path | None = None
) -> list[dict[str, Any]]:
    """One record per measure and depth: value and interval, and difference and p if there is one.

    Args:
        run: a ``.trec`` file with its ``.qrels`` beside it.
        settings: what to measure.
        against: another run. Errors as for :func:`evaluate`.
    """
    mine = _scores(run, settings)
    theirs = None if against is None else _scores(Path(against), settings)
    records = []
    for (name, k), scores in mine.items():
        values = np.array(list(scores.values()))
        record: dict[str, Any] = {"metric": name, "k": k, "queries": len(values)}
        record["value"] = float(values.mean())
        record["low"], record["high"] = metrics.bootstrap_mean(
            values, settings.resamples, LEVEL, np.random.default_rng(settings.seed)
        )
        if theirs is not None:
            record |= _difference(scores, theirs[name, k], name, settings, str(against))
        records.append(record)
    return records


def _scores(path: Path, settings: Evaluation) -> dict[tuple[str, int], dict[str, float]]:
    """Per measure and depth the scores by query id."""
    qrels = path.with_suffix(".qrels")
    for file in (path, qrels):
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such file; `retrieve` writes a run and its qrels")
    golds = trec.read_qrels(qrels)
    examples = [Example(query, query, answers) for query, answers in golds.items()]
    if not examples:
        raise ValueError(f"{qrels}: no query has a gold; run `retrieve` again")
    run = trec.read_run(path)
    found: dict[tuple[str, int], dict[str, float]] = {}
    for name in settings.metrics:
        for k in settings.at:
            values: PerQuery = getattr(metrics, name)(run, examples, k)
            found[name, k] = dict(zip(golds, values.tolist(), strict=True))
    return found


def _difference(
    mine: Mapping[str, float],
    theirs: Mapping[str, float],
    name: str,
    settings: Evaluation,
    against: str,
) -> dict[str, Any]:
    if odd := set(mine) ^ set(theirs):
        raise ValueError(
            f"{against}: not the same questions: {len(odd)} are in one run only, such as "
            f"{sorted(odd)[0]!r}; compare runs over one split of one data set"
        )
    a, b = np.array(list(mine.values())), np.array([theirs[query] for query in mine])
    rng = np.random.default_rng(settings.seed)
    low, high = metrics.bootstrap_difference(a, b, settings.resamples, LEVEL, rng)
    if name == "mrecall":
        p = metrics.mcnemar_exact(a, b)
    else:
        p = metrics.sign_flip(a, b, settings.resamples, rng)
    return {
        "against": against,
        "difference": float((a - b).mean()),
        "difference_low": low,
        "difference_high": high,
        "p_value": p,
    }


def _row(record: Mapping[str, Any]) -> str:
    title = f"{record['metric']}@{record['k']}"
    row = (
        f"{title:<14}{100 * record['value']:7.2f}  "
        f"[{100 * record['low']:.2f}, {100 * record['high']:.2f}]"
    )
    if "against" in record:
        low, high = 100 * record["difference_low"], 100 * record["difference_high"]
        row += f"   difference {100 * record['difference']:+.2f}  [{low:+.2f}, {high:+.2f}]"
        row += f"  p = {record['p_value']:.4f}"
    return row
