"""From a TOML file to a :class:`~amer_lite.commands.config.Config`, with every slip named."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from amer_lite.commands.config import Config, Training
from amer_lite.training.config import TrainConfig

T = TypeVar("T")


def read(path: str | Path, changes: Mapping[str, str] | None = None) -> Config:
    """The run that a TOML file describes.

    Args:
        path: of the file.
        changes: ``{"train.epochs": "3"}``, values in TOML; they win over the file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not TOML; a section or field that is missing, unknown or of a wrong type or
            value. File, section, field and value are named.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such config; see data/configs/ (now in {Path.cwd()})")
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not TOML: {error}") from error
    for place, text in (changes or {}).items():
        _change(tables, place, text)
    sections: dict[str, Any] = {}
    hints = get_type_hints(Config)
    for name, table in _known(str(path), "sections", tables, fields(Config)).items():
        where = f"{path}: [{name}]"
        kind = next((k for k in get_args(hints[name]) if k is not NoneType), hints[name])
        if kind is str:
            sections[name] = _typed(f"{path}: {name}", table, str)
        elif kind is Training:
            sections[name] = _training(where, _typed(where, table, dict))
        else:
            sections[name] = _section(kind, where, _typed(where, table, dict))
    return _made(Config, str(path), sections)


def _change(tables: dict[str, Any], place: str, text: str) -> None:
    *parents, name = place.split(".")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text  # a bare word is a string
    for parent in parents:
        tables = tables.setdefault(parent, {})
    tables[name] = value


def _training(where: str, table: dict[str, Any]) -> Training:
    own = {one.name for one in fields(Training)} - {"recipe"}
    inner = [one for one in fields(TrainConfig) if one.name not in ("steps", "evaluate_every")]
    _known(where, "fields", table, [*inner, *(one for one in fields(Training) if one.name in own)])
    recipe = {name: value for name, value in table.items() if name not in own}
    made = _section(TrainConfig, where, {"steps": 1, **recipe})
    rest = {name: value for name, value in table.items() if name in own}
    return _section(Training, where, {"recipe": made, **rest})


def _section(kind: type[T], where: str, table: dict[str, Any]) -> T:
    known: Any = fields(kind)  # type: ignore[arg-type]
    hints = get_type_hints(kind)
    values = {
        name: _typed(f"{where} {name}", value, hints[name])
        for name, value in _known(where, "fields", table, known).items()
    }
    return _made(kind, where, values)


def _known(where: str, what: str, table: dict[str, Any], known: Any) -> dict[str, Any]:
    names = [one.name for one in known]
    for name in table:
        if name not in names:
            raise ValueError(f"{where}: {name!r} is unknown; known {what} are {', '.join(names)}")
    return table


def _made(kind: type[T], where: str, values: dict[str, Any]) -> T:
    known: tuple[Field[Any], ...] = fields(kind)  # type: ignore[arg-type]
    for one in known:
        needed = one.default is MISSING and one.default_factory is MISSING
        if needed and one.name not in values:
            raise ValueError(f"{where}: {one.name!r} is missing")
    try:
        return kind(**values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {error}") from error


def _typed(where: str, value: Any, hint: Any) -> Any:
    """``value`` if it is what ``hint`` says; lists become tuples, whole numbers floats."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    for option in options:
        kind, inner = get_origin(option) or option, get_args(option)
        if kind is Literal:
            if isinstance(value, str) and value in inner:
                return value
        elif kind is tuple:
            if isinstance(value, list):
                return tuple(_typed(f"{where}[{i}]", one, inner[0]) for i, one in enumerate(value))
        elif kind is float and type(value) is int:
            return float(value)
        elif type(value) is kind:
            return value
    names = " or ".join(_name(option) for option in options if option is not NoneType)
    raise ValueError(f"{where} is {value!r}; expected {names}")


def _name(option: Any) -> str:
    if get_origin(option) is Literal:
        return f"one of {', '.join(map(str, get_args(option)))}"
    if get_origin(option) is tuple:
        return f"a list of {_name(get_args(option)[0])}"
    return {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}.get(
        option, "a table"
    )
