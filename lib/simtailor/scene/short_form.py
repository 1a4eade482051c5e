"""A short YAML form of scene grammars, and its way to the published JSON format and back.

    object:
      class: [mug, bowl]
      yaw: normal(180, 10)
      loc_x: uniform(80, 120) max 200
    Light:
      intensity: 0.5 max 2

A node is a mapping; what is a mapping in it is a node below it, called by its class. Everything
else is an attribute: ``normal(mean, standard deviation)``, ``uniform(low, high)``,
``mixture((weight, mean, standard deviation), ...)`` or a number, and after ``max`` the value that
it is divided by. An angle needs none: it is the renderer's period.

Left out, ``class`` is the node's key; a root's ``class`` is ``Image``; its ``features`` are all
attributes, and its ``mutable`` those that are drawn somewhere; a node is ``immutable`` if it draws
none. Whatever of the published format is otherwise is written out: ``children`` is a list of
nodes, where names are alike or their order counts, ``constants`` are attributes that are no
distributions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from simtailor.errors import UserError, nearest_name
from simtailor.scene.attributes import UNKNOWN, NodeAttributes
from simtailor.scene.distributions import is_number
from simtailor.scene.grammar_nodes import MAIN, name_of

OWN = ("class", "features", "mutable", "immutable", "constants", "children")
ROOT = "Image"
SHORT = {"normal": "Gaussian", "uniform": "Uniform", "fixed": "Deterministic", "mixture": "Mixture"}
LONG = {long: short for short, long in SHORT.items()}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_TEXT = re.compile(rf"^\s*(?:(\w+)\s*\((.*)\)|({_NUMBER}))\s*(?:max\s+({_NUMBER}))?\s*$")
_PART = re.compile(r"\(([^()]*)\)")
HOW = "write a number, normal(mean, standard deviation), uniform(low, high) or mixture((weight, " \
      "mean, standard deviation), ...)"  # fmt: skip

Tree = dict[str, Any]
Location = tuple[str | int, ...]


def expanded(short: Mapping[str, Any], attributes: NodeAttributes, source: str) -> Tree:
    """Return the published format of a short form.

    Args:
        short: as YAML has it; attributes: what is known of them; source: for error messages.

    Raises:
        UserError: names the source, the key and what to write.
    """
    tree = _Expander(attributes, source).node(short, (), ROOT)
    root = tree["attributes"]
    nodes = list(_nodes(tree))
    drawn = {name: True for node in nodes for name, entry in _distributions(node) if _moves(entry)}
    names = {name: True for node in nodes for name, _ in _distributions(node)}
    given = {key: short[key] for key in ("features", "mutable") if key in short}
    root.pop("features", None)
    root.pop("mutable", None)
    tree["attributes"] = {
        "features": given.get("features", ["class", *names]),
        "mutable": given.get("mutable", list(drawn)),
        **root,
    }
    return tree


def shortened(tree: Tree) -> str:
    """Return the short form of a grammar of the published format, as YAML text.

    Expanded again, it is the same tree.
    """
    return yaml.safe_dump(
        _short(tree, None),
        sort_keys=False,
        default_flow_style=False,
        width=1000,
        allow_unicode=True,
    )


class _Expander:
    def __init__(self, attributes: NodeAttributes, source: str) -> None:
        self._attributes, self._source = attributes, source

    def node(self, short: Any, where: Location, name: str) -> Tree:
        """Return a node of the published format, and all below it."""
        if not isinstance(short, Mapping):
            raise self._wrong(where, f"expected a node, a mapping of keys, got {short!r}")
        kind = short.get("class", name)
        kind = ["Random", kind] if isinstance(kind, list) else ["Deterministic", kind]
        called = _key({"class": kind})
        if kind == ["Deterministic", MAIN]:
            raise self._wrong(where, "give its 'class': a number, or several names to draw from")
        found: Tree = dict(short.get("constants", {}))
        children = [
            self.node(child, (*where, "children", i), str(i))
            for i, child in enumerate(short.get("children", []))
        ]
        for key, value in short.items():
            if key in OWN:
                continue
            if isinstance(value, Mapping):
                children.append(self.node(value, (*where, key), str(key)))
            else:
                found[key] = self.attribute(value, (*where, key), called, str(key))
        moves = any(_moves(entry) for entry in found.values())
        immutable = short.get("immutable", not moves)
        return {
            "class": kind,
            "attributes": {**found, "immutable": immutable},
            "num_child": ["Deterministic", len(children)],
            "child": children,
        }

    def attribute(self, value: Any, where: Location, node: str, name: str) -> list[Any]:
        """Return the published form of an attribute."""
        match = _TEXT.match(f"{value:g}" if is_number(value) else str(value))
        if not match or isinstance(value, bool | list):
            cut = isinstance(value, str) and value.count("(") > value.count(")")
            hint = ". Within braces, put it into quotes" if cut else ""
            raise self._wrong(where, f"{value!r} is no distribution: {HOW}{hint}")
        kind, inside, number, maximum = match.groups()
        largest = self._maximum(maximum, where, node, name)
        if number is not None:
            exact = value if is_number(value) else _number(number)
            return ["Deterministic", exact, 0, largest]
        if kind not in SHORT:
            raise self._wrong(where, f"{kind!r} is unknown.{nearest_name(kind, SHORT)} {HOW}")
        if kind == "mixture":
            parts = [_numbers(part) for part in _PART.findall(inside)]
            if _PART.sub("", inside).strip(" ,") or not all(p and len(p) == 3 for p in parts):
                raise self._wrong(where, f"{value!r} is no mixture: {HOW}")
            return ["Mixture", parts, largest]
        numbers = _numbers(inside)
        if numbers is None or len(numbers) != 2:
            raise self._wrong(where, f"{kind} takes two numbers, got {value!r}")
        return [SHORT[kind], *numbers, largest]

    def _maximum(self, text: str | None, where: Location, node: str, name: str) -> float:
        if text is not None:
            return _number(text)
        known = self._attributes.get(node, {}).get(name, UNKNOWN)
        if known.period:
            return _plain(known.period)
        raise self._wrong(
            where, "give the largest value that it can take, such as 'normal(100, 5) max 200'"
        )

    def _wrong(self, where: Location, problem: str) -> UserError:
        return UserError(f"{self._source}: {'.'.join(map(str, where)) or 'root'}: {problem}")


def _short(node: Tree, key: str | None) -> dict[str, Any]:
    """Return a node in short form; ``key`` is what it is called by, None for the root."""
    kind, names = node["class"]
    result: dict[str, Any] = {}
    if names != (ROOT if key is None else key) or kind == "Random":
        result["class"] = names
    found, entries = node["attributes"], dict(_distributions(node))
    constants = {k: v for k, v in found.items() if k not in entries and k not in OWN}
    if key is None:
        nodes = list(_nodes(node))
        features = ["class", *{name: 1 for n in nodes for name, _ in _distributions(n)}]
        drawn = list({name: 1 for n in nodes for name, e in _distributions(n) if _moves(e)})
        standard = {"features": features, "mutable": drawn}
        result |= {k: found[k] for k, v in standard.items() if found.get(k) != v}
    if constants:
        result["constants"] = constants
    result |= {name: _worded(entry) for name, entry in entries.items()}
    moves = any(_moves(entry) for entry in entries.values())
    if found.get("immutable", True) == moves:
        result["immutable"] = found.get("immutable", True)
    keys = [_key(child) for child in node["child"]]
    if len(set(keys)) < len(keys) or set(keys) & (set(OWN) | set(entries)):
        result["children"] = [_short(child, str(i)) for i, child in enumerate(node["child"])]
    else:
        result |= {k: _short(child, k) for k, child in zip(keys, node["child"], strict=True)}
    return result


def _key(node: Tree) -> str:
    kind, names = node["class"]
    return name_of(tuple(names) if kind == "Random" else (names,))


def _worded(entry: list[Any]) -> str | float:
    """Return an attribute's distribution in words, its maximum included."""
    kind, *values, maximum = entry
    if kind == "Mixture":
        inside = ", ".join(f"({', '.join(map(_text, part))})" for part in values[0])
    elif kind == "Deterministic" and values[1] == 0:
        return f"{_text(values[0])} max {_text(maximum)}"
    else:
        inside = ", ".join(map(_text, values))
    return f"{LONG[kind]}({inside}) max {_text(maximum)}"


def _nodes(tree: Tree) -> Iterator[Tree]:
    yield tree
    for child in tree["child"]:
        yield from _nodes(child)


def _distributions(node: Tree) -> Iterator[tuple[str, list[Any]]]:
    for name, entry in node["attributes"].items():
        if isinstance(entry, list) and entry and entry[0] in LONG:
            yield name, entry


def _moves(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and bool(entry)
        and entry[0] in LONG
        and entry[0] != ("Deterministic")
    )


def _numbers(text: str) -> list[float] | None:
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(_NUMBER, part) for part in parts):
        return None
    return [_number(part) for part in parts]


def _number(text: str) -> float:
    return _plain(float(text)) if re.search(r"[.eE]", text) is None else float(text)


def _plain(value: float) -> float:
    """Return a whole number as such, as JSON would have it."""
    return int(value) if float(value).is_integer() else value


def _text(value: float) -> str:
    return repr(value)
