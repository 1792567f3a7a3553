"""Which command left what, and with which settings: a later one refuses what does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from amer_lite.commands.config import Config
from amer_lite.storage import digest_of, load_bundle, save_bundle, write_text

Stage = Literal["embed", "train", "retrieve"]
_KIND = "amer-lite/stage-1"
_EMBED = ("data", "encoder")
_TRAIN = (*_EMBED, "lm", "lora", "states", "train")
_SECTIONS = {"embed": _EMBED, "train": _TRAIN, "retrieve": (*_TRAIN, "retrieve")}


def finish(config: Config, stage: Stage, **facts: Any) -> None:
    """Note that ``stage`` is done, with its settings and some facts for those who look."""
    noted = {"settings": config.sections(*_SECTIONS[stage]), "facts": facts}
    save_bundle(Path(config.folder) / "stages" / stage, _KIND, noted, {})


def noted(folder: str | Path, stage: Stage) -> dict[str, Any]:
    """``settings`` and ``facts`` of :func:`finish`; FileNotFoundError says what to run first."""
    try:
        return load_bundle(Path(folder) / "stages" / stage, _KIND)[0]
    except FileNotFoundError as error:
        said = f"{folder}: nothing from `{stage}` here; run `{stage}` first"
        raise FileNotFoundError(said) from error


def require(config: Config, stage: Stage, **facts: Any) -> None:
    """Refuse to go on unless ``stage`` is done, and was done with these settings and facts."""
    old = noted(config.folder, stage)
    changed = differences(old["settings"], config.sections(*_SECTIONS[stage]))
    if changed := changed + differences({name: old["facts"].get(name) for name in facts}, facts):
        said = f"`{stage}` was run with other settings: {'; '.join(changed)}"
        raise ValueError(f"{config.folder}: {said}. Put them back, or take a folder of their own")


def place(config: Config, name: str, made_from: Any) -> Path:
    """Of a file that is made once, and anew from anything else than what it was ``made_from``."""
    stem, suffix = name.split(".", 1)
    return Path(config.folder) / "data" / f"{stem}-{digest_of(made_from)[:12]}.{suffix}"


def kept(config: Config, name: str, made_from: Any, make: Callable[[], Any]) -> Any:
    """What ``make`` returned when it was first called for what it is ``made_from``; JSON."""
    path = place(config, f"{name}.json", made_from)
    if not path.exists():
        write_text(path, json.dumps(make()))
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: damaged ({error}); remove it, it is made again") from error


def differences(old: Any, new: Any, at: str = "") -> list[str]:
    """In words, where two values differ that JSON can hold."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [] if old == new else [f"{at} was {old!r}, is {new!r}"]
    names = dict.fromkeys([*old, *new])
    parts = (differences(old.get(n), new.get(n), f"{at}.{n}".lstrip(".")) for n in names)
    return [*chain.from_iterable(parts)]
