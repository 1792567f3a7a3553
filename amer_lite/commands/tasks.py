"""The questions of a run with their golds, and the passages that are searched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from json import dumps
from pathlib import Path

from amer_lite.commands import corpus
from amer_lite.commands.config import Config
from amer_lite.commands.corpus import Passage
from amer_lite.datasets import ambigqa, files, qampari, wordnet
from amer_lite.datasets.cleaning import Answers, Loaded
from amer_lite.datasets.splits import normalise_text, split
from amer_lite.datasets.types import Dataset, Example

SAMPLE = 100_000  # passages that are no golds, for the audit
DEV = {"train": 0.9, "dev": 0.1}  # of the training questions, where the files have no dev


@dataclass(frozen=True)
class Task:
    """What the commands work on.

    Attributes:
        dataset: questions and golds; its corpus holds the golds and a sample of other passages.
        answers: answer strings by query id. If given, a passage is right if it holds one of them,
            and the golds of ``dataset`` are not passages of the corpus.
        report: what a loader left out or repaired.
        pattern: of the files with the passages; "" if the corpus of ``dataset`` is all.
    """

    dataset: Dataset
    answers: Mapping[str, Answers] | None
    report: str
    pattern: str

    def passages(self) -> Iterator[Passage]:
        """All passages that are searched, one after another."""
        if self.pattern:
            yield from corpus.read(self.pattern)
        else:
            for doc, text in self.dataset.corpus.items():
                yield Passage(doc, "", text, f"{self.dataset.name}, document {doc!r}")


def load(config: Config) -> Task:
    """The task of a config.

    Raises:
        FileNotFoundError, ValueError: what the loaders raise.
    """
    data = config.data
    limits = (data.least, data.most)
    queries: files.Files = data.queries
    if data.set == "wordnet":
        return Task(wordnet.load(*limits, data.documents, data.seed), None, "", "")
    if data.set == "files":
        dataset, report = _files(config)
        return Task(_with_dev(dataset, data.seed), None, report, data.corpus)
    if data.set == "ambigqa":
        loaded = ambigqa.load(queries, *limits, seed=data.seed)
        answers = loaded.answers if data.corpus else None
        return _task(loaded, answers, data.corpus, data.seed)
    passages = _pages(config) if data.corpus else None
    return _task(
        qampari.load(queries, passages, *limits, seed=data.seed), None, data.corpus, data.seed
    )


def _task(loaded: Loaded, answers: Mapping[str, Answers] | None, pattern: str, seed: int) -> Task:
    return Task(_with_dev(loaded.dataset, seed), answers, str(loaded.report), pattern)


def _with_dev(dataset: Dataset, seed: int) -> Dataset:
    """A tenth of the training questions becomes dev if there is none; like ones stay together."""
    if "dev" in dataset.splits:
        return dataset
    splits: dict[str, Sequence[Example]] = dict(dataset.splits)
    splits |= split(splits["train"], DEV, seed)
    return Dataset(dataset.name, dataset.corpus, splits, dataset.source)


def _files(config: Config) -> tuple[Dataset, str]:
    """A user's own questions over the golds and a sample of their passages; what was repaired."""
    data = config.data
    golds: dict[str, str] = {}  # id to the place that names it first
    for path in files.by_split(data.queries).values():
        for where, query in files.read_jsonl(path, files.Query):
            for doc in chain.from_iterable(query.golds):
                golds.setdefault(doc, where)
    chosen, others = corpus.select(
        corpus.read(data.corpus), lambda passage: passage.id in golds, SAMPLE, data.seed
    )
    for doc in {**golds}.keys() - {passage.id for passage in chosen}:
        raise ValueError(
            f"{golds[doc]}: golds name {doc!r}, which is not among the passages of {data.corpus}; "
            f"add the passage or drop the gold"
        )
    texts = {passage.id: passage.plain for passage in [*chosen, *others]}
    odd = [sum(map(_is_odd, part)) for part in (chosen, others)]
    report = (
        f"white space made plain in {odd[0]:,} of {len(chosen):,} golds and in {odd[1]:,} of "
        f"{len(others):,} other passages"
    )
    dataset = files.load(texts, data.queries, seed=data.seed)
    return dataset, report


def _is_odd(passage: Passage) -> bool:
    return any(part != " ".join(part.split()) for part in (passage.title, passage.text))


def _pages(config: Config) -> Path:
    """Of QAMPARI's chunks those of the pages that prove an answer, and a sample of the others."""
    data = config.data
    key = sha256(dumps(config.sections("data"), sort_keys=True).encode()).hexdigest()[:12]
    path = Path(config.folder) / "data" / f"pages-{key}.jsonl.gz"
    if not path.exists():
        titles = {
            normalise_text(proof.title)
            for file in files.by_split(data.queries).values()
            for _, question in files.read_jsonl(file, qampari.Question)
            for answer in question.answer_list
            for proof in answer.proof
        }
        chosen, others = corpus.select(
            corpus.read(data.corpus),
            lambda passage: normalise_text(passage.title) in titles,
            SAMPLE,
            data.seed,
        )
        corpus.write_chunks(path, [*chosen, *others])
    return path
