"""The worlds of real text in part IV: data, embeddings, and everything computed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from amer_book.strata import quarters
from amer_book.worlds import (
    api_sets,
    dependencies,
    intents,
    kinds,
    phenotypes,
    seal_tools,
    tags,
    wordnet,
)
from amer_lite import FaissIndex, Prefix, SentenceEncoder, TrainData
from amer_lite.datasets.types import Dataset
from amer_lite.encoders.prompt import PromptEncoder
from amer_lite.evaluation import geometry

MOST = {"train": 24_000, "dev": 1_000, "test": 1_500}  # queries used of larger splits


def _unseen(data: Dataset, earlier: Dataset) -> Dataset:
    """Without the queries of dev and test that ``earlier`` has in its dev or test."""
    seen = {example.query for part in ("dev", "test") for example in earlier.splits[part]}
    fresh = {
        part: [example for example in data.splits[part] if example.query not in seen]
        for part in ("dev", "test")
    }
    return replace(data, splits={**data.splits, **fresh})


def principal(documents: torch.Tensor, dim: int) -> torch.Tensor:
    """(dim, d): the directions of the greatest second moment, not centred; all d as they are."""
    if dim == documents.shape[1]:
        return torch.eye(dim)
    values, directions = torch.linalg.eigh(documents.T @ documents)
    return directions[:, values.argsort(descending=True)[:dim]].T


@dataclass(frozen=True)
class Setting:
    """A world as the records name it."""

    dataset: str
    load: Callable[[Path | None, int], Dataset]  # folder of its files, if it has any; draw
    dim: int = 384
    reader: Callable[[], SentenceEncoder | PromptEncoder] = SentenceEncoder  # of queries


def _intents(_: Path | None, draw: int) -> Dataset:
    queries = {"train": 24_000, "dev": 500, "test": 1_000}
    return intents.load(words=16_000, queries=queries, seed=draw)


def _one_sense(_: Path | None, draw: int) -> Dataset:
    return wordnet.load(1, 1, documents=16_000, seed=draw)


def _seal_tools(single: bool) -> Callable[[Path | None, int], Dataset]:
    def load(folder: Path | None, draw: int) -> Dataset:
        if folder is None:
            raise ValueError("Seal-Tools: give the folder of its files, --data FOLDER")
        return seal_tools.load(folder, single=single, seed=draw)

    return load


def _language_model() -> PromptEncoder:
    return PromptEncoder(prompt="{query}", layers=(16, 26))


_reversed = Setting("debian-tags-reversed", lambda _, draw: tags.load(seed=draw))
WORLDS: Mapping[str, Setting] = {
    "intents-384": Setting("intents", _intents),  # parts that are written
    "seal-tools": Setting("seal-tools", _seal_tools(False)),
    "words": Setting("wordnet", lambda _, draw: wordnet.load(seed=draw)),  # parts that are implied
    "kinds": Setting("wordnet-kinds", lambda _, draw: kinds.load(seed=draw)),
    "dependencies": Setting("dependencies", lambda _, draw: dependencies.load(seed=draw)),
    "tags": _reversed,
    "tags-64": replace(_reversed, dim=64),
    "tags-32": replace(_reversed, dim=32),
    "tags-lm": replace(_reversed, reader=_language_model),  # of chapter 13
    "phenotypes": Setting("phenotypes", lambda _, draw: phenotypes.load(seed=draw)),
    "api-sets": Setting("api-sets", lambda _, draw: api_sets.load(seed=draw)),
    "one-sense": Setting("wordnet-one-sense", _one_sense),  # a single answer
    "seal-tools-single": Setting("seal-tools-single", _seal_tools(True)),
}
# With a test of one tuned vector on record.
USUAL = ("intents-384", "words", "dependencies", "tags", "tags-32", "one-sense")


class World:
    """A dataset embedded by MiniLM, compressed to ``dim`` dimensions if those are fewer than 384.

    Args:
        setting: such as one of `WORLDS`.
        folder: of the world's files, if it has any.
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
        self.corpus = data.corpus
        self.ids = list(data.corpus)
        documents = torch.from_numpy(encoder.embed([data.corpus[doc] for doc in self.ids]))
        self.basis = principal(documents, setting.dim)
        self.documents = F.normalize(documents @ self.basis.T, dim=-1)
        self.index = FaissIndex(setting.dim)
        self.index.add(self.documents.numpy(), self.ids)
        self.examples = {part: examples[: MOST[part]] for part, examples in data.splits.items()}

    def texts(self, part: str) -> list[str]:
        """The queries of a split as they are written."""
        return [example.query for example in self.examples[part]]

    @cached_property
    def queries(self) -> dict[str, Prefix]:
        """What a model reads, by split."""
        read = self.setting.reader()
        return {part: read.token_states(self.texts(part)) for part in self.examples}

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
