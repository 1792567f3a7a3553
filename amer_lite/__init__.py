"""amer-lite: the Autoregressive Multi-Embedding Retriever, small enough to read.

Public names are imported from their modules when first used, so ``import amer_lite`` is instant.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the same names, for type checkers and editors
    # ruff: noqa: F401
    from amer_lite.datasets.types import Dataset, Example, Run
    from amer_lite.encoders.sentence import SentenceEncoder
    from amer_lite.evaluation.evaluator import evaluator
    from amer_lite.model.amer import AMER
    from amer_lite.model.config import AMERConfig
    from amer_lite.model.decoder import DecoderConfig
    from amer_lite.model.prefix import Prefix
    from amer_lite.search.faiss import FaissIndex
    from amer_lite.search.retrieve import retrieve
    from amer_lite.training.config import TrainConfig
    from amer_lite.training.data import TrainData
    from amer_lite.training.fit import fit
    from amer_lite.training.matching import set_info_nce, single_info_nce

__version__ = "0.1.0"

_ROOMS = {
    "datasets.types": ["Dataset", "Example", "Run"],
    "encoders.sentence": ["SentenceEncoder"],
    "evaluation.evaluator": ["evaluator"],
    "model.amer": ["AMER"],
    "model.config": ["AMERConfig"],
    "model.decoder": ["DecoderConfig"],
    "model.prefix": ["Prefix"],
    "search.faiss": ["FaissIndex"],
    "search.retrieve": ["retrieve"],
    "training.config": ["TrainConfig"],
    "training.data": ["TrainData"],
    "training.fit": ["fit"],
    "training.matching": ["set_info_nce", "single_info_nce"],
}
_HOME = {name: f"{__name__}.{room}" for room, names in _ROOMS.items() for name in names}
__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'amer_lite' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
