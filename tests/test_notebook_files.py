"""Notebooks beside their chapters: written, compared, and never over what a reader has done."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import nbformat
import pytest

from book._tools import notebooks
from book._tools.repository import Repository, find_repository

GITHUB = Repository("https://github.com/someone/some-book")
CHAPTER = """---
file_format: mystnb
kernelspec: {name: python3, display_name: Python 3}
---

# A chapter

```{code-cell}
:tags: [hide-input]

x = 1
```

```{code-cell}
y = x + 1
```
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "04_chapter.md").write_text(CHAPTER)
    return tmp_path


def load(text: str) -> Any:
    return nbformat.reads(text, as_version=4)


def test_check_names_what_differs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = folder / "04_chapter.ipynb"
    assert notebooks.main(["--check", "--folder", str(folder)]) == 1
    assert "04_chapter.ipynb is missing; run `make notebooks`" in capsys.readouterr().err
    done = [notebooks.write(folder, GITHUB)[0] for _ in range(2)]
    assert done == [["wrote 04_chapter.ipynb"], []]
    assert notebooks.check(folder) == []
    for damage in ('{"cells": []}', "not json", ""):
        made.write_text(damage)
        (wrong,) = notebooks.check(folder)
        assert wrong == "04_chapter.ipynb is not what 04_chapter.md gives; run `make notebooks`"
    notebooks.write(folder, GITHUB)
    source = folder / "04_chapter.md"
    source.rename(folder / "06_chapter.md")
    wanted = ["06_chapter.ipynb is missing; run `make notebooks`"]
    assert notebooks.check(folder) == [*wanted, "04_chapter.ipynb has no source; remove it"]
    notebooks.write(folder, GITHUB)
    assert sorted(path.name for path in folder.glob("*.ipynb")) == ["06_chapter.ipynb"]


def test_check_demands_a_known_address(folder: Path) -> None:
    fork = Repository("https://github.com/fork/some-book")
    notebooks.write(folder, None)
    assert notebooks.check(folder) == [] != notebooks.check(folder, GITHUB)
    notebooks.write(folder, GITHUB)
    assert notebooks.check(folder, GITHUB, binding=True) == notebooks.check(folder, fork) == []
    assert notebooks.check(folder, fork, binding=True)


def test_running_and_saving_a_notebook_is_no_difference(folder: Path) -> None:
    notebooks.write(folder, None)
    made = folder / "04_chapter.ipynb"
    notebook = load(made.read_text())
    for number, cell in enumerate(c for c in notebook.cells if c.cell_type == "code"):
        cell.execution_count = number
        cell.outputs = [nbformat.v4.new_output("stream", text="1")]
        cell.metadata["execution"] = {"iopub.status.busy": "now"}
    notebook.metadata.language_info.version = "3.12"
    text = nbformat.writes(notebook)
    made.write_text(text)
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "04_chapter-checkpoint.ipynb").write_text(text)
    assert notebooks.check(folder) == [] and notebooks.write(folder, None) == ([], [])
    assert made.read_text() == text


def test_what_a_reader_changed_is_kept(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notebooks.write(folder, None)
    made, own = folder / "04_chapter.ipynb", folder / "Untitled.ipynb"
    text = made.read_text()
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    for name in (own, folder / "04_chapter-Copy1.ipynb"):
        name.write_text(text)  # of a reader, though written here once
    changed = text.replace("y = x + 1", "y = x + 5")
    made.write_text(changed)
    assert notebooks.check(folder) == []  # what is committed is right
    source = folder / "04_chapter.md"
    source.write_text(source.read_text() + "More.\n")
    (wrong,) = notebooks.check(folder)
    assert "its cells were changed by hand. Keep your copy under another name" in wrong
    assert notebooks.main(["--folder", str(folder)]) == 1
    assert "04_chapter.ipynb was left" in capsys.readouterr().err
    assert made.read_text() == changed and own.read_text() == text
    subprocess.run([*git, "commit", "-aqm", "kept"], check=True)
    assert notebooks.write(folder, None) == (["wrote 04_chapter.ipynb"], [])  # git has the other
    made.write_text(changed)
    made.rename(folder / "mine.ipynb")
    assert notebooks.write(folder, None) == (["wrote 04_chapter.ipynb"], [])


@pytest.mark.parametrize(
    ("remote", "name"),
    [
        ("https://github.com/owner/name.git", "owner/name"),
        ("https://user:secret@github.com/owner/na.me.git", "owner/na.me"),
        ("git@github.com:owner/name.git", "owner/name"),
        ("ssh://git@github.com/owner/name", "owner/name"),
        ("/srv/git/name.git", None),
        ("https://notgithub.com/owner/name", None),
    ],
)
def test_address_from_the_config_or_else_the_remote(
    tmp_path: Path, remote: str, name: str | None
) -> None:
    config, url = tmp_path / "_config.yml", "https://github.com"
    config.write_text("repository: {url: '', branch: trunk}\n")
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    assert find_repository(tmp_path) is None
    subprocess.run([*git, "remote", "add", "origin", remote], check=True)
    assert find_repository(tmp_path) == (Repository(f"{url}/{name}", "trunk") if name else None)
    config.write_text(f"repository: {{url: '{url}/a/b/', branch: trunk}}\n")
    assert find_repository(tmp_path) == Repository(f"{url}/a/b", "trunk")
    config.write_text("repository: {url: 'https://example.org/owner/name'}\n")
    with pytest.raises(ValueError, match=r"repository\.url is 'https://example\.org"):
        find_repository(tmp_path)
