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
from tests.tiny_lm import WORDS, save_tiny_lm

CONFIG = TrainConfig(steps=4, m=2, batch_size=4, evaluate_every=2, learning_rate=1e-2)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_lm(tmp_path_factory.mktemp("base"))


def build(base: Path, weighted: bool = False, **settings: Any) -> tuple[AMER, Prefix]:
    lm, tokenizer = open_lm(base)
    torch.manual_seed(0)
    lora = LoRA(str(base), rank=4, **settings)
    model = AMER.from_lm(lm, dim=8, lora=lora, weighted=weighted)
    return model, prompt_ids(tokenizer, "the noun {query} :", WORDS[1:9])


def train(model: AMER, prefix: Prefix, scores: list[float], folder: Path | None = None) -> None:
    generator, left = torch.Generator().manual_seed(1), iter(scores)
    documents = nn.functional.normalize(torch.randn(16, 8, generator=generator), dim=1)
    data = TrainData(prefix, [(i, i + 8) for i in range(8)], documents)
    fit(model, data, CONFIG, lambda _: next(left), folder=folder, progress=False)


def only_trained(model: AMER, file: Path) -> bool:
    trained = sum(4 * p.numel() for p in model.parameters() if p.requires_grad)
    return trained < file.stat().st_size < trained + 4000  # names and shapes


def test_adapters_change_nothing_at_first_and_only_they_are_trained(base: Path) -> None:
    model, prefix = build(base)
    torch.manual_seed(0)
    plain = AMER.from_lm(open_lm(base)[0], dim=8)
    plain.load_state_dict(model.state_dict(), strict=False)
    torch.testing.assert_close(model.generate(prefix, 2), plain.generate(prefix, 2))
    frozen = {name: p.clone() for name, p in model.named_parameters() if not p.requires_grad}
    trained = [name for name, _ in model.named_parameters() if name not in frozen]
    # 3 blocks × (q, v) × (A, B), and the two projections
    assert len(trained) == 14 and sum("lora_" in name for name in trained) == 12
    before = model.generate(prefix, 2)
    train(model, prefix, [0.1, 0.2])
    now = dict(model.named_parameters())
    assert all(torch.equal(now[name], value) for name, value in frozen.items())
    assert (model.generate(prefix, 2) - before).abs().max() > 1e-3


def test_an_adapted_layer_is_the_formula(base: Path) -> None:
    model, _ = build(base, alpha=12.0)
    layer: Any = model.get_submodule("backbone.body.layers.0.self_attn.q_proj")
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    nn.init.normal_(b)
    x = torch.randn(3, 32)
    torch.testing.assert_close(layer(x), layer.base_layer(x) + 12.0 / 4 * (x @ a.T) @ b.T)


def test_a_saved_model_is_small_and_comes_back(base: Path, tmp_path: Path) -> None:
    model, prefix = build(base, weighted=True, targets=("q_proj", "down_proj"))
    train(model, prefix, [0.0, 0.0])
    model.save(tmp_path)
    (saved,) = tmp_path.glob("*.safetensors")
    assert only_trained(model, saved)
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
    built = [build(base, dropout=0.2) for _ in range(4)]
    (whole, prefix), (killed, _), (resumed, _), (other, _) = built
    train(whole, prefix, [0.1, 0.2])
    with pytest.raises(StopIteration):  # dies in the second evaluation
        train(killed, prefix, [0.1], tmp_path)
    train(resumed, prefix, [0.2], tmp_path)
    assert torch.equal(resumed.generate(prefix, 3), whole.generate(prefix, 3))
    (best,) = tmp_path.glob("best-*.safetensors")
    assert only_trained(resumed, best)
    frozen = other.get_parameter("backbone.body.layers.1.input_layernorm.weight")
    nn.init.ones_(frozen).mul_(2)
    with pytest.raises(ValueError, match="differs in initial weights"):
        train(other, prefix, [], tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("base", ""), ("rank", 0), ("rank", True), ("rank", "4"), ("alpha", 0.0)],
        *[("alpha", float("inf")), ("dropout", 1.0), ("dropout", float("nan")), ("depth", 1)],
        *[("targets", ()), ("targets", "q_proj"), ("targets", (3,))],
    ],
)
def test_bad_settings_are_named(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{field}\n"):
        LoRA(**{"base": "x", field: value})


def test_layers_that_are_not_there_are_named(base: Path) -> None:
    there = r"there are \['down_proj', 'gate_proj', 'k_proj', 'o_proj', 'q_proj', 'up_proj', "
    for targets in (("query",), ("q_proj", "query"), ("query", ""), ("q_proj", "norm", "query")):
        with pytest.raises(ValueError, match=rf"no linear layer is named \[.*'query'.*\]; {there}"):
            build(base, targets=targets)
    lm, _ = open_lm(base)
    AMER.from_lm(lm, dim=8, lora=LoRA(str(base)))
    with pytest.raises(ValueError, match="has adapters already"):
        AMER.from_lm(lm, dim=8, lora=LoRA(str(base)))
