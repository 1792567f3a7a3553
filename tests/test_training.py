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
from amer_lite.training.matching import Pairing, set_info_nce, single_info_nce

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
    pairings: dict[int, Pairing] = {2: "hungarian", 1: "coverage"}
    for m, pairing in pairings.items():
        model = build()
        config = replace(CONFIG, steps=320, m=m, pairing=pairing, evaluate_every=40)
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
    train, dev = world()
    config = replace(CONFIG, steps=2, evaluate_every=1)
    fit(build(), train, config, recall(dev, 2), folder=tmp_path, progress=False)
    with pytest.raises(ValueError, match="differs in TrainConfig: seed 0 → 1"):
        fit(build(), train, replace(config, seed=1), recall(dev, 2), folder=tmp_path)
    with pytest.raises(ValueError, match="differs in training data"):
        fit(build(), world(1)[0], config, recall(dev, 2), folder=tmp_path)
    with pytest.raises(ValueError, match="differs in initial weights"):
        fit(build(1), train, config, recall(dev, 2), folder=tmp_path)
    with pytest.raises(ValueError, match="differs in model or trained parameters"):
        fit(build(dropout=0.5), train, config, recall(dev, 2), folder=tmp_path)
    frozen = build()
    frozen.output_projection.requires_grad_(False)
    with pytest.raises(ValueError, match="differs in model or trained parameters"):
        fit(frozen, train, config, recall(dev, 2), folder=tmp_path)
    current = next(tmp_path.glob("current-*"))
    current.write_bytes(current.read_bytes()[:100])
    with pytest.raises(ValueError, match="checksum differs"):
        fit(build(), train, config, recall(dev, 2), folder=tmp_path)


def test_training_that_blows_up_stops_with_a_reason() -> None:
    train, _ = world()
    with pytest.raises(ValueError, match="evaluate returned nan"):
        fit(build(), train, CONFIG, lambda model: float("nan"), progress=False)


TRAIN, _ = world()
BEST: list[dict[str, Any]] = [{"pairing": "best"}, {"feedback": "best"}]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: replace(CONFIG, steps=0), "steps must be ≥ 1, got 0"),
        (lambda: replace(CONFIG, m=0), "m must be ≥ 1, got 0"),
        (lambda: replace(CONFIG, learning_rate=0.0), "learning_rate must be > 0"),
        (lambda: replace(CONFIG, warmup=1.5), r"warmup must lie in \[0, 1\], got 1.5"),
        (lambda: replace(CONFIG, **BEST[0]), "pairing 'best' is unknown; choose one of hung"),
        (lambda: replace(CONFIG, **BEST[1]), "feedback 'best' is unknown; choose one of pre"),
        (lambda: replace(CONFIG, m=1, anchored=True), "anchored needs m ≥ 2, got m=1"),
        (lambda: replace(CONFIG, negatives=-1), "negatives must be ≥ 0, got -1"),
        (lambda: replace(TRAIN, golds=TRAIN.golds[:-1]), "400 queries, 399 gold sets"),
        (lambda: replace(TRAIN, golds=[[0]] * 399 + [[]]), "empty gold set of query 399"),
        (lambda: replace(TRAIN, golds=[[0]] * 399 + [[3, 3]]), "query 399 repeats a gold row"),
        (lambda: replace(TRAIN, golds=[[0]] * 399 + [[1000]]), "there are 1000 documents"),
        (lambda: replace(TRAIN, documents=TRAIN.documents / 0), "NaN or infinite"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
