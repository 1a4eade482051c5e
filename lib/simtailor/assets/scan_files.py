"""PLY and STL files: one mesh without a unit, read by trimesh after a look at its head."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.spatial
import trimesh

from simtailor.assets.companions import find_companion
from simtailor.assets.cut_outs import alpha_map
from simtailor.assets.mesh import Material
from simtailor.assets.model_parts import ModelError, Part, Parts, linear
from simtailor.assets.textures import has_alpha, opaque, read_picture, texture_of
from simtailor.assets.trimesh_parts import load_parts, part_of

HEAD = re.compile(rb"\Aply\r?\n.*?end_header\r?\n", re.DOTALL)
TEXTURE = re.compile(r"^comment\s+TextureFile\s+(.+?)\s*$", re.MULTILINE | re.IGNORECASE)
DIFFUSE = re.compile(rb"\bdiffuse_(?=(?:red|green|blue)\b)")
ELEMENT = re.compile(r"^element\s+(\w+)\s+(\d+)\s*$", re.MULTILINE)


def read_ply(path: Path, found: Parts) -> None:
    """Read a PLY file into ``found``, with its texture or its colours.

    Raises:
        ModelError: it cannot be read, or is a cloud of points.
    """
    content = path.read_bytes()
    head = HEAD.match(content[: 1 << 16])
    if head is None:
        raise ModelError("it is no PLY file: its head does not go from 'ply' to 'end_header'")
    text = head[0].decode("latin-1").replace("\r\n", "\n")
    if b"diffuse_red" in head[0] and not re.search(rb"\bred\b", head[0]):
        # The names of older programs for the same colours.
        content = DIFFUSE.sub(b"", head[0]) + content[head.end() :]
    counts = {name: int(count) for name, count in ELEMENT.findall(text)}
    if not counts.get("face") and counts.get("tristrips"):
        raise ModelError(
            "it holds triangle strips, which are not read; export it with faces (MeshLab: open "
            "and export it)"
        )
    if not counts.get("face"):
        raise ModelError(
            f"it is a cloud of {counts.get('vertex', 0)} points without triangles; make a surface "
            "of it first (MeshLab: Screened Poisson)"
        )
    pictures = TEXTURE.findall(text)
    if len(pictures) > 1:
        found.note(f"of its {len(pictures)} pictures the first is drawn")
    meshes = load_parts(io.BytesIO(content), file_type="ply", skip_materials=True)
    read = sum(len(mesh.faces) for mesh in meshes)
    if read < counts.get("face", 0):
        raise ModelError(
            f"it holds {read} of {counts['face']} triangles: it is cut off; copy it again"
        )
    for mesh in meshes:
        if pictures:
            name = pictures[0].encode("latin-1").decode("utf-8", "surrogateescape")
            part = _painted(mesh, find_companion(path.parent, name, "picture", found))
        else:
            part = _coloured(mesh)
        found.parts.append(part)


def _painted(mesh: trimesh.Trimesh, path: Path) -> Part:
    image, alpha = read_picture(path), None
    if has_alpha(image):
        alpha, image = alpha_map(image), opaque(image)
    part = part_of(mesh)
    if part.coordinates is None:
        raise ModelError(f"it names the picture {path.name}, but has no coordinates for it")
    return replace(part, material=Material((1, 1, 1), 0.6, texture=texture_of(image)), alpha=alpha)


def _coloured(mesh: trimesh.Trimesh) -> Part:
    """Return a part without picture; trimesh keeps no colours beside texture coordinates."""
    part = part_of(mesh)
    raw = mesh.metadata.get("_ply_raw", {}).get("vertex", {}).get("data")
    if part.colours is not None or raw is None or part.coordinates is None:
        return part
    part = replace(part, coordinates=None, material=Material((1, 1, 1), 0.6))
    names = raw.dtype.names if isinstance(raw, np.ndarray) else raw.keys()
    if not {"red", "green", "blue"} <= set(names):
        return part
    colours = np.column_stack([raw[c] for c in ("red", "green", "blue")])
    colours = colours / (255 if colours.dtype.kind in "iu" else 1)
    places = np.column_stack([raw[axis] for axis in "xyz"])
    _, nearest = scipy.spatial.cKDTree(places).query(part.vertices)
    return replace(part, colours=linear(colours[nearest].clip(0, 1)))


def read_stl(path: Path, found: Parts) -> None:
    """Read an STL file, binary or text, into ``found``.

    Raises:
        ModelError: it cannot be read or is cut off.
    """
    content = path.read_bytes()
    binary = len(content) >= 84
    if binary:
        count = int(np.frombuffer(content, "<u4", 1, 80)[0])
        binary = len(content) == 84 + 50 * count
        if not binary and not content.lstrip()[:5].lower() == b"solid":
            raise ModelError(
                f"it has {len(content)} bytes where its head says {84 + 50 * count}: it is cut off "
                "or no STL; copy or export it again"
            )
    if not binary:
        text = content.lower()
        if not text.lstrip().startswith(b"solid"):
            raise ModelError("it is no STL file, neither binary nor text; export it again")
        if not text.rstrip().rsplit(b"\n", 1)[-1].strip().startswith(b"endsolid"):
            raise ModelError("it ends before 'endsolid': it is cut off; copy it again")
        if b"vertex" not in text:
            raise ModelError("it holds no triangles")
    for mesh in load_parts(io.BytesIO(content), file_type="stl"):
        found.parts.append(part_of(mesh))
