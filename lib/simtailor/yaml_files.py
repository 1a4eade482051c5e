"""Reading of YAML files with every key once, and the lines of their keys."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import yaml

from simtailor.errors import UserError
from simtailor.text_files import parse_json, read_text, shown_line

# Octal by a leading zero, and base 60 by colons.
ODD_NUMBER = re.compile(r"[-+]?(0[0-7_]+$|[0-9][0-9_]*:)")
MERGE = "tag:yaml.org,2002:merge"
MOST_VALUES = 100_000  # of a file, every alias counted as what it stands for


class _TwiceError(yaml.constructor.ConstructorError):
    """A key stands twice in one mapping."""


class _Loader(yaml.SafeLoader):
    """YAML 1.1 without Python's objects, in which a key stands once in a mapping."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError) as error:
            # A date out of range, and what PyYAML makes of a tag that does not fit.
            raise yaml.constructor.ConstructorError(
                None, None, f"this value cannot be read ({error})", node.start_mark
            ) from None
        if (
            type(value) is int
            and isinstance(node, yaml.ScalarNode)
            and ODD_NUMBER.match(node.value)
        ):
            raise yaml.constructor.ConstructorError(
                None, None, f"YAML reads {node.value} as {value}", node.start_mark
            )
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Hashable, yaml.Mark] = {}
        for key_node, _ in node.value:
            if key_node.tag == MERGE:  # what "<<" brings may be said again: that is its use
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is a list or a mapping", key_node.start_mark
                )
            if key in seen:
                raise _TwiceError(
                    None,
                    None,
                    f"the key '{key}' stands twice, in lines {seen[key].line + 1} and "
                    f"{key_node.start_mark.line + 1}",
                    key_node.start_mark,
                )
            seen[key] = key_node.start_mark
        return super().construct_mapping(node, deep)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Return the keys and values of a YAML or JSON file; of an empty one none.

    Raises:
        UserError: names file and line of what is wrong: the syntax, a key that stands twice,
            a tag of another language, or something that is no mapping.
    """
    text = read_text(path)
    try:
        if Path(path).suffix == ".json":  # it may hold tabs, YAML may not
            values = parse_json(text, path)
        else:
            values = yaml.load(text, Loader=_Loader)  # a safe loader
    except yaml.MarkedYAMLError as error:
        raise UserError(_explained(path, text, error)) from None
    except yaml.YAMLError as error:
        raise UserError(_unprintable(path, text, error)) from None
    except RecursionError:
        raise UserError(f"{path}: nested too deeply. Write it flatter.") from None
    _check_expanded(path, values)
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(
            f"{path}:1: expected keys and values such as 'seed: 0', got "
            f"{_kind(values)}{shown_line(text, 1)}."
        )
    return values


def _kind(value: Any) -> str:
    return {"list": "a list", "str": "text"}.get(type(value).__name__, type(value).__name__)


def _check_expanded(path: str | Path, values: Any) -> None:
    """Check that anchors neither hold themselves nor multiply without end."""
    sizes: dict[int, float] = {}

    def size(value: Any) -> float:
        if not isinstance(value, dict | list):
            return 1
        if id(value) not in sizes:
            sizes[id(value)] = float("inf")  # held by itself, until it is known
            sizes[id(value)] = 1 + sum(
                map(size, value.values() if isinstance(value, dict) else value)
            )
        return sizes[id(value)]

    if size(values) > MOST_VALUES:
        raise UserError(
            f"{path}: its anchors (&) and aliases (*) give more than {MOST_VALUES:,} values. Write "
            "out what they stand for."
        )


def _explained(path: str | Path, text: str, error: yaml.MarkedYAMLError) -> str:
    """Return one paragraph: where the mistake is, what it is and what to do."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    problem = error.problem or str(error.context)
    fix = "Compare the indentation, colons and quotes with the lines around it."
    here = text.split("\n")[line - 1] if line <= text.count("\n") + 1 else ""
    if isinstance(error, _TwiceError):
        return f"{path}:{line}: {problem}. Remove one of them, or join what is below them."
    if "\t" in here and "'\\t'" in problem:
        problem, fix = "a tab stands where YAML wants spaces", "Indent with spaces."
    elif isinstance(error, yaml.composer.ComposerError) and "document" in str(error.context):
        problem, fix = "the file holds several documents", "Remove the line '---' between them."
    elif "could not determine a constructor" in problem:
        fix = "Remove the tag (the word behind '!'); only plain values are read."
    elif problem.startswith("YAML reads "):
        fix = "Write the plain number, or put quotes around a text."
    elif "mapping values are not allowed" in problem:
        fix = "Put quotes around a value that holds ': ', or start a new line."
    return (
        f"{path}:{line}: not valid YAML: {problem}, column {column}{shown_line(text, line)}. {fix}"
    )


def _unprintable(path: str | Path, text: str, error: yaml.YAMLError) -> str:
    line = text.count("\n", 0, getattr(error, "position", 0)) + 1
    return (
        f"{path}:{line}: a character that YAML does not allow "
        f"({chr(getattr(error, 'character', 0))!a}){shown_line(text, line)}. Remove it."
    )


def line_of(path: str | Path, location: Sequence[Any]) -> int | None:
    """Return the line of a key in a YAML or JSON file, counted from 1, or None."""
    try:
        text = read_text(path).replace("\t", " ")  # JSON may be indented by tabs
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (UserError, ValueError, RecursionError, yaml.YAMLError):
        return None
    mark = None
    for part in location:
        if isinstance(node, yaml.MappingNode):
            pairs = [(k, v) for k, v in node.value if _names(k, part)]
            if not pairs:
                break
            key, node = pairs[-1]
            mark = key.start_mark
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                break
            node = node.value[part]
            mark = node.start_mark
        else:
            break
    return mark.line + 1 if mark else None


def _names(key: yaml.Node, part: Any) -> bool:
    """Return whether a key's node is ``part``; the names of truth values have several spellings."""
    if not isinstance(key, yaml.ScalarNode):
        return False
    if key.value == str(part):
        return True
    truth = yaml.SafeLoader.bool_values.get(key.value.lower())
    return truth is not None and str(part) in (str(truth), str(int(truth)))
