"""Training: it learns and resumes; a batch in parts, on one process or two, is the same step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator, debug_launcher
from accelerate.state import AcceleratorState
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from amer_lite import AMER, AMERConfig, DecoderConfig, Prefix, TrainConfig, TrainData, fit
from amer_lite.model.prefix import Feedback
from amer_lite.storage import locked
from amer_lite.training.checkpoint import Checkpoint
from amer_lite.training.matching import mixture_info_nce, set_info_nce, single_info_nce

CONFIG = TrainConfig(steps=4, m=2, batch_size=12, evaluate_every=2, negatives=1)


def ragged(seed: int = 0) -> TrainData:
    """30 queries of 1–3 tokens with 1–4 golds among 60 documents."""
    rng = np.random.default_rng(seed)
    documents = nn.functional.normalize(torch.from_numpy(rng.normal(size=(60, 8))).float(), dim=1)
    mask = torch.arange(3) < torch.from_numpy(rng.integers(1, 4, 30))[:, None]
    values = torch.from_numpy(rng.normal(size=(30, 3, 8))).float()
    golds = [rng.choice(60, rng.integers(1, 5), replace=False).tolist() for _ in range(30)]
    return TrainData(Prefix(values, mask), golds, documents)


DATA = ragged()


def build(dropout: float = 0.0, seed: int = 0, width: int = 16) -> AMER:
    torch.manual_seed(seed)
    decoder = DecoderConfig(8, width=width, layers=1, heads=2, dropout=dropout)
    return AMER(AMERConfig(8, decoder=decoder))


def weights(model: AMER) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def total(model: AMER) -> float:
    return float(model.generate(DATA.prefix, 2).sum())


def train(
    config: TrainConfig = CONFIG,
    model: AMER | None = None,
    evaluate: Callable[[AMER], float] | None = None,
    data: TrainData = DATA,
    folder: Path | None = None,
) -> tuple[Tensor, list[Checkpoint]]:
    """Weights and history; by default each evaluation beats those before: the last one stays."""
    model, rising = model or build(), count()
    score = evaluate or (lambda _: next(rising))
    history = fit(model, data, config, score, folder=folder, progress=False)
    return weights(model), history


def test_two_vectors_solve_what_one_cannot() -> None:
    """One-token queries x; the golds of x are x and −x, so that their mean says nothing."""
    x = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
    x = nn.functional.normalize(x, dim=-1)
    documents, mask = torch.cat([x, -x]), torch.ones(len(x), 1, dtype=torch.bool)
    golds = [(i, i + len(x)) for i in range(len(x))]
    data = TrainData(Prefix(x[:240, None], mask[:240]), golds[:240], documents)
    dev = Prefix(x[240:, None], mask[240:])

    def recall(model: AMER) -> float:
        """Of the top 2/m of every vector against all documents."""
        top = (model.generate(dev, m) @ documents.T).topk(2 // m, dim=-1).indices.flatten(1)
        pairs = zip(top.tolist(), golds[240:], strict=True)
        return float(np.mean([len({*row} & {*own}) / 2 for row, own in pairs]))

    scores = {}
    for m in (2, 1):
        model = build(width=32)
        config = TrainConfig(120, m, batch_size=48, evaluate_every=30, learning_rate=1e-2)
        _, history = train(config, model, recall, data)
        scores[m] = recall(model)
        assert scores[m] == max(past.score for past in history)  # the best checkpoint is kept
        assert [past.step for past in history] == [30, 60, 90, 120]
        assert history[-1].loss < history[0].loss
    # Two opposite golds: one vector can be near one of them at best, so half is its ceiling.
    assert scores[1] <= 0.5 and scores[2] > 0.8


@pytest.mark.parametrize("feedback", ["predicted", "gold", "scheduled", "matched"])
def test_every_feedback_trains(feedback: Feedback) -> None:
    _, history = train(
        replace(CONFIG, steps=40, evaluate_every=20, feedback=feedback, masked=False)
    )
    assert history[-1].loss < history[0].loss


def test_anchored_is_a_single_vector_and_a_matched_set() -> None:
    model, config = (
        build(),
        replace(CONFIG, steps=1, m=3, batch_size=30, anchored=True, negatives=0),
    )
    rows = torch.nn.utils.rnn.pad_sequence([torch.tensor(golds) for golds in DATA.golds], True)
    mask = torch.arange(4) < torch.tensor([len(golds) for golds in DATA.golds])[:, None]
    vectors, golds = model.rollout(DATA.prefix, m=3), DATA.documents[rows]
    shared: dict[str, Any] = {"gold_ids": rows, "temperature": config.temperature, "masked": True}
    expected = single_info_nce(vectors[:, 0], golds, mask, **shared)
    expected += set_info_nce(vectors[:, 1:], golds, mask, **shared)
    assert train(config, model)[1][0].loss == pytest.approx(expected.item(), rel=1e-5)
    config = replace(config, anchored=False, loss="mixture", accumulate=3)
    parts = train(config, build())[1][0].loss
    emitted = build().emit(DATA.prefix, m=3)
    whole = mixture_info_nce(*emitted, golds, mask, **shared)
    assert parts == pytest.approx(whole.item(), rel=1e-5)


def test_a_mixture_learns_where_to_look_and_how_much_each_vector_counts() -> None:
    """Golds x and −x, the second for a fifth of the queries only: the weights learn that."""
    x = nn.functional.normalize(torch.randn(200, 8, generator=torch.Generator().manual_seed(0)), 2)
    golds = [(i, i + len(x)) if i % 5 == 0 else (i,) for i in range(len(x))]
    data = TrainData(Prefix(x[:, None], torch.ones(len(x), 1, dtype=torch.bool)), golds,
                     torch.cat([x, -x]))  # fmt: skip
    torch.manual_seed(0)
    decoder = DecoderConfig(state_dim=8, width=32, layers=1, heads=2)
    model = AMER(AMERConfig(dim=8, decoder=decoder, weighted=True))
    config = TrainConfig(150, 2, batch_size=50, learning_rate=1e-2, loss="mixture")
    history = fit(model, data, config, total, progress=False)
    vectors, log_weights = model.generate_weighted(data.prefix, 2)
    toward = (vectors * torch.stack([x, -x], 1)).sum(2).abs() > 0.8
    assert toward.float().mean() > 0.8
    share = log_weights.exp().mean(0)
    assert share.sum().item() == pytest.approx(1)
    assert share.max() > 0.7  # 240 golds, of which 200 are on one side
    assert history[-1].loss < history[0].loss or len(history) == 1


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_killed_run_resumes_to_the_same_numbers(accumulate: int, tmp_path: Path) -> None:
    config = replace(CONFIG, steps=6, feedback="scheduled", accumulate=accumulate)
    last, history = train(config, build(0.3), total)
    scores = iter([past.score for past in history[:2]])
    with pytest.raises(StopIteration):  # dies in the third evaluation
        train(config, build(0.3), lambda _: next(scores), folder=tmp_path)
    model = build(0.3)
    torch.manual_seed(99)  # whatever the caller's random state is
    resumed, again = train(config, model, total, folder=tmp_path)
    assert again == history and torch.equal(resumed, last)
    # A finished run is not run again: here an evaluation would raise.
    finished, again = train(config, build(0.3), lambda _: next(scores), folder=tmp_path)
    assert again == history and torch.equal(finished, last)


def test_dropout_is_on_from_the_first_step_and_off_in_evaluation() -> None:
    results, modes = [], set()
    for prepare in (AMER.train, AMER.eval):
        model = build(dropout=0.5)
        prepare(model)
        results.append(train(CONFIG, model, lambda m: modes.add(m.training) or 0.0)[0])  # type: ignore[func-returns-value]
    assert torch.equal(*results) and modes == {False}


def test_numbers_of_numpy_and_bfloat16_states_are_kept_with_a_run(tmp_path: Path) -> None:
    numbers: dict[str, Any] = {"m": np.int64(2), "learning_rate": np.float32(1e-3)}
    config = replace(CONFIG, **numbers)
    assert type(config.m) is int and type(config.learning_rate) is float
    prefix = Prefix(DATA.prefix.values.bfloat16(), DATA.prefix.mask)
    data = TrainData(prefix, DATA.golds, DATA.documents)
    kept, _ = train(config, data=data, folder=tmp_path)
    assert torch.equal(kept, train(config, data=data)[0])


def test_seeds_decide_and_the_callers_random_state_is_left_alone() -> None:
    results: list[Tensor] = []
    for seed in (0, 0, 1):
        model = build(dropout=0.1)
        torch.manual_seed(len(results))
        before = torch.get_rng_state()
        results.append(train(replace(CONFIG, seed=seed), model)[0])
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])


def test_the_best_evaluation_wins_not_the_last() -> None:
    scores, seen = iter([0.1, 0.9, 0.5]), []

    def evaluate(model: AMER) -> float:
        seen.append(weights(model))
        return next(scores)

    best, _ = train(replace(CONFIG, steps=6), evaluate=evaluate)
    assert torch.equal(best, seen[1]) and not torch.equal(seen[1], seen[2])


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    expected = f"{tmp_path}.*another process is writing here"
    with locked(tmp_path / "training"), pytest.raises(OSError, match=expected):
        train(folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    train(folder=tmp_path)
    frozen = build()
    frozen.output_projection.requires_grad_(False)
    others: list[tuple[dict[str, Any], str]] = [
        ({"config": replace(CONFIG, seed=1, m=3)}, "differs in m 2 → 3, seed 0 → 1"),
        ({"data": ragged(1)}, "differs in training data"),
        ({"model": build(seed=1)}, "differs in initial weights"),
        ({"model": build(dropout=0.5)}, "differs in model or trained parameters"),
        ({"model": frozen}, "differs in model or trained parameters"),
    ]
    for other, message in others:
        with pytest.raises(ValueError, match=message):
            train(**other, folder=tmp_path)
    current = next(tmp_path.glob("current-*"))
    current.write_bytes(current.read_bytes()[:100])
    with pytest.raises(ValueError, match="checksum differs"):
        train(folder=tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"masked": False, "pairing": "coverage"},
        {"pairing": "complete", "m": 4},
        {"negatives": 0, "anchored": True, "m": 3},
    ],
)
def test_parts_give_the_gradient_of_the_whole_batch(settings: dict[str, Any]) -> None:
    """All candidates stay: that is what tells this from the usual gradient accumulation."""
    config = replace(CONFIG, **settings)
    whole, _ = train(config)
    for parts in (2, 5, 12):
        found, _ = train(replace(config, accumulate=parts))
        torch.testing.assert_close(found, whole, atol=2e-5, rtol=1e-3)
    smaller, _ = train(replace(config, batch_size=12 // 2))
    assert (smaller - whole).abs().max() > 1e-3


def one_of_two(folder: Path) -> None:
    AcceleratorState._reset_state(True)  # what this process has from its parent
    accelerator, config = Accelerator(cpu=True), replace(CONFIG, accumulate=4)
    assert accelerator.num_processes == 2
    scores = iter([0.5, 0.9])

    def evaluate(model: AMER) -> float:
        assert accelerator.is_main_process  # the other one is told the score
        return next(scores)

    model, options = build(0.3), {"progress": False, "accelerator": accelerator}
    history = fit(model, DATA, config, evaluate, folder=folder / "run", **options)
    assert [past.score for past in history] == [0.5, 0.9]
    save_file(model.state_dict(), folder / f"{accelerator.process_index}.safetensors")
    with pytest.raises(ValueError, match="accumulate=3 must be a multiple of 2 processes"):
        fit(model, DATA, replace(config, accumulate=3), evaluate, **options)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_two_processes_do_what_one_does(tmp_path: Path) -> None:
    """Dropout too: it belongs to the part, not to the process."""
    debug_launcher(one_of_two, (tmp_path,))
    one, other = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(one[name], other[name]) for name in one)
    model = build()
    model.load_state_dict(one)
    alone, _ = train(replace(CONFIG, accumulate=4), build(0.3))
    torch.testing.assert_close(weights(model), alone, atol=2e-5, rtol=1e-3)
    assert (tmp_path / "run" / "manifest.json").exists()


def test_autocast_keeps_float32_weights_and_nearly_the_same_gradient() -> None:
    (exact, _), (fast, _) = train(), train(replace(CONFIG, autocast="bfloat16"))
    assert fast.dtype == torch.float32
    assert 0 < (fast - exact).abs().max() < 0.02  # four steps of at most 1e-3 each way


def test_training_that_blows_up_stops_with_a_reason() -> None:
    for score in ("nan", "high", None):
        answer: Any = float("nan") if score == "nan" else score
        with pytest.raises(ValueError, match=f"evaluate returned '?{score}"):
            train(evaluate=partial(lambda answer, model: answer, answer))
    with pytest.raises(ValueError, match="no weight of the model is trainable"):
        train(model=build().requires_grad_(False))
    with pytest.raises(ValueError, match="30 queries have no 31 parts"):
        train(replace(CONFIG, batch_size=40, accumulate=31))
    broken, data = build(), ragged()
    nn.init.constant_(broken.output_projection.weight, torch.nan)
    for pairing in ("coverage", "hungarian"):
        with pytest.raises(ValueError, match="vectors are NaN or infinite at step 0; lower"):
            train(replace(CONFIG, pairing=pairing), broken)
    data.prefix.values[3] = torch.nan
    with pytest.raises(ValueError, match=r"prefix: NaN or infinite values in rows \[3\]"):
        train(data=data)
