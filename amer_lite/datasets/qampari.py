"""Questions with many answers, each proved by passages: one gold is one answer's cluster of them.

QAMPARI (Amouyal et al., 2023, arXiv 2205.12665). Not part of this package.
"""

from __future__ import annotations

import math
from collections import defaultdict
from pathlib import Path
from urllib.parse import unquote

from amer_lite.datasets.cleaning import Asked, Loaded, clean, words
from amer_lite.datasets.files import Files, Filled, Id, Record, by_split, documents, read_records
from amer_lite.datasets.report import Cases
from amer_lite.datasets.splits import fingerprint, normalise_text

NOTICE = "QAMPARI, Amouyal et al. 2023, arXiv 2205.12665"
Texts = dict[str, str]  # by document id
Pages = dict[str, list[tuple[str, str]]]  # normalised title to (passage id, its words)


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
    proof: list[Proof] | None = None


class Question(Record):
    """A line of the official files."""

    qid: Id
    question_text: Filled
    answer_list: list[Answer]


def load(
    files: Files,
    passages: str | Path | None = None,
    min_answers: int = 1,
    max_answers: float = math.inf,
    seed: int = 0,
) -> Loaded:
    """Questions, and per answer the passages that prove it.

    Any of them will do, even where an answer is proved in two steps (composed questions). Answers
    without a proof are not golds; their strings are in ``answers`` all the same.

    Without ``passages`` the corpus is the proofs: the title of the page and the proof's text. With
    them a proof stands for the passages of its page that contain it; one that is in none stays a
    document of its own, among ``proofs_outside`` of the report: its length tells it from passages.
    Their ids (``pid``) are not used: the same text comes under many.

    Args:
        files: official JSONL files; `splits.split` shares out a single one.
        passages: a file of `files.Document`, kept in memory: a selection of the 25.9 million.
        min_answers: with a passage of their own. arXiv 2511.02770 has 5 to 8.

    Raises:
        ValueError: bad arguments, or a line that is not of the official format.
    """
    paths = by_split(files)
    names = [path.name for path in paths.values()]
    texts: Texts = {}
    pages: Pages = defaultdict(list)
    repairs: Cases = {"unproved_answers": [], "proofs_outside": []}
    if passages is not None:
        names.append(Path(passages).name)
        for passage in documents(passages):
            texts[passage.id] = passage.full
            pages[normalise_text(passage.title or "")].append((passage.id, words(passage.text)))
    own = set(texts)
    questions = {
        name: [_asked(line, texts, pages, repairs) for _, line in read_records(path, Question)]
        for name, path in paths.items()
    }
    if passages is None:
        del repairs["proofs_outside"]
    sizes, source = (min_answers, max_answers), f"{NOTICE}; from {', '.join(names)}"
    return clean("qampari", questions, texts, sizes, seed, source, own, repairs)


def _asked(question: Question, texts: Texts, pages: Pages, repairs: Cases) -> Asked:
    """The clusters and strings of one line; documents are added to ``texts``."""
    golds: list[list[str]] = []
    for answer in question.answer_list:
        cluster: list[str] = []
        for proof in answer.proof or ():
            text, title = proof.proof_text, proof.title
            if not text.strip():
                continue
            on_page = pages.get(normalise_text(title), [])
            found = [doc for doc, passage in on_page if words(text) in passage]
            if not found:
                found = [f"p-{fingerprint(f'{title} {text}')}"]
                texts.setdefault(found[0], f"{title} {text}" if title else text)
                repairs["proofs_outside"].append(f"{question.qid!r}: {title!r} {text[:60]!r}")
            cluster += found
        if not cluster:
            repairs["unproved_answers"].append(f"{question.qid!r}: {answer.answer_text!r}")
        golds += [cluster] if cluster else []
    answers = [[answer.answer_text, *(answer.aliases or ())] for answer in question.answer_list]
    return Asked(question.qid, question.question_text, golds, answers)
