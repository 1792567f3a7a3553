"""What a run is: a TOML file, a class a section. Nothing heavy is imported, slips show at once."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import field, fields
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass
from pydantic.types import NonNegativeInt, PositiveFloat, PositiveInt

from amer_lite.datasets.files import Filled, validated
from amer_lite.model.numbers import Dropout
from amer_lite.storage import cache_folder
from amer_lite.training.config import TrainConfig

_Some = Field(min_length=1)
_Revision = Annotated[str, Field(pattern=r"^([0-9a-f]{40})?$")]
_Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Section(BaseModel):
    """A table of the file; a field that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Data(Section):
    """Which questions and which passages.

    Attributes:
        set: whose format the files have; or a loader of your own as ``module:function``, which
            takes ``arguments`` as keywords and returns a `Dataset`.
        queries: a file of questions, or one per split. A loader of your own has none.
        corpus: passages as JSONL or TSV, also ``.gz``; a pattern such as ``chunks/*.jsonl.gz``
            takes all that match. Without it the corpus of the data set itself is searched.
        least, most: golds of a question that is kept.
        seed: of the split, where the files give none.
    """

    set: Annotated[str, Field(pattern=r"^(files|ambigqa|qampari|[\w.]+:\w+)$")]
    arguments: dict[str, Any] = {}
    queries: str | dict[Filled, Filled] = ""
    corpus: str = ""
    least: PositiveInt = 2
    most: PositiveInt = 8
    seed: _Seed = 0

    @model_validator(mode="after")
    def _files(self) -> Data:
        if (":" in self.set) == bool(self.queries):
            raise ValueError("a loader of your own has no queries; every format needs a file")
        if self.set == "files" and not self.corpus:
            raise ValueError("set 'files' needs a corpus")
        if self.least > self.most:
            raise ValueError(f"least = {self.least} is above most = {self.most}: nothing is kept")
        return self

    def files(self) -> list[Path]:
        """Those of the questions; FileNotFoundError names one that is missing."""
        files = self.queries.values() if isinstance(self.queries, dict) else [self.queries]
        found = [Path(name) for name in files if name]
        if lost := [path for path in found if not path.is_file()]:
            raise FileNotFoundError(f"data.queries: no file {lost[0]} (in {Path.cwd()})")
        return found

    def passages(self) -> list[Path]:
        """All files of the corpus, sorted; FileNotFoundError if there are none."""
        at = Path(self.corpus)
        found = [at] if at.is_file() else sorted(filter(Path.is_file, at.parent.glob(at.name)))
        if not found:
            raise FileNotFoundError(f"data.corpus: no file {self.corpus} (in {Path.cwd()})")
        return found


class Model(Section):
    """A pretrained model: a folder, or a name on the hub."""

    name: Filled
    revision: _Revision = ""  #: a commit on the hub; without it, whatever is the newest

    @property
    def source(self) -> str:
        """As `SentenceEncoder` and :func:`amer_lite.encoders.prompt.open_lm` take it."""
        return f"{self.name}@{self.revision}" if self.revision else self.name


class Encoder(Model):
    """The frozen document encoder, and the shards that it fills."""

    name: Filled = "all-MiniLM-L6-v2"
    query_prompt: str | None = None  #: put before a query; by default what the model came with
    document_prompt: str | None = None  #: put before a passage, likewise
    trust_remote_code: bool = False  #: let the model run its own code, of one revision
    batch_size: PositiveInt = 64  #: passages per forward pass
    autocast: bool = False  #: compute in bfloat16
    shard: PositiveInt = 100_000  #: passages per shard, the unit that a killed run repeats
    half: bool = False  #: keep float16, half the disk


class LM(Model):
    """The language model that reads the query."""

    name: Filled = "SmolLM2-135M-Instruct"
    #: with the place ``{query}``, once
    prompt: Annotated[str, Field(pattern=r"\{query\}")] = 'The noun "{query}" has several meanings:'
    chat: bool = False  #: put the prompt into the model's chat template


class Adapters(Section):
    """Train the language model with LoRA (see `LoRA`)."""

    rank: PositiveInt = 16
    alpha: PositiveFloat = 32.0
    dropout: Dropout = 0.0
    targets: Annotated[tuple[Filled, ...], _Some] = ("q_proj", "v_proj")


class States(Section):
    """Train a small decoder (see `DecoderConfig`) over frozen states (see `PromptEncoder`)."""

    layers: Annotated[tuple[PositiveInt, ...], _Some]
    last: PositiveInt | None = None
    width: PositiveInt = 256
    depth: PositiveInt = 1
    heads: PositiveInt = 4
    dropout: Dropout = 0.1

    @model_validator(mode="after")
    def _even(self) -> States:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of 2 × heads ({self.heads})")
        return self


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class Training(TrainConfig):
    """How to train: the fields of `TrainConfig` but ``steps`` and ``evaluate_every``, and these."""

    steps: int = field(default=1, init=False)
    evaluate_every: int = field(default=1, init=False)
    epochs: PositiveInt  #: passes over the training questions, from which ``steps`` follows
    evaluations: PositiveInt = 10  #: retrievals on dev, evenly spread; each is also a checkpoint
    pool: NonNegativeInt = 0  #: passages drawn from the corpus, of which ``negatives`` are drawn
    k: PositiveInt = 100  #: of the Recall@k on dev that chooses the checkpoint

    @model_validator(mode="after")
    def _drawn(self) -> Training:
        if self.negatives and not self.pool:
            raise ValueError("negatives are drawn from a pool; give pool, such as 100_000")
        return self

    def recipe(self, questions: int) -> TrainConfig:
        """The same for so many questions, with ``steps`` and ``evaluate_every``."""
        steps = self.epochs * max(1, questions // self.batch_size)
        given = {one.name: getattr(self, one.name) for one in fields(TrainConfig)}
        counts = {"steps": steps, "evaluate_every": -(-steps // self.evaluations)}
        return TrainConfig(**given | counts)


class Retrieval(Section):
    """How to search ``split``; the others are those of `amer_lite.search.retrieve.retrieve`."""

    m: PositiveInt
    k: PositiveInt = 100
    depth: PositiveInt | None = None
    merge: Literal["round_robin", "max_score", "rrf", "soft_sum", "mixture"] = "round_robin"
    split: Annotated[str, Field(pattern=r"^[^/\\]+$")] = "test"  # a file is called after it


class Evaluation(Section):
    """What to measure: each of ``metrics`` at each of ``at``, with 95 % bootstrap intervals."""

    metrics: Annotated[tuple[Literal["mrecall", "recall", "precision", "ndcg"], ...], _Some] = (
        "mrecall",
        "recall",
    )
    at: Annotated[tuple[PositiveInt, ...], _Some] = (10, 100)
    resamples: PositiveInt = 10_000
    seed: NonNegativeInt = 0


class Config(Section):
    """A whole run, with ``lora`` or ``states``."""

    folder: Filled  #: of everything that the commands write
    data: Data
    lm: LM
    train: Training
    retrieve: Retrieval
    encoder: Encoder = Encoder()
    lora: Adapters | None = None
    states: States | None = None
    evaluate: Evaluation = Evaluation()

    @model_validator(mode="after")
    def _one_backbone(self) -> Config:
        if (self.lora is None) == (self.states is None):
            raise ValueError("give [lora] or [states], not both and not neither")
        how, deepest = self.retrieve, max(self.evaluate.at)
        if how.k < deepest or how.m * (how.depth or how.k) < how.k:
            given = f"k is {how.k}, of m × depth = {how.m} × {how.depth or how.k} passages"
            raise ValueError(f"evaluate.at = {deepest} needs lists as long, but retrieve.{given}")
        return self

    @property
    def tau(self) -> float | None:
        """Of the merge: a mixture reads probabilities as they were trained."""
        return self.train.temperature if self.retrieve.merge == "mixture" else None

    def sections(self, *names: str) -> dict[str, Any]:
        """Sections as JSON has them, to be compared with those of an earlier command."""
        return self.model_dump(mode="json", include=set(names))


def read(path: str | Path, changes: Iterable[str] = (), command: str = "") -> Config:
    """The run that a TOML file describes; ``changes``, such as ``train.epochs=3``, win.

    ``audit`` and ``diagnose`` need ``data`` alone, ``embed`` a ``folder`` too. ValueError names
    the fields that are missing, unknown, or of a wrong type or value.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:  # of TOML, or of UTF-8
        raise ValueError(f"{path}: not TOML: {error}") from error
    for change in changes:
        _apply(change, tables)
    if command in ("audit", "diagnose", "embed"):  # which do not look at the rest
        tables = {"lm": {}, "train": {"epochs": 1, "m": 1}, "retrieve": {"m": 1}} | tables
        tables |= {} if {"lora", "states"} & tables.keys() else {"lora": {}}
    if command in ("audit", "diagnose"):
        tables.setdefault("folder", str(cache_folder() / "audit"))
    # As JSON, where a strict tuple may be written as a list.
    validate = partial(Config.model_validate_json, strict=True)
    return validated(validate, json.dumps(tables, default=str), str(path))


def _apply(change: str, tables: dict[str, Any]) -> None:
    place, equals, text = change.partition("=")
    if not place or not equals:
        raise ValueError(f"--set {change}: is not SECTION.FIELD=VALUE")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        value = text  # a bare word is a string
    *parents, name = place.split(".")
    for parent in parents:
        tables = tables.setdefault(parent, {})
        if not isinstance(tables, dict):
            raise ValueError(f"--set {place}: {parent} is a value, not a section")
    tables[name] = value
