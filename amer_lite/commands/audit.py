"""``audit``: what the loader repaired, and what still makes the figures meaningless."""

from __future__ import annotations

from amer_lite.commands import tasks
from amer_lite.commands.config import Config
from amer_lite.datasets.audit import audit as inspect


def audit(config: Config) -> tuple[str, bool]:
    """The report, and whether the data are fit for an evaluation.

    Raises:
        FileNotFoundError, ValueError: data that cannot be read; file and line are named.
    """
    task = tasks.load(config)
    found = inspect(task.dataset)
    return f"{task.report}\n{found}".strip(), found.clean
