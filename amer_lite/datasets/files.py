"""A user's own data: a corpus and its queries, as JSON or TSV. Other loaders read with it too.

Formats are models of pydantic; errors name file, line (or record), field and value.
"""

from __future__ import annotations

import csv
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.aliases import AliasChoices, AliasPath

from amer_lite.datasets.splits import split
from amer_lite.datasets.types import Dataset, Example
from amer_lite.storage import text_lines

Files = str | Path | Mapping[str, str | Path]  # a file, or {split name: file}; gzip is unpacked
Filled = Annotated[str, Field(pattern=r"\S")]  # not blank
# Numbers are common as ids, and mean their digits.
Id = Annotated[Filled, BeforeValidator(lambda id: str(id) if type(id) is int else id)]
Answer = Annotated[
    list[Id],
    Field(min_length=1),
    BeforeValidator(lambda gold: gold if isinstance(gold, list) else [gold]),
]
csv.field_size_limit(1 << 28)  # of a cell; the default, 131,072, is less than a long article


class Record(BaseModel):
    """A JSON object; fields that it does not name are ignored."""

    model_config = ConfigDict(strict=True, frozen=True)


class Document(Record):
    """A document of a corpus; BEIR writes ``_id``, QAMPARI has title and text in ``meta``."""

    id: Id = Field(validation_alias=AliasChoices("id", "_id"))
    title: str | None = Field(
        default=None, validation_alias=AliasChoices("title", AliasPath("meta", "title"))
    )
    text: str = Field(validation_alias=AliasChoices("text", AliasPath("meta", "content")))

    @model_validator(mode="after")
    def filled(self) -> Self:
        if not self.full.strip():
            raise ValueError("text: blank, and there is no title")
        return self

    @property
    def full(self) -> str:
        """Title, if there is one, and text."""
        return " ".join(filter(str.strip, (self.title or "", self.text)))

    @property
    def plain(self) -> str:
        """The same with every white space one space: no trace of who prepared the file."""
        return " ".join(self.full.split())


class Query(Record):
    """A line of a query file."""

    id: Id | None = None
    query: Filled
    golds: Annotated[list[Answer], Field(min_length=1)]
    split: str | None = None


_ARRAY = 1 << 30  # characters: an archive may unpack to any length
R = TypeVar("R", bound=Record)
T = TypeVar("T")


def load(corpus: str | Path | Mapping[str, str], queries: Files, seed: int = 0) -> Dataset:
    """A data set from a file of documents and one or more files of queries (see `read_records`).

    A document is ``{"id": "d1", "text": "…"}``, with a ``"title"`` if there is one, which then
    opens the text. A query is ``{"query": "…", "golds": ["d1", ["d2", "d3"]]}``, with an ``"id"``
    (else q1, q2, … in reading order) and a ``"split"`` if wanted. A gold is a document, or a list
    of documents of which any will do. Texts stay as they are: look at them with `audit.audit`.

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
        records = list(read_records(path, Query))
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


def documents(path: str | Path, kind: type[Document] = Document) -> Iterator[Document]:
    """The documents of a file; ids differ."""
    seen: set[str] = set()
    for where, record in read_records(path, kind):
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


def read_records(path: str | Path, kind: type[R]) -> Iterator[tuple[str, R]]:
    """The records of a file, plain or gzip, after the places where they stand.

    The file is JSON lines; one JSON array; or a ``.tsv`` in the dialect of :mod:`csv` whose first
    row names the fields. Documents may come without that row, as in MS MARCO's ``collection.tsv``:
    ids, texts and perhaps titles, one a line, quoted by the same dialect or not at all.
    """
    path = Path(path)
    if ".tsv" in path.suffixes:
        for where, row in _rows(path, issubclass(kind, Document)):
            yield where, validated(kind.model_validate, row, where)
        return
    lines = ((number, line) for number, line in text_lines(path) if not line.isspace())
    first = next(lines, (1, "[]"))  # an empty file has no records
    if first[1].lstrip().startswith("["):
        text = StringIO()
        for _, line in chain([first], lines):
            if text.write(line) and text.tell() > _ARRAY:
                raise ValueError(f"{path}: an array of more than 1 GiB; write a record a line")
        array = TypeAdapter(list[kind])  # type: ignore[valid-type]
        found = validated(array.validate_json, text.getvalue(), str(path))
        yield from ((f"{path}, record {i}", one) for i, one in enumerate(found, start=1))
        return
    for number, line in chain([first], lines):
        where = f"{path}, line {number}"
        yield where, validated(kind.model_validate_json, line, where)


def _rows(path: Path, bare: bool) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a TSV by the names in its first row, which may lack if it is ``bare``."""
    lines = text_lines(path)
    first = next(lines, (1, ""))
    columns = _cells(first[1])
    rows = _quoted(path, (line for _, line in lines))
    if bare and not {"id", "_id", "text", "title"} & {*columns}:
        if len(columns) not in (2, 3) or not re.search(r"\d.*\t|\t.*\S\s+\S", first[1]):
            raise ValueError(f"{path}, line 1: {columns}; name the columns id, text and title")
        columns = ["id", "text", "title"][: len(columns)]
        rows = ((number, _cells(line)) for number, line in chain([first], lines))
    for number, cells in rows:
        if "".join(cells).strip():
            if len(cells) != len(columns):
                found = f"{len(cells)} cells, but the columns are {columns}"
                raise ValueError(f"{path}, line {number}: {found}")
            yield f"{path}, line {number}", dict(zip(columns, cells, strict=True))


def _quoted(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows after the first, and the numbers of the lines on which they begin."""
    reader, number = csv.reader(lines, delimiter="\t", strict=True), 2
    try:
        for cells in reader:
            yield number, cells
            number = reader.line_num + 2
    except csv.Error as error:
        remedy = "quote cells as csv.writer does, or leave the first row out"
        raise ValueError(f"{path}, line {number}: {error}; {remedy}") from error


def _cells(line: str) -> list[str]:
    """Those of one line, as they stand if they are not well quoted."""
    try:
        return next(csv.reader([line], delimiter="\t", strict=True), [])
    except csv.Error:
        return line.rstrip("\r\n").split("\t")


def validated(validate: Callable[[Any], T], given: Any, where: str) -> T:
    """What pydantic makes of ``given``; its first five faults in one line, with place and value."""
    try:
        return validate(given)
    except ValidationError as error:
        raise ValueError(f"{where}: {'; '.join(map(_in_words, error.errors()[:5]))}") from error


def _in_words(fault: Any) -> str:
    steps = (f"[{at}]" if isinstance(at, int) else f".{at}" for at in fault["loc"])
    place, value = "".join(steps).lstrip("."), fault["input"]
    if place and isinstance(value, str | int | float | list):
        place += f" = {reprlib.repr(value)}"
    unknown = fault["type"] in ("extra_forbidden", "unexpected_keyword_argument")
    said = "no such field" if unknown else fault["msg"].removeprefix("Value error, ")
    return f"{place}: {said.replace(' at line 1 ', ' at ')}".removeprefix(": ")
