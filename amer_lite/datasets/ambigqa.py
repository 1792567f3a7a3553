"""Ambiguous questions: a question is the query, its disambiguated questions with answers the golds.

AmbigQA (Min et al., EMNLP 2020, arXiv 2004.10645), CC BY-SA 3.0. Not part of this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from amer_lite.datasets.cleaning import Loaded, Question, clean
from amer_lite.datasets.files import Files, Filled, Record, by_split, read_json
from amer_lite.datasets.splits import FRACTIONS, fingerprint

NOTICE = "AmbigQA, Min et al. 2020, arXiv 2004.10645, CC BY-SA 3.0"


class _Pair(Record):
    question: Filled
    answer: Annotated[list[str], Field(min_length=1)]


class _SingleAnswer(Record):
    type: Literal["singleAnswer"]


class _MultipleQAs(Record):
    type: Literal["multipleQAs"]
    qaPairs: list[_Pair]


class _Ambiguous(Record):
    """A record of the official files."""

    id: Filled
    question: Filled
    annotations: list[Annotated[_SingleAnswer | _MultipleQAs, Field(discriminator="type")]]


def load(
    files: Files,
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
            or one path, whose questions `splits.split` shares out.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: bad arguments, or a record that is not of the official format.
    """
    paths = by_split(files)
    parts: dict[str, tuple[str, ...]] = {}
    questions = {
        name: [_question(*record, parts) for record in read_json(path, _Ambiguous)]
        for name, path in paths.items()
    }
    source = f"{NOTICE}; from {', '.join(path.name for path in paths.values())}"
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
