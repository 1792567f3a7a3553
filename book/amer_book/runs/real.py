"""The recorded run of chapters 11 and 12: one vector against several on real text.

    python -m amer_book.runs.real [world ...] [--ambigqa FOLDER] [--draw N] [--tune]

For every world (`amer_book.runs.settings`) and both models: tunes temperature or learning rate on
dev with seed 0, the same grid for both, then trains three seeds and looks at test once, unless
``--tune`` stops it there. The recipe is the same in all worlds: its number of vectors, its loss and
its merge were chosen on the dev queries of *many intents* and *ambiguous words*. The merge has no
constant of its own: it is the softmax that the model was trained as. On test each list is fetched
ten times as deep as the result, so that nothing of the softmax is cut off; while tuning, to save
time, as deep as the result.

``--draw 1`` does it again on other splits, none of whose dev and test queries were measured before
(`World`), with temperature and rate as tuned on the first. It is for the rule of chapter 12, which
was thought of after the first test had been seen: six vectors where on dev, seed 0, the mean of
MRecall@10 and @100 is higher than that of one with a 95 % interval above zero, else one. The rule
holds if, in every world in which it takes six, the 95 % interval of the difference on test, pooled
over the seeds, lies above −0.5 points at both cut-offs. Experiments are then ``<world>-draw-1``.
``--draw 2`` is a third set of splits, for what was changed after a look at the second.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from amer_book.records import Ledger, Record, answered, as_bits, select, tuned
from amer_book.runs import parser_of, percent
from amer_book.runs.settings import USUAL, WORLDS, Point, World
from amer_lite import AMER, AMERConfig, DecoderConfig, TrainConfig, fit
from amer_lite.datasets.types import Run
from amer_lite.evaluation import metrics
from amer_lite.model.weights import restore, snapshot
from amer_lite.search.retrieve import as_run, retrieve

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
    return TrainConfig(
        **point._asdict(),
        steps=world.setting.steps,
        m=m,
        batch_size=world.setting.batch_size,
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


def measure(world: World, run: Run, part: str, single: Sequence[Record] = ()) -> Iterator[Record]:
    """MRecall and Recall in percent, on test also of subsets of the queries.

    ``answered`` has a bit for every query, of which all golds were found (`records.answered`);
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
                    "queries": int(rows.sum()), "value": percent(values[rows].mean()),
                    "ci_low": percent(low), "ci_high": percent(high), "p_value": None,
                }  # fmt: skip
                if metric is metrics.mrecall and subset == "all":
                    record["answered"] = as_bits(values)
                    for other in single:
                        if other["answered"] and other["k"] == k:
                            record["p_value"] = metrics.mcnemar_exact(values, answered(other))
                yield record


def common(world: World, place: str, seed: int) -> Record:
    setting = world.setting
    return {"experiment": place, "dataset": setting.dataset, "dim": setting.dim, "seed": seed}


def record_world(ledger: Ledger, world: World, place: str) -> None:
    """What the frozen encoder finds on test without any training, and the quarters of `World`.

    ``quarters`` has a character for every test query, 0 to 3, or - if it has one gold.
    """
    ledger.once(
        common(world, place, 0) | {"model": "encoder", "m": 1, "merge": "none"},
        lambda: search(world, build(world, seed=0).eval(), "test", 1, 0.05),
        lambda run: measure(world, run, "test"),
    )
    quarters = {"split": "test", "metric": "distance quarter"}
    ledger.once(
        common(world, place, 0),
        lambda: "".join("0123-"[quarter] for quarter in world.quarters.tolist()),
        lambda characters: [quarters | {"quarters": characters}],
        **quarters,
    )


def record(ledger: Ledger, world: World, place: str, name: str, point: Point, seed: int) -> None:
    """Train once and write down dev, and unless it is for tuning (seed 0) test."""
    m = MODELS[name]
    same = common(world, place, seed)
    setting = {**same, "model": name, "m": m, "merge": "none" if m == 1 else "mixture"}
    setting |= point._asdict()
    part, single = "dev", []
    if seed:
        part, best = "test", chosen(ledger.records, place, "single")
        single = ledger.select(**same, model="single", split=part, **best._asdict())
        setting |= {"depth": DEPTH} if m > 1 else {}

    def trained() -> tuple[AMER, dict[int, float]]:
        model = build(world, seed)
        return model, train(world, model, settings(world, m, point, seed))

    def found(model: AMER, curve: dict[int, float]) -> Iterator[Record]:
        yield from measure(world, search(world, model, part, m, point.temperature), part, single)
        for step, score in curve.items():
            on_dev = {"split": "dev", "metric": "mean recall", "k": None, "step": step}
            yield on_dev | {"value": percent(score)}

    ledger.once(setting, trained, lambda pair: found(*pair))


def chosen(records: Sequence[Record], place: str, name: str) -> Point:
    """The point of the grid with the best mean recall on dev; of equals, the first."""
    curves = select(records, experiment=place, model=name, seed=0, metric="mean recall")
    return Point(**tuned(curves, *Point._fields))


def parser() -> argparse.ArgumentParser:
    parser = parser_of(__doc__, "worlds", tuple(WORLDS), USUAL)
    parser.add_argument("--ambigqa", type=Path, help="folder of train_light and dev_light.json")
    parser.add_argument("--draw", type=int, default=0, choices=range(10), help="of the splits")
    parser.add_argument("--tune", action="store_true", help="stop before test")
    return parser


def main() -> None:
    arguments = parser().parse_args()
    torch.set_num_threads(1)
    draw = arguments.draw
    for name in arguments.worlds:
        options = f" --draw {draw}" * bool(draw) + " --tune" * arguments.tune
        ledger = Ledger("real", f"real {name}{options}")
        world = World(WORLDS[name], arguments.ambigqa, draw)
        place = f"{name}-draw-{draw}" if draw else name
        record_world(ledger, world, place)
        for model in MODELS:
            grid = [chosen(ledger.records, name, model)] if draw else world.setting.grid
            for point in grid:
                record(ledger, world, place, model, point, seed=0)
        for seed in () if arguments.tune else SEEDS:
            for model in MODELS:
                record(ledger, world, place, model, chosen(ledger.records, place, model), seed)


if __name__ == "__main__":
    main()
