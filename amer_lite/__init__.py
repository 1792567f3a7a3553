"""amer-lite: the Autoregressive Multi-Embedding Retriever, small enough to read.

Names are imported from their modules when first used, so ``import amer_lite`` itself is instant.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "AMER": "model",
    "AMERConfig": "model",
    "Dataset": "types",
    "DecoderConfig": "decoder",
    "Example": "types",
    "FaissIndex": "faiss_index",
    "Prefix": "prefix",
    "Run": "types",
    "SentenceEncoder": "encoders",
    "TrainConfig": "train_config",
    "TrainData": "batches",
    "evaluator": "retrieval",
    "fit": "training",
    "retrieve": "retrieval",
    "set_info_nce": "matching",
    "set_mse": "matching",
    "single_info_nce": "matching",
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
    from amer_lite.batches import TrainData
    from amer_lite.decoder import DecoderConfig
    from amer_lite.encoders import SentenceEncoder
    from amer_lite.faiss_index import FaissIndex
    from amer_lite.matching import set_info_nce, set_mse, single_info_nce
    from amer_lite.model import AMER, AMERConfig
    from amer_lite.prefix import Prefix
    from amer_lite.retrieval import evaluator, retrieve
    from amer_lite.train_config import TrainConfig
    from amer_lite.training import fit
    from amer_lite.types import Dataset, Example, Run


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'amer_lite' has no attribute {name!r}")
    return getattr(import_module(f"amer_lite.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
