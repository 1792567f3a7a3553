"""amer-lite: the Autoregressive Multi-Embedding Retriever, small enough to read.

A public name is imported from its module when it is first used, so ``import amer_lite`` itself is
instant. Which names there are, and where each lives, stands once, in the stub ``__init__.pyi``.
"""

import pkgutil
import re
from importlib import import_module

__version__ = "0.1.0"

_STUB = (pkgutil.get_data(__name__, "__init__.pyi") or b"").decode()
_HOME = {name: home for home, name in re.findall(r"^from (\S+) import (\w+)", _STUB, re.MULTILINE)}
__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'amer_lite' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
