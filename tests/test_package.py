"""What is installed: the packages, their dependencies, the README's example."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import amer_lite

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def lines(name: str) -> list[str]:
    return [line for line in (ROOT / name).read_text().splitlines() if not line.startswith("#")]


def asked(listed: list[str]) -> Iterator[str]:
    """Requirements with our own extras written out."""
    for line in listed:
        if line.startswith(PROJECT["name"]):
            for extra in Requirement(line).extras:
                yield from asked(PROJECT["optional-dependencies"][extra])
        else:
            yield line


def test_importing_the_package_loads_nothing_heavy() -> None:
    command = [sys.executable, "-c", "import sys, amer_lite; print(*sys.modules)"]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    heavy = {"torch", "faiss", "numpy", "scipy", "transformers", "plotly", "pydantic"}
    assert not heavy & set(loaded.split())


def test_every_public_name_resolves() -> None:
    assert {"AMER", "FaissIndex", "fit", "retrieve"} <= set(amer_lite.__all__)
    for name in amer_lite.__all__:
        assert getattr(amer_lite, name).__module__.startswith("amer_lite.")
    assert set(amer_lite.__all__) <= set(dir(amer_lite))
    with pytest.raises(AttributeError, match="no_such_name"):
        amer_lite.no_such_name  # noqa: B018


def test_the_citation_is_of_this_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == amer_lite.__version__ and cited["license"] == PROJECT["license"]
    assert f"## {amer_lite.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_requirements_are_the_package_and_the_book() -> None:
    extras = PROJECT["optional-dependencies"]
    assert lines("requirements.txt") == [*PROJECT["dependencies"], *asked(extras["book"])]


def test_constraints_pin_within_the_ranges_all_that_we_ask_for() -> None:
    pins = dict(line.split("==") for line in lines("constraints.txt"))
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    for line in [*PROJECT["dependencies"], *asked(PROJECT["optional-dependencies"]["test"])]:
        requirement = Requirement(line)
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, line
    assert {*lines("requirements-models.txt")} <= {*lines("constraints.txt")}


def test_the_wheel_holds_both_packages_and_the_results(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps"]
    subprocess.run([*command, "--no-index", "-w", str(tmp_path), str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("amer_lite-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry,) = (name for name in names if name.endswith("entry_points.txt"))
        assert "amer-lite = amer_lite.__main__:main" in archive.read(entry).decode()
    source = {path.relative_to(ROOT) for path in (ROOT / "amer_lite").rglob("*.py*")}
    source |= {path.relative_to(ROOT) for path in (ROOT / "amer_lite").rglob("*.json")}
    source |= {path.relative_to(ROOT / "book") for path in (ROOT / "book/amer_book").rglob("*.py")}
    wanted = {path.as_posix() for path in source if "__pycache__" not in path.parts}
    wanted |= {f"amer_book/results/{path.name}" for path in (ROOT / "data/results").iterdir()}
    wanted |= {f"amer_lite/configs/{path.name}" for path in (ROOT / "data/configs").iterdir()}
    assert {name for name in names if ".dist-info/" not in name} == wanted | {"amer_lite/py.typed"}


def test_every_room_has_a_page_of_the_api() -> None:
    rooms = {path.parent.name for path in (ROOT / "amer_lite").glob("*/__init__.py")}
    packages = {room: f"amer_lite.{room}" for room in rooms} | {"amer_book": "amer_book"}
    pages = {path.stem: path.read_text() for path in (ROOT / "book/api").glob("*.md")}
    assert pages.keys() == packages.keys()
    assert all(f"{{modules}} {packages[name]}\n" in text for name, text in pages.items())
    listed = re.findall(r"file: api/(\w+)", (ROOT / "_toc.yml").read_text())
    assert {*listed} == packages.keys()


def test_the_readmes_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert code is not None
    exec(code[1], {})
    printed = capsys.readouterr().out
    assert "a wading bird" in printed and "a lifting machine" in printed
