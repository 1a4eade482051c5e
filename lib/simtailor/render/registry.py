"""Finds the description of a renderer: built in, of an installed package, or the user's own.

An experiment's ``renderer`` is one of

- a name: of a renderer that is built in, or that an installed package offers as an entry point of
  the group ``simtailor.renderers``, whose value is ``package.module:DESCRIPTION``;
- the path of a Python file that holds one ``RendererDescription``;
- ``package.module:DESCRIPTION``, of a package that can be imported.

None of these imports the renderer itself, unless its own file does.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from simtailor.errors import UserError, nearest_name
from simtailor.files import checksum
from simtailor.render.description import RendererDescription, StageSettings
from simtailor.render.embedded.contracts import DIGITS, TABLETOP
from simtailor.render.forest.contract import FOREST
from simtailor.render.program.contract import PROGRAM
from simtailor.render.unity_files.contract import UNITY_FILES
from simtailor.render.unity_mlagents.contract import UNITY_MLAGENTS
from simtailor.section import input_path

GROUP = "simtailor.renderers"
_OURS = (TABLETOP, DIGITS, FOREST, PROGRAM, UNITY_FILES, UNITY_MLAGENTS)
BUILT_IN = {description.name: description for description in _OURS}
DEFAULT = TABLETOP.name
_PLACE = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
HOW = "A renderer of yours: give the path of its file, such as renderers/mine.py."


def renderer_names() -> tuple[str, ...]:
    """Return the names of all renderers that are built in or installed, sorted."""
    return tuple(sorted({*BUILT_IN, *(point.name for point in _installed())}))


def find_renderer(renderer: str) -> RendererDescription:
    """Return the description of a renderer, given by name, file or place in a package.

    Its ``identity`` then says in which version the files are that it comes from, too.

    Raises:
        UserError: there is no such renderer, or its description is wrong.
    """
    if renderer in BUILT_IN:
        return BUILT_IN[renderer]
    if renderer.endswith(".py"):
        return _of_file(renderer)
    if _PLACE.match(renderer):
        return _of_place(renderer, renderer, "")
    return _of_package(renderer)


def settings_of(renderer: Any) -> type[StageSettings] | None:
    """Return the type of a renderer's settings; None of one that cannot be found."""
    try:
        return find_renderer(renderer).settings if isinstance(renderer, str) else None
    except UserError:
        return None


def load_factory(description: RendererDescription) -> Callable[..., Any]:
    """Return what makes the renderer, after importing it.

    Raises:
        UserError: it cannot be imported.
    """
    if not isinstance(description.factory, str):
        return description.factory
    module, _, name = description.factory.partition(":")
    found: Any = _imported(module, f"renderer '{description.name}': factory")
    for part in name.split("."):
        if not hasattr(found, part):
            raise UserError(
                f"renderer '{description.name}': factory: {module} has no {name!r}."
                + nearest_name(part, vars(found))
            )
        found = getattr(found, part)
    return found


@cache
def _installed() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))


def _of_package(name: str) -> RendererDescription:
    """Return what an installed package offers under a name."""
    points = [point for point in _installed() if point.name == name]
    if not points:
        known = renderer_names()
        raise UserError(
            f"'{name}' is unknown; known: {', '.join(known)}.{nearest_name(name, known)} {HOW}"
        )
    packages = sorted({f"{p.dist.name} {p.dist.version}" for p in points if p.dist is not None})
    if len({point.value for point in points}) > 1:
        raise UserError(
            f"several installed packages offer a renderer '{name}': {', '.join(packages)}. "
            "Uninstall all but one, or give one by its place: "
            f"{' or '.join(sorted({p.value for p in points}))}."
        )
    description = _of_place(points[0].value, f"{name} of {', '.join(packages)}", str(packages))
    if description.name != name:
        raise UserError(
            f"{', '.join(packages)} offers a renderer '{name}', whose description has the name "
            f"'{description.name}'. Tell its authors."
        )
    return description


def _of_place(place: str, where: str, version: str) -> RendererDescription:
    """Return the description that stands in a module under a name."""
    name, _, attribute = place.partition(":")
    module = _imported(name, where)
    found = getattr(module, attribute, None)
    if not isinstance(found, RendererDescription):
        here = _descriptions(module)
        raise UserError(
            f"{where}: {attribute!r} in {name} is no RendererDescription. "
            + (f"Such are: {', '.join(here)}." if here else "It holds none.")
        )
    return _identified(found, Path(str(module.__file__)), version)


def _of_file(text: str) -> RendererDescription:
    """Return the only description of a user's file."""
    path = Path(input_path(text))
    if not path.is_file():
        raise UserError(f"{path}: there is no such file. {HOW}")
    status = path.stat()
    module = _run(str(path.resolve()), str(path), status.st_mtime_ns, status.st_size)
    found = _descriptions(module)
    if len(found) != 1:
        raise UserError(
            f"{path}: expected one RendererDescription in this file, and it has {len(found)}"
            f"{': ' + ', '.join(found) if found else ''}. "
            + ("Give each a file of its own." if found else "Write one: NAME = Renderer"
               "Description(name=..., factory=..., nodes=...).")
        )  # fmt: skip
    (description,) = found.values()
    return _identified(description, path, "")


def _descriptions(module: ModuleType) -> dict[str, RendererDescription]:
    """Return the different descriptions in a module, by the first of their names."""
    found: dict[str, RendererDescription] = {}
    for name, value in vars(module).items():
        if isinstance(value, RendererDescription) and not any(value is f for f in found.values()):
            found[name] = value
    return found


@cache
def _run(path: str, shown: str, changed: int, size: int) -> ModuleType:
    """Run a user's file once for each of its states, as a module; ``path`` is absolute."""
    name = f"simtailor_{Path(path).stem}_{hashlib.sha256(path.encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Modules beside it can be imported, now and when it draws, and hide no others.
    if (folder := os.path.dirname(path)) not in sys.path:
        sys.path.append(folder)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UserError(_cannot_import(shown, error)) from error
    return module


def _imported(name: str, where: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise UserError(_cannot_import(where, error)) from error


def _cannot_import(where: str, error: Exception) -> str:
    """Return what is wrong with a module of the user's, and in which line."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {error.msg}"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
    return f"{where}: cannot be imported: {kind}{error} ({frame.filename}:{frame.lineno})"


def _identified(description: RendererDescription, file: Path, version: str) -> RendererDescription:
    """Return a description whose identity says the state of the files that it comes from."""
    files = [file, *(file.parent / name for name in description.files)]
    if isinstance(description.factory, str):
        files += _source_of(description.factory.partition(":")[0])
    for path in files:
        if not path.is_file():
            raise UserError(f"{path}: there is no such file, which {file} lists in 'files'")
    parts = [description.identity, version, *map(checksum, files)]
    identity = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return replace(description, identity=f"{description.name} {identity}")


def _source_of(module: str) -> list[Path]:
    """Return the file of a module, without importing it; none where there is no such file."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # told when it is imported
        return []
    return [Path(spec.origin)] if spec is not None and spec.has_location and spec.origin else []
