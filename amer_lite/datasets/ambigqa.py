"""Ambiguous questions: a question is the query, its disambiguated questions with answers the golds.

AmbigQA (Min et al., EMNLP 2020, arXiv 2004.10645), CC BY-SA 3.0. Not part of this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from amer_lite.datasets.cleaning import Loaded, Question, clean
from amer_lite.datasets.files import Files, Filled, Record, by_split, read_json
from amer_lite.datasets.splits import FRACTIONS, fingerprint

HUB_NAME, HUB_CONFIG = "sewon/ambig_qa", "light"
NOTICE = "AmbigQA, Min et al. 2020, arXiv 2004.10645, CC BY-SA 3.0"


def _rows(table: Any) -> Any:
    """The hub's columns of equal length, turned into rows; rows stay rows."""
    if not isinstance(table, dict) or not table:
        return table
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


class _Pair(Record):
    question: Filled
    answer: Annotated[list[str], Field(min_length=1)]


class _SingleAnswer(Record):
    type: Literal["singleAnswer"]


class _MultipleQAs(Record):
    type: Literal["multipleQAs"]
    qaPairs: Annotated[list[_Pair], BeforeValidator(_rows)]


_Annotation = Annotated[_SingleAnswer | _MultipleQAs, Field(discriminator="type")]


class _Ambiguous(Record):
    """A record of the official files or the hub."""

    id: Filled
    question: Filled
    annotations: Annotated[list[_Annotation], BeforeValidator(_rows)]


def load(
    files: Files | None = None,
    min_pairs: int = 2,
    max_pairs: int = 8,
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
) -> Loaded:
    """Questions with ``min_pairs`` to ``max_pairs`` disambiguated pairs of question and answer.

    Annotators differ; a question is read by the *longest* of its annotations, the first of equals.
    So 4,719 of the 10,036 training and 1,149 of the 2,002 development questions have 2–8 pairs.

    There are two ways to score. *By document*: a document is a disambiguated question and its first
    answer; the corpus holds those of all questions that are kept (FAQ retrieval). *By answer
    string*: look up the strings of every answer in any passages with `cleaning.mentions`.

    Args:
        files: official files (light or full, a JSON array; also ``.gz``): ``{split name: path}``,
            or one path, whose questions `splits.split` shares out. None: the copy on the Hugging
            Face hub, splits train and dev; needs the package ``datasets``.

    Raises:
        FileNotFoundError, ConnectionError: a file is missing, or the hub's copy cannot be had.
        ValueError: bad arguments, or a record that is not of the official format.
    """
    if files is None:
        records, source = _from_hub(), f"the hub, {HUB_NAME} {HUB_CONFIG}"
    else:
        paths = by_split(files)
        records = {name: read_json(path, _Ambiguous) for name, path in paths.items()}
        source = ", ".join(path.name for path in paths.values())
    parts: dict[str, tuple[str, ...]] = {}
    questions = {name: [_question(*rec, parts) for rec in part] for name, part in records.items()}
    source = f"{NOTICE}; from {source}"
    return clean("ambigqa", questions, parts, (min_pairs, max_pairs), fractions, seed, source)


def _question(where: str, record: _Ambiguous, parts: dict[str, tuple[str, ...]]) -> Question:
    """The longest annotation; its documents are added to ``parts``."""
    annotations = [a.qaPairs for a in record.annotations if isinstance(a, _MultipleQAs)]
    pairs = max(annotations, key=len, default=[])
    texts = [(pair.question, pair.answer[0]) for pair in pairs]
    docs = [f"p-{fingerprint(' '.join(text))}" for text in texts]
    for doc, text in zip(docs, texts, strict=True):
        parts.setdefault(doc, text)
    answers = [pair.answer for pair in pairs]
    return Question(where, record.id, record.question, [[doc] for doc in docs], answers)


def _from_hub() -> dict[str, list[tuple[str, _Ambiguous]]]:
    try:
        splits = import_module("datasets").load_dataset(HUB_NAME, HUB_CONFIG)
    except Exception as error:  # the hub's errors have no common class that all versions export
        raise ConnectionError(
            f"ambigqa: {HUB_NAME} could not be had from the hub ({type(error).__name__}: {error}); "
            "check the network and `pip install datasets`, or give the official files"
        ) from error
    return {
        "dev" if name == "validation" else name: [
            (f"{HUB_NAME}/{name}, row {i}", _Ambiguous.model_validate(row))
            for i, row in enumerate(rows)
        ]
        for name, rows in splits.items()
    }
