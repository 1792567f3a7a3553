"""What a run is: a TOML file, a class a section. Nothing heavy is imported, slips show at once."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass
from pydantic.types import NonNegativeInt, PositiveFloat, PositiveInt

from amer_lite.training.config import TrainConfig

_KNOWN = ConfigDict(extra="forbid")
_Dropout = Annotated[float, Field(ge=0, lt=1)]
_Some = Field(min_length=1)


@dataclass(frozen=True, kw_only=True, config=_KNOWN)
class Data:
    """Which questions and which passages.

    Attributes:
        set: ``wordnet`` (ambiguous nouns; needs no files), or whose format the files have.
        queries: a file of questions, or one per split.
        corpus: passages as JSONL or TSV, also ``.gz``; a pattern such as ``chunks/*.jsonl.gz``
            takes all that match. Without it AmbigQA and QAMPARI search their own golds.
        least, most: golds of a question that is kept.
        documents: of ``wordnet``: at most so many definitions.
        seed: of the split, where the files give none.
    """

    set: Literal["wordnet", "files", "ambigqa", "qampari"]
    queries: str | dict[str, str] = ""
    corpus: str = ""
    least: PositiveInt = 2
    most: PositiveInt = 8
    documents: PositiveInt | None = None
    seed: int = 0

    @model_validator(mode="after")
    def _files(self) -> Data:
        if (self.set == "wordnet") == bool(self.queries):
            raise ValueError("set 'wordnet' has no queries; all others need a file of them")
        if self.set == "files" and not self.corpus:
            raise ValueError("set 'files' needs a corpus")
        return self


@dataclass(frozen=True, kw_only=True, config=_KNOWN)
class Encoder:
    """The frozen document encoder, and the shards that it fills.

    Attributes:
        name, trust_remote_code: see :class:`amer_lite.encoders.sentence.SentenceEncoder`.
        query_prompt: put before a query where the encoder itself searches.
        batch_size: passages per forward pass.
        autocast: compute in bfloat16.
        shard: passages per shard, the unit that a killed run repeats.
        half: keep float16, half the disk.
    """

    name: str = "all-MiniLM-L6-v2"
    query_prompt: str = ""
    trust_remote_code: bool = False
    batch_size: PositiveInt = 64
    autocast: bool = False
    shard: PositiveInt = 100_000
    half: bool = False


@dataclass(frozen=True, kw_only=True, config=_KNOWN)
class LM:
    """The language model that reads the query.

    Attributes:
        name: see :func:`amer_lite.encoders.prompt.open_lm`.
        prompt: with the place ``{query}``, once.
        chat: put the prompt into the model's chat template.
    """

    name: str = "SmolLM2-135M-Instruct"
    prompt: Annotated[str, Field(pattern=r"\{query\}")] = 'The noun "{query}" has several meanings:'
    chat: bool = False


@dataclass(frozen=True, kw_only=True, config=_KNOWN)
class Adapters:
    """Train the language model with LoRA (see `LoRA`)."""

    rank: PositiveInt = 16
    alpha: PositiveFloat = 32.0
    dropout: _Dropout = 0.0
    targets: Annotated[tuple[str, ...], _Some] = ("q_proj", "v_proj")


@dataclass(frozen=True, kw_only=True, config=_KNOWN)
class States:
    """Train a small decoder (see `DecoderConfig`) over frozen states (see `PromptEncoder`)."""

    layers: Annotated[tuple[PositiveInt, ...], _Some]
    last: PositiveInt | None = None
    width: PositiveInt = 256
    depth: PositiveInt = 1
    heads: PositiveInt = 4
    dropout: _Dropout = 0.1


@dataclass(frozen=True, kw_only=True, config=_KNOWN)
class Training(TrainConfig):
    """How to train: the fields of `TrainConfig` but ``steps`` and ``evaluate_every``, and these.

    Attributes:
        epochs: passes over the training questions, from which ``steps`` follows.
        evaluations: retrievals on dev, evenly spread; each is also a checkpoint.
        pool: passages drawn from the corpus, of which ``negatives`` are drawn.
        k: depth of the retrieval on dev, whose Recall@k chooses the checkpoint.
    """

    steps: int = field(default=1, init=False)
    evaluate_every: int = field(default=1, init=False)
    epochs: PositiveInt
    evaluations: PositiveInt = 10
    pool: NonNegativeInt = 0
    k: PositiveInt = 100

    @model_validator(mode="after")
    def _drawn(self) -> Training:
        if self.negatives and not self.pool:
            raise ValueError("negatives are drawn from a pool; give pool, such as 100_000")
        return self

    def recipe(self, questions: int) -> TrainConfig:
        """The same for so many questions, with ``steps`` and ``evaluate_every``."""
        steps = self.epochs * max(1, questions // self.batch_size)
        counts = {"steps": steps, "evaluate_every": -(-steps // self.evaluations)}
        given = {one.name: getattr(self, one.name) for one in fields(TrainConfig)}
        return TrainConfig(**{**given, **counts})


@dataclass(frozen=True, kw_only=True, config=_KNOWN)
class Retrieval:
    """How to search ``split``; the others are those of `amer_lite.search.retrieve.retrieve`."""

    m: PositiveInt
    k: PositiveInt = 100
    depth: PositiveInt | None = None
    merge: Literal["round_robin", "max_score", "rrf", "soft_sum", "mixture"] = "round_robin"
    split: str = "test"


@dataclass(frozen=True, kw_only=True, config=_KNOWN)
class Evaluation:
    """What to measure: each of ``metrics`` at each of ``at``, with 95 % bootstrap intervals."""

    metrics: tuple[Literal["mrecall", "recall", "precision", "ndcg"], ...] = ("mrecall", "recall")
    at: tuple[PositiveInt, ...] = (10, 100)
    resamples: PositiveInt = 10_000
    seed: NonNegativeInt = 0


@dataclass(frozen=True, kw_only=True, config=_KNOWN)
class Config:
    """A whole run.

    Attributes:
        folder: of everything that the commands write.
        lora, states: exactly one of them.
    """

    folder: str
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
        return self

    @property
    def tau(self) -> float | None:
        """Of the merge: a mixture reads probabilities as they were trained."""
        return self.train.temperature if self.retrieve.merge == "mixture" else None

    def sections(self, *names: str) -> dict[str, Any]:
        """Sections as JSON has them, to be compared with those of an earlier command."""
        return {name: json.loads(json.dumps(asdict(self)[name])) for name in names}


def read(path: str | Path, changes: Mapping[str, str] | None = None) -> Config:
    """The run that a TOML file describes; ``changes``, such as ``{"train.epochs": "3"}``, win.

    Raises:
        OSError: the file cannot be read.
        ValueError: not TOML; or every field that is missing, unknown, or of a wrong type or value.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not TOML: {error}") from error
    for place, text in (changes or {}).items():
        _change(tables, place, text)
    try:  # as JSON, where a strict tuple may be written as a list
        return TypeAdapter(Config).validate_json(json.dumps(tables, default=str), strict=True)
    except ValidationError as error:
        slips = "\n  ".join(map(_in_words, error.errors()))
        raise ValueError(f"{path}:\n  {slips}") from error


def _change(tables: dict[str, Any], place: str, text: str) -> None:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string
    *parents, name = place.split(".")
    for parent in parents:
        tables = tables.setdefault(parent, {})
        if not isinstance(tables, dict):
            raise ValueError(f"--set {place}: {parent} is a value, not a section")
    tables[name] = value


def _in_words(slip: Any) -> str:
    """Where a value stands, the value, and what is wrong with it."""
    place = ".".join(map(str, slip["loc"]))
    value = f" = {slip['input']!r}" if isinstance(slip["input"], str | int | float | list) else ""
    said = slip["msg"].replace("Unexpected keyword argument", "no such field")
    return f"{place}{value}: {said.removeprefix('Value error, ')}".removeprefix(": ")
