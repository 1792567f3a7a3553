"""Old results (``*.json``, a list of flat records) to the new ones (``*.jsonl``), checked.

Every record read back from the new file must equal the old one: every old key with its old value,
``live_or_recorded`` and the command apart, and null under every other key. ``answered`` is the same
bits in base64. Commands are those that exist now and name the world of the training.
"""

import base64
import json
from itertools import groupby
from pathlib import Path

from amer_book import records as new

SETTING = {
    "experiment", "dataset", "dim", "seed", "steps", "model", "m", "temperature", "learning_rate",
    "depth", "backbone", "epochs", "merge", "against", "world", "families", "golds", "companions",
    "noise", "corpus", "masked", "feedback", "layers", "set", "retriever", "documents",
}  # fmt: skip
ROWS = {"ideas": {"merge"}, "words": {"merge"}, "phase": {"model", "m"}}  # not settings there
ORIGIN = ("command", "machine", "versions")


def command(name: str, record: dict) -> str:
    module, *old = record["command"].removeprefix("python -m book._runs.").split()
    if module == "real":
        world, _, draw = record["experiment"].partition("-draw-")
        assert old == {"": [], "1": ["--draw-1"], "2": ["--draw", "2"]}[draw]
        tuning = not draw and world in ("intents-64-slow", "debian-tags-long")
        options = f" {world}" + (f" --draw {draw}" if draw else "") + " --tune" * tuning
    elif module == "ideas":
        options = " " + {"wordnet": "words", "intents": "intents-384"}[record["dataset"]]
    elif module == "phase":
        options = f" {record['companions']}"
    elif module == "synthetic":
        options = f" {record['world']}"
    else:
        options = ""
    return f"python -m amer_book.runs.{module}{options}"


for path in sorted(new.RESULTS.glob("*.json")):
    name = path.stem
    if name == "bench":
        continue
    old = json.loads(path.read_text())
    fields = SETTING - ROWS.get(name, set())

    def training(record: dict) -> str:
        shared = {k: v for k, v in record.items() if k in fields | {"wall_s", *ORIGIN}}
        return json.dumps(shared | {"command": command(name, record)})

    origins, lines = [], []
    for key, group in groupby(old, training):
        shared = json.loads(key)
        origin = {k: shared.pop(k) for k in ORIGIN}
        if origin not in origins:
            lines.append({"origin": len(origins), **origin})
            origins.append(origin)
        wall = shared.pop("wall_s")
        gone = {*fields, "wall_s", *ORIGIN, "live_or_recorded"}
        rows = [{k: v for k, v in r.items() if k not in gone} for r in group]
        for row in rows:
            if "answered" in row:
                row["answered"] = base64.b64encode(bytes.fromhex(row["answered"])).decode()
        columns = list(dict.fromkeys(k for row in rows for k in row))
        cells = [[row.get(k) for k in columns] for row in rows]
        number = {"origin": origins.index(origin)}
        lines.append({"setting": shared, "wall_s": wall, **number, "columns": columns, "rows": cells})
    target = path.with_suffix(".jsonl")
    target.write_text("".join(json.dumps(line) + "\n" for line in lines))

    found = new.read(name)
    assert len(found) == len(old)
    for was, now in zip(old, found, strict=True):
        was = dict(was)
        assert was.pop("live_or_recorded", "recorded") == "recorded"
        assert now["command"] == command(name, was)
        was["command"] = now["command"]
        if "answered" in was:
            bits = base64.b64decode(now["answered"])
            assert bits.hex() == was["answered"]
            was["answered"] = now["answered"]
        for field, value in was.items():
            assert now[field] == value and type(now[field]) is type(value), (field, was, now)
        assert all(value is None for field, value in now.items() if field not in was)
    trainings = sum("setting" in line for line in lines)
    sizes = f"{path.stat().st_size:,} → {target.stat().st_size:,} bytes"
    print(f"{name}: {len(old)} records, {trainings} trainings, {len(origins)} origins, {sizes}")
