"""The scene of a glTF file as parts in one frame: nodes, skins, materials, primitives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from simtailor.assets.cut_outs import alpha_map
from simtailor.assets.gltf_files import Gltf
from simtailor.assets.mesh import Material
from simtailor.assets.model_parts import ModelError, Part, Parts
from simtailor.assets.textures import has_alpha, opaque, texture_of

TRIANGLES, STRIP, FAN = 4, 5, 6
SPECULAR = "KHR_materials_pbrSpecularGlossiness"
CLEAR = 0.05  # an alpha factor of less: the part is not there
BLENDED = 0.1  # of alpha, where it mixes: less is clear


@dataclass(frozen=True, eq=False)
class _Finish:
    """A material, its factor of alpha, and the map of alpha of its picture with its cutoff."""

    material: Material
    alpha: float = 1.0
    clear: np.ndarray | None = None
    cutoff: float = 0.5


def read_gltf(path: Path, found: Parts) -> None:
    """Read the default scene of a glTF or GLB file into ``found``.

    Raises:
        ModelError: it cannot be read.
    """
    gltf = Gltf(path, found)
    reader = _Reader(gltf, found)
    scenes = gltf.entries("scenes")
    if scenes:
        roots = gltf.entry("scenes", gltf.header.get("scene", 0)).get("nodes", [])
    else:
        below = {child for node in gltf.entries("nodes") for child in node.get("children", [])}
        roots = [i for i in range(len(gltf.entries("nodes"))) if i not in below]
    if len(scenes) > 1:
        found.note(f"it holds {len(scenes)} scenes; the one that it shows first was read")
    frames = _frames(gltf, roots)
    for index, frame in frames.items():
        node = gltf.entry("nodes", index)
        if "mesh" in node:
            reader.add(node, frame, frames)
    if found.parts:
        return
    if reader.clear:
        raise ModelError("all its parts are clear (alpha 0): nothing is to be seen")
    if reader.skipped:
        raise ModelError("it holds lines or points only, no triangles; make surfaces of them")
    if gltf.entries("meshes") and not any("mesh" in gltf.entry("nodes", i) for i in frames):
        raise ModelError("its scene shows none of its meshes; export the scene again")


def _frames(gltf: Gltf, roots: list[int]) -> dict[int, np.ndarray]:
    """Return the matrix [4, 4] to the scene's frame of every node of a scene, by its number."""
    frames: dict[int, np.ndarray] = {}
    waiting = [(root, np.eye(4)) for root in reversed(roots)]
    while waiting:
        index, above = waiting.pop()
        if index in frames:
            raise ModelError(f"its node {index} has two parents or is its own; it is damaged")
        node = gltf.entry("nodes", index)
        frames[index] = above @ _matrix(node)
        waiting += [(child, frames[index]) for child in reversed(node.get("children", []))]
    return frames


def _matrix(node: dict[str, Any]) -> np.ndarray:
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
    matrix = np.eye(4)
    if "rotation" in node:
        matrix[:3, :3] = Rotation.from_quat(node["rotation"]).as_matrix()
    matrix[:3, :3] = matrix[:3, :3] * np.array(node.get("scale", (1, 1, 1)), dtype=np.float64)
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


class _Reader:
    """Adds the parts of nodes; materials are made once."""

    def __init__(self, gltf: Gltf, found: Parts) -> None:
        self._gltf, self._found = gltf, found
        self._materials: dict[int | None, _Finish] = {None: _Finish(_plain())}
        self.skipped = 0  # primitives of lines and points
        self.clear = 0  # primitives of which nothing is to be seen

    def add(self, node: dict[str, Any], frame: np.ndarray, frames: dict[int, np.ndarray]) -> None:
        if "EXT_mesh_gpu_instancing" in node.get("extensions", {}):
            self._found.note("a node's instances on the GPU are drawn once")
        for primitive in self._gltf.entry("meshes", node["mesh"]).get("primitives", []):
            mode = primitive.get("mode", TRIANGLES)
            if mode not in (TRIANGLES, STRIP, FAN):
                self.skipped += 1
                self._found.note("lines and points are not drawn")
                continue
            part = self._part(primitive, mode)
            if part is None:
                self.clear += 1
            else:
                self._found.parts.append(self._placed(part, primitive, node, frame, frames))

    def _part(self, primitive: dict[str, Any], mode: int) -> Part | None:
        """Return a primitive in its own frame; None where nothing of it is to be seen."""
        gltf, attributes = self._gltf, primitive["attributes"]
        if "POSITION" not in attributes:
            raise ModelError("a part of it has no POSITION; export it again")
        vertices = gltf.accessor(attributes["POSITION"]).astype(np.float64)
        if "indices" in primitive:
            corners = gltf.accessor(primitive["indices"]).reshape(-1).astype(np.int64)
        else:
            corners = np.arange(len(vertices))
        faces = _triangles(corners, mode)
        number = primitive.get("material")
        finish = self._material(number)
        material = finish.material
        if finish.alpha < CLEAR:
            self._found.note("parts with an alpha of 0 are left out")
            return None
        coordinates = (
            self._coordinates(number, attributes) if material.texture is not None else None
        )
        if material.texture is not None and coordinates is None:
            self._found.note("a texture without coordinates is drawn as its mean colour")
            mean = np.asarray(material.texture, np.float64).mean((0, 1)) * material.base_colour
            material = replace(material, base_colour=tuple(map(float, mean)), texture=None)
        colours = None
        if "COLOR_0" in attributes:
            colours = gltf.accessor(attributes["COLOR_0"])[:, :3]
            if colours.dtype.kind in "iu":  # against the format, but meant so
                colours = colours / np.iinfo(colours.dtype).max
            colours = None if (colours == 1).all() else colours.astype(np.float64).clip(0, 1)
        for values in (coordinates, colours):
            if values is not None and len(values) != len(vertices):
                raise ModelError("a part of it has not as many coordinates as vertices")
        return Part(
            vertices, faces, material, coordinates, colours, alpha=finish.clear,
            cutoff=finish.cutoff,
        )  # fmt: skip

    def _placed(
        self, part: Part, primitive: dict[str, Any], node: dict[str, Any], frame: np.ndarray,
        frames: dict[int, np.ndarray],
    ) -> Part:  # fmt: skip
        """Return the part in the scene's frame: as its skin rests, or as its node stands."""
        points = np.column_stack([part.vertices, np.ones(len(part.vertices))])
        attributes, faces = primitive["attributes"], part.faces
        if "skin" in node and {"JOINTS_0", "WEIGHTS_0"} <= attributes.keys():
            bones = self._bones(node["skin"], frames)
            joints = self._gltf.accessor(attributes["JOINTS_0"]).astype(np.int64)
            weights = self._gltf.accessor(attributes["WEIGHTS_0"]).astype(np.float64)
            if joints.max(initial=0) >= len(bones) or len(joints) != len(points):
                raise ModelError("its skin names bones that are absent; export it again")
            placed = np.einsum("vj,vjab,vb->va", weights, bones[joints], points)
            total = weights.sum(1, keepdims=True)
            placed = placed[:, :3] / np.where(total > 0, total, 1)
            mirrored = False
        else:
            placed = (points @ frame.T)[:, :3]
            mirrored = np.linalg.det(frame[:3, :3]) < 0
        if mirrored:  # or its faces would look inwards
            faces = faces[:, ::-1]
        return replace(part, vertices=placed, faces=faces)

    def _bones(self, skin: int, frames: dict[int, np.ndarray]) -> np.ndarray:
        """Return the matrices of a skin's joints, at rest: [J, 4, 4]."""
        entry = self._gltf.entry("skins", skin)
        bones = np.array([frames.get(j, np.eye(4)) for j in entry["joints"]])
        if "inverseBindMatrices" in entry:
            inverse = self._gltf.accessor(entry["inverseBindMatrices"])
            bones = bones @ inverse.reshape(-1, 4, 4).transpose(0, 2, 1)[: len(bones)]
        return bones

    def _material(self, number: int | None) -> _Finish:
        if number not in self._materials:
            self._materials[number] = self._made(self._gltf.entry("materials", number))
        return self._materials[number]

    def _made(self, entry: dict[str, Any]) -> _Finish:
        extensions = entry.get("extensions", {})
        if "KHR_materials_transmission" in extensions:
            self._found.note("glass (KHR_materials_transmission) is drawn opaque")
        if any(entry.get("emissiveFactor", ())):
            self._found.note("light of its own (emissiveFactor) is not drawn")
        glossy = extensions.get(SPECULAR)
        described = glossy if glossy is not None else entry.get("pbrMetallicRoughness", {})
        colour = described.get("diffuseFactor" if glossy is not None else "baseColorFactor")
        colour = np.array(colour if colour is not None else (1, 1, 1, 1), dtype=np.float64)
        mode, alpha = entry.get("alphaMode", "OPAQUE"), float(colour[3])
        texture, clear = None, None
        used = _texture_of(entry)
        if used is not None:
            image = self._gltf.picture(used["index"])
            if mode != "OPAQUE" and has_alpha(image):
                clear, image = alpha_map(image) * alpha, opaque(image)
            elif has_alpha(image):
                self._found.note("a picture's alpha is not used, since its alphaMode is OPAQUE")
            texture = texture_of(image)
        cutoff = float(entry.get("alphaCutoff", 0.5)) if mode == "MASK" else BLENDED
        if mode == "BLEND" and (clear is not None or CLEAR <= alpha < 1):
            self._found.note("what is half clear (alphaMode BLEND) is drawn opaque")
        factor = 1.0 if mode == "OPAQUE" or (mode == "MASK" and alpha >= cutoff) else alpha
        if mode == "MASK" and alpha < cutoff:
            factor = 0.0
        roughness, metallic = self._finish(described, glossy is not None, texture is not None)
        base = tuple(map(float, colour[:3].clip(0, 1)))
        return _Finish(Material(base, roughness, metallic, texture), factor, clear, cutoff)

    def _finish(self, described: dict, glossy: bool, textured: bool) -> tuple[float, float]:
        """Return roughness and metalness; of their texture, the mean is taken."""
        if glossy:
            return 1 - float(described.get("glossinessFactor", 1)), 0.0
        plain = "metallicRoughnessTexture" not in described
        defaults = (0.8, 0.0 if textured else 0.2) if plain else (1.0, 1.0)
        roughness = described.get("roughnessFactor", defaults[0])
        metallic = described.get("metallicFactor", defaults[1])
        if not plain:
            image = self._gltf.picture(described["metallicRoughnessTexture"]["index"])
            mean = np.asarray(image.convert("RGB"), dtype=np.float64).mean((0, 1)) / 255
            roughness, metallic = roughness * mean[1], metallic * mean[2]
        return float(np.clip(roughness, 0, 1)), float(np.clip(metallic, 0, 1))

    def _coordinates(self, number: int | None, attributes: dict[str, int]) -> np.ndarray | None:
        """Return the coordinates of a material's texture, as it moves them; None without."""
        used = _texture_of(self._gltf.entry("materials", number))
        assert used is not None
        moved = used.get("extensions", {}).get("KHR_texture_transform", {})
        name = f"TEXCOORD_{moved.get('texCoord', used.get('texCoord', 0))}"
        if name not in attributes:
            return None
        coordinates = self._gltf.accessor(attributes[name]).astype(np.float64)
        turn = float(moved.get("rotation", 0))
        spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        coordinates = (coordinates * moved.get("scale", (1, 1))) @ spin.T
        return coordinates + moved.get("offset", (0, 0))


def _plain() -> Material:
    return Material((1.0, 1.0, 1.0), roughness=0.6)


def _texture_of(entry: dict[str, Any]) -> dict[str, Any] | None:
    """Return what a material says of its texture of colour."""
    glossy = entry.get("extensions", {}).get(SPECULAR)
    if glossy is not None:
        return glossy.get("diffuseTexture")
    return entry.get("pbrMetallicRoughness", {}).get("baseColorTexture")


def _triangles(corners: np.ndarray, mode: int) -> np.ndarray:
    """Return the triangles [F, 3] of a primitive's corners."""
    if mode == TRIANGLES:
        if len(corners) % 3:
            raise ModelError("its corners are no multiple of 3; it is damaged, export it again")
        return corners.reshape(-1, 3)
    if len(corners) < 3:
        return np.zeros((0, 3), np.int64)
    if mode == FAN:
        return np.column_stack([corners[1:-1], corners[2:], np.full(len(corners) - 2, corners[0])])
    faces = np.column_stack([corners[:-2], corners[1:-1], corners[2:]])
    faces[1::2] = faces[1::2, ::-1]
    return faces
