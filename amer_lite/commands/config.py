"""What a run is, in frozen dataclasses: one a section of its TOML file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from amer_lite.model.decoder import DecoderConfig
from amer_lite.model.language_model import LoRA
from amer_lite.search.retrieve import Merge
from amer_lite.training.config import TrainConfig

Set = Literal["wordnet", "files", "ambigqa", "qampari"]
_METRICS = ("mrecall", "recall", "precision", "ndcg")


@dataclass(frozen=True)
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

    set: Set
    queries: str | dict[str, str] = ""
    corpus: str = ""
    least: int = 2
    most: int = 8
    documents: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.set == "wordnet") == bool(self.queries):
            raise ValueError(
                f"set {self.set!r} with queries {self.queries!r}: wordnet has none, all others need"
                f" a file"
            )
        if self.set == "files" and not self.corpus:
            raise ValueError("set 'files' needs a corpus")


@dataclass(frozen=True)
class Encoder:
    """The frozen document encoder, and the shards that it fills.

    Attributes:
        name: see :class:`amer_lite.encoders.sentence.SentenceEncoder`.
        query_prompt: put before a query where the encoder itself searches.
        trust_remote_code: let a model from the hub run its own code here.
        batch_size: passages per forward pass.
        autocast: compute in bfloat16.
        shard: passages per shard, the unit that a killed run repeats.
        half: keep float16, half the disk.
    """

    name: str = "all-MiniLM-L6-v2"
    query_prompt: str = ""
    trust_remote_code: bool = False
    batch_size: int = 64
    autocast: bool = False
    shard: int = 100_000
    half: bool = False

    def __post_init__(self) -> None:
        for name in ("batch_size", "shard"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be ≥ 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class LM:
    """The language model that reads the query.

    Attributes:
        name: see :func:`amer_lite.encoders.prompt.open_lm`.
        prompt: with the place ``{query}``.
        chat: put the prompt into the model's chat template.
    """

    name: str = "SmolLM2-135M-Instruct"
    prompt: str = 'The noun "{query}" has several meanings:'
    chat: bool = False

    def __post_init__(self) -> None:
        if self.prompt.count("{query}") != 1:
            raise ValueError(f"prompt {self.prompt!r} must hold {{query}} once")


@dataclass(frozen=True)
class Adapters:
    """Train the language model with LoRA; see :class:`amer_lite.model.language_model.LoRA`."""

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ("q_proj", "v_proj")

    def __post_init__(self) -> None:
        self.on("any")  # checks the values

    def on(self, base: str) -> LoRA:
        return LoRA(base, **asdict(self))


@dataclass(frozen=True)
class States:
    """Train a small decoder over the language model's frozen states.

    Attributes:
        layers, last: see :class:`amer_lite.encoders.prompt.PromptEncoder`.
        width, depth, heads, dropout: of the decoder, see
            :class:`amer_lite.model.decoder.DecoderConfig`.
    """

    layers: tuple[int, ...]
    last: int | None = None
    width: int = 256
    depth: int = 1
    heads: int = 4
    dropout: float = 0.1

    def __post_init__(self) -> None:
        self.decoder(1)  # checks the values

    def decoder(self, state_dim: int) -> DecoderConfig:
        return DecoderConfig(
            state_dim, width=self.width, layers=self.depth, heads=self.heads, dropout=self.dropout
        )


@dataclass(frozen=True)
class Training:
    """How to train.

    Attributes:
        recipe: the fields of :class:`amer_lite.training.config.TrainConfig` but ``steps`` and
            ``evaluate_every``, which follow from the next two.
        epochs: passes over the training questions.
        evaluations: retrievals on dev, evenly spread; each is also a checkpoint.
        pool: passages drawn from the corpus, of which ``recipe.negatives`` are drawn.
        k: depth of the retrieval on dev, whose Recall@k chooses the checkpoint.
    """

    recipe: TrainConfig
    epochs: int
    evaluations: int = 10
    pool: int = 0
    k: int = 100

    def __post_init__(self) -> None:
        for name in ("epochs", "evaluations", "k"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be ≥ 1, got {getattr(self, name)}")
        if self.recipe.negatives and not self.pool:
            raise ValueError("negatives are drawn from a pool; give pool, such as 100_000")


@dataclass(frozen=True)
class Retrieval:
    """How to search; ``m``, ``k``, ``depth`` and ``merge`` as in `amer_lite.search.retrieve.retrieve`."""

    m: int
    k: int = 100
    depth: int | None = None
    merge: Merge = "round_robin"
    split: str = "test"


@dataclass(frozen=True)
class Evaluation:
    """What to measure: each of ``metrics`` at each of ``at``, with 95 % bootstrap intervals."""

    metrics: tuple[str, ...] = ("mrecall", "recall")
    at: tuple[int, ...] = (10, 100)
    resamples: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        if unknown := set(self.metrics) - set(_METRICS):
            raise ValueError(f"metrics {sorted(unknown)} are unknown; choose of {_METRICS}")


@dataclass(frozen=True)
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
    encoder: Encoder = field(default_factory=Encoder)
    lora: Adapters | None = None
    states: States | None = None
    evaluate: Evaluation = field(default_factory=Evaluation)

    def __post_init__(self) -> None:
        if (self.lora is None) == (self.states is None):
            raise ValueError("give [lora] or [states], not both and not neither")

    @property
    def tau(self) -> float | None:
        """Of the merge: a mixture reads probabilities as they were trained."""
        return self.train.recipe.temperature if self.retrieve.merge == "mixture" else None

    def sections(self, *names: str) -> dict[str, Any]:
        """Sections as plain values, to be compared with those of an earlier command."""
        return {name: value for name, value in asdict(self).items() if name in names}
