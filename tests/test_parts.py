"""A batch in parts, on one process or on several, is the same step."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from amer_lite import AMER, AMERConfig, DecoderConfig, Prefix, TrainConfig, TrainData, fit

CONFIG = TrainConfig(steps=4, m=2, batch_size=12, evaluate_every=2, negatives=1)


def ragged() -> TrainData:
    """Queries of 1–3 tokens with 1–4 golds."""
    rng = np.random.default_rng(0)
    documents = nn.functional.normalize(torch.from_numpy(rng.normal(size=(60, 8))).float(), dim=1)
    mask = torch.arange(3) < torch.from_numpy(rng.integers(1, 4, 30))[:, None]
    values = torch.from_numpy(rng.normal(size=(30, 3, 8))).float()
    golds = [rng.choice(60, rng.integers(1, 5), replace=False).tolist() for _ in range(30)]
    return TrainData(Prefix(values, mask), golds, documents)


def build(dropout: float = 0.0) -> AMER:
    torch.manual_seed(0)
    decoder = DecoderConfig(8, width=16, layers=1, heads=2, dropout=dropout)
    return AMER(AMERConfig(8, decoder=decoder))


def flat(model: AMER) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def trained(config: TrainConfig, dropout: float = 0.0, folder: Path | None = None) -> Tensor:
    """The last weights: each evaluation beats those before."""
    model, scores = build(dropout), count()
    fit(model, ragged(), config, lambda _: next(scores), folder=folder, progress=False)
    return flat(model)


@pytest.mark.parametrize("parts", [2, 5, 12])
@pytest.mark.parametrize(
    "settings",
    [
        {"masked": False},
        {"pairing": "coverage"},
        {"pairing": "complete", "m": 4},
        {"negatives": 0, "anchored": True, "m": 3},
    ],
)
def test_parts_give_the_gradient_of_the_whole_batch(parts: int, settings: dict[str, Any]) -> None:
    """All candidates stay: that is what tells this from the usual gradient accumulation."""
    config = replace(CONFIG, **settings)
    whole = trained(config)
    torch.testing.assert_close(
        trained(replace(config, accumulate=parts)), whole, atol=2e-5, rtol=1e-3
    )
    smaller = trained(replace(config, batch_size=12 // 2))
    assert (smaller - whole).abs().max() > 1e-3


def test_a_killed_run_in_parts_resumes_to_the_same_numbers(tmp_path: Path) -> None:
    config = replace(CONFIG, accumulate=3, feedback="scheduled")
    whole = trained(config, dropout=0.3)

    scores = iter([-1.0])
    with pytest.raises(StopIteration):  # dies in the second evaluation
        fit(build(0.3), ragged(), config, lambda _: next(scores), folder=tmp_path, progress=False)
    assert torch.equal(trained(config, dropout=0.3, folder=tmp_path), whole)


SCRIPT = """
import sys, torch
from accelerate import Accelerator
from safetensors.torch import save_file
from tests.test_parts import CONFIG, build, ragged
from amer_lite.training.fit import fit
from dataclasses import replace
torch.set_num_threads(1)
accelerator = Accelerator(cpu=True)
assert accelerator.num_processes == 2
scores = iter([0.5, 0.9])
def evaluate(model):
    assert accelerator.is_main_process  # the other one is told the score
    return next(scores)
model = build(dropout=0.3)
history = fit(model, ragged(), replace(CONFIG, accumulate=4), evaluate, progress=False,
              folder=sys.argv[1] + "/run", accelerator=accelerator)
assert [past.score for past in history] == [0.5, 0.9]
save_file(model.state_dict(), f"{sys.argv[1]}/{accelerator.process_index}.safetensors")
try: fit(model, ragged(), replace(CONFIG, accumulate=3), evaluate, accelerator=accelerator)
except ValueError as error: assert "accumulate=3 must be a multiple of 2 processes" in str(error)
else: raise AssertionError
"""


def test_two_processes_do_what_one_does(tmp_path: Path) -> None:
    """Dropout too: it belongs to the part, not to the process."""
    (tmp_path / "script.py").write_text(SCRIPT)
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    root = Path(__file__).parents[1]
    run = subprocess.run(
        [*launch, str(tmp_path / "script.py"), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    one, other = (load_file(tmp_path / f"{rank}.safetensors") for rank in (0, 1))
    assert all(torch.equal(one[name], other[name]) for name in one)
    model = build()
    model.load_state_dict(one)
    alone = trained(replace(CONFIG, accumulate=4), dropout=0.3)
    torch.testing.assert_close(flat(model), alone, atol=2e-5, rtol=1e-3)
    assert (tmp_path / "run" / "manifest.json").exists()


def test_autocast_keeps_float32_weights_and_nearly_the_same_gradient() -> None:
    exact, fast = trained(CONFIG), trained(replace(CONFIG, autocast="bfloat16"))
    assert fast.dtype == torch.float32
    assert 0 < (fast - exact).abs().max() < 0.02  # four steps of at most 1e-3 each way


def test_more_parts_than_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="30 queries have no 31 parts"):
        trained(replace(CONFIG, batch_size=40, accumulate=31))
