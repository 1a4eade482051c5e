"""What a renderer's description lets one check while planning, before anything is drawn."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Sequence

from simtailor.errors import UserError, nearest_name
from simtailor.render.description import NodeKind, RendererDescription
from simtailor.scene.grammar import Grammar
from simtailor.scene.grammar_nodes import MAIN


def check_startable(renderer: RendererDescription) -> None:
    """Check that the modules and programs are there that a renderer needs.

    Raises:
        UserError: names what is absent and how it is installed.
    """
    for module, fix in renderer.needs.modules.items():
        if importlib.util.find_spec(module.partition(".")[0]) is None:
            raise UserError(
                f"renderer: '{renderer.name}' needs the Python module {module}, which is not "
                f"installed: {fix}"
            )
    for program in renderer.needs.programs:
        if shutil.which(program) is None:
            raise UserError(
                f"renderer: '{renderer.name}' needs the program {program}, which is not there or "
                "may not be run. Install it, or correct its path."
            )


def check_drawable(grammar: Grammar, renderer: RendererDescription) -> None:
    """Check that a renderer knows the nodes and every attribute that may change.

    Raises:
        UserError: names the grammar's file, the name that is unknown and the nearest one.
    """
    layout = grammar.layout
    where = f"{grammar.source}: the renderer '{renderer.name}'"
    for name, kind in renderer.nodes.items():
        _check_count(grammar, name, kind, where)
        if kind.classes:
            _check_classes(grammar, name, kind, where)
    everywhere = {name for kind in renderer.nodes.values() for name in kind.attributes}
    entries = [(layout.node_names[node], layout.features[f]) for node, f in layout.entries()]
    for name, attribute in entries:
        if attribute not in everywhere:
            raise UserError(
                f"{where} does not know the attribute '{attribute}' of the node '{name}'."
                f"{nearest_name(attribute, everywhere)} It looks at {_listed(renderer)}. Rename "
                "it, or remove it from 'mutable'."
            )
    # Some that it does not look at are left as they are drawn; all would leave nothing to learn.
    if entries and not any(a in renderer.attributes.get(n, ()) for n, a in entries):
        names = ", ".join(f"{name}.{attribute}" for name, attribute in entries)
        raise UserError(
            f"{where} looks at none of the mutable attributes ({names}). It looks at "
            f"{_listed(renderer)}."
        )


def _check_count(grammar: Grammar, name: str, kind: NodeKind, where: str) -> None:
    count = grammar.layout.node_names.count(name)
    if kind.fewest <= count <= kind.most:
        return
    what = "object" if name == MAIN else f"node '{name}'"
    amount = {(0, 1): "at most one", (1, 1): "exactly one"}.get(
        (kind.fewest, kind.most), f"{kind.fewest} to {kind.most}"
    )
    plural = "" if kind.most == 1 else "s"
    text = f"{where} draws {amount} {what}{plural}, and this grammar has {count}"
    if name == MAIN:
        text += (
            ': nodes whose class is a number or random, such as ["Random", ["mug", "bowl"]] or '
            f'["Deterministic", 0]. The numbers: {_numbered(kind)}'
        )
    if count > kind.most:
        raise UserError(f"{text}. Leave {'one' if kind.most == 1 else kind.most} of them.")
    fix = _fix(grammar.layout.node_names, kind) if name == MAIN else f"Add a node '{name}'."
    raise UserError(f"{text}. {fix}")


def _check_classes(grammar: Grammar, name: str, kind: NodeKind, where: str) -> None:
    for node in grammar.nodes:
        for chosen in node.classes if node.name == name else ():
            number = isinstance(chosen, int) and 0 <= chosen < len(kind.classes)
            if not number and chosen not in kind.classes:
                raise UserError(
                    f"{where} does not know the class '{chosen}'."
                    f"{nearest_name(str(chosen), kind.classes)} Known: {_numbered(kind)}."
                )


def _numbered(kind: NodeKind) -> str:
    return ", ".join(f"{i} {name}" for i, name in enumerate(kind.classes)) or "any"


def _fix(names: Sequence[str], kind: NodeKind) -> str:
    """Return how the class of the one object is written."""
    named = [name for name in names if name in kind.classes]
    if not named:
        return "Write the class of one node so."
    number = kind.classes.index(named[0])
    return f'Write "{named[0]}" as ["Deterministic", {number}].'


def _listed(renderer: RendererDescription) -> str:
    parts = [f"{node}.{{{', '.join(kind)}}}" for node, kind in renderer.attributes.items()]
    return " and ".join(parts)
