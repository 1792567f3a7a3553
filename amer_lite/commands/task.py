"""The questions of a run with their golds, and the passages that are searched.

Passages are read line by line: a corpus of any size passes through, and never stands in memory.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from itertools import chain
from pathlib import Path

from amer_lite.commands import stages
from amer_lite.commands.config import Config, Data
from amer_lite.datasets import ambigqa, files, qampari
from amer_lite.datasets.audit import audit as inspect
from amer_lite.datasets.cleaning import Answers, mentions
from amer_lite.datasets.files import Document, Query, by_split, read_records
from amer_lite.datasets.splits import normalise_text, split
from amer_lite.datasets.types import Dataset, Example
from amer_lite.storage import atomic_path, digest_of, sha256

SAMPLE = 100_000  # passages that are no golds, for the audit
Rankings = Mapping[str, Sequence[str]]  # passages by question
DEV = {"train": 0.9, "dev": 0.1}  # of the training questions, where the files have no dev


@dataclass(frozen=True)
class Task:
    """What the commands work on.

    If there are answers, strings by query id, a passage is right if it holds one of them, and the
    golds of ``dataset`` are not passages of the corpus.
    """

    dataset: Dataset  #: its corpus holds the golds and a sample of other passages
    answers: Mapping[str, Answers] | None
    report: str  #: what a loader left out or repaired
    data: Data
    sha256: str  #: of all that questions and passages were read from

    def passages(self) -> Iterator[Document]:
        """All passages that are searched, one after another."""
        if self.data.corpus:
            return read_passages(self.data)
        return (Document(id=doc, text=text) for doc, text in self.dataset.corpus.items())

    def questions(self, split: str) -> Sequence[Example]:
        """Those of a split; ValueError names the splits there are."""
        if split not in self.dataset.splits:
            known = ", ".join(self.dataset.splits)
            raise ValueError(f"retrieve.split {split!r} is unknown; the splits are {known}")
        return self.dataset.splits[split]

    def holders(self, found: Rankings) -> dict[str, list[list[str]]]:
        """Per question and answer those of the found passages that hold one of its strings."""
        assert self.answers is not None
        needed = {doc for docs in found.values() for doc in docs}
        texts = {one.id: one.plain for one in self.passages() if one.id in needed}
        return {
            query: [[doc for doc in docs if mentions(texts[doc], a)] for a in self.answers[query]]
            for query, docs in found.items()
        }


def audit(config: Config) -> tuple[str, bool]:
    """What was repaired and what was found in the data, and whether they are fit for figures."""
    task = load(config)
    found = inspect(task.dataset)
    return f"{task.report}\n{found}".strip(), found.clean


def load(config: Config) -> Task:
    """The task of a config; FileNotFoundError and ValueError name file and line."""
    data, answers, report = config.data, None, ""
    limits, digest = (data.least, data.most), contents(data)
    if data.set == "files":
        dataset, report = _files(data)
    elif data.set == "ambigqa":
        dataset, strings, repairs = ambigqa.load(data.queries, *limits, seed=data.seed)
        answers, report = strings if data.corpus else None, str(repairs)
    elif data.set == "qampari":
        pages = _pages(config, digest) if data.corpus else None
        dataset, _, repairs = qampari.load(data.queries, pages, *limits, seed=data.seed)
        report = str(repairs)
    else:
        dataset = _own(data)
    if not data.queries:
        examples = {name: [*map(vars, part)] for name, part in dataset.splits.items()}
        digest = digest_of([dict(dataset.corpus), examples])
    if "dev" not in dataset.splits and "train" in dataset.splits:  # like questions stay together
        splits = {**dataset.splits, **split(dataset.splits["train"], DEV, data.seed)}
        dataset = Dataset(dataset.name, dataset.corpus, splits, dataset.source)
    return Task(dataset, answers, report, data, digest)


def contents(data: Data) -> str:
    """Digest of the files of the data, and of how they are read."""
    files = [*data.files(), *(data.passages() if data.corpus else ())]
    return digest_of([data.model_dump(mode="json"), *map(sha256, files)])


def _own(data: Data) -> Dataset:
    """What a user's own loader returns."""
    module, name = data.set.split(":")
    try:
        loader = getattr(import_module(module), name)
        signature(loader).bind(**data.arguments)
    except (ImportError, AttributeError, TypeError) as error:
        raise ValueError(f"data.set = {data.set!r} with {data.arguments}: {error}") from error
    dataset = loader(**data.arguments)
    if not isinstance(dataset, Dataset):
        raise ValueError(f"data.set = {data.set!r}: returns no Dataset but {type(dataset)}")
    return dataset


def _files(data: Data) -> tuple[Dataset, str]:
    """A user's own questions over the golds and a sample of their passages; what was repaired."""
    golds = {
        doc
        for path in by_split(data.queries).values()
        for _, query in read_records(path, Query)
        for doc in chain.from_iterable(query.golds)
    }
    selected = _select(data, lambda one: one.id in golds)
    odd = [sum(one.full != one.plain for one in part) for part in selected]
    report = f"white space made plain in {odd[0]:,} golds and {odd[1]:,} other passages"
    texts = {one.id: one.plain for one in chain.from_iterable(selected)}
    return files.load(texts, data.queries, seed=data.seed), report


def _pages(config: Config, digest: str) -> Path:
    """Of QAMPARI's chunks those of the pages that prove an answer, and a sample of the others."""
    data = config.data
    path = stages.place(config, "pages.jsonl.gz", digest)
    if not path.exists():
        titles = {
            normalise_text(proof.title)
            for file in by_split(data.queries).values()
            for _, question in read_records(file, qampari.Question)
            for answer in question.answer_list
            for proof in answer.proof or ()
        }
        selected = _select(data, lambda one: normalise_text(one.title or "") in titles)
        with atomic_path(path) as staged, gzip.open(staged, "wt", encoding="utf-8") as file:
            file.writelines(f"{one.model_dump_json()}\n" for one in chain.from_iterable(selected))
    return path


def read_passages(data: Data) -> Iterator[Document]:
    """The passages of all files that match, in the order of their names.

    A file holds records of `Document` (see `read_records`); QAMPARI's chunks do.
    """
    for path in data.passages():
        yield from (passage for _, passage in read_records(path, Document))


def _select(
    data: Data, wanted: Callable[[Document], bool]
) -> tuple[list[Document], list[Document]]:
    """All wanted passages, and a uniform sample of the others (Vitter's algorithm R)."""
    chosen: list[Document] = []
    others: list[Document] = []
    rng, seen = random.Random(data.seed), 0
    for passage in read_passages(data):
        if wanted(passage):
            chosen.append(passage)
            continue
        seen += 1
        if len(others) < SAMPLE:
            others.append(passage)
        elif (place := rng.randrange(seen)) < SAMPLE:
            others[place] = passage
    return chosen, others
