"""amer-lite: the Autoregressive Multi-Embedding Retriever, small enough to read.

Names are imported from their modules when first used, so ``import amer_lite`` itself is instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "AMER": "model.amer",
    "AMERConfig": "model.amer",
    "Dataset": "datasets.types",
    "DecoderConfig": "model.decoder",
    "Example": "datasets.types",
    "FaissIndex": "search.faiss",
    "Prefix": "model.prefix",
    "Run": "datasets.types",
    "SentenceEncoder": "encoders.sentence",
    "TrainConfig": "training.config",
    "TrainData": "training.data",
    "evaluator": "search.retrieve",
    "fit": "training.fit",
    "retrieve": "search.retrieve",
    "set_info_nce": "training.matching",
    "set_mse": "training.matching",
    "single_info_nce": "training.matching",
}

__all__ = [  # noqa: RUF022 - grouped as in the README
    "AMER", "AMERConfig", "DecoderConfig", "Prefix",
    "set_info_nce", "single_info_nce", "set_mse",
    "TrainConfig", "TrainData", "fit",
    "FaissIndex", "retrieve", "evaluator",
    "SentenceEncoder",
    "Dataset", "Example", "Run",
]  # fmt: skip

if TYPE_CHECKING:
    from amer_lite.datasets.types import Dataset, Example, Run
    from amer_lite.encoders.sentence import SentenceEncoder
    from amer_lite.model.amer import AMER, AMERConfig
    from amer_lite.model.decoder import DecoderConfig
    from amer_lite.model.prefix import Prefix
    from amer_lite.search.faiss import FaissIndex
    from amer_lite.search.retrieve import evaluator, retrieve
    from amer_lite.training.config import TrainConfig
    from amer_lite.training.data import TrainData
    from amer_lite.training.fit import fit
    from amer_lite.training.matching import set_info_nce, set_mse, single_info_nce


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'amer_lite' has no attribute {name!r}")
    return getattr(import_module(f"amer_lite.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
