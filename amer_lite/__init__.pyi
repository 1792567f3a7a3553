# Where each public name lives: the one list, for type checkers, editors and `__init__.py`.
from amer_lite.datasets.types import Dataset as Dataset
from amer_lite.datasets.types import Example as Example
from amer_lite.datasets.types import Run as Run
from amer_lite.encoders.sentence import SentenceEncoder as SentenceEncoder
from amer_lite.model.amer import AMER as AMER
from amer_lite.model.amer import AMERConfig as AMERConfig
from amer_lite.model.decoder import DecoderConfig as DecoderConfig
from amer_lite.model.prefix import Prefix as Prefix
from amer_lite.search.faiss import FaissIndex as FaissIndex
from amer_lite.search.retrieve import evaluator as evaluator
from amer_lite.search.retrieve import retrieve as retrieve
from amer_lite.training.config import TrainConfig as TrainConfig
from amer_lite.training.data import TrainData as TrainData
from amer_lite.training.fit import fit as fit
from amer_lite.training.matching import set_info_nce as set_info_nce
from amer_lite.training.matching import set_mse as set_mse
from amer_lite.training.matching import single_info_nce as single_info_nce

__all__: list[str]
__version__: str
