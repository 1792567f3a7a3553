"""Configs: every slip is named with file, section and field; the files hold the recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amer_lite.__main__ import main
from amer_lite.commands.config import Config
from amer_lite.commands.reading import read

CONFIGS = Path(__file__).parents[1] / "data" / "configs"
GOOD = """
folder = "x"
[data]
set = "wordnet"
[lm]
[lora]
[train]
epochs = 1
m = 2
[retrieve]
m = 2
"""


@pytest.fixture
def good(tmp_path: Path) -> Path:
    (tmp_path / "run.toml").write_text(GOOD)
    return tmp_path / "run.toml"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("m = 2", "m = 0", r"run.toml: \[train\]: .*TrainConfig\nm\n.*input_value=0"),
        ("epochs = 1", "", r"run.toml: \[train\]: 'epochs' is missing"),
        ("epochs = 1", "epochs = 0", r"run.toml: \[train\]: epochs must be ≥ 1, got 0"),
        ("epochs = 1", "epoch = 1", r"\[train\]: 'epoch' is unknown; known fields are .*epochs"),
        ("epochs = 1", "epochs = 1\nsteps = 5", r"\[train\]: 'steps' is unknown"),
        ("epochs = 1", "epochs = 1.5", r"\[train\] epochs is 1.5; expected a whole number"),
        ("m = 2", "m = true", r"\[train\] m is True; expected a whole number"),
        ("m = 2", 'm = 2\nfeedback = "x"', r"feedback is 'x'; expected one of predicted, gold"),
        ("m = 2", "m = 2\nnegatives = 1", "negatives are drawn from a pool; give pool"),
        ("[lora]", "[lora]\nrank = 0", r"run.toml: \[lora\]: .*LoRA\nrank\n.*input_value=0"),
        ("[lora]", '[lora]\ntargets = ["q", 1]', r"targets\[1\] is 1; expected a string"),
        ("[lora]", '[lora]\ntargets = "q"', "targets is 'q'; expected a list of a string"),
        ("[lora]", "", r"give \[lora\] or \[states\], not both and not neither"),
        ("[lora]", "[lora]\n[states]\nlayers = [1]", r"give \[lora\] or \[states\], not both"),
        ("[lora]", "[states]", r"\[states\]: 'layers' is missing"),
        ("[lm]", '[lm]\nprompt = "x"', r"\[lm\]: prompt 'x' must hold {query} once"),
        ("[lm]", "[model]", "'model' is unknown; known sections are folder, data, lm"),
        ('"wordnet"', '"squad"', r"\[data\] set is 'squad'; expected one of wordnet, files"),
        ('"wordnet"', '"files"', r"set 'files' with queries '': .* all others need a file"),
        ('"wordnet"', '"files"\nqueries = "q"', r"\[data\]: set 'files' needs a corpus"),
        ('folder = "x"', "folder = 1", "folder is 1; expected a string"),
        ('folder = "x"', "", "run.toml: 'folder' is missing"),
        ('folder = "x"', "folder = x", "run.toml: not TOML: .*line 2"),
        ("[data]", "[encoder]\nshard = 0\n[data]", r"\[encoder\]: shard must be ≥ 1, got 0"),
        ("[data]", "[evaluate]\nmetrics=['f1']\n[data]", r"metrics \['f1'\] are unknown"),
        ("[retrieve]\nm = 2", "[retrieve]\nm = 2\nmerge = 'x'", "merge is 'x'; expected one of ro"),
        ("[retrieve]\nm = 2", "retrieve = 3", r"\[train\]: 'retrieve' is unknown"),
    ],
)
def test_a_slip_is_named(old: str, new: str, message: str, good: Path) -> None:
    assert old in GOOD
    good.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ValueError, match=message):
        read(good)


def test_values_can_be_changed_from_outside(good: Path) -> None:
    config = read(good, {"train.epochs": "7", "folder": "a/b", "lora.targets": '["k_proj"]'})
    assert (config.train.epochs, config.folder) == (7, "a/b")
    assert config.lora is not None and config.lora.targets == ("k_proj",)
    with pytest.raises(ValueError, match=r"\[train\] epochs is 'many'"):
        read(good, {"train.epochs": "many"})
    with pytest.raises(FileNotFoundError, match=r"no such config; see data/configs/"):
        read(good.with_name("other.toml"))


def test_the_command_line_reports_them(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["embed", str(good), "--set", "data.sett=wordnet"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "[data]: 'sett' is unknown; known fields are" in error
    with pytest.raises(SystemExit):
        main(["embed", str(good), "--set", "epochs"])
    assert "'epochs' is not SECTION.FIELD=VALUE" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ambigqa", "qampari"])
def test_the_full_scale_configs_are_the_published_recipe(name: str) -> None:
    config: Config = read(CONFIGS / f"{name}.toml")
    assert config.lora is not None
    assert (config.lora.rank, config.lora.alpha, config.lora.dropout) == (64, 16, 0.1)
    assert len(config.lora.targets) == 7 and config.lm.chat
    recipe: Any = config.train.recipe
    published = {
        "learning_rate": 5e-5, "batch_size": 32, "warmup": 0.05, "weight_decay": 0.01,
        "epsilon": 1e-6, "max_grad_norm": 5.0, "temperature": 0.05, "pairing": "hungarian",
        "feedback": "scheduled", "sampling_cap": 0.8, "negatives": 1,
    }  # fmt: skip
    assert {field: getattr(recipe, field) for field in published} == published
    assert recipe.masked and recipe.autocast == "bfloat16"  # put right after publication
    vectors = {"ambigqa": 2, "qampari": 5}[name]
    assert recipe.m == config.retrieve.m == vectors
    assert config.train.epochs == {"ambigqa": 20, "qampari": 120}[name]
    assert config.encoder.half and config.encoder.shard == 100_000


def test_the_small_config() -> None:
    config = read(CONFIGS / "words.toml")
    assert config.data.set == "wordnet" and config.lm.name == "SmolLM2-135M-Instruct"


def test_a_mixture_is_read_at_the_temperature_of_training(good: Path) -> None:
    changes = {"train.temperature": "0.03"}
    assert read(good, changes).tau is None
    assert read(good, {**changes, "retrieve.merge": "mixture"}).tau == 0.03
