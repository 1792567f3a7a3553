"""Ambiguous questions: a question is the query, its disambiguated questions with answers the golds.

AmbigQA (Min et al., EMNLP 2020, arXiv 2004.10645), CC BY-SA 3.0. Not part of this package.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from amer_lite.datasets.cleaning import Loaded, Question, clean
from amer_lite.datasets.files import Files, Record, by_split, read_json
from amer_lite.datasets.splits import FRACTIONS, fingerprint

HUB_NAME, HUB_CONFIG = "sewon/ambig_qa", "light"
NOTICE = "AmbigQA, Min et al. 2020, arXiv 2004.10645, CC BY-SA 3.0"


def load(
    files: Files | None = None,
    min_pairs: int = 2,
    max_pairs: int = 8,
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
) -> Loaded:
    """Questions with ``min_pairs`` to ``max_pairs`` disambiguated pairs of question and answer.

    Annotators differ; a question is read by the *longest* of its annotations, the first of equals.
    So 4,719 of the 10,036 training and 1,149 of the 2,002 development questions have 2–8 pairs (the
    union of all annotations would give 4,714 and 1,120).

    There are two ways to score. *By document*: a document is a disambiguated question and its first
    answer; the corpus holds those of all questions that are kept (FAQ retrieval). *By answer
    string*: ``answers`` has the strings of every answer, to be looked up with `cleaning.mentions`
    in any passages. The two need not be of one length: different questions may have one answer.

    Given splits are cleaned (`cleaning.separate`) and otherwise stay as they are, so
    ``{"train": "train_light.json", "test": "dev_light.json"}`` tests on all development questions.

    Args:
        files: official files (light or full, a JSON array; also ``.gz``): ``{split name: path}``,
            or one path, whose questions `splits.split` shares out. None: the copy on the Hugging
            Face hub, splits train and dev; needs the package ``datasets`` and a network.
        min_pairs: at least 1.
        max_pairs: at least ``min_pairs``.
        fractions, seed: see `splits.split`.

    Returns:
        data set, answer strings by query id, and a report of what was left out or repaired.

    Raises:
        FileNotFoundError: a file is missing.
        ModuleNotFoundError: the hub is asked for and ``datasets`` is not installed.
        ConnectionError: the hub is asked for and cannot be reached, or ``HF_HUB_OFFLINE`` is set.
        ValueError: bad arguments, or a record that is not of the official format.
    """
    if not 1 <= min_pairs <= max_pairs:
        raise ValueError(
            f"ambigqa: need 1 <= min_pairs <= max_pairs, got {min_pairs} and {max_pairs}"
        )
    if files is None:
        records, source = _from_hub(), f"the hub, {HUB_NAME} {HUB_CONFIG}"
    else:
        paths = by_split(files)
        records = {name: read_json(path) for name, path in paths.items()}
        source = ", ".join(path.name for path in paths.values())
    parts: dict[str, tuple[str, ...]] = {}
    questions = {
        name: [_question(record, parts) for record in part] for name, part in records.items()
    }
    return clean(
        name="ambigqa",
        questions=questions,
        parts=parts,
        passages=(),
        sizes=(min_pairs, max_pairs),
        repairs={},
        fractions=fractions,
        seed=seed,
        source=f"{NOTICE}; from {source}",
    )


def _question(record: Record, parts: dict[str, tuple[str, ...]]) -> Question:
    """The longest annotation; its documents are added to ``parts``."""
    longest: list[Record] = []
    for annotation in record.records("annotations"):
        kind = annotation.text("type")
        if kind == "multipleQAs":
            longest = max(longest, annotation.records("qaPairs"), key=len)
        elif kind != "singleAnswer":
            raise ValueError(
                f"{annotation.where}: field 'type' is {kind!r}; AmbigQA has 'singleAnswer' and "
                "'multipleQAs'; is this an official file?"
            )
    golds, answers = [], []
    for pair in longest:
        aliases = pair.texts("answer")
        if not aliases:
            raise ValueError(f"{pair.where}: field 'answer' is empty; fill it or drop the pair")
        text = (pair.text("question"), aliases[0])
        doc = f"p-{fingerprint(' '.join(text))}"
        parts.setdefault(doc, text)
        golds.append([doc])
        answers.append(aliases)
    return Question(record.where, record.text("id"), record.text("question"), golds, answers)


def _from_hub() -> dict[str, list[Record]]:
    instead = "or give the official files: load({'train': …, 'dev': …})"
    for switch in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        if os.environ.get(switch, "").upper() in ("1", "ON", "YES", "TRUE"):
            raise ConnectionError(f"ambigqa: {switch} is set, no hub; unset it, {instead}")
    try:
        hub = import_module("datasets")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"ambigqa: the hub needs the package `datasets`; pip install datasets, {instead}"
        ) from error
    try:
        splits = hub.load_dataset(HUB_NAME, HUB_CONFIG)
    except Exception as error:  # the hub's errors have no common class that all versions export
        raise ConnectionError(
            f"ambigqa: {HUB_NAME} could not be had ({type(error).__name__}: {error}); "
            f"check the network, {instead}"
        ) from error
    return {
        "dev" if name == "validation" else name: [
            Record(f"{HUB_NAME}/{name}, record {i}", _official(row))
            for i, row in enumerate(rows, start=1)
        ]
        for name, rows in splits.items()
    }


def _official(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the hub in the official form: lists of objects, not objects of lists."""
    annotations = [
        {**annotation, "qaPairs": _rows(annotation.get("qaPairs"))}
        for annotation in _rows(row["annotations"])
    ]
    return {**row, "annotations": annotations}


def _rows(table: Any) -> Any:
    """Columns of equal length, turned into rows; rows stay rows."""
    if not isinstance(table, Mapping):
        return table
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
