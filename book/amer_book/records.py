"""Recorded results: what trainings found that take too long for a page.

A file ``results/<name>.jsonl`` has two kinds of lines. An *origin* says how its trainings were
made; a *training* has its setting and, as rows under columns, what was found; null where a row has
nothing to say::

    {"origin": 0, "command": "python -m …", "machine": "…", "versions": {"torch": "…"}}
    {"setting": {"seed": 1}, "wall_s": 23.3, "origin": 0, "columns": ["k"], "rows": [[10]]}

Lines are only ever appended. Read back, every row is a flat `Record`: its setting, its columns,
``wall_s``, ``command``, ``machine`` and ``versions``.
"""

from __future__ import annotations

import base64
import json
import math
import os
import platform
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amer_lite.storage import text_lines

Record = dict[str, Any]
T = TypeVar("T")

_BAR = re.compile(r"(?<!\\)((?:\\\\)*)\|")
HERE = Path(__file__).parent
RESULTS = HERE / "results"  # in an installed wheel; else those of the checkout
if not RESULTS.is_dir():
    RESULTS = HERE.parents[1] / "data" / "results"


def read(name: str) -> list[Record]:
    """The records of ``<name>.jsonl``, in the order in which they were written.

    Raises:
        ValueError: a line that is no origin and no training, or the torn last line of a run that
            was killed while it wrote.
    """
    path = _path(name)
    return _parse("".join(line for _, line in text_lines(path)), path)[1]


def select(records: Iterable[Record], /, by: str | None = None, **wanted: Any) -> list[Record]:
    """The records that have these values, sorted by one of their fields if ``by`` names it."""
    found = [r for r in records if all(r.get(key) == value for key, value in wanted.items())]
    return found if by is None else sorted(found, key=lambda record: record[by])


def tuned(records: Sequence[Record], *names: str) -> Record:
    """What was chosen: these fields of the record with the highest value, of equals the first.

    Of no records it is empty: where nothing was trained, there was nothing to choose.
    """
    if odd := [record for record in records if not math.isfinite(record["value"])]:
        raise ValueError(f"tuned: a record whose value is no finite number: {odd[0]}")
    best = max(records, key=lambda record: float(record["value"])) if records else {}
    return {name: best[name] for name in names if best}


def curve(records: Iterable[Record]) -> tuple[list[int], list[float]]:
    """Steps, and at each step the mean of the values of all trainings."""
    values: dict[int, list[float]] = {}
    for record in records:
        values.setdefault(record["step"], []).append(record["value"])
    steps = sorted(values)
    return steps, [float(np.mean(values[step])) for step in steps]


def answered(*records: Record) -> NDArray[np.float64]:
    """(Q,): for every query the share of these records in which all of its golds were found."""
    packed = [np.frombuffer(base64.b64decode(r["answered"]), np.uint8) for r in records]
    bits = [np.unpackbits(p, count=r["queries"]) for p, r in zip(packed, records, strict=True)]
    return np.mean(bits, axis=0)


def as_bits(every: ArrayLike) -> str:
    """What `answered` reads: a bit for each query, packed and in base64."""
    return base64.b64encode(np.packbits(np.asarray(every, bool)).tobytes()).decode()


def interval(*numbers: float, form: str = "+.1f") -> str:
    """``+0.2 to +1.4`` of two ends; ``+0.8 (+0.2 to +1.4)`` of a value and its two ends."""
    *value, low, high = (format(float(number), form) for number in numbers)
    return f"{value[0]} ({low} to {high})" if value else f"{low} to {high}"


def plain(text: str) -> str:
    """A text, such as a document's, as a cell of a table: nothing in it is Markdown or a link."""
    return re.sub(r"[]!#$&*+./:<=>@[\\^_`{|}~]", lambda sign: f"&#{ord(sign[0])};", text)


def table(header: Sequence[object], rows: Iterable[Sequence[object]]) -> None:
    """Display rows of cells under a header; a cell may be Markdown, `plain` makes it none."""
    from IPython.display import Markdown, display

    display(Markdown(markdown(header, rows)))


def markdown(header: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """The Markdown that `table` displays.

    Raises:
        ValueError: a row with more or fewer cells than the header.
    """
    lines = [header, ["---"] * len(header), *rows]
    for line in lines:
        if len(line) != len(header):
            raise ValueError(f"{len(line)} cells under {len(header)} headings: {list(line)}")
    # A bar ends a cell unless an odd number of backslashes stands before it.
    cells = [
        [re.sub(r"[\r\n]+", " ", _BAR.sub(r"\1\|", str(cell))) for cell in line] for line in lines
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


class Ledger:
    """Adds trainings to ``<name>.jsonl``: a killed run goes on where it stopped.

    Several processes may work on parts of one run: each line is appended under a lock on the file.

    Args:
        name: of the file.
        command: module and options of ``python -m amer_book.runs.…``; the name if None.
    """

    def __init__(self, name: str, command: str | None = None) -> None:
        import torch

        self.path = _path(name)
        self.origin = {
            "command": f"python -m amer_book.runs.{command or name}",
            "machine": f"{platform.machine()}, {torch.get_num_threads()} thread(s)",
            "versions": {
                package: version(package) for package in ("torch", "numpy", "faiss-cpu", "scipy")
            },
        }
        self.records: list[Record] = []
        self._sync()

    def select(self, **wanted: Any) -> list[Record]:
        return select(self.records, **wanted)

    def once(
        self,
        setting: Mapping[str, Any],
        train: Callable[[], T],
        measure: Callable[[T], Iterable[Record]],
        **row: Any,
    ) -> None:
        """Train, measure and write it down, unless there is a record of this setting already.

        Args:
            train: what ``wall_s`` is the time of.
            measure: of what ``train`` returns.
            row: what that record must have besides, such as ``split="test"``.
        """
        if self.select(**setting, **row):
            return
        start = time.perf_counter()
        trained = train()
        wall_s = time.perf_counter() - start
        self.add(setting, measure(trained), wall_s)
        print(*setting.values(), f"{wall_s:.0f} s", flush=True)

    def add(self, setting: Mapping[str, Any], found: Iterable[Record], wall_s: float) -> None:
        """Append one training."""
        rows = list(found)
        columns = list(dict.fromkeys(key for row in rows for key in row))
        cells = [[row.get(column) for column in columns] for row in rows]
        what = {"setting": dict(setting), "wall_s": round(wall_s, 1)}
        self._sync({**what, "columns": columns, "rows": cells})

    def _sync(self, training: Record | None = None) -> None:
        """Read what the file holds by now; append a training, after its origin if that is new."""
        import fcntl  # not on Windows, where the records can be read all the same

        with self.path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            text = file.read()
            if torn := len(text) - (text.rfind(b"\n") + 1):
                print(f"{self.path}: cut {torn} bytes, the torn last line of a killed run")
                text = text[:-torn]
                file.truncate(len(text))
            origins, self.records = _parse(text.decode(), self.path)
            if training is None:
                return
            new = [] if self.origin in origins else [{"origin": len(origins), **self.origin}]
            number = len(origins) if new else origins.index(self.origin)
            lines = "".join(
                json.dumps(line) + "\n" for line in [*new, training | {"origin": number}]
            )
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())
            self.records = _parse(text.decode() + lines, self.path)[1]


def _path(name: str) -> Path:
    if Path(name).name != name:
        raise ValueError(f"results {name!r}: a name without a folder expected, such as 'words'")
    return RESULTS / f"{name}.jsonl"


def _parse(text: str, path: Path) -> tuple[list[Record], list[Record]]:
    """Origins and records."""
    *lines, rest = text.split("\n")
    if rest:
        raise ValueError(
            f"{path}, line {len(lines) + 1}: torn, a run was killed while it wrote; delete that "
            "line, or start the run again, which cuts it"
        )
    origins: list[Record] = []
    records: list[Record] = []
    for number, line in enumerate(lines, start=1):
        try:
            found = json.loads(line)
            origin = found.pop("origin")
            new = "setting" not in found
            if type(origin) is not int or origin not in range(
                len(origins) * new, len(origins) + new
            ):
                raise ValueError(f"origin {origin!r} among {len(origins)}")
            if new:
                origins.append(found)
                continue
            shared = {"wall_s": found["wall_s"], **origins[origin]}
            for row in found["rows"]:
                columns = zip(found["columns"], row, strict=True)
                records.append({**found["setting"], **dict(columns), **shared})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"{path}, line {number}: not an origin or a training: {error!r}"
            ) from error
    return origins, records
