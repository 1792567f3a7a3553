"""What a chapter says in words, checked against what its cells have just computed.

A reader who changes a setting may well change what is found. Then `claim` says what the text says
and what was found instead; `warn` lets the rest of the notebook run.
"""

from __future__ import annotations

import os
import warnings

SWITCH = "AMER_LITE_CLAIMS"  # "warn": a claim that does not hold is a warning
MODES = ("", "raise", "warn")


def claim(text: str, holds: object, **found: object) -> None:
    """Check one claim of the text.

    Args:
        text: what the text says, in a few words.
        holds: its truth value is whether it does.
        found: the values that decide, for the message.

    Raises:
        AssertionError: it does not hold; under `warn` this is a warning.
        ValueError: no text, or ``AMER_LITE_CLAIMS`` is neither ``raise`` nor ``warn``.
    """
    if not text.strip():
        raise ValueError("claim: empty text; say what the chapter claims")
    mode = os.environ.get(SWITCH, "")
    if mode not in MODES:
        raise ValueError(f"{SWITCH} is {mode!r}; expected raise or warn")
    if holds:
        return
    values = ", ".join(f"{name} = {_shown(value)}" for name, value in found.items())
    message = (
        f"The text says: {text}.\nFound: {values or 'that it does not hold'}.\n"
        "If you changed a setting above, that may be the reason."
    )
    if mode == "warn":
        warnings.warn(message, stacklevel=2)
    else:
        raise AssertionError(f"{message} To go on all the same, run: {__name__}.warn()")


def warn(on: bool = True) -> None:
    """Turn failed claims into warnings, so that Run All goes on; ``warn(False)`` turns it off."""
    os.environ[SWITCH] = "warn" if on else "raise"


def _shown(value: object) -> str:
    """A value as a reader wants it; numbers of NumPy and PyTorch too."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", 1) == 0:
        value = item()
    return f"{value:.4g}" if isinstance(value, float) else str(value)
