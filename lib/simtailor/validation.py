"""Models of merged values, and what is wrong with them said in the user's own files and lines."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from simtailor.errors import UserError, nearest_name
from simtailor.layers import Layer, find_origin
from simtailor.section import NAME_RULE, Section

MOST_DIGITS = 1e15
KEY = "[key]"  # pydantic's mark of a key, rather than a value, of a dictionary
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80


def validate(model: type[Section], values: Mapping[str, Any], layers: list[Layer]) -> Any:
    """Return the model of ``values``, merged from ``layers`` of which the last holds.

    Raises:
        UserError: one line a mistake, with file, line, key, value and what to do.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [_describe(model, problem, layers) for problem in error.errors()]
        raise UserError("\n".join(problems)) from None


def mistake(location: Sequence[Any], layers: list[Layer], problem: str) -> UserError:
    """Return the error about a key of valid values that cannot be followed."""
    return UserError(_place(tuple(location), layers) + problem)


def _place(location: tuple[Any, ...], layers: list[Layer]) -> str:
    """Return ``FILE:LINE: key: ``."""
    where, prefix = find_origin(location, layers)
    return f"{where}: {'.'.join(str(p) for p in (*prefix, *location)) or 'configuration'}: "


def _describe(model: type[Section], problem: Any, layers: list[Layer]) -> str:
    """Return one line: where, key, what is wrong with the value, and what to do."""
    location, kind, value = problem["loc"], problem["type"], problem["input"]
    key = location[-1:] == (KEY,)
    location = location[:-1] if key else location
    place = _place(location, layers)
    if kind == "extra_forbidden":
        names = _names_at(model, location[:-1])
        nearest = nearest_name(str(location[-1]), names)
        return f"{place}unknown key.{nearest} Known: {', '.join(names)}."
    if kind == "missing":
        return f"{place}this key is missing"
    if kind == "value_error":
        return place + problem["msg"].removeprefix("Value error, ")
    if kind == "invalid_key" or (key and not isinstance(value, str)):
        return f"{place}a key must be a text, got {value!r}.{_quote(value, True)}"
    if key:
        return f"{place}{NAME_RULE} in a name, got {value!r}. Rename it."
    return place + _explained(model, location, problem)


def _explained(model: type[Section], location: tuple[Any, ...], problem: Any) -> str:
    """Return what pydantic says of a value, what YAML made of it, and what the key means."""
    kind, value, shown = problem["type"], problem["input"], _short.repr(problem["input"])
    field = _field_at(model, location)
    meaning = f" The key's meaning: {field.description}" if field and field.description else ""
    if kind == "string_pattern_mismatch":
        return f"{shown} is not possible.{meaning}"
    text = f"{problem['msg']}, got {shown}.{_quote(value, kind == 'string_type')}"
    if kind == "literal_error":
        return text + nearest_name(str(value), re.findall(r"'([^']*)'", problem["msg"]))
    if kind in ("int_type", "int_from_float") and isinstance(value, str | float):
        text += _whole(value)
    return text + meaning


def _quote(value: Any, text_is_meant: bool) -> str:
    """Return what YAML made of a word where a text is meant."""
    if not text_is_meant:
        return ""
    if isinstance(value, bool):
        words = "yes, on and true" if value else "no, off and false"
        return f" YAML reads {words} as a truth value: put quotes around the word."
    if value is None:
        return " YAML reads ~, null and nothing as no value: give a text, with quotes if needed."
    return "" if isinstance(value, list | Mapping) else " Put quotes around it."


def _whole(value: str | float) -> str:
    """Return how a whole number is written that came as a text or a fraction."""
    try:
        number = float(value)
    except ValueError:
        return ""
    if not number.is_integer() or abs(number) > MOST_DIGITS:
        return ""
    return f" Write {int(number)}, without quotes, point or exponent."


def _field_at(model: type[Section], location: tuple[Any, ...]) -> FieldInfo | None:
    """Return the field that a location lies in, the innermost that has a description."""
    current: Any = model
    field = None
    for part in location:
        if current is None or part not in current.model_fields:
            break
        field = current.model_fields[part]
        current = _section_of(field)
    return field


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    choices: list[Any] = [field.annotation, *get_args(field.annotation)]
    return next((c for c in choices if isinstance(c, type) and issubclass(c, BaseModel)), None)


def _names_at(model: type[Section], location: tuple[Any, ...]) -> list[str]:
    """Return the valid keys of the section at ``location``."""
    current: type[BaseModel] | None = model
    for part in location:
        if part in current.model_fields:  # else the key of a dictionary of sections
            current = _section_of(current.model_fields[part]) or current
    return list(current.model_fields)
