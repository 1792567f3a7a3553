"""``diagnose``: what it measures, its rule, and the records that the rule was fitted to."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from amer_book import gains
from amer_book.runs import phase
from amer_book.worlds.synthetic import make

from amer_lite import FaissIndex
from amer_lite.__main__ import main
from amer_lite.commands import diagnose
from amer_lite.datasets.types import Example
from amer_lite.encoders.sentence import SentenceEncoder
from amer_lite.evaluation import diagnosis, geometry, rivals
from amer_lite.search.index import comparable
from tests.test_files import jsonl

DIM = 16


@pytest.fixture
def axes() -> FaissIndex:
    """Documents along the axes: no two have anything in common."""
    index = FaissIndex(DIM)
    index.add(np.eye(DIM, dtype=np.float32), [f"d{i}" for i in range(DIM)])
    return index


def test_golds_are_padded_and_counted(axes: FaissIndex) -> None:
    examples = [Example("a", "a", ["d1", ["d2", "d3"], "d4"]), Example("b", "b", ["d5"])]
    golds = diagnosis.gold_sets(axes, examples)
    assert golds.rows.tolist() == [[1, 2, 4], [5, -1, -1]]
    assert golds.mask.tolist() == [[True] * 3, [True, False, False]]
    assert golds.points[0].argmax(1).tolist() == [1, 2, 4]
    facts = diagnosis.facts(golds, axes, [Example("c", "c", ["d1", "d5", "d9"])])
    assert facts["golds"] == 2 and facts["golds seen in training"] == 0.5
    assert facts["gold cosine"] == pytest.approx(0, abs=1e-6)  # of the only one with two
    alone = diagnosis.facts(diagnosis.gold_sets(axes, examples[1:]), axes, [])
    assert alone == {"golds": 1, "golds seen in training": 0, "rho at 10": 0}


def test_a_linear_map_finds_a_rotation() -> None:
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0]
    known, asked = (rng.standard_normal((n, DIM)).astype(np.float32) for n in (400, 20))
    known /= np.linalg.norm(known, axis=1, keepdims=True)
    points = (known @ turn).astype(np.float32)[:, None]
    golds = diagnosis.Golds(np.arange(400)[:, None], points, np.ones((400, 1), bool))
    found, true = diagnosis.linear(asked, known, golds), asked @ turn
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(true, axis=1)
    assert ((found * true).sum(1) / lengths).min() > 0.98


def test_what_is_measured_of_axes(axes: FaissIndex) -> None:
    """Every gold is as far from all others, and a vector between two of them meets each at 45°."""
    alone, pairs = ["d0"], [[f"d{i}", f"d{i + 1}"] for i in range(1, 6)]
    golds = diagnosis.gold_sets(axes, [Example(d[0], "q", d) for d in (alone, *pairs)])
    known = diagnosis.gold_sets(axes, [Example(f"d{i}", "q", [f"d{i}"]) for i in range(DIM)])
    between, first = geometry.centroid(golds.points, golds.mask), golds.points[:, :1]
    found = diagnosis.measure(golds, axes, known, between, [first])
    others = {f"{what} of {how}": 0 for what in ("crowd", "others") for how in ("one", "several")}
    sure = {"aim": 1, "aim of parts": 0.5, "compromise": 0.5**0.5}
    assert found == pytest.approx(others | sure, abs=1e-6)
    nothing = diagnosis.measure(golds, axes, known, -between, [-first])
    assert nothing["aim"] == pytest.approx(DIM**-0.5)  # what all golds have in common


def test_a_synthetic_world_is_as_the_formulas_say() -> None:
    """That of chapter 9 from which the constants come, made and measured as a user's data are."""
    for golds, companions, noise in ((2, 0, 0.5), (5, 3, 0.0)):
        config = phase.config(golds, 32, companions, noise)
        share = companions * golds * 800 / (20_000 - golds * 800)
        config = replace(config, train=600, dev=100, test=100, corpus=20_000, crowd=share)
        world = make(config)
        index, parts = world.index(), ("test", "train")
        sets, known = (diagnosis.gold_sets(index, world.examples(part)) for part in parts)
        queries = [comparable(world.queries[part], index, part) for part in parts]
        guess = diagnosis.linear(queries[0], queries[1], known)
        found = diagnosis.measure(sets, index, known, guess, [queries[0][:, None]])
        expected = gains.cosines(golds, 32, companions, noise, 20_000)
        assert found.pop("aim of parts") < 0.2 and found.keys() < expected.keys()
        assert found == pytest.approx({name: expected[name] for name in found}, abs=0.06)


def cosines(aim: float, compromise: float, others: float) -> dict[str, float]:
    same = {
        f"{what} of {how}": others for what in ("crowd", "others") for how in ("one", "several")
    }
    return {"aim": aim, "aim of parts": 0, "compromise": compromise} | same


def test_the_rule_compares_margins() -> None:
    def rule(aim: float, compromise: float, apart: float, found: float = 0) -> float:
        at = cosines(aim, compromise, np.cos(apart))
        return diagnosis.rule(at, found, needed=0.1, width=0.05)

    # Several come to their golds at 0 rad, one at π / 3; others are so far apart from the golds.
    most = 100 / (1 + np.exp(-2))
    assert rule(1, 0.5, 0.1) == pytest.approx(50, abs=1e-3)
    assert rule(1, 0.5, 0.2) == pytest.approx(most, abs=1e-3)
    assert rule(1, 0.5, 0.2, found=30) == pytest.approx(most - 30, abs=1e-3)
    assert rule(0.2, 0.5, 0.2, found=30) == 0
    assert rule(1, 1, 0.2) == 0  # one has room as well
    assert rule(0.2, 0.5, 0.2) == pytest.approx(0, abs=1e-3)  # nobody has
    parts = cosines(0.2, 0.5, np.cos(0.1)) | {"aim of parts": 1}
    assert diagnosis.rule(parts, 0, needed=0.1, width=0.05) == pytest.approx(50, abs=1e-3)


def test_the_interval_stays_in_what_can_be() -> None:
    gain, low, high = diagnosis.predict(cosines(1, 0.1, 0.2), 0)
    assert 0 < low < gain < high == 100 and gain > 90
    assert diagnosis.predict(cosines(1, 0.1, 0.2), 99)[1:] == (-1, 1)


def test_the_constants_are_what_the_records_give() -> None:
    """Of the worlds that the file names, however many have been recorded since."""
    fitted = json.loads(diagnosis.RULE.read_text())
    some = [world for world in gains.worlds() if world.name in fitted["worlds"]]
    assert [world.name for world in some] == fitted["worlds"] and len(some) >= 80
    assert gains.fit(some) == pytest.approx(fitted["constants"], rel=1e-3)
    assert gains.interval(some) == pytest.approx(fitted["errors"], abs=0.1)


def test_the_rule_predicts_data_sets_that_it_has_not_seen() -> None:
    """As `how_to_use.md` says: of the 80 synthetic worlds, each number of golds by the others."""
    every = gains.worlds()
    said = dict(zip([world.name for world in every], gains.held_out(every), strict=True))
    natural = {world.name: world for world in every if not world.synthetic}
    assert {name for name, world in natural.items() if world.wins} == {"intents-384"}
    assert max(abs(said[name]) for name in natural.keys() - {"intents-384"}) < 1
    assert 40 < said["intents-384"] - natural["intents-384"].gain < 60  # far too much
    some = [world for world in every if world.synthetic]
    others, wins = gains.held_out(some), [world.wins for world in some]
    errors = np.abs(others - [world.gain for world in some])
    assert (len(some), sum(wins)) == (80, 63) and gains.auc(others, wins) > 0.98
    assert errors.mean() < 14 and 0.85 < gains.covered(some).mean() < 0.95


def test_a_data_set_is_predicted_without_its_own_gains() -> None:
    some = [world for world in gains.worlds() if world.synthetic]
    chosen = some[-1].dataset
    other = [w._replace(gain=w.gain + 50 * (w.dataset == chosen)) for w in some]
    apart = np.array([world.dataset == chosen for world in some])
    before, after = gains.held_out(some), gains.held_out(other)
    assert (before[apart] == after[apart]).all() and (before[~apart] != after[~apart]).any()


def test_auc() -> None:
    scores, wins = np.array([3.0, 1.0, 2.0, 0.0]), [True, True, False, False]
    assert gains.auc(scores, wins) == 0.75
    assert np.isnan(gains.auc(scores, [True] * 4))


BEASTS = ("cat", "horse", "eagle", "shark", "snake", "frog")
TOOLS = ("hammer", "saw", "drill", "shovel", "ladder", "rope")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A config of [data] alone: each question asks for a beast and a tool, in so many words."""
    things = {name: f"The {name} is a beast." for name in BEASTS}
    things |= {name: f"The {name} is a tool." for name in TOOLS}
    things |= {f"r{i}": f"Report {i} about the weather." for i in range(20)}
    jsonl(tmp_path / "corpus.jsonl", [{"id": n, "text": text} for n, text in things.items()])
    pairs = [(beast, tool) for beast in BEASTS for tool in TOOLS]
    rows = [
        {"query": f"{' and '.join(pair)} {i}", "golds": pair, "split": part}
        for i, pair in enumerate(2 * pairs)
        for part in ["test" if i % 5 < 2 else "train"]
    ]
    jsonl(tmp_path / "queries.jsonl", rows)
    files = f"queries = '{tmp_path}/queries.jsonl'\ncorpus = '{tmp_path}/corpus.jsonl'\n"
    (tmp_path / "own.toml").write_text(f"[data]\nset = 'files'\n{files}")
    return tmp_path / "own.toml"


def test_a_diagnosis_of_ones_own_files(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = own.with_name("found.json")
    assert main(["diagnose", str(own), "--json", str(written)]) == 0
    printed, found = capsys.readouterr().out, json.loads(written.read_text())
    assert "30 questions of test, 32 passages" in printed
    assert found["facts"]["golds"] == 2 and found["facts"]["golds seen in training"] == 1
    documents = [
        json.loads(line) for line in own.with_name("corpus.jsonl").read_text().splitlines()
    ]
    rows = [json.loads(line) for line in own.with_name("queries.jsonl").read_text().splitlines()]
    asked = [row for row in rows if row["split"] == "test"]
    encoder = SentenceEncoder(cache=False)
    texts = encoder.embed([document["text"] for document in documents])
    nearest = np.argsort(-encoder.embed([row["query"] for row in asked]) @ texts.T, axis=1)[:, :10]
    ids = np.array([document["id"] for document in documents])
    held = [{*row["golds"]} <= {*ids[top]} for row, top in zip(asked, nearest, strict=True)]
    assert found["mrecall"]["the question"] == pytest.approx([100 * np.mean(held), 100])
    assert found["mrecall"]["a vector a gold"] == [100, 100]
    assert found["mrecall"]["its clauses"][0] >= found["mrecall"]["the question"][0]
    gain, low, high = found["predicted gain"]
    assert re.search(
        rf"predicted gain +{re.escape(f'{gain:+.2f}  [{low:+.2f}, {high:+.2f}]')}", printed
    )
    assert re.search(r"MRecall +@10 +@100\n", printed)


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        (r'"golds": \["\w+", ', '"golds": [', 0, "no question has two golds: one vector suffices"),
        ('"split": "train"', '"split": "dev"', 0, "fewer than 20 training questions: no vote"),
        ('"split": "test"', '"split": "dev"', 2, "'test' is unknown; the splits are dev, train"),
        (r'(?m)^.*"golds": \["[ceh].*\n', "", 2, r"test has 1\d questions over 32 passages"),
        (r'"golds": \["cat"', '"golds": ["dog"', 2, "queries.jsonl.*'dog'"),
    ],
)  # fmt: skip
def test_data_that_do_not_allow_all_of_it(
    own: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, code: int, said: str
) -> None:
    queries = own.with_name("queries.jsonl")
    queries.write_text(re.sub(old, new, queries.read_text()))
    assert main(["diagnose", str(own)]) == code
    printed = capsys.readouterr()
    assert re.search(said, printed.err if code else printed.out)


def test_a_split_is_embedded_once_and_padded() -> None:
    seen = []

    def embed(texts: list[str]) -> np.ndarray:
        seen.extend(texts)
        return np.array([[len(text), 1] for text in texts], np.float32)

    vectors, shares = rivals.embedded([["a", "bb"], ["bb"]], embed)
    assert seen == ["a", "bb"]
    assert vectors.tolist() == [[[1, 1], [2, 1]], [[2, 1], [2, 1]]]
    assert shares.tolist() == [[0.5, 0.5], [1, 0]]
    assert diagnose.ASKED >= diagnose.LEAST


def test_how_to_use_says_what_the_report_says() -> None:
    page = (Path(__file__).parents[1] / "book" / "how_to_use.md").read_text()
    every = gains.worlds()
    own = np.array([world.synthetic for world in every])
    said, gained = gains.held_out(every), np.array([world.gain for world in every])
    error, inside = np.abs(said - gained)[own].mean(), gains.covered(every)[own].mean()
    assert gains.auc(said[own], [world.wins for world in every if world.synthetic]) > 0.99
    assert f"it is {error:.0f} points off on average" in page
    assert f"the interval holds {100 * inside:.0f} % of the gains" in page
    natural = {world.name: (guess, world.gain) for world, guess in zip(every, said, strict=True)}
    assert sum(not world.synthetic for world in every) == 5 and "natural worlds five" in page
    guess, gain = natural["intents-384"]
    assert f"{guess:.0f} points are predicted there and {gain:.1f} were gained" in page
    guess, gain = natural["tags-32"]
    assert round(guess) == 0 and f"none for the small index, where {gain:.0f} were" in page
