"""The real-text worlds of chapters 11 and 12: data, embeddings and everything computed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from amer_book.strata import quarters
from amer_book.worlds import (
    api_sets,
    debian_tags,
    dependencies,
    intents,
    kinds,
    phenotypes,
    seal_tools,
    tags,
    wordnet,
)
from amer_lite import FaissIndex, Prefix, SentenceEncoder, TrainData
from amer_lite.datasets import ambigqa
from amer_lite.datasets.splits import split
from amer_lite.datasets.types import Dataset
from amer_lite.encoders.prompt import PromptEncoder
from amer_lite.evaluation import geometry

PROMPT = 'The noun "{query}" has several meanings:'


class Point(NamedTuple):
    """Of the grid that a world is tuned on."""

    temperature: float
    learning_rate: float


def _grid(*points: tuple[float, float]) -> tuple[Point, ...]:
    return tuple(Point(*point) for point in points)


# Wide enough that no model's choice lies at an end of it, if it can be helped; short, since each
# point is a training.
LONG = _grid((0.03, 1e-3), (0.05, 1e-3), (0.1, 1e-3), (0.2, 1e-3), (0.03, 2e-3), (0.05, 2e-3))
SHORT = _grid((0.05, 1e-4), (0.05, 3e-4), (0.05, 1e-3), (0.1, 3e-4), (0.1, 1e-3), (0.2, 3e-4))
# For what LONG left out: its lowest rate turned out to be an end of the grid.
SLOW = _grid((0.05, 5e-4), (0.1, 5e-4), (0.05, 1e-3), (0.1, 1e-3))
MOST = {"train": 24_000, "dev": 1_000, "test": 1_500}  # queries used of larger splits


def _ambigqa(folder: Path | None, draw: int) -> Dataset:
    """The official development questions are the test; dev is a tenth of the training ones.

    A later draw has nothing but the training ones.
    """
    names = {"train": "train_light.json", "test": "dev_light.json"}
    files = None if folder is None else {part: folder / name for part, name in names.items()}
    data = ambigqa.load(files).dataset
    given = data.splits if folder is not None else {**data.splits, "test": data.splits["dev"]}
    if draw:
        return replace(data, splits=split(given["train"], seed=draw))
    parts = split(given["train"], {"train": 0.9, "dev": 0.1}, 0)
    return replace(data, splits={**parts, "test": given["test"]})


def _unseen(data: Dataset, earlier: Dataset) -> Dataset:
    """Without the queries of dev and test that ``earlier`` has in its dev or test."""
    seen = {example.query for part in ("dev", "test") for example in earlier.splits[part]}
    fresh = {
        part: [example for example in data.splits[part] if example.query not in seen]
        for part in ("dev", "test")
    }
    return replace(data, splits={**data.splits, **fresh})


@dataclass(frozen=True)
class Setting:
    """A world as the records name it, and its budget, which is the same for all of its models."""

    dataset: str
    load: Callable[[Path | None, int], Dataset]  # folder of AmbigQA, draw
    steps: int
    batch_size: int = 64
    dim: int = 384
    language_model: bool = False  # SmolLM2's state beside each of MiniLM's
    grid: tuple[Point, ...] = SHORT


def _intents(_: Path | None, draw: int) -> Dataset:
    queries = {"train": 24_000, "dev": 500, "test": 1_000}
    return intents.load(words=16_000, queries=queries, seed=draw)


_words = Setting("wordnet", lambda _, draw: wordnet.load(seed=draw), 240, 128)
_tags = Setting("debian-tags", lambda _, draw: debian_tags.load(seed=draw), 240)
_reversed = Setting("debian-tags-reversed", lambda _, draw: tags.load(seed=draw), 400)
WORLDS: Mapping[str, Setting] = {
    "intents-384": Setting("intents", _intents, 400, grid=LONG),
    "intents-64": Setting("intents", _intents, 400, dim=64, grid=LONG),
    "intents-64-long": Setting("intents", _intents, 800, dim=64, grid=LONG[:4]),
    "words": _words,
    "words-lm": replace(_words, language_model=True),
    "one-sense": replace(
        _words,
        dataset="wordnet-one-sense",
        load=lambda _, draw: wordnet.load(1, 1, documents=16_000, seed=draw),
    ),
    "kinds": Setting("wordnet-kinds", lambda _, draw: kinds.load(seed=draw), 160, 128),
    "debian-tags": _tags,
    "ambigqa": Setting("ambigqa", _ambigqa, 160),
    # Tried on dev once the others had been seen; trained only when named.
    "intents-64-slow": Setting("intents", _intents, 800, dim=64, grid=SLOW),
    "debian-tags-long": replace(_tags, steps=960, grid=_grid((0.05, 1e-3))),
}
USUAL = tuple(WORLDS)[:-2]


def _seal_tools(single: bool) -> Callable[[Path | None, int], Dataset]:
    def load(folder: Path | None, draw: int) -> Dataset:
        if folder is None:
            raise ValueError("Seal-Tools: give the folder of its files, --data FOLDER")
        return seal_tools.load(folder, single=single, seed=draw)

    return load


# For `amer_book.runs.fair`: parts that are implied, and one world whose parts are written.
WORLDS = {
    **WORLDS,
    "dependencies": Setting("dependencies", lambda _, draw: dependencies.load(seed=draw), 400),
    "tags": _reversed,
    "tags-64": replace(_reversed, dim=64),
    "tags-32": replace(_reversed, dim=32),
    "phenotypes": Setting("phenotypes", lambda _, draw: phenotypes.load(seed=draw), 400),
    "api-sets": Setting("api-sets", lambda _, draw: api_sets.load(seed=draw), 400),
    "seal-tools": Setting("seal-tools", _seal_tools(False), 400),
    "seal-tools-single": Setting("seal-tools-single", _seal_tools(True), 400),
}
NATURAL = ("dependencies", "tags", "phenotypes", "api-sets")


class World:
    """A dataset embedded by MiniLM, compressed to ``dim`` dimensions if those are fewer than 384.

    Args:
        setting: such as one of `WORLDS`.
        folder: of AmbigQA's files, which only that world needs.
        draw: of corpus sample and splits. A draw after the first, 0, drops the queries of dev and
            test that stood there in one before: its figures come from queries not yet measured.

    Attributes:
        basis: (dim, state width), what a model's pointer reads document space off states with.
    """

    def __init__(self, setting: Setting, folder: Path | None = None, draw: int = 0) -> None:
        self.setting = setting
        data = setting.load(folder, draw)
        for earlier in range(draw):
            data = _unseen(data, setting.load(folder, earlier))
        self.encoder = encoder = SentenceEncoder()
        self.ids = list(data.corpus)
        documents = torch.from_numpy(encoder.embed([data.corpus[doc] for doc in self.ids]))
        self.basis = torch.eye(encoder.dim)
        if setting.dim < encoder.dim:  # the directions of greatest second moment, not centred
            values, directions = torch.linalg.eigh(documents.T @ documents)
            self.basis = directions[:, values.argsort(descending=True)[: setting.dim]].T
        self.documents = F.normalize(documents @ self.basis.T, dim=-1)
        self.index = FaissIndex(setting.dim)
        self.index.add(self.documents.numpy(), self.ids)
        self.examples = {part: examples[: MOST[part]] for part, examples in data.splits.items()}
        if setting.language_model:
            self.basis = F.pad(self.basis, (0, self._reader.dim))

    def texts(self, part: str) -> list[str]:
        """The queries of a split as they are written."""
        return [example.query for example in self.examples[part]]

    @cached_property
    def queries(self) -> dict[str, Prefix]:
        """What a model reads, by split."""
        queries = {part: self.encoder.token_states(self.texts(part)) for part in self.examples}
        if self.setting.language_model:
            for part, prefix in queries.items():
                states = self._reader.token_states(self.texts(part))
                beside = states.values.expand(-1, prefix.mask.shape[1], -1)
                queries[part] = Prefix(torch.cat([prefix.values, beside], 2), prefix.mask)
        return queries

    @cached_property
    def _reader(self) -> PromptEncoder:
        return PromptEncoder(prompt=PROMPT, layers=(16, 26), last=1)

    @cached_property
    def train(self) -> TrainData:
        golds = [self.index.rows(example.gold_ids).tolist() for example in self.examples["train"]]
        return TrainData(self.queries["train"], golds, self.documents)

    @cached_property
    def _counts(self) -> np.ndarray:
        return np.array([len(example.gold_ids) for example in self.examples["test"]])

    @cached_property
    def quarters(self) -> np.ndarray:
        """(Q,) int64: the quarter of the distance between its golds that a test query lies in.

        Distance is 1 − mean cosine between the golds, in the space that is searched. Quarters, 0
        (near) to 3 (far), are taken within each number of golds; a query with one gold has −1.
        """
        distance = np.zeros(len(self._counts))
        for i, example in enumerate(self.examples["test"]):
            if len(example.gold_ids) > 1:
                rows = self.index.rows(example.gold_ids)
                distance[i] = 1 - geometry.gold_cosine(self.documents[rows].numpy()[None])[0]
        return np.where(self._counts > 1, quarters(distance, self._counts), -1)

    @cached_property
    def subsets(self) -> dict[str, np.ndarray]:
        """Masks over the test queries: by number of golds; near quarters and far ones."""
        masks = {f"golds={n}": self._counts == n for n in np.unique(self._counts).tolist()}
        if (self._counts > 1).any():
            masks["near half"] = (self.quarters >= 0) & (self.quarters < 2)
            masks["far half"] = self.quarters >= 2
        return masks
