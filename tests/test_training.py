from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from amer_lite import (
    AMER,
    AMERConfig,
    DecoderConfig,
    Prefix,
    TrainConfig,
    TrainData,
    fit,
    set_info_nce,
    single_info_nce,
)
from amer_lite.model.prefix import Feedback
from amer_lite.training.checkpoint import Checkpoint

DIM = 16
CONFIG = TrainConfig(steps=60, m=2, batch_size=64, evaluate_every=20, learning_rate=3e-3)


def world(seed: int = 0) -> tuple[TrainData, TrainData]:
    """One-token queries x; the golds of x are x and −x, so that their mean says nothing."""
    x = torch.randn(500, DIM, generator=torch.Generator().manual_seed(seed))
    x = nn.functional.normalize(x, dim=-1)
    documents, mask = torch.cat([x, -x]), torch.ones(len(x), 1, dtype=torch.bool)
    golds = [(i, i + len(x)) for i in range(len(x))]

    def part(rows: slice) -> TrainData:
        return TrainData(Prefix(x[rows, None], mask[rows]), golds[rows], documents)

    return part(slice(400)), part(slice(400, None))


TRAIN, DEV = world()


def recall(m: int = 2) -> Callable[[AMER], float]:
    """Recall@2 on dev: the top 2/m of every vector against all documents."""

    def evaluate(model: AMER) -> float:
        scores = model.generate(DEV.prefix, m) @ DEV.documents.T
        top = scores.topk(2 // m, dim=-1).indices.flatten(1).tolist()
        found = [len({*row} & {*golds}) / 2 for row, golds in zip(top, DEV.golds, strict=True)]
        return float(np.mean(found))

    return evaluate


def zero(model: AMER) -> float:
    return 0.0


def build(seed: int = 0, dropout: float = 0.0) -> AMER:
    torch.manual_seed(seed)
    decoder = DecoderConfig(DIM, width=32, layers=1, heads=2, dropout=dropout)
    return AMER(AMERConfig(DIM, decoder=decoder))


def train(
    model: AMER,
    config: TrainConfig,
    evaluate: Callable[[AMER], float] = zero,
    data: TrainData = TRAIN,
    folder: Path | None = None,
) -> list[Checkpoint]:
    return fit(model, data, config, evaluate, folder=folder, progress=False)


def weights(model: AMER) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_two_vectors_solve_what_one_cannot() -> None:
    scores = {}
    for m in (2, 1):
        model, config = build(), replace(CONFIG, steps=240, m=m, evaluate_every=60)
        history = train(model, config, recall(m))
        scores[m] = recall(m)(model)
        assert scores[m] == max(past.score for past in history)  # the best checkpoint is kept
        assert [past.step for past in history] == [60, 120, 180, 240]
        assert history[-1].loss < history[0].loss
    # Two opposite golds: one vector can be near one of them at best, so half is its ceiling.
    assert scores[1] <= 0.5 and scores[2] > 0.8


@pytest.mark.parametrize("feedback", ["predicted", "gold", "scheduled", "matched"])
def test_every_feedback_trains(feedback: Feedback) -> None:
    history = train(build(), replace(CONFIG, feedback=feedback, negatives=2, masked=False))
    assert history[-1].loss < history[0].loss


def test_anchored_is_a_single_vector_and_a_matched_set() -> None:
    model, config = build(), replace(CONFIG, steps=1, m=3, batch_size=400, anchored=True)
    vectors = model.rollout(TRAIN.prefix, m=3)
    rows = torch.tensor(TRAIN.golds)
    golds = TRAIN.documents[rows]
    shared: dict[str, Any] = {"gold_ids": rows, "temperature": config.temperature}
    expected = single_info_nce(vectors[:, 0], golds, **shared)
    expected += set_info_nce(vectors[:, 1:], golds, masked=True, **shared)
    assert train(model, config)[0].loss == pytest.approx(expected.item(), rel=1e-5)


def test_a_killed_run_resumes_to_the_same_numbers(tmp_path: Path) -> None:
    config = replace(CONFIG, feedback="scheduled", negatives=1, steps=30, evaluate_every=10)
    whole, resumed, finished = (build(dropout=0.1) for _ in range(3))
    history = train(whole, config, recall())
    scores = iter([past.score for past in history[:2]])
    with pytest.raises(StopIteration):  # dies in the third evaluation
        train(build(dropout=0.1), config, lambda _: next(scores), folder=tmp_path)
    torch.manual_seed(99)  # whatever the caller's random state is
    assert train(resumed, config, recall(), folder=tmp_path) == history
    assert torch.equal(weights(resumed), weights(whole))
    # A finished run is not run again: here an evaluation would raise.
    assert train(finished, config, lambda _: next(scores), folder=tmp_path) == history
    assert torch.equal(weights(finished), weights(whole))


def test_dropout_is_on_from_the_first_step_and_off_in_evaluation() -> None:
    results, modes = [], set()
    for prepare in (AMER.train, AMER.eval):
        model = build(dropout=0.5)
        prepare(model)
        train(model, replace(CONFIG, steps=2), lambda m: modes.add(m.training) or 0.0)  # type: ignore[func-returns-value]
        results.append(weights(model))
    assert torch.equal(*results) and modes == {False}


def test_seeds_decide_and_the_callers_random_state_is_left_alone() -> None:
    results: list[Tensor] = []
    for seed in (0, 0, 1):
        model = build(dropout=0.1)
        torch.manual_seed(len(results))
        before = torch.get_rng_state()
        train(model, replace(CONFIG, steps=5, seed=seed))
        assert torch.equal(torch.get_rng_state(), before)
        results.append(weights(model))
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])


def test_the_best_evaluation_wins_not_the_last() -> None:
    scores, seen, model = iter([0.1, 0.9, 0.5]), [], build()

    def evaluate(model: AMER) -> float:
        seen.append(weights(model))
        return next(scores)

    train(model, replace(CONFIG, steps=9, evaluate_every=3), evaluate)
    assert torch.equal(weights(model), seen[1]) and not torch.equal(seen[1], seen[2])


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    config = replace(CONFIG, steps=2, evaluate_every=1)
    train(build(), config, folder=tmp_path)
    frozen = build()
    frozen.output_projection.requires_grad_(False)
    others: list[tuple[AMER, TrainData, TrainConfig, str]] = [
        (build(), TRAIN, replace(config, seed=1, m=3), "differs in m 2 → 3, seed 0 → 1"),
        (build(), world(1)[0], config, "differs in training data"),
        (build(1), TRAIN, config, "differs in initial weights"),
        (build(dropout=0.5), TRAIN, config, "differs in model or trained parameters"),
        (frozen, TRAIN, config, "differs in model or trained parameters"),
    ]
    for model, data, settings, message in others:
        with pytest.raises(ValueError, match=message):
            train(model, settings, data=data, folder=tmp_path)
    current = next(tmp_path.glob("current-*"))
    current.write_bytes(current.read_bytes()[:100])
    with pytest.raises(ValueError, match="checksum differs"):
        train(build(), config, folder=tmp_path)


def test_training_that_blows_up_stops_with_a_reason() -> None:
    with pytest.raises(ValueError, match="evaluate returned nan"):
        train(build(), replace(CONFIG, steps=1), lambda model: float("nan"))
    broken, data = build(), world()[0]
    nn.init.constant_(broken.output_projection.weight, torch.nan)
    with pytest.raises(ValueError, match="loss is nan at step 0; lower"):
        train(broken, replace(CONFIG, pairing="coverage"))
    with pytest.raises(ValueError, match="similarity: NaN"):
        train(broken, CONFIG)
    data.prefix.values[3] = torch.nan
    with pytest.raises(ValueError, match=r"prefix: NaN or infinite values in rows \[3\]"):
        train(build(), CONFIG, data=data)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, r"steps\n.*greater than 0.*input_value=0"),
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
