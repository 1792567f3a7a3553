"""A user's own data: a corpus and its queries as JSON lines. Other loaders read with it too.

Formats are models of pydantic; errors name file, line (or record), field and value.
"""

from __future__ import annotations

import gzip
import reprlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.aliases import AliasChoices, AliasPath

from amer_lite.datasets.splits import split
from amer_lite.datasets.types import Dataset, Example

Files = str | Path | Mapping[str, str | Path]  # a file, or {split name: file}; .gz is unpacked


Filled = Annotated[str, Field(pattern=r"\S")]  # not blank
Answer = Annotated[
    list[Filled],
    Field(min_length=1),
    BeforeValidator(lambda gold: [gold] if isinstance(gold, str) else gold),
]


class Record(BaseModel):
    """A JSON object; fields that it does not name are ignored."""

    model_config = ConfigDict(strict=True, frozen=True)


class Document(Record):
    """A line of a corpus; those of QAMPARI have title and text in ``meta``."""

    id: Filled
    title: str | None = Field(
        default=None, validation_alias=AliasChoices("title", AliasPath("meta", "title"))
    )
    text: Filled = Field(validation_alias=AliasChoices("text", AliasPath("meta", "content")))

    @property
    def full(self) -> str:
        """Title, if there is one, and text."""
        return f"{self.title} {self.text}" if self.title else self.text

    @property
    def plain(self) -> str:
        """The same with every white space one space: no trace of who prepared the file."""
        return " ".join(self.full.split())


class Query(Record):
    """A line of a query file."""

    id: Filled | None = None
    query: Filled
    golds: Annotated[list[Answer], Field(min_length=1)]
    split: str | None = None


R = TypeVar("R", bound=Record)
T = TypeVar("T")


def load(corpus: str | Path | Mapping[str, str], queries: Files, seed: int = 0) -> Dataset:
    """A data set from a file of documents and one or more files of queries.

    Lines of the corpus: ``{"id": "d1", "text": "…"}``, with a ``"title"`` if there is one, which
    then opens the text. Lines of a query file: ``{"query": "…", "golds": ["d1", ["d2", "d3"]]}``,
    with an ``"id"`` (else q1, q2, … in reading order) and a ``"split"`` if wanted. A gold is a
    document, or a list of documents of which any will do. Texts are taken as they are: look at them
    with `audit.audit`.

    Args:
        corpus: a path, or documents that are read already, id to text.
        seed: of `splits.split`, which is used if the queries name no splits.

    Raises:
        ValueError: a line that is not of this format, a gold that is not in the corpus, an id that
            stands twice, a split named by some queries only, or too few queries to split.
    """
    paths = by_split(queries)
    names = [path.name for path in paths.values()]
    if not isinstance(corpus, Mapping):
        names.insert(0, Path(corpus).name)
        corpus = {document.id: document.full for document in documents(corpus)}
    splits: dict[str, list[Example]] = {}
    places: dict[str, str] = {}  # of the queries
    for given, path in paths.items():
        records = list(read_jsonl(path, Query))
        if not records:
            raise ValueError(f"{path}: no queries in it; give at least one a file")
        for where, record in records:
            own = record.split or ""
            if given and own not in ("", given):
                raise ValueError(f"{where}: split is {own!r}, but the file was given as {given!r}")
            query = record.id or f"q{len(places) + 1}"
            if query in places:
                raise ValueError(f"{where}: id {query!r} stands twice; rename or drop one")
            if lost := [doc for doc in chain.from_iterable(record.golds) if doc not in corpus]:
                raise ValueError(f"{where}: gold {lost[0]!r} is no document of the corpus")
            places[query] = where
            splits.setdefault(given or own, []).append(Example(query, record.query, record.golds))
    if "" in splits and len(splits) > 1:
        where = places[splits[""][0].id]
        raise ValueError(f"{where}: no split; give one to all queries or to none")
    shared = split(splits[""], seed=seed) if "" in splits else splits
    return Dataset("files", corpus, shared, ", ".join(names))


def documents(path: str | Path) -> Iterator[Document]:
    """The documents of a file; ids differ."""
    seen: set[str] = set()
    for where, record in read_jsonl(path, Document):
        if record.id in seen:
            raise ValueError(f"{where}: id {record.id!r} stands twice; rename or drop one")
        seen.add(record.id)
        yield record


def by_split(files: Files) -> dict[str, Path]:
    """``files`` as ``{split name: path}``; a single file has the name ``""``."""
    if not isinstance(files, Mapping):
        return {"": Path(files)}
    if not files or "" in files:
        raise ValueError(f"files: give a path, or {{split name: path}}, got {dict(files)!r}")
    return {name: Path(path) for name, path in files.items()}


def read_jsonl(path: str | Path, kind: type[R]) -> Iterator[tuple[str, R]]:
    """The records of a JSONL file after the places where they stand; blank lines are skipped."""
    for number, line in read_lines(Path(path)):
        if not line.isspace():
            where = f"{path}, line {number}"
            yield where, validated(kind.model_validate_json, line, where)


def read_json(path: str | Path, kind: type[R]) -> list[R]:
    """The records of a file that is one JSON array."""
    content = "".join(line for _, line in read_lines(Path(path)))
    return validated(TypeAdapter(list[kind]).validate_json, content, str(path))  # type: ignore[valid-type]


def validated(validate: Callable[[Any], T], given: Any, where: str) -> T:
    """What pydantic makes of ``given``; its first three faults in one line, with path and value."""
    try:
        return validate(given)
    except ValidationError as error:
        faults = []
        for fault in error.errors()[:3]:
            steps = (f"[{at}]" if isinstance(at, int) else f".{at}" for at in fault["loc"])
            said = fault["msg"].removeprefix("Value error, ").replace(" at line 1 ", " at ")
            said += f", got {reprlib.repr(fault['input'])}"
            faults.append(": ".join(filter(None, ["".join(steps).lstrip("."), said])))
        raise ValueError(f"{where}: {'; '.join(faults)}") from error


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbers and lines of a UTF-8 file, plain or ``.gz``, read one at a time."""
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield number, line.decode("utf-8-sig")  # Windows likes to begin with a mark
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        needed = "save the file as UTF-8" if isinstance(error, ValueError) else "fetch it again"
        raise ValueError(f"{path}, line {number}: {error}; {needed}") from error
