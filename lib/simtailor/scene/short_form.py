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
it is divided by. An angle needs none: it is the renderer's period. ``count: 3``, ``count: 1..3``
or ``count: [1, 3]`` says how often a node is there. ``class: {mug: 2, bowl: 1}`` weighs the
classes, ``count: {1: 0.5, 3: 0.5}`` the counts.

Left out, ``class`` is the node's key; a root's ``class`` is ``Image``; its ``features`` are all
attributes, and its ``mutable`` those that are drawn somewhere; where a count is drawn, also how
often counts and classes come. A node is ``immutable`` if it draws none. Whatever of the published
format is otherwise is written out: ``children`` is a list of nodes, where names are alike or their
order counts, ``constants`` are attributes that are no distributions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from simtailor.errors import UserError, nearest_name
from simtailor.scene.attributes import UNKNOWN, NodeAttributes
from simtailor.scene.distributions import is_number
from simtailor.scene.grammar_nodes import CLASS, COUNT, MAIN, name_of

OWN = ("class", "count", "features", "mutable", "immutable", "constants", "children")
ROOT = "Image"
SHORT = {"normal": "Gaussian", "uniform": "Uniform", "fixed": "Deterministic", "mixture": "Mixture"}
LONG = {long: short for short, long in SHORT.items()}
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_TEXT = re.compile(rf"^\s*(?:(\w+)\s*\((.*)\)|({_NUMBER}))\s*(?:max\s+({_NUMBER}))?\s*$")
_RANGE = re.compile(r"^\s*(\d+)\s*\.\.\s*(\d+)\s*$")
ONCE = ["Deterministic", 1]
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
    names = {name: True for node in nodes for name, _ in _distributions(node)}
    given = {key: short[key] for key in ("features", "mutable") if key in short}
    root.pop("features", None)
    root.pop("mutable", None)
    tree["attributes"] = {
        "features": given.get("features", ["class", *names]),
        "mutable": given.get("mutable", _standard_mutable(nodes)),
        **root,
    }
    return tree


def shortened(tree: Tree) -> str:
    """Return the short form of a grammar of the published format, as YAML text.

    Expanded again, it is the same tree.
    """
    return yaml.safe_dump(
        _short(tree, None, ONCE),
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
        kind = _choice(short.get("class", name))
        called = _key({"class": kind})
        if kind == ["Deterministic", MAIN]:
            raise self._wrong(where, "give its 'class': a number, or several names to draw from")
        found: Tree = dict(short.get("constants", {}))
        children = [
            self.child(child, (*where, "children", i), str(i))
            for i, child in enumerate(short.get("children", []))
        ]
        for key, value in short.items():
            if key in OWN:
                continue
            if isinstance(value, Mapping):
                children.append(self.child(value, (*where, key), str(key)))
            else:
                found[key] = self.attribute(value, (*where, key), called, str(key))
        moves = any(_moves(entry) for entry in found.values()) or _is_drawn(self._count(short))
        immutable = short.get("immutable", not moves)
        counts = [count for _, count in children]
        return {
            "class": kind,
            "attributes": {**found, "immutable": immutable},
            "num_child": _num_child(counts),
            "child": [child for child, _ in children],
        }

    def _count(self, short: Any, where: Location = ()) -> list[Any]:
        """Return how often a node is there, an entry of ``num_child``."""
        given = short.get("count", 1)
        text = _RANGE.match(given) if isinstance(given, str) else None
        if text:
            return ["Uniform", int(text[1]), int(text[2])]
        if isinstance(given, list | Mapping):
            return _choice(given)
        if isinstance(given, int) and not isinstance(given, bool):
            return ONCE if given == 1 else ["Uniform", given, given]
        raise self._wrong(
            (*where, "count"),
            f"expected a number, a range such as 1..3, or the weight of each number such as "
            f"{{1: 0.5, 3: 0.5}}, got {given!r}",
        )

    def child(self, short: Any, where: Location, name: str) -> tuple[Tree, list[Any]]:
        """Return a node, and how often it is there."""
        return self.node(short, where, name), self._count(short, where)

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


def _short(node: Tree, key: str | None, count: list[Any]) -> dict[str, Any]:
    """Return a node in short form; ``key`` is what it is called by, None for the root."""
    kind, names = node["class"][:2]
    result: dict[str, Any] = {}
    if names != (ROOT if key is None else key) or kind == "Random":
        result["class"] = _worded_choice(node["class"])
    if count != ONCE:
        result["count"] = _worded_choice(count)
    found, entries = node["attributes"], dict(_distributions(node))
    constants = {k: v for k, v in found.items() if k not in entries and k not in OWN}
    if key is None:
        nodes = list(_nodes(node))
        features = ["class", *{name: 1 for n in nodes for name, _ in _distributions(n)}]
        standard = {"features": features, "mutable": _standard_mutable(nodes)}
        result |= {k: found[k] for k, v in standard.items() if found.get(k) != v}
    if constants:
        result["constants"] = constants
    result |= {name: _worded(entry) for name, entry in entries.items()}
    moves = any(_moves(entry) for entry in entries.values()) or _is_drawn(count)
    if found.get("immutable", True) == moves:
        result["immutable"] = found.get("immutable", True)
    children, counts = node["child"], _counts(node)
    keys = [_key(child) for child in children]
    if len(set(keys)) < len(keys) or set(keys) & (set(OWN) | set(entries)):
        keys = [str(i) for i in range(len(children))]
        result["children"] = [*map(_short, children, keys, counts)]
    else:
        result |= dict(zip(keys, map(_short, children, keys, counts), strict=True))
    return result


def _key(node: Tree) -> str:
    kind, names = node["class"][:2]
    return name_of(tuple(names) if kind == "Random" else (names,))


def _choice(given: Any) -> list[Any]:
    """Return the published form of a value, of several, or of several with their weights."""
    if isinstance(given, Mapping):
        return ["Random", list(given), list(given.values())]
    return ["Random", given] if isinstance(given, list) else ["Deterministic", given]


def _worded_choice(entry: list[Any]) -> Any:
    """Return what ``_choice`` and a range are made of."""
    kind, values, *rest = entry
    if kind == "Uniform":
        return values if values == rest[0] else f"{values}..{rest[0]}"
    return dict(zip(values, rest[0], strict=True)) if rest else values


def _num_child(counts: list[list[Any]]) -> list[Any]:
    """Return ``num_child`` of children that are there so often."""
    if all(count == ONCE for count in counts):
        return ["Deterministic", len(counts)]
    return counts[0] if len(counts) == 1 else counts


def _counts(node: Tree) -> list[list[Any]]:
    """Return how often each child of a node is there."""
    given, children = node["num_child"], node["child"]
    if isinstance(given[0], list):
        return given
    return [ONCE] * len(children) if given[0] == "Deterministic" else [given]


def _standard_mutable(nodes: list[Tree]) -> list[str]:
    """Return the ``mutable`` of a tree that says nothing of it: what is drawn."""
    drawn = {name: True for node in nodes for name, entry in _distributions(node) if _moves(entry)}
    if any(_is_drawn(count) for node in nodes for count in _counts(node)):
        classes = any(node["class"][0] == "Random" and len(node["class"][1]) > 1 for node in nodes)
        drawn |= {CLASS: True} if classes else {}
        drawn |= {COUNT: True}
    return list(drawn)


def _is_drawn(count: list[Any]) -> bool:
    """Return whether a count is not always the same."""
    kind, values, *rest = count
    return values != rest[0] if kind == "Uniform" else kind == "Random" and len(values) > 1


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
