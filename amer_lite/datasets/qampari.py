"""Questions with many answers, each proved by passages: one gold is one answer's cluster of them.

QAMPARI (Amouyal et al., 2023, arXiv 2205.12665). Not part of this package.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from amer_lite.datasets.cleaning import Loaded, Question, clean, words
from amer_lite.datasets.files import Files, Record, by_split, read_jsonl
from amer_lite.datasets.splits import FRACTIONS, fingerprint, normalise

NOTICE = "QAMPARI, Amouyal et al. 2023, arXiv 2205.12665"
Parts = dict[str, tuple[str, ...]]
Pages = Mapping[str, list[tuple[str, str]]]  # normalised title to (passage id, its words)


def load(
    files: Files,
    passages: str | Path | None = None,
    min_answers: int = 1,
    max_answers: int | None = None,
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
) -> Loaded:
    """Questions, and per answer the passages that prove it.

    Any of them will do, even where an answer is proved in two steps (composed questions).

    Without ``passages`` the corpus is the proofs: the title of the page and the proof's text. With
    them a proof stands for the passages of its page that contain it; one that is in none stays a
    document of its own and is reported, because proofs are sentences and passages are longer, so
    that length would tell golds from the rest. The ids of the proofs (``pid``) are not used: each
    names one proof of one answer, and the same text comes under many. Answers without a proof are
    not golds; their strings are in ``answers`` all the same.

    A passage may hold an answer and be no gold: `cleaning.false_negatives` counts such ones. All
    passages are kept in memory: give a selection of the 25.9 million, not all.

    Args:
        files: official JSONL files (also ``.gz``): ``{split name: path}``, or one path, whose
            questions `splits.split` shares out.
        passages: a file of the official ``wikipedia_chunks``, one ``{"id", "contents", "meta":
            {"title", "content", …}}`` a line.
        min_answers: at least 1; fewest answers with a passage of their own. The experiments of
            arXiv 2511.02770 have 5 to 8.
        max_answers: at least ``min_answers``; None: no limit.
        fractions, seed: see `splits.split`.

    Returns:
        data set, answer strings by query id, and a report of what was left out or repaired. Its
        findings are those of `cleaning.Cleaning` and ``unproved_answers``, ``proofs_outside``.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: bad arguments, or a line that is not of the official format.
    """
    most = math.inf if max_answers is None else max_answers
    if not 1 <= min_answers <= most:
        raise ValueError(
            f"qampari: need 1 <= min_answers <= max_answers, got {min_answers} and {max_answers}"
        )
    parts: Parts = {}
    pages: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for record in read_jsonl(passages) if passages is not None else ():
        doc = record.new_id("id", parts)
        parts[doc] = _passage(record)
        pages[normalise(parts[doc][0])].append((doc, words(parts[doc][-1])))
    own = set(parts)
    repairs: dict[str, list[str]] = {"unproved_answers": [], "proofs_outside": []}
    questions = {
        name: [_question(record, parts, pages, repairs) for record in read_jsonl(path)]
        for name, path in by_split(files).items()
    }
    if passages is None:
        del repairs["proofs_outside"]
    names = [*by_split(files).values(), *([Path(passages)] if passages is not None else [])]
    return clean(
        name="qampari",
        questions=questions,
        parts=parts,
        passages=own,
        sizes=(min_answers, most),
        repairs=repairs,
        fractions=fractions,
        seed=seed,
        source=f"{NOTICE}; from {', '.join(path.name for path in names)}",
    )


def _passage(record: Record) -> tuple[str, ...]:
    (meta,) = Record(record.where, {"meta": [record.fields.get("meta")]}).records("meta")
    return meta.text("title"), meta.text("content")


def _question(
    record: Record, parts: Parts, pages: Pages, repairs: Mapping[str, list[str]]
) -> Question:
    """The clusters and strings of one line; documents are added to ``parts``."""
    question = record.text("qid")
    golds: list[list[str]] = []
    answers: list[list[str]] = []
    for answer in record.records("answer_list"):
        answers.append([answer.text("answer_text"), *answer.texts("aliases", [])])
        cluster: list[str] = []
        for proof in answer.records("proof"):
            text = proof.value("proof_text", str)
            page = title(proof.value("found_in_url", str, ""))
            if not text.strip():
                continue
            on_page = pages.get(normalise(page), [])
            found = [doc for doc, passage in on_page if words(text) in passage]
            if not found:
                found = [f"p-{fingerprint(f'{page} {text}')}"]
                parts.setdefault(found[0], (page, text))
                repairs["proofs_outside"].append(f"{question!r}: {page!r} {text[:60]!r}")
            cluster += found
        if cluster:
            golds.append(cluster)
        else:
            repairs["unproved_answers"].append(f"{question!r}: {answers[-1][0]!r}")
    return Question(record.where, question, record.text("question_text"), golds, answers)


def title(url: str) -> str:
    """The title of a Wikipedia page, from its address."""
    return unquote(url.partition("/wiki/")[2]).replace("_", " ")
