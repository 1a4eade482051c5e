"""Models of merged values, and what is wrong with them said in the user's own files and lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from simtailor.errors import UserError, nearest_name
from simtailor.layers import Layer, find_origin
from simtailor.section import Section


def validate(model: type[Section], values: Mapping[str, Any], layers: list[Layer]) -> Any:
    """Return the model of ``values``, merged from ``layers`` of which the last holds."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [_describe(model, problem, layers) for problem in error.errors()]
        raise UserError("\n".join(problems)) from None


def _describe(model: type[Section], problem: Any, layers: list[Layer]) -> str:
    """Return one line: where, key, what is wrong with the value, and the nearest valid name."""
    location, kind, value = problem["loc"], problem["type"], problem["input"]
    where, prefix = find_origin(location, layers)
    text = f"{where}: {'.'.join(str(p) for p in (*prefix, *location)) or 'configuration'}: "
    if kind == "extra_forbidden":
        names = _names_at(model, location[:-1])
        nearest = nearest_name(str(location[-1]), names)
        return f"{text}unknown key.{nearest} Known: {', '.join(names)}."
    if kind == "missing":
        return text + "this key is missing"
    if kind == "value_error":
        return text + problem["msg"].removeprefix("Value error, ")
    text += f"{problem['msg']}, got {value!r}"
    if kind == "literal_error":
        text += "." + nearest_name(str(value), re.findall(r"'([^']*)'", problem["msg"]))
    return text


def _names_at(model: type[Section], location: tuple[Any, ...]) -> list[str]:
    """Return the valid keys of the section at ``location``."""
    current: Any = model
    for part in location:
        annotation = current.model_fields[part].annotation
        choices = [annotation, *get_args(annotation)]
        current = next(c for c in choices if isinstance(c, type) and issubclass(c, BaseModel))
    return list(current.model_fields)
