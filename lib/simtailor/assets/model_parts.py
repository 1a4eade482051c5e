"""Parts of a model as its file gives them, and how they become one mesh of ours."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import trimesh
from PIL import Image

from simtailor.assets.mesh import Material, Mesh, join
from simtailor.assets.shapes import CREASE, centred, shaded, stretched

REPEATS = 2.0  # of a material from elsewhere along the longest side, where a part has no texture
COLOURS = 256  # different colours of vertices kept of a part; more are put together
SMOOTH = 0.06  # of sRGB: a triangle whose corners differ by more is divided, while allowed
FAR = 100.0  # times its size from the origin: single precision would cost a thousandth of a texel


class ModelError(ValueError):
    """A file holds no model that can be used; the message says why."""


@dataclass(frozen=True, eq=False)
class Part:
    """Triangles of one material.

    Attributes:
        vertices: float [V, 3] in the file's unit; faces: int [F, 3].
        coordinates: float [V, 2] of the texture, row 0 on top, or None.
        colours: linear RGB in [0, 1] that multiplies the material's, of vertices [V, 3] or of
            faces [F, 3] as ``of_faces`` says; or None.
        alpha: [h, w] of the texture where it is clear anywhere; less than ``cutoff`` is clear.
    """

    vertices: np.ndarray
    faces: np.ndarray
    material: Material
    coordinates: np.ndarray | None = None
    colours: np.ndarray | None = None
    of_faces: bool = False
    alpha: np.ndarray | None = None
    cutoff: float = 0.5


@dataclass(frozen=True, eq=False)
class ReadModel:
    """A model read from a file, and what its user should know of the reading."""

    mesh: Mesh
    notes: tuple[str, ...] = ()


@dataclass
class Parts:
    """What a file holds, and notes of what of it is not drawn as it was meant."""

    parts: list[Part] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Add a note once."""
        if text not in self.notes:
            self.notes.append(text)


def checked(parts: list[Part]) -> list[Part]:
    """Return the parts that have triangles.

    Raises:
        ModelError: there are none, or vertices are no numbers.
    """
    parts = [part for part in parts if len(part.faces)]
    if not parts:
        raise ModelError("it holds no triangles")
    for part in parts:
        if part.faces.min() < 0 or part.faces.max() >= len(part.vertices):
            wrong = part.faces.min() if part.faces.min() < 0 else part.faces.max()
            raise ModelError(
                f"a triangle names vertex {wrong}, but there are {len(part.vertices)}: "
                "the file is damaged; export it again"
            )
    if not all(np.isfinite(part.vertices).all() for part in parts):
        raise ModelError("it has vertices that are no numbers (NaN or infinite)")
    for part in parts:
        finish = (*part.material.base_colour, part.material.roughness, part.material.metallic)
        if not np.isfinite(finish).all() or (
            part.colours is not None and not np.isfinite(part.colours).all()
        ):
            raise ModelError("it has colours that are no numbers (NaN or infinite)")
    return parts


def put_together(parts: list[Part], maximum_faces: int) -> Mesh:
    """Return the mesh of a model's parts in the file's unit, centred on its bounding box.

    Args:
        maximum_faces: up to so many, triangles with different colours at their corners are
            divided.

    Raises:
        ModelError: it has no extent.
    """
    low, high = extent(parts)
    # Normals, merging and textures work at the size of a metre, whatever the file's unit is.
    unit = float((high - low).max())
    if not 0 < unit < np.inf:
        raise ModelError("it has no extent")
    # A model near the origin stays there, so that its numbers are those of its file.
    middle = (low + high) / 2 if np.abs([low, high]).max() > FAR * unit else np.zeros(3)
    spare = maximum_faces - sum(len(part.faces) for part in parts)
    meshes = []
    for part in parts:
        mesh, added = _mesh(part, middle, unit, spare)
        spare -= added
        if len(mesh.faces):
            meshes.append(mesh)
    if not meshes:
        raise ModelError("all its triangles are without area")
    return centred(stretched(join(*meshes), (unit, unit, unit)))


def extent(parts: list[Part]) -> tuple[np.ndarray, np.ndarray]:
    """Return the least and the greatest corner of what triangles use: [3], [3]."""
    used = [part.vertices[np.unique(part.faces)] for part in parts]
    return np.min([u.min(0) for u in used], 0), np.max([u.max(0) for u in used], 0)


def _mesh(part: Part, middle: np.ndarray, unit: float, spare: int) -> tuple[Mesh, int]:
    """Return one part, ``unit`` times smaller, and how many triangles were added to it."""
    before = len(part.faces)
    if part.colours is not None and not part.of_faces:
        part = _divided(part, spare)
    vertices = part.vertices - middle if middle.any() else part.vertices
    coordinates, finish = part.coordinates, part.material
    if finish.texture is None or coordinates is None or not np.isfinite(coordinates).all():
        coordinates, finish = None, replace(finish, texture=None)
    palette, index = np.ones((1, 3)), None
    if part.colours is not None:
        palette, index = _palette(
            part.colours if part.of_faces else part.colours[part.faces].mean(1)
        )
    mesh = shaded(
        vertices / unit, part.faces, finish, crease=CREASE, coordinates=coordinates,
        repeats=REPEATS, face_materials=index,
    )  # fmt: skip
    if part.colours is not None:
        materials = [tuple(map(float, colour * finish.base_colour)) for colour in palette]
        mesh = replace(mesh, materials=tuple(replace(finish, base_colour=c) for c in materials))
    return mesh, len(part.faces) - before


def _divided(part: Part, spare: int) -> Part:
    """Return the part with triangles cut into four whose corners' colours differ, at most 4 times.

    Args:
        spare: number of triangles that may be added.
    """
    vertices, faces, colours = part.vertices, part.faces, part.colours
    assert colours is not None
    for _ in range(4):
        shown = srgb(colours)[faces]
        rough = np.flatnonzero(np.ptp(shown, axis=1).max(1) > SMOOTH)
        if not 0 < 3 * len(rough) <= spare:
            break
        spare -= 3 * len(rough)
        carried = [colours] if part.coordinates is None else [colours, part.coordinates]
        vertices, faces, attributes = trimesh.remesh.subdivide(
            vertices, faces, face_index=rough,
            vertex_attributes={"all": np.column_stack(carried)},
        )  # fmt: skip
        colours = attributes["all"][:, :3]
        if part.coordinates is not None:
            part = replace(part, coordinates=attributes["all"][:, 3:])
    return replace(part, vertices=vertices, faces=faces, colours=colours)


def _palette(colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return at most ``COLOURS`` colours [n, 3], and which one each of [F, 3] is nearest to: [F].

    More are put together by median cut (Heckbert, 1982), in sRGB.
    """
    shown = np.round(255 * srgb(colours.clip(0, 1))).astype(np.uint8)
    distinct, index = np.unique(shown, axis=0, return_inverse=True)
    index = index.reshape(-1)
    if len(distinct) > COLOURS:
        picture = Image.fromarray(shown[None])
        picture = picture.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        index = np.asarray(picture).reshape(-1).astype(np.int64)
        used, index = np.unique(index, return_inverse=True)
        distinct = np.zeros((len(used), 3))
    sizes = np.bincount(index, minlength=len(distinct))[:, None]
    means = np.column_stack(
        [np.bincount(index, colours[:, i], minlength=len(distinct)) for i in range(3)]
    )
    return means / sizes, index


def linear(colour: np.ndarray) -> np.ndarray:
    """Return sRGB in [0, 1] as linear RGB (IEC 61966-2-1)."""
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)


def srgb(colour: np.ndarray) -> np.ndarray:
    """Return linear RGB in [0, 1] as sRGB (IEC 61966-2-1)."""
    curved = 1.055 * np.maximum(colour, 1e-9) ** (1 / 2.4) - 0.055
    return np.where(colour <= 0.0031308, colour * 12.92, curved)
