from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import amer_lite

ROOT = Path(__file__).parents[1]


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, amer_lite; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "faiss", "numpy", "scipy", "transformers", "plotly"} & set(loaded)


def test_every_public_name_resolves() -> None:
    for name in amer_lite.__all__:
        assert getattr(amer_lite, name).__module__.startswith("amer_lite.")
    assert set(amer_lite.__all__) <= set(dir(amer_lite))


def test_requirements_are_the_package_and_the_book() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    listed = [line for line in lines if line and not line.startswith("#")]
    assert listed == project["dependencies"] + project["optional-dependencies"]["book"]


def test_constraints_pin_everything_we_ask_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    asked = [*project["dependencies"], *(line for extra in extras for line in extra)]
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in pins if "==" in line}
    for line in asked:
        name = re.split(r"[<>=]", line)[0].lower().replace("_", "-")
        assert name in pinned, f"{name} is asked for and not pinned in constraints.txt"


def test_packages_of_weights_are_pinned_alike() -> None:
    lines = (ROOT / "requirements-models.txt").read_text().splitlines()
    exact = {line for line in lines if line and not line.startswith("#")}
    assert exact and exact <= set((ROOT / "constraints.txt").read_text().splitlines())
    assert all("==" in line for line in exact)


def test_the_readmes_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert code is not None
    exec(code[1], {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 11 and all("found: " in line for line in lines[1:])
