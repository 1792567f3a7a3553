"""What numbers may be; without torch, so that a slip in a configuration shows at once."""

from __future__ import annotations

import operator
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)


def _plain(value: Any) -> Any:
    """A number of numpy's as Python's own, which JSON can write; True and "3" are no numbers."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bool | str):
        raise ValueError("neither an integer nor a float")
    return value


_Plain = BeforeValidator(_plain)
Count = Annotated[int, Field(gt=0, lt=2**31), _Plain]
Natural = Annotated[int, Field(ge=0, lt=2**31), _Plain]
Positive = Annotated[float, Field(gt=0, lt=2**31), _Plain]
NonNegative = Annotated[float, Field(ge=0, lt=2**31), _Plain]
Limit = Annotated[float, Field(gt=0, allow_inf_nan=True), _Plain]  # infinity: none
Share = Annotated[float, Field(ge=0, le=1), _Plain]
Dropout = Annotated[float, Field(ge=0, lt=1), _Plain]


def positive(name: str, value: int) -> int:
    """``value`` as an int; ValueError names it unless it is a whole number ≥ 1."""
    whole = hasattr(value, "__index__") and not isinstance(value, bool)
    if not whole or operator.index(value) < 1:
        raise ValueError(f"{name}={value!r} must be a whole number, at least 1")
    return operator.index(value)
