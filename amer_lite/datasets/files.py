"""A user's own data: a corpus and its queries as JSON lines. Other loaders read with it too.

Every error names file, line (or record) and field, quotes the value and says what to do.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from amer_lite.datasets.splits import FRACTIONS, split
from amer_lite.datasets.types import Dataset, Example

T = TypeVar("T", str, list[Any])
Files = str | Path | Mapping[str, str | Path]  # one file, or one a split
_KINDS: Mapping[type, str] = {
    str: "a string",
    list: "a list",
    dict: "an object",
    bool: "a truth value",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def load(
    corpus: str | Path,
    queries: Files,
    name: str = "files",
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
) -> Dataset:
    """A data set from a file of documents and one or more files of queries.

    Lines of the corpus: ``{"id": "d1", "text": "…"}``, with a ``"title"`` if there is one, which
    then opens the text. Lines of a query file: ``{"query": "…", "golds": ["d1", ["d2", "d3"]]}``,
    with an ``"id"`` (else q1, q2, … in reading order) and a ``"split"`` if wanted. A gold is a
    document, or a list of documents of which any will do. Other fields are ignored. Files ending
    in ``.gz`` are unpacked. Texts are taken as they are: look at them with `audit.audit`.

    Args:
        corpus: path of the documents.
        queries: path of the queries, or ``{split name: path}``.
        name: of the data set.
        fractions, seed: see `splits.split`, which is used if the queries name no splits.

    Returns:
        a data set whose splits are the user's own, or leak-safe ones.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a line that is not a JSON object in UTF-8 (a truncated one, one of an array), a
            missing or empty field or one of a wrong type, a gold that is not in the corpus, an id
            that stands twice, a split named by some queries only, or too few queries to split.
    """
    texts: dict[str, str] = {}
    for record in read_jsonl(corpus):
        doc = record.new_id("id", texts)
        title, text = record.value("title", str, ""), record.text("text")
        texts[doc] = f"{title} {text}" if title else text
    return over(texts, queries, name, fractions, seed, str(corpus))


def over(
    texts: Mapping[str, str],
    queries: Files,
    name: str = "files",
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
    corpus: str = "the corpus",
) -> Dataset:
    """As :func:`load`, over documents that are read already; ``corpus`` names them in errors."""
    splits: dict[str, list[Example]] = {}
    seen: dict[str, str] = {}  # query id to the place where it stands
    paths = by_split(queries)
    for given, path in paths.items():
        before = len(seen)
        for record in read_jsonl(path):
            own = record.value("split", str, "")
            if given and own not in ("", given):
                raise ValueError(
                    f"{record.where}: field 'split' is {own!r}, but the file was given as "
                    f"{given!r}; take the field out or give the file under its name"
                )
            query = record.new_id("id", seen, default=f"q{len(seen) + 1}")
            seen[query] = record.where
            example = Example(query, record.text("query"), _golds(record, texts, corpus))
            splits.setdefault(given or own, []).append(example)
        if len(seen) == before:
            raise ValueError(f"{path}: no queries in it; give at least one a file")
    source = ", ".join(path.name for path in (Path(corpus), *paths.values()))
    if "" not in splits:
        return Dataset(name, texts, splits, source)
    if len(splits) > 1:
        raise ValueError(
            f"{seen[splits[''][0].id]}: field 'split' is missing, but other queries have one; "
            "give it to all of them or to none"
        )
    return Dataset(name, texts, split(splits[""], fractions, seed), source)


def _golds(record: Record, texts: Mapping[str, str], corpus: str) -> Sequence[str]:
    golds = record.value("golds", list)
    if not golds:
        raise ValueError(f"{record.where}: field 'golds' is empty; give at least one document id")
    for i, answer in enumerate(golds):
        if not answer:
            raise ValueError(f"{record.where}: golds[{i}] is {answer!r}; give a document id")
        for doc in answer if isinstance(answer, list) else [answer]:
            if not isinstance(doc, str):
                raise ValueError(
                    f"{record.where}: golds[{i}] names {_short(doc)}; a document id is a string"
                )
            if doc not in texts:
                raise ValueError(
                    f"{record.where}: golds[{i}] names {doc!r}, which is not among the "
                    f"{len(texts):,} documents of {corpus}; add the document or drop the gold"
                )
    return golds


def by_split(files: Files) -> dict[str, Path]:
    """``files`` as ``{split name: path}``; a single file has the name ``""``."""
    if isinstance(files, Mapping):
        if not files or "" in files:
            raise ValueError(f"files: give a path, or {{split name: path}}, got {dict(files)!r}")
        return {name: Path(path) for name, path in files.items()}
    return {"": Path(files)}


# --- reading --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """One JSON object, and in words the place where it stands; the methods check its fields."""

    where: str
    fields: Mapping[str, Any]

    def value(self, name: str, kind: type[T], default: T | None = None) -> T:
        """The field, of type ``kind``; ``default``, if given, for a missing or null one."""
        value = self.fields.get(name)
        if value is None and default is not None:
            return default
        if name not in self.fields:
            raise ValueError(
                f"{self.where}: field {name!r} is missing; the fields are "
                f"{', '.join(map(repr, self.fields)) or 'none'}"
            )
        return _typed(self.where, f"field {name!r}", value, kind)

    def text(self, name: str) -> str:
        """The field, a string that is not blank."""
        value = self.value(name, str)
        if not value.strip():
            raise ValueError(f"{self.where}: field {name!r} is empty: {value!r}; fill or drop it")
        return value

    def new_id(self, name: str, taken: Mapping[str, Any], default: str = "") -> str:
        """The field, a string that is not yet among ``taken``."""
        value = default if default and self.fields.get(name) is None else self.text(name)
        if value in taken:
            raise ValueError(f"{self.where}: {name} {value!r} stands twice; rename or drop one")
        return value

    def texts(self, name: str, default: list[Any] | None = None) -> list[str]:
        """The field, a list of strings."""
        items = enumerate(self.value(name, list, default))
        return [_typed(self.where, f"{name}[{i}]", item, str) for i, item in items]

    def records(self, name: str) -> list[Record]:
        """The field, a list of objects."""
        items = enumerate(self.value(name, list))
        return [Record(at := f"{self.where}, {name}[{i}]", _object(at, item)) for i, item in items]


def read_jsonl(path: str | Path) -> Iterator[Record]:
    """The objects of a JSONL file, one a line; blank lines are skipped. Plain or ``.gz``."""
    for number, line in read_lines(Path(path)):
        where = f"{path}, line {number}"
        if line.isspace():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            if line.strip() in ("[", "{"):
                hint = "the file seems to be one JSON document; write one object a line (JSONL)"
            elif not line.endswith("\n"):
                hint = "the last line breaks off: the file seems truncated; fetch it again"
            else:
                hint = "write one JSON object a line"
            raise ValueError(
                f"{where}, column {error.colno}: not JSON ({error.msg}) in {_short(line)}; {hint}"
            ) from error
        yield Record(where, _object(where, value))


def read_json(path: str | Path) -> list[Record]:
    """The objects of a file that is one JSON array. Plain or ``.gz``."""
    try:
        value = json.loads("".join(line for _, line in read_lines(Path(path))))
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg}); expected "
            "one array of objects; if the file is truncated, fetch it again"
        ) from error
    items = enumerate(_typed(str(path), "the file", value, list), start=1)
    return [Record(at := f"{path}, record {i}", _object(at, item)) for i, item in items]


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbers and lines of a UTF-8 file, plain or ``.gz``, read one at a time."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; check the path (now in {Path.cwd()})")
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    text = line.decode("utf-8-sig")  # Windows likes to begin with a mark
                except UnicodeDecodeError as error:
                    raise ValueError(
                        f"{path}, line {number}, byte {error.start + 1}: "
                        f"0x{line[error.start]:02x} is not UTF-8; save the file as UTF-8"
                    ) from error
                yield number, text
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: not a whole gzip file ({error}); fetch it again") from error


def _object(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(
            f"{where}: expected an object {{…}}, got {_KINDS[type(value)]}: {_short(value)}"
        )
    return value


def _typed(where: str, what: str, value: Any, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise ValueError(
            f"{where}: {what} must be {_KINDS[kind]}, got {_KINDS[type(value)]}: {_short(value)}"
        )
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{where}: {what} holds half a character (a lone surrogate) at {error.start}: "
                f"{_short(value)}; repair the text"
            ) from error
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…" + text[-1]
