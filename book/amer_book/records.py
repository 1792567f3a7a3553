"""The flat records of a recorded run, kept on disk: a killed run goes on where it stopped.

Several processes may work on parts of one run: each adds to what the file holds at that moment.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from amer_lite.storage import write_text

RESULTS = Path(__file__).parents[2] / "data" / "results"
Record = dict[str, Any]


class Ledger:
    """Records of ``data/results/<name>.json``, one line a record, each with its origin.

    Args:
        name: of the file.
        module: ``amer_book.runs.<module>``, options and all, is the command that writes; the file's
            name if None.
    """

    def __init__(self, name: str, module: str | None = None) -> None:
        self.path = RESULTS / f"{name}.json"
        self.records = self._read()
        self.origin = {
            "live_or_recorded": "recorded",
            "command": f"python -m amer_book.runs.{module or name}",
            "machine": f"{platform.machine()}, {torch.get_num_threads()} thread(s)",
            "versions": {
                package: version(package) for package in ("torch", "numpy", "faiss-cpu", "scipy")
            },
        }

    def select(self, **setting: Any) -> list[Record]:
        """The records that have these values."""
        return [
            record
            for record in self.records
            if all(record.get(key) == value for key, value in setting.items())
        ]

    def add(self, setting: Mapping[str, Any], found: Iterable[Record], wall_s: float) -> None:
        """Append records and write the file, atomically."""
        new = [{**setting, **one, "wall_s": round(wall_s, 1), **self.origin} for one in found]
        with _locked(self.path.parent):
            self.records = self._read() + new
            lines = ",\n".join(json.dumps(record) for record in self.records)
            write_text(self.path, f"[\n{lines}\n]\n")

    def _read(self) -> list[Record]:
        return json.loads(self.path.read_text()) if self.path.exists() else []


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
