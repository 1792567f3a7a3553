"""The recorded run of chapters 11 and 12: one vector against several on real text.

    python -m amer_book.runs.real [world ...] [--ambigqa FOLDER] [--draw N]

For every world (`amer_book.runs.settings`) and both models: tunes temperature or learning rate on dev
with seed 0, the same grid for both, then trains three seeds and looks at test once. The recipe is
the same in all worlds: its number of vectors, its loss and its merge were chosen on the dev queries
of *many intents* and *ambiguous words*. The merge has no constant of its own: it is the softmax
that the model was trained as. On test each list is fetched ten times as deep as the result, so that
nothing of the softmax is cut off; while tuning, to save time, as deep as the result.

``--draw 1`` does it again on other splits, none of whose dev and test queries were measured before
(`World`), with temperature and rate as tuned on the first. It is for the rule of chapter 12, which
was thought of after the first test had been seen: six vectors where on dev, seed 0, the mean of
MRecall@10 and @100 is higher than that of one with a 95 % interval above zero, else one. The rule
holds if, in every world in which it takes six, the 95 % interval of the difference on test, pooled
over the seeds, lies above −0.5 points at both cut-offs. Experiments are then ``<world>-draw-1``.
``--draw 2`` is a third set of splits, for what was changed after a look at the second.

Writes ``data/results/real.json`` after every training; started again, it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from amer_book.records import Ledger, Record
from amer_book.runs.settings import WORLDS, Point, World
from amer_lite import AMER, AMERConfig, DecoderConfig, TrainConfig, fit
from amer_lite.datasets.types import Run
from amer_lite.evaluation import metrics
from amer_lite.search.retrieve import as_run, retrieve
from amer_lite.model.weights import restore, snapshot

SEEDS = (1, 2, 3)
CUTS = (10, 100)
DEPTH = 10 * max(CUTS)
MODELS = {"single": 1, "amer-anchored": 6}  # vectors


def build(world: World, seed: int, pointer: bool = True) -> AMER:
    """A small decoder; untrained, all vectors of one with a pointer are the encoder's embedding."""
    torch.manual_seed(seed)
    states = world.train.prefix.values.shape[2]
    decoder = DecoderConfig(state_dim=states, width=384, layers=1, heads=6, dropout=0.1)
    model = AMER(AMERConfig(dim=world.setting.dim, decoder=decoder, pointer=pointer))
    if model.pointer is not None:
        model.pointer.basis.copy_(world.basis)
    return model


def search(world: World, model: AMER, part: str, m: int, tau: float) -> Run:
    """The 100 best documents of every query; ``tau`` is the temperature of training."""
    k, depth = max(CUTS), DEPTH if part == "test" and m > 1 else None
    merged = retrieve(
        model, world.index, world.queries[part], m=m, k=k, merge="mixture", depth=depth, tau=tau
    )  # of one list: the list
    return as_run(merged, world.index, world.examples[part])


def settings(world: World, m: int, point: Point, seed: int) -> TrainConfig:
    """How both models are trained."""
    temperature, rate = point
    return TrainConfig(
        steps=world.setting.steps,
        m=m,
        batch_size=world.setting.batch_size,
        learning_rate=rate,
        temperature=temperature,
        masked=m > 1,
        anchored=m > 1,
        evaluate_every=world.setting.steps // 4,
        seed=seed,
    )


def train(world: World, model: AMER, config: TrainConfig) -> dict[int, float]:
    """The best of all evaluations on dev, the untrained model among them; step → dev score."""

    def dev(model: AMER) -> float:
        run = search(world, model, "dev", config.m, config.temperature)
        return float(np.mean([metrics.recall(run, world.examples["dev"], k).mean() for k in CUTS]))

    untrained, start = snapshot(model), dev(model)
    history = fit(model, world.train, config, dev, progress=False)
    if start >= max(past.score for past in history):
        restore(model, untrained)
    return {0: start} | {past.step: past.score for past in history}


def measure(world: World, run: Run, part: str, single: Sequence[Record]) -> Iterator[Record]:
    """MRecall and Recall in percent, on test also of subsets of the queries.

    ``answered`` has a bit for every query, in hexadecimal digits, of which all golds were found;
    ``p_value`` is McNemar's against the single vector of the same seed.
    """
    examples = world.examples[part]
    subsets = {"all": np.ones(len(examples), bool), **(world.subsets if part == "test" else {})}
    for metric in (metrics.mrecall, metrics.recall):
        for k in CUTS:
            values = metric(run, examples, k)
            for subset, rows in subsets.items():
                generator = np.random.default_rng(0)
                low, high = metrics.bootstrap_mean(values[rows], 2000, 0.95, generator)
                record: Record = {
                    "split": part, "metric": metric.__name__, "k": k, "subset": subset,
                    "queries": int(rows.sum()), "value": round(100 * values[rows].mean(), 3),
                    "ci_low": round(100 * low, 3), "ci_high": round(100 * high, 3),
                    "p_value": None,
                }  # fmt: skip
                if metric is metrics.mrecall and subset == "all":
                    record["answered"] = np.packbits(values.astype(bool)).tobytes().hex()
                    for other in single:
                        if other.get("answered") and other["k"] == k:
                            record["p_value"] = metrics.mcnemar_exact(values, answered(other))
                yield record


def answered(record: Record) -> np.ndarray:
    """(Q,) float64 of 0 and 1: the queries of a record of MRecall all of whose golds were found."""
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(record["answered"]), np.uint8))
    return bits[: record["queries"]].astype(np.float64)


def record_world(ledger: Ledger, world: World, place: str) -> None:
    """What the frozen encoder finds on test without any training, and the quarters of `World`.

    ``quarters`` has a character for every test query, 0 to 3, or - if it has one gold.
    """
    common: Record = {
        "experiment": place, "dataset": world.setting.dataset, "dim": world.setting.dim,
        "split": "test", "seed": 0,
    }  # fmt: skip
    setting = {**common, "model": "encoder", "m": 1, "merge": "none"}
    start = time.perf_counter()
    if not ledger.select(**setting):
        run = search(world, build(world, seed=0).eval(), "test", 1, 0.05)
        ledger.add(setting, list(measure(world, run, "test", ())), time.perf_counter() - start)
    setting = {**common, "metric": "distance quarter"}
    if not ledger.select(**setting):
        characters = "".join("0123-"[quarter] for quarter in world.quarters.tolist())
        ledger.add(setting, [{"quarters": characters}], time.perf_counter() - start)


def record(ledger: Ledger, world: World, place: str, name: str, point: Point, seed: int) -> None:
    """Train once and write down dev, and unless it is for tuning (seed 0) test."""
    part = "test" if seed else "dev"
    common = {
        "experiment": place, "dataset": world.setting.dataset, "dim": world.setting.dim,
        "split": part, "seed": seed,
    }  # fmt: skip
    m = MODELS[name]
    setting = {**common, "model": name, "m": m, "merge": "none" if m == 1 else "mixture"}
    setting |= {"temperature": point[0], "learning_rate": point[1]}
    if seed and m > 1:
        setting["depth"] = DEPTH
    if ledger.select(**setting):
        return
    start = time.perf_counter()
    model = build(world, seed)
    curve = train(world, model, settings(world, m, point, seed))
    wall = time.perf_counter() - start
    single: list[Record] = []
    if seed:
        temperature, rate = tuned(ledger, place, "single")
        single = ledger.select(
            **common, model="single", temperature=temperature, learning_rate=rate
        )
    found = list(measure(world, search(world, model, part, m, point[0]), part, single))
    found += [
        {"split": "dev", "metric": "mean recall", "k": None, "step": step,
         "value": round(100 * score, 3)}
        for step, score in curve.items()
    ]  # fmt: skip
    ledger.add(setting, found, wall)
    shown = {(r["metric"], r["k"]): r["value"] for r in found if r.get("subset") == "all"}
    print(place, name, point, seed, shown, f"{wall:.0f} s", flush=True)


def tuned(ledger: Ledger, place: str, name: str) -> Point:
    """Temperature and learning rate with the best mean recall on dev; of equals, the first."""
    curves = ledger.select(experiment=place, model=name, seed=0, metric="mean recall")
    best = max(curves, key=lambda r: r["value"])
    return best["temperature"], best["learning_rate"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("worlds", nargs="*", default=list(WORLDS), choices=list(WORLDS))
    parser.add_argument("--ambigqa", type=Path, help="folder of train_light and dev_light.json")
    parser.add_argument("--draw", type=int, default=0, help="of the splits; 0 is tuned on")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    draw = arguments.draw
    if draw < 0:
        parser.error(f"--draw {draw}: the splits are numbered from 0")
    for name in arguments.worlds:
        ledger = Ledger("real", f"real --draw {draw}" if draw else None)
        world = World(name, arguments.ambigqa, draw)
        place, grids = name, dict.fromkeys(MODELS, world.setting.grid)
        if draw:
            place, grids = f"{name}-draw-{draw}", {m: (tuned(ledger, name, m),) for m in MODELS}
        record_world(ledger, world, place)
        for model, grid in grids.items():
            for point in grid:
                record(ledger, world, place, model, point, seed=0)
        for seed in SEEDS:
            for model in MODELS:
                record(ledger, world, place, model, tuned(ledger, place, model), seed)


if __name__ == "__main__":
    main()
