"""From a task's golds to rows of the index that a model is trained on and scored against."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from amer_lite.commands.config import Config
from amer_lite.commands.tasks import Task
from amer_lite.datasets.cleaning import Answers, distinct_golds, mentions
from amer_lite.datasets.types import Example
from amer_lite.encoders.sentence import SentenceEncoder
from amer_lite.search.shards import ShardIndex
from amer_lite.storage import write_text

GOLDS = "golds.json"
MINED = 100  # passages per question in which answers are looked for


def in_index(examples: Sequence[Example], rows: Mapping[str, int]) -> list[Example]:
    """The examples with those golds that the index has; without the ones that keep none."""
    kept = []
    for example in examples:
        answers = [[doc for doc in answer if doc in rows] for answer in example.golds]
        if any(answers):
            kept.append(Example(example.id, example.query, [docs for docs in answers if docs]))
    return kept


def mine(
    config: Config, task: Task, index: ShardIndex, encoder: Callable[[], SentenceEncoder]
) -> None:
    """Write ``<folder>/golds.json``, unless it is there, for passages judged by answer strings.

    The gold of an answer is the first passage with one of its strings among the 100 nearest to the
    question, by the untrained encoder.
    """
    assert task.answers is not None
    path = Path(config.folder) / GOLDS
    if not path.exists():
        asked = [example for name in ("train", "dev") for example in task.dataset.splits[name]]
        found = nearest(config, encoder(), index, asked, MINED)
        holding = holders(task, found, task.answers)
        first = {query: [docs[:1] for docs in part if docs] for query, part in holding.items()}
        write_text(path, json.dumps(first))


def trainable(config: Config, task: Task, index: ShardIndex) -> dict[str, list[Example]]:
    """Questions of train and dev whose golds are passages of the index.

    Raises:
        ValueError: a split is left without a question.
    """
    examples = {name: task.dataset.splits[name] for name in ("train", "dev")}
    if task.answers is not None:
        mined = json.loads((Path(config.folder) / GOLDS).read_text(encoding="utf-8"))
        examples = {
            name: [
                Example(example.id, example.query, golds)
                for example in part
                if len(golds := distinct_golds(mined[example.id])[0]) >= config.data.least
            ]
            for name, part in examples.items()
        }
    rows = index.known(doc for part in examples.values() for e in part for doc in e.gold_ids)
    kept = {name: in_index(part, rows) for name, part in examples.items()}
    if empty := [name for name, part in kept.items() if not part]:
        raise ValueError(f"no question of {empty} has a gold among the {len(index):,} passages")
    return kept


def nearest(
    config: Config,
    encoder: SentenceEncoder,
    index: ShardIndex,
    examples: Sequence[Example],
    k: int,
) -> dict[str, list[str]]:
    """Per question the ids of the ``k`` passages nearest to the encoder's own vector of it."""
    texts = [config.encoder.query_prompt + example.query for example in examples]
    rows = index.search(encoder.embed(texts, config.encoder.batch_size), min(k, len(index))).rows
    return {
        example.id: [index.ids[row] for row in found]
        for example, found in zip(examples, rows, strict=True)
    }


def holders(
    task: Task, found: Mapping[str, Sequence[str]], answers: Mapping[str, Answers]
) -> dict[str, list[list[str]]]:
    """Per question and answer those of the found passages that hold the answer, in their order."""
    texts = _texts(task, (doc for docs in found.values() for doc in docs))
    return {
        query: [[doc for doc in docs if mentions(texts[doc], names)] for names in answers[query]]
        for query, docs in found.items()
    }


def judged(
    task: Task, examples: Sequence[Example], found: Mapping[str, Sequence[str]]
) -> list[Example]:
    """Examples to score a ranking against, where answer strings decide.

    The golds of an answer are the ranked passages that hold it, and a name that stands for all
    others: an answer that no ranked passage holds is missed.
    """
    assert task.answers is not None
    holding = holders(task, found, task.answers)
    return [
        Example(
            example.id,
            example.query,
            [
                [f"answer-{n}-of-{example.id}", *docs]
                for n, docs in enumerate(holding[example.id], start=1)
            ],
        )
        for example in examples
    ]


def _texts(task: Task, wanted: Iterable[str]) -> dict[str, str]:
    needed = set(wanted)
    return {passage.id: passage.plain for passage in task.passages() if passage.id in needed}


def targets(examples: Sequence[Example], rows: Mapping[str, int]) -> list[list[int]]:
    """One row per answer: the first passage that proves it; a passage stands once."""
    return [[*dict.fromkeys(rows[answer[0]] for answer in e.golds)] for e in examples]


def pool(index: ShardIndex, size: int, seed: int) -> np.ndarray:
    """Rows of a uniform sample of the index, sorted."""
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(len(index), min(size, len(index)), replace=False))
