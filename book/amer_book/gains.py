"""How well `amer_lite.evaluation.diagnosis.rule` predicts what trainings gained, and its constants.

A *world* is a corpus with its queries. Of each there is what can be measured before any training,
and what one vector and several found after it (``phase.jsonl``, ``fair.jsonl``). A
natural world was measured by `amer_book.runs.diagnose`; of a synthetic one the cosines follow from
its parameters, by the formulas of chapter 9.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from amer_book import oracles
from amer_book.records import Record, read
from amer_book.runs import phase
from amer_lite.commands.diagnose import ONE
from amer_lite.evaluation import diagnosis

Values = NDArray[np.float64]
FIELDS = ("golds", "dim", "companions", "noise")  # that name a world of the phase diagram
LEVEL = 0.9  # of the interval of a prediction


class World(NamedTuple):
    """Measured and trained."""

    name: str
    dataset: str
    cosines: Mapping[str, float]  #: of `diagnosis.measure`
    found: float  #: MRecall@10 in points of what needs no training and one vector reaches, too
    gain: float  #: MRecall@10 of several vectors less that of one, in points; a mean over seeds
    noise: float  #: half of its 95 % interval, over seeds; of one seed, over queries

    @property
    def wins(self) -> bool:
        return self.gain > self.noise

    @property
    def synthetic(self) -> bool:
        return self.dataset.startswith("rotations")


def worlds() -> list[World]:
    return [*_synthetic(), *_natural()]


def cosines(golds: int, dim: int, companions: int, noise: float, documents: int) -> Record:
    """What `diagnosis.measure` finds in a world of independent rotations.

    The single cosine of a gold with its companions is that of `amer_book.runs.phase`.
    """
    aim, near = 1 / np.sqrt(1 + noise**2), 1 / np.sqrt(1 + phase.SPREAD**2)
    places = {"one": max(1, 10 - golds + 1), "several": max(1, 10 // golds)}
    others = {how: oracles.competition(dim, documents, k) for how, k in places.items()}
    compromise = np.sqrt((dim - golds + 1) / (golds * dim))
    crowds = {"one": (golds * companions, near * compromise), "several": (companions, near)}
    found = {"aim": aim, "aim of parts": 0.0, "compromise": compromise}
    for how, place in places.items():
        there, cosine = crowds[how]
        found[f"others of {how}"] = others[how]
        found[f"crowd of {how}"] = max(others[how], cosine if place <= there else 0)
    return found


def _synthetic() -> Iterator[World]:
    """Of the longest training. No gold is in training, and none lies where its query does."""
    found: dict[tuple[float, ...], dict[str, float]] = defaultdict(dict)
    for record in sorted(read("phase"), key=lambda record: record["steps"]):
        if record["metric"] == "mrecall":
            found[tuple(record[field] for field in FIELDS)][record["model"]] = record["value"]
    for place, values in found.items():
        both = np.array([values["single"], values["amer"]])
        noise = 1.96 * np.sqrt((both * (100 - both)).sum() / phase.SIZES["test"])
        golds, dim, companions, sigma = place
        yield World(
            f"rotations {golds} {dim} {companions} {sigma}", f"rotations, {golds} golds",
            cosines(int(golds), int(dim), int(companions), sigma, phase.CORPUS),
            0.0, float(both[1] - both[0]), float(noise),
        )  # fmt: skip


def _natural() -> Iterator[World]:
    measured: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for record in read("diagnose"):
        what = record["metric"] if record["metric"] != "mrecall" else record["model"]
        measured[record["experiment"], record["dataset"]][what] = record["value"]
    gains = _fair()
    for (name, dataset), values in measured.items():
        if name in gains:
            found = max(values[model] for model in ONE)
            yield World(name, dataset, values, found, *gains[name])


def _seeds(rows: Sequence[Record]) -> dict[tuple[str, str], dict[int, float]]:
    """Experiment and model → seed → MRecall@10 of all queries; of several records the last."""
    found: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    for record in rows:
        wanted = ("mrecall", 10, "all")
        of = tuple(record.get(field) for field in ("metric", "k", "subset"))
        if of == wanted and record["seed"] and not record.get("share"):
            found[record["experiment"], record["model"]][record["seed"]] = record["value"]
    return found


def _gain(single: Mapping[int, float], several: Mapping[int, float]) -> tuple[float, float]:
    paired = np.array([several[seed] - single[seed] for seed in single.keys() & several.keys()])
    factor = stats.t.ppf(0.975, len(paired) - 1)
    return float(paired.mean()), float(factor * paired.std(ddof=1) / np.sqrt(len(paired)))


def _fair() -> dict[str, tuple[float, float]]:
    """Of the two trainings with several vectors the one that is better on dev."""
    dev, test = (
        _seeds([record for record in read("fair") if record.get("split") == part])
        for part in ("dev", "test")
    )
    gains = {}
    for name in dict.fromkeys(name for name, _ in test):
        models = [model for place, model in test if place == name and model.startswith("amer-")]
        if models and (name, "single") in test:
            best = max(models, key=lambda model: np.mean([*dev[name, model].values()]))
            gains[name] = _gain(test[name, "single"], test[name, best])
    return gains


def fit(some: Sequence[World]) -> dict[str, float]:
    """The constants of least squared error, each data set with the same weight."""
    weights = np.sqrt(_shares(some))
    gains = np.array([world.gain for world in some])

    def errors(constants: Values) -> Values:
        needed, width = constants
        return weights * (predictions(some, {"needed": needed, "width": np.exp(width)}) - gains)

    needed, width = optimize.least_squares(errors, [0.1, np.log(0.05)]).x
    return {"needed": round(float(needed), 4), "width": round(float(np.exp(width)), 4)}


def predictions(some: Sequence[World], constants: Mapping[str, float]) -> Values:
    return np.array([diagnosis.rule(world.cosines, world.found, **constants) for world in some])


def held_out(some: Sequence[World]) -> Values:
    """The prediction for each world of a rule fitted to the other data sets."""
    found = np.zeros(len(some))
    for dataset in {world.dataset for world in some}:
        apart = np.array([world.dataset == dataset for world in some])
        others = [world for world in some if world.dataset != dataset]
        found[apart] = predictions(
            [world for world in some if world.dataset == dataset], fit(others)
        )
    return found


def interval(some: Sequence[World]) -> tuple[float, float]:
    """The ends of the errors (gain less prediction) that `held_out` made, `LEVEL` of them inside.

    Each data set has the same weight.
    """
    errors = np.array([world.gain for world in some]) - held_out(some)
    order = np.argsort(errors)
    below = np.cumsum(_shares(some)[order])
    low, high = (
        errors[order][np.searchsorted(below, q)] for q in ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    )
    return round(float(low), 2), round(float(high), 2)


def covered(some: Sequence[World]) -> NDArray[np.bool_]:
    """For each world, whether an interval from the other data sets alone holds its gain."""
    errors = np.array([world.gain for world in some]) - held_out(some)
    found = np.zeros(len(some), bool)
    for dataset in {world.dataset for world in some}:
        apart = np.array([world.dataset == dataset for world in some])
        low, high = interval([world for world in some if world.dataset != dataset])
        found[apart] = (low <= errors[apart]) & (errors[apart] <= high)
    return found


def auc(scores: Values, wins: Sequence[bool]) -> float:
    """How often a world that wins is ranked above one that does not; NaN without both."""
    chosen = np.array(wins, bool)
    if chosen.all() or not chosen.any():
        return float("nan")
    u = stats.mannwhitneyu(scores[chosen], scores[~chosen]).statistic
    return float(u / chosen.sum() / (~chosen).sum())


def _shares(some: Sequence[World]) -> Values:
    datasets = [world.dataset for world in some]
    shares = np.array([1 / datasets.count(dataset) for dataset in datasets])
    return shares / shares.sum()


def fitted(some: Sequence[World]) -> dict[str, Any]:
    """The file of the library: constants, the ends of their interval, and the worlds."""
    names = [world.name for world in some]
    return {"constants": fit(some), "errors": interval(some), "worlds": names}


def report(some: Sequence[World]) -> str:
    """How well each data set is predicted from the others."""
    said, inside = held_out(some), covered(some)
    gained = np.array([world.gain for world in some])
    synthetic = np.array([world.synthetic for world in some])
    lines = []
    for name, own in (("synthetic", synthetic), ("natural", ~synthetic)):
        wins = [world.wins for world, here in zip(some, own, strict=True) if here]
        if wins:
            lines.append(
                f"{name}: {len(wins)} worlds, several win in {sum(wins)}; AUC "
                f"{auc(said[own], wins):.3f}, mean error {np.abs(said - gained)[own].mean():.1f}, "
                f"in the interval {100 * inside[own].mean():.0f} %"
            )
    for world, value in zip(some, said, strict=True):
        if not world.synthetic:
            lines.append(f"{world.name}: {world.gain:+.1f} ± {world.noise:.1f}, said {value:+.1f}")
    return "\n".join(lines)
