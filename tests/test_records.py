"""Recorded results: what is read back, what a run appends, and that every command given exists."""

from __future__ import annotations

import importlib
import json
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from amer_book import records
from amer_book.records import (
    Ledger,
    answered,
    as_bits,
    curve,
    interval,
    markdown,
    plain,
    select,
    tuned,
)
from markdown_it import MarkdownIt

from amer_lite.__main__ import _parser as amer_lite_parser

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.stem for path in records.RESULTS.glob("*.jsonl"))
pages = [ROOT / "README.md", ROOT / "data" / "README.md", *(ROOT / "book").glob("*.md")]
PAGES = "\n".join(page.read_text() for page in pages)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    return tmp_path


def test_all_results_are_read_and_stay_small() -> None:
    paths = [records.RESULTS / f"{name}.jsonl" for name in NAMES]
    assert len(NAMES) >= 8 and sum(path.stat().st_size for path in paths) < 2_000_000
    for name in NAMES:
        for record in records.read(name):
            assert {"command", "machine", "versions"} <= set(record) and record["wall_s"] >= 0


def test_records_are_selected_chosen_and_averaged() -> None:
    pairs = ((3, 2), (3, 1), (1, 2), (1, 1))
    found = [{"seed": seed, "step": step, "value": seed * step} for seed, step in pairs]
    assert [r["seed"] for r in select(found, by="seed", step=2)] == [1, 3]
    assert select(found, seed=1, unknown=None) == select(found, seed=1)
    assert tuned(found, "seed", "step") == {"seed": 3, "step": 2}
    equal = [{"seed": seed, "value": 1} for seed in (5, 4)]
    assert tuned(equal, "seed") == {"seed": 5} and tuned([], "seed") == {}
    assert curve(found) == ([1, 2], [2, 4])


def test_answered_gives_back_the_bits_and_their_mean() -> None:
    rows = np.random.default_rng(0).random((2, 13)) < 0.5
    found = [{"queries": 13, "answered": as_bits(row)} for row in rows]
    assert answered(found[0]).tolist() == rows[0].tolist()
    assert answered(*found).tolist() == rows.mean(0).tolist()


def test_intervals_and_tables_are_markdown() -> None:
    assert interval(-0.25, 1) == "-0.2 to +1.0"
    assert interval(10, 8.25, 12, form=".1f") == "10.0 (8.2 to 12.0)"
    lines = markdown(["a", "**b**"], [[1, "x | y\nz"]]).splitlines()
    assert lines == ["| a | **b** |", "| --- | --- |", r"| 1 | x \| y z |"]
    with pytest.raises(ValueError, match="1 cells under 2"):
        markdown(["a", "b"], [[1]])


@pytest.mark.parametrize(
    "text",
    [
        "a|b",
        r"a\|b",
        r"a\\|b",
        "x\r\ny",
        "[x](javascript:alert(1))",
        "<b> `c` *d* &lt;",
        "http://e.org",
    ],
)
def test_a_text_in_a_table_is_all_there_and_no_markup(text: str) -> None:
    page = (
        MarkdownIt("commonmark").enable("table").render(markdown(["h", "i"], [[text, "end"]] * 2))
    )
    assert page.count("<td>end</td>") == 2
    page = MarkdownIt("commonmark").enable("table").render(markdown(["h"], [[plain(text)]]))
    (cell,) = re.findall("<td>(.*?)</td>", page)
    assert "<" not in cell and unescape(cell) == text.replace("\r\n", " ")


def test_a_ledger_appends_each_training_once(folder: Path) -> None:
    ledger, path = Ledger("a", "fair tags --draw 1"), folder / "a.jsonl"
    rows: list[records.Record] = [{"k": 10, "value": 1.5}, {"split": "dev", "value": 2}]
    for _ in range(2):
        ledger.once({"seed": 1}, lambda: rows, iter)
    first = path.read_text()
    origin, training = map(json.loads, first.splitlines())
    assert origin["command"] == "python -m amer_book.runs.fair tags --draw 1"
    assert training["columns"] == ["k", "value", "split"] and training["origin"] == 0
    ledger.once({"seed": 1}, lambda: rows, iter, split="test")  # such a row is missing
    Ledger("a", "fair words").add({"seed": 2}, rows, wall_s=3.04)
    lines = path.read_text().removeprefix(first).splitlines()
    assert [json.loads(line)["origin"] for line in lines] == [0, 1, 1]
    assert len(ledger.records) == 4 and len(Ledger("a").records) == 6
    last = records.read("a")[-1]
    assert last.items() >= {"seed": 2, "k": None, "value": 2, "split": "dev", "wall_s": 3.0}.items()
    assert last["command"].endswith("fair words")


def test_ledgers_side_by_side_lose_nothing(folder: Path) -> None:
    def write(writer: int) -> None:
        ledger = Ledger("a", f"phase {writer % 2}")
        for number in range(5):
            ledger.add({"writer": writer, "number": number}, [{"value": 0}], 0.0)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    found = records.read("a")
    assert len({(r["writer"], r["number"]) for r in found}) == len(found) == 20
    assert all(r["command"].endswith(str(r["writer"] % 2)) for r in found)
    assert (folder / "a.jsonl").read_text().count("command") == 2


def test_a_torn_line_is_refused_and_the_next_run_cuts_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Ledger("a").add({"seed": 1}, [{"value": 1}], 0.0)
    path = folder / "a.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[-20:-1])
    with pytest.raises(ValueError, match="line 3: torn"):
        records.read("a")
    Ledger("a")
    assert path.read_bytes() == whole and "cut 19 bytes" in capsys.readouterr().out
    path.write_bytes(
        whole + b'{"setting": {}, "wall_s": 0, "origin": 7, "columns": [], "rows": []}\n'
    )
    with pytest.raises(ValueError, match="line 3: not an origin or a training"):
        records.read("a")


def commands() -> list[tuple[str, str]]:
    """Those of the pages, up to a comment, and those of the records; module and arguments."""
    recorded = {r["command"] for name in NAMES for r in records.read(name)}
    text = "\n".join([PAGES, *recorded])
    return sorted(set(re.findall(r"python -m ([\w.]+) ?([^`#\n]*)", text)))


@pytest.mark.parametrize(("module", "arguments"), commands())
def test_every_command_is_understood(module: str, arguments: str) -> None:
    words = shlex.split(arguments)
    if module.startswith("amer_book.runs."):
        importlib.import_module(module).parser().parse_args(words)
    elif module == "amer_lite" and len(words) > 1:  # else a mention, not a command
        assert Path(ROOT, amer_lite_parser().parse_args(words).config).exists()
    else:
        assert importlib.util.find_spec(module)


def test_every_target_of_make_exists() -> None:
    targets = set(re.findall(r"^(\w[\w ]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    targets = {target for some in targets for target in some.split()}
    named = set(re.findall(r"(?:^|`)make (?:[A-Z]+=\S+ )?(\w+)", PAGES, re.MULTILINE))
    assert "book" in named <= targets


def test_a_run_takes_what_it_knows_and_usually_what_has_a_test() -> None:
    parser = importlib.import_module("amer_book.runs.fair").parser()
    assert parser.parse_args(["kinds", "words"]).worlds == ["kinds", "words"]
    assert set(parser.parse_args([]).worlds) <= {
        r["experiment"] for r in records.read("fair") if r["seed"]
    }
    for arguments in (["nowhere"], ["words", "--draw", "-1"]):
        with pytest.raises(SystemExit):
            parser.parse_args(arguments)
