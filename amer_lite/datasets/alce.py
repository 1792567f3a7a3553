"""ALCE (Gao et al., EMNLP 2023, arXiv 2305.14627): questions, each with its retrieved passages.

One JSON array a file, with short answers (ASQA, QAMPARI). Not part of this package.
"""

from __future__ import annotations

import math

from pydantic import AliasChoices, Field

from amer_lite.datasets.cleaning import Asked, Loaded, clean, mentions
from amer_lite.datasets.files import Document, Files, Filled, Id, Record, by_split, read_records

NOTICE = "ALCE, Gao et al. 2023, arXiv 2305.14627"


class _Pair(Record):
    short_answers: list[str]


class _Question(Record):
    id: Id = Field(validation_alias=AliasChoices("id", "sample_id"))
    question: Filled
    docs: list[Document]
    answers: list[list[str]] | None = None  # of QAMPARI
    qa_pairs: list[_Pair] | None = None  # of ASQA


def load(
    files: Files, min_answers: int = 1, max_answers: float = math.inf, seed: int = 0
) -> Loaded:
    """Questions whose golds are, per answer, the passages given with them that hold it.

    The corpus is the passages of all questions. An answer that none of its question's passages
    holds is no gold; its strings are in ``answers`` all the same. Arguments as for `qampari.load`.
    ValueError: bad arguments, a record of another format or without short answers (ELI5), or a
    passage id with two texts.
    """
    paths = by_split(files)
    texts: dict[str, str] = {}
    questions: dict[str, list[Asked]] = {name: [] for name in paths}
    for name, path in paths.items():
        for where, one in read_records(path, _Question):
            strings = one.answers or [pair.short_answers for pair in one.qa_pairs or ()]
            if not strings:
                raise ValueError(f"{where}: neither answers nor qa_pairs; ALCE's ELI5 has no golds")
            for doc in one.docs:
                if texts.setdefault(doc.id, doc.full) != doc.full:
                    raise ValueError(f"{where}: passage {doc.id!r} had another text before")
            found = ([doc.id for doc in one.docs if mentions(doc.full, a)] for a in strings)
            questions[name].append(Asked(one.id, one.question, [*filter(None, found)], strings))
    source = f"{NOTICE}; from {', '.join(path.name for path in paths.values())}"
    return clean("alce", questions, texts, (min_answers, max_answers), seed, source, texts)
