"""What numbers a configuration takes; without torch, so that a slip in one shows at once."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field

CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)


def _plain(value: Any) -> Any:
    """A number of numpy's as Python's own, which JSON can write; True and "3" are no numbers."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bool | str):
        raise ValueError("this is no number")
    return value


_Plain = BeforeValidator(_plain)
Count = Annotated[int, Field(gt=0, lt=2**31), _Plain]
Natural = Annotated[int, Field(ge=0, lt=2**31), _Plain]
Positive = Annotated[float, Field(gt=0, lt=2**31), _Plain]
NonNegative = Annotated[float, Field(ge=0, lt=2**31), _Plain]
Limit = Annotated[float, Field(gt=0, allow_inf_nan=True), _Plain]  # infinity: none
Share = Annotated[float, Field(ge=0, le=1), _Plain]
Dropout = Annotated[float, Field(ge=0, lt=1), _Plain]
