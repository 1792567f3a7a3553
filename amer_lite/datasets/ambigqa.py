"""Ambiguous questions: a question is the query, its disambiguated questions with answers the golds.

AmbigQA (Min et al., EMNLP 2020, arXiv 2004.10645), CC BY-SA 3.0. Not part of this package.
"""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from amer_lite.datasets.cleaning import Asked, Loaded, clean
from amer_lite.datasets.files import Files, Filled, Id, Record, by_split, read_records
from amer_lite.datasets.splits import fingerprint

HUB = "sewon/ambig_qa", "light"  # repository and configuration
NOTICE = "AmbigQA, Min et al. 2020, arXiv 2004.10645, CC BY-SA 3.0"


def _rows(table: Any) -> Any:
    """The hub's columns of equal length, turned into rows; rows stay rows."""
    if not isinstance(table, dict) or not table:
        return table
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


class Pair(Record):
    question: Filled
    answer: Annotated[list[str], Field(min_length=1)]


class SingleAnswer(Record):
    type: Literal["singleAnswer"]


class MultipleQAs(Record):
    type: Literal["multipleQAs"]
    qaPairs: Annotated[list[Pair], BeforeValidator(_rows)]


Annotation = Annotated[SingleAnswer | MultipleQAs, Field(discriminator="type")]


class Question(Record):
    """A record of the official files or the hub."""

    id: Id
    question: Filled
    annotations: Annotated[list[Annotation], BeforeValidator(_rows)]


def load(
    files: Files | None = None, min_pairs: int = 2, max_pairs: int = 8, seed: int = 0
) -> Loaded:
    """Questions with ``min_pairs`` to ``max_pairs`` disambiguated pairs of question and answer.

    Annotators differ; a question is read by the *longest* of its annotations, the first of equals.
    So 4,719 of the 10,036 training and 1,149 of the 2,002 development questions have 2–8 pairs.

    There are two ways to score. *By document*: a document is a disambiguated question and its first
    answer; the corpus holds those of all questions that are kept (FAQ retrieval). *By answer
    string*: look up the strings of every answer in any passages with `cleaning.mentions`.

    Args:
        files: official ones, light or full (a JSON array); `splits.split` shares out a single one.
            None: the Hugging Face hub's, train and dev; needs the package ``datasets``.

    Raises:
        ConnectionError: the hub's copy cannot be had.
        ValueError: bad arguments, or a record that is not of the official format.
    """
    if files is None:
        records, source = _from_hub(), f"the hub, {' '.join(HUB)}"
    else:
        paths = by_split(files)
        records = {
            name: [record for _, record in read_records(path, Question)]
            for name, path in paths.items()
        }
        source = ", ".join(path.name for path in paths.values())
    texts: dict[str, str] = {}
    questions = {name: [_asked(record, texts) for record in part] for name, part in records.items()}
    sizes, source = (min_pairs, max_pairs), f"{NOTICE}; from {source}"
    return clean("ambigqa", questions, texts, sizes, seed, source)


def _asked(record: Question, texts: dict[str, str]) -> Asked:
    """The longest annotation; its documents are added to ``texts``."""
    annotations = [a.qaPairs for a in record.annotations if isinstance(a, MultipleQAs)]
    pairs = max(annotations, key=len, default=[])
    golds = []
    for pair in pairs:
        text = f"{pair.question} {pair.answer[0]}"
        golds.append([f"p-{fingerprint(text)}"])
        texts.setdefault(golds[-1][0], text)
    answers = [pair.answer for pair in pairs]
    return Asked(record.id, record.question, golds, answers)


def _from_hub() -> dict[str, list[Question]]:
    try:
        splits = import_module("datasets").load_dataset(*HUB)
    except Exception as error:  # the hub's errors have no common class that all versions export
        way_out = "check the network and `pip install datasets`, or give the official files"
        raise ConnectionError(f"{HUB[0]} could not be had: {error!r}; {way_out}") from error
    names = {"validation": "dev"}
    return {names.get(n, n): [*map(Question.model_validate, rows)] for n, rows in splits.items()}
