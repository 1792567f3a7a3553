"""Configs: every slip is named with file, section, field and value; the files hold the recipe."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import get_type_hints

import pytest

from amer_lite.__main__ import main
from amer_lite.commands.config import Retrieval, read
from amer_lite.datasets.types import Dataset, Example
from amer_lite.model.amer import AMER
from amer_lite.search.retrieve import Merge
from amer_lite.training import config as training

CONFIGS = Path(__file__).parents[1] / "data" / "configs"
GOOD = """
folder = "x"
[data]
set = "own.loader:load"
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
        ("epochs = 1", "", "train.epochs: .*required"),
        ("epochs = 1", "epochs = 0", "train.epochs = 0: .*greater than 0"),
        ("epochs = 1", "epoch = 1", "epochs: .*required(.|\n)*train.epoch = 1: no such field"),
        ("epochs = 1", "epochs = 1\nsteps = 5", "train.steps = 5: no such field"),
        ("m = 2", "m = true", "train.m = True: .*integer"),
        ("m = 2", 'm = 2\nfeedback = "x"', "train.feedback = 'x': .*'predicted', 'gold'"),
        ("m = 2", "m = 2\nnegatives = 1", "train: negatives are drawn from a pool"),
        ("[lora]", "[lora]\n[states]\nlayers = [1]", r"give \[lora\] or \[states\], not both"),
        ("[lm]", '[lm]\nprompt = "x"', "lm.prompt = 'x': .*query"),
        ("[lm]", "[model]", "lm: .*required(.|\n)*model: no such field"),
        ('"own.loader:load"', '"squad"', "data.set = 'squad': .*files.*ambigqa"),
        ('"own.loader:load"', '"files"', "data: .*needs a file"),
        ('load"', 'load"\nqueries = "q"', "data: a loader of your own has no queries"),
        ('"own.loader:load"', '"files"\nqueries = "q"', "data: set 'files' needs a corpus"),
        ('folder = "x"', "folder = x", "not TOML: .*line 2"),
        ('folder = "x"', f"x = {'[' * 2000}{']' * 2000}", "not TOML: .*recursion"),
        ('folder = "x"', 'folder = " "', "folder = ' '"),
        ("[data]", "[data]\nleast = 9", "data: least = 9 is above most = 8"),
        ("[data]", "[data]\nseed = -1", "data.seed = -1: .*greater than or equal to 0"),
        ("[data]", "[evaluate]\nat = []\n[data]", r"evaluate.at = \[\]"),
        ("[data]", "[evaluate]\nat = [200]\n[data]", "evaluate.at = 200 needs lists as long"),
        ("[retrieve]", '[retrieve]\nsplit = "../x"', "retrieve.split = '../x'"),
        ("[retrieve]", "[retrieve]\nk = 0", "retrieve.k = 0"),
        ("[lora]", "[lora]\nalpha = nan", "lora.alpha = nan"),
        ("[lora]", "[states]\nlayers = [1]\nwidth = 20", "states: width 20 must be a multiple"),
        ("[lm]", '[lm]\nname = ""', "lm.name = ''"),
        ("[lm]", '[encoder]\nrevision = "main"\n[lm]', "encoder.revision = 'main'"),
        (
            "[data]",
            "[evaluate]\nmetrics=['f1']\n[data]",
            r"metrics\[0\] = 'f1': .*'mrecall'",
        ),
    ],
)
def test_a_slip_is_named(old: str, new: str, message: str, good: Path) -> None:
    assert old in GOOD
    good.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ValueError, match=rf"run.toml:(.|\n)*{message}"):
        read(good)


def test_values_can_be_changed_from_outside(good: Path) -> None:
    config = read(good, ["train.epochs=7", "folder=a/b", 'lora.targets=["k_proj"]'])
    assert (config.train.epochs, config.folder) == (7, "a/b")
    assert config.lora is not None and config.lora.targets == ("k_proj",)
    with pytest.raises(ValueError, match=r"epochs = 'many'(.|\n)*retrieve.k = 'few'"):  # both
        read(good, ["train.epochs=many", "retrieve.k=few"])
    with pytest.raises(ValueError, match="folder is a value, not a section"):
        read(good, ["folder.name=x"])


@pytest.mark.parametrize(
    ("loader", "arguments", "said"),
    [
        ("own:load", "{text = 'x', splits = ['dev']}", "queries: dev 1"),
        ("own:load", "{text = 'x', size = 3}", "unexpected keyword argument 'size'"),
        ("own:read", "{text = 'x'}", "no attribute 'read'"),
        ("no.own:load", "{text = 'x'}", "No module named 'no'"),
        ("own:wrong", "{text = 'x'}", "returns no Dataset but <class 'list'>"),
        ("own:broken", "{text = 'x'}", "error: KeyError 'x'; --debug shows where"),
    ],
)
def test_a_loader_of_ones_own(
    loader: str, arguments: str, said: str, good: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def load(text: str, splits: Sequence[str] = ("train", "dev")) -> Dataset:
        return Dataset("own", {"d": text}, {name: [Example(name, name, ["d"])] for name in splits})

    module = SimpleNamespace(load=load, wrong=lambda text: [text], broken=lambda text: {}[text])
    monkeypatch.setitem(sys.modules, "own", module)
    change = [f"--set=data.set={loader}", f"--set=data.arguments={arguments}"]
    code, printed = main(["audit", str(good), *change]), capsys.readouterr()
    assert said in (printed.err if code else printed.out)
    assert code in (0, 2) and printed.err.count("\n") == (code == 2)
    if "--debug" in said:
        with pytest.raises(KeyError):
            main(["audit", str(good), *change, "--debug"])


def test_steps_are_counted_from_epochs_and_tau_is_that_of_training(good: Path) -> None:
    changes = ["train.epochs=3", "train.evaluations=4", "train.batch_size=8"]
    recipe = read(good, changes).train.recipe(20)
    assert (recipe.steps, recipe.evaluate_every, recipe.batch_size, recipe.m) == (6, 2, 8, 2)
    words = CONFIGS / "words.toml"  # whose merge is the mixture
    assert read(words, ["train.temperature=0.03"]).tau == 0.03
    assert read(words, ["retrieve.merge=rrf"]).tau is None


def test_choices_are_those_of_the_library() -> None:
    """They are written out in the configs, which import nothing heavy."""
    assert training.Feedback == get_type_hints(AMER.emit)["feedback"]
    assert get_type_hints(Retrieval)["merge"] == Merge


@pytest.mark.parametrize(
    ("arguments", "code", "shown"),
    [
        ("--help", 0, "audit"),
        ("--version", 0, "amer-lite "),
        ("train CONFIG --set epochs", 2, "epochs: is not SECTION.FIELD=VALUE"),
        ("train CONFIG --set data.sett=files", 2, "data.sett = 'files'"),
        ("train nowhere.toml", 2, "nowhere.toml"),
        ("trian CONFIG", 2, "error: argument command: invalid choice: 'trian'"),
        (
            "embed CONFIG --set data.set=files --set data.queries=no.jsonl --set data.corpus=c",
            2,
            "data.queries: no file no.jsonl",
        ),
        ("embed --help", 0, str(CONFIGS / "words.toml")),
    ],
)
def test_what_the_command_line_says_at_once(
    arguments: str, code: int, shown: str, good: Path
) -> None:
    asked = [str(good) if word == "CONFIG" else word for word in arguments.split()]
    script = (
        "import sys; from amer_lite.__main__ import main\n"
        f"try: code = main({asked})\n"
        "except SystemExit as end: code = end.code\n"
        "sys.exit(9 if {'torch', 'faiss', 'transformers'} & set(sys.modules) else code)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == code
    assert shown in "".join((run.stdout + run.stderr).split("\n" + 22 * " "))  # as help is wrapped
    assert code == 0 or run.stderr.count("\n") == 1


@pytest.mark.parametrize(("name", "m", "epochs"), [("ambigqa", 2, 20), ("qampari", 5, 120)])
def test_the_full_scale_configs_are_the_published_recipe(name: str, m: int, epochs: int) -> None:
    config = read(CONFIGS / f"{name}.toml")
    assert config.lora is not None and config.lm.chat and len(config.lora.targets) == 7
    assert (config.lora.rank, config.lora.alpha, config.lora.dropout) == (64, 16, 0.1)
    recipe = config.train.recipe(1000)
    published = {
        "learning_rate": 5e-5, "batch_size": 32, "warmup": 0.05, "weight_decay": 0.01,
        "epsilon": 1e-6, "max_grad_norm": 5.0, "temperature": 0.05, "pairing": "hungarian",
        "feedback": "scheduled", "sampling_cap": 0.8, "negatives": 1,
    }  # fmt: skip
    assert {field: getattr(recipe, field) for field in published} == published
    assert recipe.masked and recipe.autocast == "bfloat16"  # put right after publication
    assert recipe.m == config.retrieve.m == m and config.train.epochs == epochs
    assert config.encoder.half and config.encoder.shard == 100_000
    assert config.encoder.trust_remote_code and len(config.encoder.revision) == 40
