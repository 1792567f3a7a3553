"""Adapters: what is trained, what is saved, and that a run with them resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from amer_lite import AMER, Prefix, TrainConfig, TrainData, fit
from amer_lite.encoders.prompt import open_lm, prompt_ids
from amer_lite.model.language_model import LoRA
from tests.tiny_lm import save_tiny_lm

WORDS = ["bank", "crane", "river", "money", "bird", "noun", "the", "has"]
CONFIG = TrainConfig(steps=4, m=2, batch_size=4, evaluate_every=2, learning_rate=1e-2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_lm(tmp_path_factory.mktemp("base"))


def build(base: Path, **settings: Any) -> tuple[AMER, Prefix]:
    lm, tokenizer = open_lm(base)
    torch.manual_seed(0)
    model = AMER.from_lm(lm, dim=8, lora=LoRA(str(base), rank=4, **settings))
    return model, prompt_ids(tokenizer, "the noun {query} :", WORDS)


def data(prefix: Prefix) -> TrainData:
    torch.manual_seed(1)
    documents = nn.functional.normalize(torch.randn(16, 8), dim=1)
    return TrainData(prefix, [(i, i + 8) for i in range(8)], documents)


def test_adapters_change_nothing_at_first_and_only_they_are_trained(base: Path) -> None:
    model, prefix = build(base)
    torch.manual_seed(0)
    plain = AMER.from_lm(open_lm(base)[0], dim=8)
    plain.input_projection.load_state_dict(model.input_projection.state_dict())
    plain.output_projection.load_state_dict(model.output_projection.state_dict())
    torch.testing.assert_close(model.generate(prefix, 2), plain.generate(prefix, 2))
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    # 3 blocks × (q, v) × (A, B), and the two projections
    assert len(trained) == 14 and sum("lora_" in name for name in trained) == 12
    frozen = {n: p.clone() for n, p in model.named_parameters() if n not in trained}
    before = model.generate(prefix, 2)
    fit(model, data(prefix), CONFIG, lambda model: float(model.training), progress=False)
    now = dict(model.named_parameters())
    assert all(torch.equal(now[name], value) for name, value in frozen.items())
    assert (model.generate(prefix, 2) - before).abs().max() > 1e-3


def test_an_adapted_layer_is_the_formula(base: Path) -> None:
    model, _ = build(base, alpha=12.0)
    name = "backbone.body.layers.0.self_attn.q_proj"
    layer, base_layer = model.get_submodule(name), model.get_submodule(f"{name}.base_layer")
    a, b = (model.get_parameter(f"{name}.lora_{x}.default.weight") for x in "AB")
    nn.init.normal_(b)
    x = torch.randn(3, 32)
    expected = base_layer(x) + 12.0 / 4 * (x @ a.T) @ b.T
    torch.testing.assert_close(layer(x), expected)


def test_a_saved_model_is_small_and_comes_back(base: Path, tmp_path: Path) -> None:
    model, prefix = build(base, targets=("q_proj", "down_proj"))
    fit(model, data(prefix), CONFIG, lambda model: 0.0, progress=False)
    model.save(tmp_path)
    trained = sum(4 * p.numel() for p in model.parameters() if p.requires_grad)
    (weights,) = tmp_path.glob("*.safetensors")
    assert trained < weights.stat().st_size < trained + 4000  # names and shapes
    loaded = AMER.load(tmp_path)
    assert loaded.config.lora == model.config.lora
    assert torch.equal(loaded.generate(prefix, 2), model.generate(prefix, 2))


def test_another_base_is_refused(base: Path, tmp_path: Path) -> None:
    moved = save_tiny_lm(tmp_path / "base")
    model, _ = build(moved)
    model.save(tmp_path / "saved")
    save_tiny_lm(moved, seed=1)
    with pytest.raises(ValueError, match=r"trained on other weights of '.*base'"):
        AMER.load(tmp_path / "saved")
    for file in moved.iterdir():
        file.unlink()
    with pytest.raises(FileNotFoundError, match="not a complete saved model"):
        AMER.load(tmp_path / "saved")


def test_a_killed_run_resumes_and_keeps_only_what_is_trained(base: Path, tmp_path: Path) -> None:

    def run(scores: list[float], folder: Path | None = None) -> tuple[AMER, Prefix]:
        model, prefix = build(base, dropout=0.2)
        left = iter(scores)
        fit(model, data(prefix), CONFIG, lambda _: next(left), folder=folder, progress=False)
        return model, prefix

    whole, prefix = run([0.1, 0.2])
    with pytest.raises(StopIteration):  # dies in the second evaluation
        run([0.1], tmp_path)
    model, _ = run([0.2], tmp_path)
    assert torch.equal(model.generate(prefix, 3), whole.generate(prefix, 3))
    trained = sum(4 * p.numel() for p in model.parameters() if p.requires_grad)
    (best,) = tmp_path.glob("best-*.safetensors")
    assert best.stat().st_size < trained + 4000
    other, prefix = build(base, dropout=0.2)
    frozen = other.get_parameter("backbone.body.layers.1.input_layernorm.weight")
    nn.init.ones_(frozen).mul_(2)
    with pytest.raises(ValueError, match="differs in initial weights"):
        fit(other, data(prefix), CONFIG, lambda _: 0.0, folder=tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [("base", ""), ("rank", 0), ("alpha", 0.0), ("dropout", 1.0), ("targets", ()), ("depth", 1)],
)
def test_bad_settings_are_named(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{field}\n"):
        LoRA(**{"base": "x", field: value})


def test_layers_that_are_not_there_are_named(base: Path) -> None:
    with pytest.raises(ValueError, match="not found in the base model"):
        build(base, targets=("query",))
