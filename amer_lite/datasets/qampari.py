"""Questions with many answers, each proved by passages: one gold is one answer's cluster of them.

QAMPARI (Amouyal et al., 2023, arXiv 2205.12665). Not part of this package.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from amer_lite.datasets.cleaning import Loaded, clean, words
from amer_lite.datasets.cleaning import Question as Asked
from amer_lite.datasets.files import Files, Filled, Record, by_split, documents, read_jsonl
from amer_lite.datasets.splits import FRACTIONS, fingerprint, normalise_text

NOTICE = "QAMPARI, Amouyal et al. 2023, arXiv 2205.12665"
Parts = dict[str, tuple[str, ...]]
Pages = Mapping[str, list[tuple[str, str]]]  # normalised title to (passage id, its words)


class Proof(Record):
    proof_text: str
    found_in_url: str | None = None

    @property
    def title(self) -> str:
        """Of the Wikipedia page, from its address."""
        return unquote((self.found_in_url or "").partition("/wiki/")[2]).replace("_", " ")


class Answer(Record):
    answer_text: Filled
    aliases: list[str] | None = None
    proof: list[Proof]


class Question(Record):
    """A line of the official files."""

    qid: Filled
    question_text: Filled
    answer_list: list[Answer]


def load(
    files: Files,
    passages: str | Path | None = None,
    min_answers: int = 1,
    max_answers: int | None = None,
    fractions: Mapping[str, float] = FRACTIONS,
    seed: int = 0,
) -> Loaded:
    """Questions, and per answer the passages that prove it.

    Any of them will do, even where an answer is proved in two steps (composed questions). Answers
    without a proof are not golds; their strings are in ``answers`` all the same.

    Without ``passages`` the corpus is the proofs: the title of the page and the proof's text. With
    them a proof stands for the passages of its page that contain it; one that is in none stays a
    document of its own and is reported, because proofs are shorter than passages, so that length
    would tell golds from the rest. The ids of the proofs (``pid``) are not used: the same text
    comes under many.

    Args:
        files: official JSONL files (also ``.gz``): ``{split name: path}``, or one path, whose
            questions `splits.split` shares out.
        passages: a file of `files.Document`, kept in memory: a selection of the 25.9 million.
        min_answers: fewest answers with a passage of their own, from 1 on. The experiments of
            arXiv 2511.02770 have 5 to 8.

    Returns:
        as `cleaning.clean`, with two findings more: ``unproved_answers`` and ``proofs_outside``.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: bad arguments, or a line that is not of the official format.
    """
    parts: Parts = {}
    pages: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for doc, title, text in documents(passages) if passages is not None else ():
        parts[doc] = title, text
        pages[normalise_text(title)].append((doc, words(text)))
    own = set(parts)
    repairs: dict[str, list[str]] = {"unproved_answers": [], "proofs_outside": []}
    paths = by_split(files)
    questions = {
        name: [_clusters(*line, parts, pages, repairs) for line in read_jsonl(path, Question)]
        for name, path in paths.items()
    }
    names = [path.name for path in paths.values()]
    if passages is None:
        del repairs["proofs_outside"]
    else:
        names.append(Path(passages).name)
    sizes = (min_answers, math.inf if max_answers is None else max_answers)
    source = f"{NOTICE}; from {', '.join(names)}"
    return clean("qampari", questions, parts, sizes, fractions, seed, source, own, repairs)


def _clusters(
    where: str, question: Question, parts: Parts, pages: Pages, repairs: Mapping[str, list[str]]
) -> Asked:
    """The clusters and strings of one line; documents are added to ``parts``."""
    golds: list[list[str]] = []
    for answer in question.answer_list:
        cluster: list[str] = []
        for proof in answer.proof:
            text, title = proof.proof_text, proof.title
            if not text.strip():
                continue
            on_page = pages.get(normalise_text(title), [])
            found = [doc for doc, passage in on_page if words(text) in passage]
            if not found:
                found = [f"p-{fingerprint(f'{title} {text}')}"]
                parts.setdefault(found[0], (title, text))
                repairs["proofs_outside"].append(f"{question.qid!r}: {title!r} {text[:60]!r}")
            cluster += found
        if not cluster:
            repairs["unproved_answers"].append(f"{question.qid!r}: {answer.answer_text!r}")
        golds += [cluster] if cluster else []
    answers = [[answer.answer_text, *(answer.aliases or ())] for answer in question.answer_list]
    return Asked(where, question.qid, question.question_text, golds, answers)
