"""Reading of YAML files, and the lines of their keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from simtailor.errors import UserError


def read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:  # a date out of range: ValueError
        raise UserError(f"{path}: cannot read this file as YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected keys and values, got {type(values).__name__}")
    return values


def line_of(path: Path, location: tuple[Any, ...]) -> int | None:
    """Return the line of a key in a YAML file, counted from 1, or None."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return None
    mark = None
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pairs = [(k, v) for k, v in node.value if k.value == str(part)]
            if not pairs:
                return None
            key, node = pairs[-1]  # of a key that stands twice the last one holds
            mark = key.start_mark
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                return None
            node = node.value[part]
            mark = node.start_mark
        else:
            return None
    return mark.line + 1 if mark else None
