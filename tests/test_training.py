from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from amer_lite.model.amer import AMER, AMERConfig, Feedback
from amer_lite.model.decoder import DecoderConfig
from amer_lite.model.prefix import Prefix
from amer_lite.training.config import TrainConfig
from amer_lite.training.data import TrainData
from amer_lite.training.fit import fit
from amer_lite.training.matching import set_info_nce, single_info_nce

DIM, QUERIES = 16, 400
CONFIG = TrainConfig(steps=60, m=2, batch_size=64, evaluate_every=20, learning_rate=3e-3)


def world(seed: int = 0) -> tuple[TrainData, TrainData]:
    """One-token queries x; the golds of x are x and −x, so that their mean says nothing."""
    x = nn.functional.normalize(
        torch.randn(QUERIES + 100, DIM, generator=torch.Generator().manual_seed(seed)), dim=-1
    )
    documents = torch.cat([x, -x])
    golds = [(i, i + len(x)) for i in range(len(x))]
    mask = torch.ones(len(x), 1, dtype=torch.bool)

    def part(rows: slice) -> TrainData:
        return TrainData(Prefix(x[rows, None], mask[rows]), golds[rows], documents)

    return part(slice(QUERIES)), part(slice(QUERIES, None))


def recall(dev: TrainData, m: int, k: int = 2) -> Callable[[AMER], float]:
    """Recall@k on dev: the top k/m of every vector against all documents."""

    def evaluate(model: AMER) -> float:
        scores = model.generate(dev.prefix, m) @ dev.documents.T
        top = scores.topk(k // m, dim=-1).indices.flatten(1)
        return float(
            np.mean(
                [len({*row.tolist()} & {*g}) / 2 for row, g in zip(top, dev.golds, strict=True)]
            )
        )

    return evaluate


def build(seed: int = 0, dropout: float = 0.0) -> AMER:
    torch.manual_seed(seed)
    return AMER(
        AMERConfig(DIM, decoder=DecoderConfig(DIM, width=32, layers=1, heads=2, dropout=dropout))
    )


def weights(model: AMER) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_two_vectors_solve_what_one_cannot() -> None:
    train, dev = world()
    scores = {}
    for m in (2, 1):
        model = build()
        config = replace(CONFIG, steps=320, m=m, evaluate_every=40)
        history = fit(model, train, config, recall(dev, m), progress=False)
        scores[m] = recall(dev, m)(model)
        assert scores[m] == max(past.score for past in history)  # the best checkpoint is kept
        assert [past.step for past in history] == [*range(40, 321, 40)]
        assert history[-1].loss < history[0].loss
    # Two opposite golds: one vector can be near one of them at best, so half is its ceiling.
    assert scores[1] <= 0.5
    assert scores[2] > 0.9


@pytest.mark.parametrize("feedback", ["predicted", "gold", "scheduled", "matched"])
def test_every_feedback_trains(feedback: Feedback) -> None:
    train, dev = world()
    config = replace(CONFIG, feedback=feedback, negatives=2, masked=False)
    history = fit(build(), train, config, recall(dev, 2), progress=False)
    assert history[-1].loss < history[0].loss


def test_anchored_is_a_single_vector_and_a_matched_set() -> None:
    train, _ = world()
    model, config = build(), replace(CONFIG, steps=1, m=3, batch_size=400, anchored=True)
    vectors = model.rollout(train.prefix, m=3)
    rows = torch.tensor(train.golds)
    golds = train.documents[rows]
    shared: dict[str, Any] = {"gold_ids": rows, "temperature": config.temperature}
    expected = single_info_nce(vectors[:, 0], golds, **shared)
    expected += set_info_nce(vectors[:, 1:], golds, masked=True, **shared)
    history = fit(model, train, config, lambda model: 0.0, progress=False)
    assert history[0].loss == pytest.approx(expected.item(), rel=1e-5)


class Killed(Exception):
    pass


def test_a_killed_run_resumes_to_the_same_numbers(tmp_path: Path) -> None:
    train, dev = world()
    config = replace(CONFIG, feedback="scheduled", negatives=1)
    whole = build(dropout=0.1)
    history = fit(whole, train, config, recall(dev, 2), progress=False)

    calls = 0

    def dies(model: AMER) -> float:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise Killed
        return recall(dev, 2)(model)

    with pytest.raises(Killed):
        fit(build(dropout=0.1), train, config, dies, folder=tmp_path, progress=False)
    resumed = build(dropout=0.1)
    torch.manual_seed(99)  # whatever the caller's random state is
    assert fit(resumed, train, config, recall(dev, 2), folder=tmp_path, progress=False) == history
    assert torch.equal(weights(resumed), weights(whole))

    def never(model: AMER) -> float:
        raise AssertionError("a finished run is not run again")

    finished = build(dropout=0.1)
    assert fit(finished, train, config, never, folder=tmp_path, progress=False) == history
    assert torch.equal(weights(finished), weights(whole))


def test_dropout_is_on_from_the_first_step_and_off_in_evaluation() -> None:
    train, _ = world()
    config = replace(CONFIG, steps=2, evaluate_every=1)
    modes: list[bool] = []

    def evaluate(model: AMER) -> float:
        modes.append(model.training)
        return 0.0

    results = []
    for prepare in (AMER.train, AMER.eval):
        model = build(dropout=0.5)
        prepare(model)
        fit(model, train, config, evaluate, progress=False)
        results.append(weights(model))
    assert torch.equal(*results) and modes == [False] * 4


def test_seeds_decide_and_the_callers_random_state_is_left_alone() -> None:
    train, dev = world()
    config = replace(CONFIG, steps=5)
    results: list[Tensor] = []
    for seed in (0, 0, 1):
        model = build(dropout=0.1)
        torch.manual_seed(len(results))
        before = torch.get_rng_state()
        fit(model, train, replace(config, seed=seed), recall(dev, 2), progress=False)
        assert torch.equal(torch.get_rng_state(), before)
        results.append(weights(model))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_the_best_evaluation_wins_not_the_last() -> None:
    train, _ = world()
    scores = iter([0.1, 0.9, 0.5])
    seen: list[Tensor] = []

    def evaluate(model: AMER) -> float:
        seen.append(weights(model))
        return next(scores)

    model = build()
    fit(model, train, CONFIG, evaluate, progress=False)
    assert torch.equal(weights(model), seen[1]) and not torch.equal(seen[1], seen[2])


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    train, _ = world()
    config = replace(CONFIG, steps=2, evaluate_every=1)
    fit(build(), train, config, lambda _: 0.0, folder=tmp_path, progress=False)
    frozen = build()
    frozen.output_projection.requires_grad_(False)
    others: list[tuple[AMER, TrainData, TrainConfig, str]] = [
        (build(), train, replace(config, seed=1, m=3), "differs in m 2 → 3, seed 0 → 1"),
        (build(), world(1)[0], config, "differs in training data"),
        (build(1), train, config, "differs in initial weights"),
        (build(dropout=0.5), train, config, "differs in model or trained parameters"),
        (frozen, train, config, "differs in model or trained parameters"),
    ]
    for model, data, settings, message in others:
        with pytest.raises(ValueError, match=message):
            fit(model, data, settings, lambda _: 0.0, folder=tmp_path)
    current = next(tmp_path.glob("current-*"))
    current.write_bytes(current.read_bytes()[:100])
    with pytest.raises(ValueError, match="checksum differs"):
        fit(build(), train, config, lambda _: 0.0, folder=tmp_path)


def test_training_that_blows_up_stops_with_a_reason() -> None:
    train, _ = world()
    with pytest.raises(ValueError, match="evaluate returned nan"):
        fit(build(), train, CONFIG, lambda model: float("nan"), progress=False)
    broken = build()
    nn.init.constant_(broken.output_projection.weight, torch.nan)
    for pairing, message in (("coverage", "loss is nan at step 0"), (None, "similarity: NaN")):
        with pytest.raises(ValueError, match=message):
            fit(broken, train, replace(CONFIG, pairing=pairing), lambda _: 0.0, progress=False)
    train.prefix.values[3] = torch.nan
    with pytest.raises(ValueError, match=r"prefix: NaN or infinite values in rows \[3\]"):
        fit(build(), train, CONFIG, lambda _: 0.0, progress=False)


TRAIN, _ = world()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, r"steps\n.*greater than or equal to 1.*input_value=0"),
        ({"m": 0}, r"m\n.*greater than or equal to 1"),
        ({"learning_rate": 0.0}, r"learning_rate\n.*greater than 0"),
        ({"warmup": 1.5}, r"warmup\n.*less than or equal to 1.*input_value=1.5"),
        ({"pairing": "best"}, r"pairing\n.*'hungarian'.*input_value='best'"),
        ({"feedback": "best"}, r"feedback\n.*'predicted'.*input_value='best'"),
        ({"autocast": "float16"}, r"autocast\n.*'bfloat16'.*input_value='float16'"),
        ({"m": 1, "anchored": True}, "anchored needs m ≥ 2, got m=1"),
        ({"accumulate": 65}, "a batch of 64 has no 65 parts"),
        ({"warp": 9}, r"warp\n"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig(**{"steps": 60, "m": 2, "batch_size": 64, **settings})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"golds": TRAIN.golds[:-1]}, "400 queries, 399 gold sets"),
        ({"golds": [[0]] * 399 + [[]]}, r"query 399 has gold rows \[\]"),
        ({"golds": [[0]] * 399 + [[3, 3]]}, r"query 399 has gold rows \[3, 3\]"),
        ({"golds": [[0]] * 399 + [[1000]]}, r"query 399 .*\[1000\].* 1000 documents"),
        ({"documents": TRAIN.documents / 0}, "documents: NaN or infinite"),
        ({"documents": TRAIN.documents.double()}, "documents: expected torch.float32"),
    ],
)
def test_bad_data_are_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(TRAIN, **fields)
