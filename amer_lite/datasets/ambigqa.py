"""Ambiguous questions: a question is the query, its disambiguated questions with answers the golds.

AmbigQA (Min et al., EMNLP 2020, arXiv 2004.10645), CC BY-SA 3.0. Not part of this package.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from amer_lite.datasets.cleaning import Asked, Loaded, clean
from amer_lite.datasets.files import Files, Filled, Id, Record, by_split, read_records
from amer_lite.datasets.splits import fingerprint

NOTICE = "AmbigQA, Min et al. 2020, arXiv 2004.10645, CC BY-SA 3.0"


class Pair(Record):
    question: Filled
    answer: Annotated[list[str], Field(min_length=1)]


class SingleAnswer(Record):
    type: Literal["singleAnswer"]


class MultipleQAs(Record):
    type: Literal["multipleQAs"]
    qaPairs: list[Pair]


Annotation = Annotated[SingleAnswer | MultipleQAs, Field(discriminator="type")]


class Question(Record):
    """A record of the official files, light or full."""

    id: Id
    question: Filled
    annotations: list[Annotation]


def load(files: Files, min_pairs: int = 2, max_pairs: int = 8, seed: int = 0) -> Loaded:
    """Questions with ``min_pairs`` to ``max_pairs`` disambiguated pairs of question and answer.

    Annotators differ; a question is read by the *longest* of its annotations, the first of equals.
    So 4,719 of the 10,036 training and 1,149 of the 2,002 development questions have 2–8 pairs.

    There are two ways to score. *By document*: a document is a disambiguated question and its first
    answer; the corpus holds those of all questions that are kept (FAQ retrieval). *By answer
    string*: look up the strings of every answer in any passages with `cleaning.mentions`.

    Args:
        files: official ones, light or full (a JSON array); `splits.split` shares out a single one.

    Raises:
        ValueError: bad arguments, or a record that is not of the official format.
    """
    paths = by_split(files)
    texts: dict[str, str] = {}
    questions = {
        name: [_asked(record, texts) for _, record in read_records(path, Question)]
        for name, path in paths.items()
    }
    sizes = (min_pairs, max_pairs)
    source = f"{NOTICE}; from {', '.join(path.name for path in paths.values())}"
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
