"""Which command left what, and with which settings: a later one refuses what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from amer_lite.commands.config import Config
from amer_lite.storage import load_bundle, save_bundle

Stage = Literal["embed", "train", "retrieve"]
_KIND = "amer-lite/stage-1"
_SECTIONS: dict[Stage, tuple[str, ...]] = {
    "embed": ("data", "encoder"),
    "train": ("data", "encoder", "lm", "lora", "states", "train"),
    "retrieve": ("data", "encoder", "lm", "lora", "states", "train", "retrieve"),
}


def finish(config: Config, stage: Stage, **facts: Any) -> None:
    """Note that ``stage`` is done, with its settings and some facts for those who look."""
    settings = config.sections(*_SECTIONS[stage])
    save_bundle(_place(config.folder, stage), _KIND, {"settings": settings, "facts": facts}, {})


def require(config: Config, stage: Stage) -> None:
    """Refuse to go on unless ``stage`` is done, and was done with this config.

    Raises:
        FileNotFoundError: it was not done.
        ValueError: it was done with other settings; they are named.
    """
    try:
        noted, _ = load_bundle(_place(config.folder, stage), _KIND)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{config.folder}: nothing from `{stage}` here; run `python -m amer_lite {stage}` first"
        ) from error
    if changed := differences(noted["settings"], config.sections(*_SECTIONS[stage])):
        raise ValueError(
            f"{config.folder}: `{stage}` was run with other settings: {'; '.join(changed)}. Put "
            f"them back, or give the new ones a folder of their own and run `{stage}` there"
        )


def facts(folder: str | Path, stage: Stage) -> dict[str, Any]:
    """What :func:`finish` noted of a run in ``folder``."""
    return dict(load_bundle(_place(folder, stage), _KIND)[0]["facts"])


def differences(old: Any, new: Any, at: str = "") -> list[str]:
    """In words, where two nested mappings differ; a list and a tuple are alike, as in JSON."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = dict.fromkeys([*old, *new])
        return [
            words
            for name in names
            for words in differences(old.get(name), new.get(name), f"{at}.{name}".lstrip("."))
        ]
    old, new = (list(value) if isinstance(value, tuple) else value for value in (old, new))
    return [] if old == new else [f"{at} was {old!r}, is {new!r}"]


def _place(folder: str | Path, stage: Stage) -> Path:
    return Path(folder) / "stages" / stage
