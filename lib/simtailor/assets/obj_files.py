"""OBJ files with their MTL files: what they name is found and checked, trimesh reads the rest."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from simtailor.assets.model_parts import ModelError, Part, Parts
from simtailor.assets.mtl_files import Finish, Library, material_name, read_materials, text_lines
from simtailor.assets.trimesh_parts import load_parts, part_of

MATERIALS = "materials.mtl"  # by which trimesh asks for all materials together
NUMBERED = ("v", "vt", "vn")  # in the order of a face's corner, such as 1/2/3
AGAIN = "the file is damaged; export it again"
CLEAR = 0.05  # a 'd' of less: the part is not there


def read_obj(path: Path, found: Parts) -> None:
    """Read an OBJ file into ``found``.

    Raises:
        ModelError: it cannot be read, or what it names is absent.
    """
    lines = text_lines(path)
    _check_kinds({key for key, _ in lines})
    library = read_materials(path, [v for key, v in lines if key == "mtllib" and v], found)
    finishes = library.finishes
    elements = _elements(lines)
    absent = {value for key, value in elements if key == "usemtl"} - finishes.keys() - {""}
    if finishes and absent:
        found.note(f"its MTL file has no material {', '.join(sorted(absent)[:3])}: drawn grey")
    coloured = any(key == "v" and value.count(" ") >= 5 for key, value in elements)
    painted = any(finish.texture is not None for finish in finishes.values())
    if coloured and painted:
        found.note("colours of vertices are not drawn, since the model has a texture")
    content = "\n".join([f"mtllib {MATERIALS}", *(f"{key} {value}" for key, value in elements), ""])
    meshes = load_parts(
        io.BytesIO(content.encode()), file_type="obj", resolver=_Beside(library),
        skip_materials=coloured and not painted,
    )  # fmt: skip
    for mesh in meshes:
        material = getattr(mesh.visual, "material", None)
        finish = finishes.get(getattr(material, "name", None) or "", Finish())
        if finish.opacity < CLEAR:
            found.note("parts with an opacity (d) of 0 are left out")
            continue
        if finish.opacity < 1:
            found.note(f"an opacity (d) of {finish.opacity:.2g} is drawn opaque")
        found.parts.append(_finished(part_of(mesh), finish, found))
    if meshes and not found.parts:
        raise ModelError(
            "all its parts are clear (d 0, or Tr 1): nothing is to be seen; write 'd 1' into its "
            "MTL file"
        )


def _finished(part: Part, finish: Finish, found: Parts) -> Part:
    """Return the part in its material's colour, or with its picture where -s and -o place it."""
    material = part.material
    if finish.roughness is not None:
        material = replace(material, roughness=finish.roughness)
    if finish.metallic is not None:
        material = replace(material, metallic=finish.metallic)
    colour, texture = finish.colour, finish.texture
    if texture is None:
        return replace(part, material=replace(material, base_colour=colour or material.base_colour))
    colour = colour or (1.0, 1.0, 1.0)
    if part.coordinates is None:
        found.note("a texture without coordinates is drawn as its mean colour")
        mean = np.asarray(texture, dtype=np.float64).mean((0, 1)) * colour
        return replace(part, material=replace(material, base_colour=tuple(map(float, mean))))
    placed = part.coordinates * [1, -1] + [0, 1]  # row 0 at the bottom, as the options mean
    placed = placed * finish.scale + finish.offset
    return replace(
        part, coordinates=placed * [1, -1] + [0, 1], alpha=finish.alpha,
        material=replace(material, base_colour=colour, texture=texture),
    )  # fmt: skip


def _check_kinds(kinds: set[str]) -> None:
    if "f" in kinds:
        return
    if kinds & {"l", "p"}:
        raise ModelError("it holds lines or points only, no triangles; make surfaces of them")
    if kinds & {"curv", "surf"}:
        raise ModelError("it holds curved surfaces only; export it again as triangles")
    if "v" in kinds:
        raise ModelError("it holds points but no triangles (no line begins with 'f')")
    raise ModelError("it holds no triangles: no line begins with 'v' or 'f'; is it an OBJ file?")


def _elements(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what trimesh reads, with single spaces; faces are checked and count from the start.

    A corner of -1 is the last vertex before its face, whatever follows in the file.
    """
    total = sum(key == "v" for key, _ in lines)
    seen: Counter[str] = Counter()
    elements = []
    for key, value in lines:
        if key == "usemtl":
            elements.append((key, material_name(value)))
        elif key in NUMBERED:
            seen[key] += 1
            elements.append((key, _plain(value)))
        elif key == "f":
            elements.append((key, _face(value, seen, total)))
    return elements


def _plain(value: str) -> str:
    """Return numbers with single spaces, without a comment behind them."""
    if "#" in value:
        value = value.partition("#")[0]
    return " ".join(value.split())


def _face(value: str, seen: Counter[str], total: int) -> str:
    """Return the corners of a face, counted from the start of the file.

    Raises:
        ModelError: they are too few, or name what is not there.
    """
    corners = value.partition("#")[0].split()
    counted = [_from_start(corner, seen) for corner in corners] if "-" in value else corners
    try:
        numbers = [int(corner.partition("/")[0]) for corner in counted]
    except ValueError as error:
        raise ModelError(f"{_shown(value)} has a corner that is no number; {AGAIN}") from error
    if len(numbers) < 3:
        raise ModelError(f"{_shown(value)} has fewer than 3 corners: {AGAIN}")
    if min(numbers) < 1 or max(numbers) > total:
        wrong = next(c for c, n in zip(corners, numbers, strict=True) if not 1 <= n <= total)
        named = wrong.partition("/")[0]
        if int(named) == 0:
            raise ModelError(f"{_shown(value)} names vertex 0, but faces count from 1; {AGAIN}")
        raise ModelError(f"{_shown(value)} names vertex {named}, but there are {total}: {AGAIN}")
    return " ".join(counted)


def _shown(value: str) -> str:
    return f"its face 'f {value[:60]}'"


def _from_start(corner: str, seen: Counter[str]) -> str:
    numbers = zip(NUMBERED, corner.split("/"), strict=False)
    try:
        return "/".join(
            str(seen[kind] + 1 + int(number)) if number.startswith("-") else number
            for kind, number in numbers
        )
    except ValueError:  # no number, as is said of it later
        return corner


class _Beside:
    """Gives trimesh the materials: their names and exponents."""

    def __init__(self, library: Library) -> None:
        self._text = "\n".join(library.text).encode()

    def get(self, name: str) -> bytes:
        return self._text

    __getitem__ = get
