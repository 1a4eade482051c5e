"""Values laid over each other, and the file and line that each came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simtailor.errors import UserError
from simtailor.yaml_files import line_of, read_yaml

COMMAND_LINE = "command line (--config)"
ABSENT = object()


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``first`` with ``second`` laid over it, key by key at every depth."""
    result = dict(first)
    for key, value in second.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def read_words(value: Any, in_file: Any) -> Any:
    """Return values with words of the command line that mean numbers, true, false or null as such.

    Snakemake reads ``--config 'section={key: 4}'`` as the word "4". Names such as ``1_0_0`` and
    ``07``, of which YAML makes numbers, stay.

    Args:
        value: merged from files and the command line.
        in_file: the same merged from files alone, which stays as it is; ABSENT if they lack it.
    """
    if isinstance(value, Mapping):
        known = in_file if isinstance(in_file, Mapping) else {}
        return {key: read_words(part, known.get(key, ABSENT)) for key, part in value.items()}
    if value == in_file:
        return value
    if isinstance(value, list):
        return [read_words(part, ABSENT) for part in value]
    if isinstance(value, str):
        word = value.lower() if value.lower() in ("true", "false", "null") else value
        try:
            read = json.loads(word)
        except ValueError:
            return value
        return value if isinstance(read, (dict, list, str)) else read
    return value


@dataclass(frozen=True)
class Layer:
    """Values of one origin among those that are merged.

    Attributes:
        values: the values under ``prefix``, merged from ``files`` and the command line.
        files: in the order in which they were merged.
        prefix: where the values stand in the files.
    """

    values: Mapping[str, Any]
    files: list[Path]
    prefix: tuple[str, ...] = ()

    def origin(self, location: tuple[Any, ...]) -> str | None:
        """Return the file and line that set a key, or the command line; None if nothing did."""
        value = _value_at(self.values, location)
        if value is ABSENT:
            return None
        contents = [(path, _contents(path)) for path in self.files]
        key = (*self.prefix, *location)
        in_files: dict[str, Any] = {}
        for _, content in contents:
            in_files = merged(in_files, content)
        if not _same(_value_at(in_files, key), value):
            return COMMAND_LINE
        for path, content in reversed(contents):
            if _value_at(content, key) is not ABSENT:
                line = line_of(path, key)
                return f"{path}:{line}" if line else str(path)
        return COMMAND_LINE


def find_origin(location: tuple[Any, ...], layers: list[Layer]) -> tuple[str, tuple[str, ...]]:
    """Return where a key was set last, and the prefix under which it stands there.

    A key that is missing everywhere belongs into the experiment's own file, or else into
    whatever names the experiment.
    """
    for depth in range(len(location), 0, -1):  # of a missing key, the section that lacks it
        for layer in reversed(layers):
            origin = layer.origin(location[:depth])
            if origin:
                return origin, layer.prefix
    own = next((layer for layer in layers if not layer.prefix and layer.files), None)
    if own:
        return str(own.files[-1]), ()
    return layers[-1].origin(()) or COMMAND_LINE, layers[-1].prefix


def _contents(path: Path) -> dict[str, Any]:
    try:
        return read_yaml(path)
    except UserError:
        return {}


def _same(first: Any, second: Any) -> bool:
    """Return whether two values read the same: True is not 1, and NaN is NaN."""
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first == second
    return repr(first) == repr(second)


def _value_at(values: Any, location: tuple[Any, ...]) -> Any:
    """Return the value of a key at any depth, or ABSENT."""
    for part in location:
        if isinstance(values, Mapping):
            # The names of keys that are no strings reach error messages as strings.
            values = next((v for k, v in values.items() if k == part or str(k) == part), ABSENT)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            return ABSENT
    return values
