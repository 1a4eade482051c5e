"""What each renderer can draw, said without importing it: that takes seconds while planning.

A renderer that is not listed here is asked only when it runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simtailor.assets.tabletop import OBJECT_NAMES
from simtailor.errors import UserError, nearest_name
from simtailor.scene.grammar import Grammar

MAIN = "object"  # the name of a node whose class is random or a number


@dataclass(frozen=True)
class Vocabulary:
    """What a renderer knows.

    Attributes:
        classes: that the one node ``object`` may have; a number stands for a name's place.
        attributes: that are looked at, by the name of the node.
    """

    classes: tuple[str, ...]
    attributes: Mapping[str, tuple[str, ...]]


VOCABULARIES = {
    "tabletop": Vocabulary(
        OBJECT_NAMES,
        {
            MAIN: ("yaw", "pitch", "roll", "loc_x", "loc_z"),
            "Light": ("intensity",),
            "Camera": ("camera_pitch", "camera_roll"),
        },
    ),
    "digits": Vocabulary(tuple("0123456789"), {MAIN: ("yaw", "x", "y")}),
}


def check_drawable(grammar: Grammar, renderer: str) -> None:
    """Check that a renderer knows the object and every attribute that may change.

    Raises:
        UserError: names the grammar's file, the name that is unknown and the nearest one.
    """
    vocabulary = VOCABULARIES.get(renderer)
    if vocabulary is None:
        return
    layout, nodes = grammar.layout, grammar.nodes
    where = f"{grammar.source}: the renderer '{renderer}'"
    objects = [node for node, name in enumerate(layout.node_names) if name == MAIN]
    known = ", ".join(f"{i} {name}" for i, name in enumerate(vocabulary.classes))
    if len(objects) != 1:
        raise UserError(
            f"{where} draws exactly one object, and this grammar has {len(objects)}: nodes whose "
            'class is a number or random, such as ["Random", ["mug", "bowl"]] or '
            f'["Deterministic", 0]. The numbers: {known}. '
            + ("Leave one of them." if objects else _fix(layout.node_names, vocabulary))
        )
    for name in nodes[objects[0]].classes:
        number = isinstance(name, int) and 0 <= name < len(vocabulary.classes)
        if not number and name not in vocabulary.classes:
            raise UserError(
                f"{where} does not know the class '{name}'."
                f"{nearest_name(str(name), vocabulary.classes)} Known: {known}."
            )
    everywhere = {name for names in vocabulary.attributes.values() for name in names}
    entries = [(layout.node_names[node], layout.features[f]) for node, f in layout.entries()]
    for name, attribute in entries:
        if attribute not in everywhere:
            raise UserError(
                f"{where} does not know the attribute '{attribute}' of the node '{name}'."
                f"{nearest_name(attribute, everywhere)} It looks at {_listed(vocabulary)}. Rename "
                "it, or remove it from 'mutable'."
            )
    # Some that it does not look at are left as they are drawn; all would leave nothing to learn.
    if entries and not any(f in vocabulary.attributes.get(n, ()) for n, f in entries):
        names = ", ".join(f"{name}.{attribute}" for name, attribute in entries)
        raise UserError(
            f"{where} looks at none of the mutable attributes ({names}). It looks at "
            f"{_listed(vocabulary)}."
        )


def _fix(names: Sequence[str], vocabulary: Vocabulary) -> str:
    """Return how the class of the one object is written."""
    named = [name for name in names if name in vocabulary.classes]
    if not named:
        return "Write the class of one node so."
    number = vocabulary.classes.index(named[0])
    return f'Write "{named[0]}" as ["Deterministic", {number}].'


def _listed(vocabulary: Vocabulary) -> str:
    parts = [f"{node}.{{{', '.join(names)}}}" for node, names in vocabulary.attributes.items()]
    return " and ".join(parts)
