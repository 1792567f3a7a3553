"""The format of BEIR (Thakur et al., 2021, arXiv 2104.08663), in which most public sets come.

A folder holds ``corpus.jsonl`` (``_id``, ``title``, ``text``), ``queries.jsonl`` (``_id``,
``text``) and for every split ``qrels/<split>.tsv`` (``query-id``, ``corpus-id``, ``score``).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from amer_lite.datasets.files import Document, Filled, Id, Record, documents, read_records
from amer_lite.datasets.types import Dataset, Example

_END = re.compile(r"\.(?:jsonl|tsv)(?:\.gz)?$")
_ORDER = ("train", "dev", "test")  # of the splits that stand first


class _Document(Document):
    @model_validator(mode="after")
    def filled(self) -> Self:  # some have no text
        return self


class _Query(Record):
    id: Id = Field(validation_alias="_id")
    text: Filled


class _Judgement(Record):
    query: Id = Field(validation_alias="query-id")
    document: Id = Field(validation_alias="corpus-id")
    score: Annotated[float, BeforeValidator(float), Field(allow_inf_nan=False)]


def load(folder: str | Path) -> Dataset:
    """The data set of a folder; its files may be gzip (``.gz``), and its qrels JSON lines.

    The golds of a query are the documents that are judged above 0, each an answer of its own. A
    title opens the text of its document. Left out, and counted in ``source``, are documents without
    a text and judged queries without a gold. FileNotFoundError: a file is missing. ValueError: a
    record of another format, an id that is unknown or stands twice, a document with two judgements
    that differ.
    """
    folder = Path(folder)
    corpus = {one.id: one.full for one in documents(_files(folder, "corpus")[0], _Document)}
    texts = {doc: text for doc, text in corpus.items() if text.strip()}
    asked = read_records(_files(folder, "queries")[0], _Query)
    queries = {one.id: one.text for _, one in asked}
    qrels = {_END.split(path.name)[0]: path for path in _files(folder / "qrels", "*")}
    splits, lost = {}, 0
    for name in sorted(qrels, key=lambda name: (name not in _ORDER, name != "train", name)):
        judged: dict[tuple[str, str], float] = {}
        for where, one in read_records(qrels[name], _Judgement):
            pair = one.query, one.document
            if one.query not in queries or one.document not in corpus:
                raise ValueError(f"{where}: {pair} are no query and document of {folder}")
            if (before := judged.setdefault(pair, one.score)) != one.score:
                raise ValueError(f"{where}: {pair} was judged {before:g} before")
        golds: dict[str, list[str]] = {query: [] for query, _ in judged}
        for (query, doc), score in judged.items():
            if score > 0 and doc in texts:
                golds[query].append(doc)
        lost += sum(not found for found in golds.values())
        splits[name] = [Example(q, queries[q], found) for q, found in golds.items() if found]
    left_out = f"left out: {len(corpus) - len(texts)} blank documents, {lost} queries without golds"
    name = folder.resolve().name
    return Dataset(name, texts, splits, f"BEIR's format, folder {name}; {left_out}")


def _files(folder: Path, stem: str) -> list[Path]:
    if not (found := sorted(path for path in folder.glob(f"{stem}.*") if _END.search(path.name))):
        raise FileNotFoundError(f"{folder}: no {stem}.jsonl or {stem}.tsv here, plain or .gz")
    return found
