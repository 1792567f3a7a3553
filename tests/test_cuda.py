"""On a GPU the model, the loss, training and search say what they say on the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from amer_lite import Prefix, TrainConfig, TrainData, fit, set_info_nce
from amer_lite.search.shards import ShardIndex, write_shard
from tests.test_model import DIM, STATE, B, build, golds_for, prefix_for

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
# Of unit vectors: a few roundings of each dtype, added up over layers and steps.
ROOM = {torch.float32: 2e-4, torch.bfloat16: 8e-2, torch.float16: 1e-2}
KINDS = ["decoder", "pointer", "llama", "qwen3", "gpt2"]


@pytest.fixture(params=ROOM, ids=str)
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


@pytest.mark.parametrize("kind", KINDS)
def test_in_each_dtype_generate_is_rollout_padding_is_nothing_and_the_cpu_agrees(
    kind: str, dtype: torch.dtype
) -> None:
    model, prefix = build(kind), prefix_for(kind, [3, 7, 5, 1])
    expected = model.generate(prefix, 4)
    model = model.to("cuda", dtype)
    found = model.generate(prefix, 4)
    assert found.is_cuda and found.dtype == torch.float32
    assert (found.cpu() - expected).norm(dim=-1).max() < 4 * ROOM[dtype]
    with torch.no_grad():
        assert (model.rollout(prefix, m=4) - found).norm(dim=-1).max() < ROOM[dtype]
    alone = torch.cat([model.generate(prefix.select([row]), 4) for row in range(B)])
    assert (alone - found).norm(dim=-1).max() < 4 * ROOM[dtype]


def test_the_loss_and_its_gradient() -> None:
    found = []
    for device in ("cpu", "cuda"):
        vectors = golds_for(3, seed=5).to(device).requires_grad_()
        loss = set_info_nce(vectors, golds_for().to(device), masked=True)
        loss.backward()
        found.append((loss.detach().cpu(), vectors.grad.cpu()))  # type: ignore[union-attr]
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-5)


def test_training_takes_the_same_steps() -> None:
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(32, 4, STATE, generator=generator)
    data = TrainData(
        Prefix(states, torch.ones(32, 4, dtype=torch.bool)),
        [[2 * i, 2 * i + 1] for i in range(32)],
        torch.nn.functional.normalize(torch.randn(64, DIM, generator=generator), dim=-1),
    )
    config = TrainConfig(steps=20, m=2, batch_size=16, evaluate_every=5)
    cpu, gpu = (
        fit(build("decoder").to(device), data, config, lambda _: 0.0, progress=False)
        for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose([c.loss for c in gpu], [c.loss for c in cpu], rtol=2e-3)


def test_shards_are_searched_alike(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((500, 16), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    write_shard(tmp_path / "0", vectors, [f"d{i}" for i in range(500)], {})
    cpu, gpu = (ShardIndex(tmp_path, device=d).search(vectors[:20], 10) for d in ("cpu", "cuda"))
    assert (cpu.rows == gpu.rows).mean() > 0.99  # ties and roundings
    np.testing.assert_allclose(gpu.scores, cpu.scores, atol=1e-4)
