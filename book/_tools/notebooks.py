"""Write the notebook beside every chapter with code: ``python -m book._tools.notebooks``.

``NN_name.md`` (MyST) is the source, ``NN_name.ipynb`` what Colab opens: no outputs, no dates, ids
from positions, so that the same source always gives the same bytes. Nothing here overwrites or
removes a notebook whose cells a reader has changed. ``--check`` writes nothing and fails when a
notebook differs from its source; what running a notebook changes is no difference, nor is what a
reader has changed since the last commit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat

from amer_lite.storage import write_text
from book._tools.chapter import Cell, Chapter, front
from book._tools.repository import BOOK, ROOT, Repository, find_repository, read_config

_RUNNING = ("execution_count", "outputs")  # what only running a notebook changes
_KEPT = ("cellView", "jupyter", "tags")  # metadata of cells that is ours


def render(source: Path, repository: Repository | None, *, solutions: bool = True) -> str:
    """Text of the notebook for one chapter, with or without the solutions of its exercises.

    Raises:
        ConversionError: markup without a plain Markdown form.
    """
    cells = [*front(source.stem, repository), *Chapter(source, repository, solutions).cells()]
    return _notebook(cells, source.name, repository)


def write(folder: Path, repository: Repository | None) -> tuple[list[str], list[str]]:
    """Bring the notebooks of ``folder`` up to date.

    Returns:
        What was done, and the names of those that were left because a reader has changed them.
    """
    done, left = [], []
    for source in chapters(folder):
        target = source.with_suffix(".ipynb")
        text = render(source, repository)
        there = target.read_text(encoding="utf-8") if target.exists() else ""
        if _essence(there) == _essence(text):
            continue
        if _edited(target, there):
            left.append(target.name)
        else:
            write_text(target, text)
            done.append(f"wrote {target.name}")
    for orphan in _orphans(folder):
        if _edited(orphan, orphan.read_text(encoding="utf-8")):
            left.append(orphan.name)
        else:
            orphan.unlink()
            done.append(f"removed {orphan.name}, which has no source")
    return done, left


def write_exercises(folder: Path, target: Path, repository: Repository | None) -> list[Path]:
    """Write notebooks without solutions into ``target``; return their paths."""
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for source in chapters(folder):
        written.append(target / source.with_suffix(".ipynb").name)
        write_text(written[-1], render(source, repository, solutions=False))
    return written


def check(folder: Path, known: Repository | None = None, *, binding: bool = False) -> list[str]:
    """What is wrong with the notebooks of ``folder``, one line each.

    Args:
        folder: with the chapters.
        known: the repository's address, which the notebooks must hold where they hold none.
        binding: they must hold this one and no other, as that of a fork.
    """
    wrong = []
    for source in chapters(folder):
        target = source.with_suffix(".ipynb")
        if not target.exists():
            wrong.append(f"{target.name} is missing; run `make notebooks`")
            continue
        there = target.read_text(encoding="utf-8")
        for text in (there, _committed(target)):  # whatever a reader has done since the commit
            repository = recorded_repository(text)
            if known and (binding or not repository):
                repository = known
            if _essence(text) == _essence(render(source, repository)):
                break
        else:
            advice = "run `make notebooks`"
            if _edited(target, there):
                advice = f"its cells were changed by hand. {MOVE}"
            wrong.append(f"{target.name} is not what {source.name} gives; {advice}")
    return wrong + [f"{orphan.name} has no source; remove it" for orphan in _orphans(folder)]


MOVE = "Keep your copy under another name, then run `make notebooks`"


def chapters(folder: Path) -> list[Path]:
    """Pages with executed cells."""
    pages = sorted(folder.glob("*.md"))
    return [page for page in pages if "\n```{code-cell}" in page.read_text(encoding="utf-8")]


def recorded_repository(notebook: str) -> Repository | None:
    """The address with which a notebook was generated; None also for one that records nothing."""
    try:
        recorded = json.loads(notebook)["metadata"]["amer_lite"]
        url, branch = str(recorded["repository"]), str(recorded["branch"])
    except (ValueError, KeyError, TypeError):
        return None
    return Repository(url, branch) if url else None


def _notebook(cells: list[Cell], source: str, repository: Repository | None) -> str:
    for index, cell in enumerate(cells):
        cell["id"] = f"cell-{index:03d}"
        cell["source"] = cell["source"].splitlines(keepends=True)
    notebook = {
        "cells": cells,
        "metadata": {
            "amer_lite": {
                "branch": repository.branch if repository else "",
                "digest": _digest(cells),
                "generated_from": source,
                "repository": repository.url if repository else "",
            },
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    nbformat.validate(notebook)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _parsed(notebook: str) -> dict[str, Any]:
    """The notebook; empty for a text that is none."""
    try:
        read = json.loads(notebook)
        return {"cells": list(read["cells"]), "ours": dict(read["metadata"]["amer_lite"])}
    except (ValueError, KeyError, TypeError):
        return {}


def _essence(notebook: str) -> object:
    """What a notebook is apart from having been run and saved; None for another text."""
    read = _parsed(notebook)
    if not read:
        return None
    cells = [
        {key: value for key, value in cell.items() if key not in (*_RUNNING, "id")}
        | {"source": "".join(cell["source"])}
        | {"metadata": {k: v for k, v in cell["metadata"].items() if k in _KEPT}}
        for cell in read["cells"]
    ]
    return cells, read["ours"]


def _digest(cells: list[Cell]) -> str:
    """Of kinds and sources: tells a notebook as it was written from one that was edited."""
    sources = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()[:16]


def _edited(path: Path, notebook: str) -> bool:
    """Whether cells of a notebook from here were changed, and git does not keep them."""
    read = _parsed(notebook)
    changed = "digest" in read.get("ours", {}) and read["ours"]["digest"] != _digest(read["cells"])
    return changed and notebook != _committed(path)


def _committed(path: Path) -> str:
    """The file as it stands in the last commit; empty if it does not."""
    command = ["git", "-C", str(path.parent), "show", f"HEAD:./{path.name}"]
    try:
        return subprocess.run(command, capture_output=True, timeout=10).stdout.decode()
    except (OSError, UnicodeDecodeError, subprocess.TimeoutExpired):
        return ""


def _orphans(folder: Path) -> list[Path]:
    """Notebooks written from a chapter that is gone; a reader's own notebooks are none."""
    kept = {source.stem for source in chapters(folder)}
    return [
        path
        for path in sorted(folder.glob("*.ipynb"))
        if path.stem not in kept
        and _parsed(path.read_text(encoding="utf-8")).get("ours", {}).get("generated_from")
        == f"{path.stem}.md"
    ]


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Write the notebooks of the book.")
    parser.add_argument("--check", action="store_true", help="only report differences")
    parser.add_argument(
        "--exercises", type=Path, metavar="FOLDER", help="write them without solutions"
    )
    parser.add_argument("--folder", type=Path, default=ROOT / BOOK, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    try:
        repository = find_repository()
        if options.check:
            binding = bool((read_config().get("repository") or {}).get("url"))
            wrong = check(options.folder, repository, binding=binding)
        elif options.exercises:
            written = write_exercises(options.folder, options.exercises, repository)
            print(f"wrote {len(written)} notebooks without solutions into {options.exercises}")
            return 0
        else:
            done, left = write(options.folder, repository)
            print(*done, sep="\n", end="\n" if done else "")
            wrong = [f"{name} was left: its cells were changed by hand. {MOVE}" for name in left]
    except ValueError as error:
        wrong = [str(error)]
    print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
