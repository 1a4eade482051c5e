"""OBJ files with their MTL files: what they name is found and checked, trimesh reads the rest."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from simtailor.assets.companions import find_companion
from simtailor.assets.cut_outs import alpha_map
from simtailor.assets.model_parts import ModelError, Part, Parts
from simtailor.assets.textures import has_alpha, opaque, read_picture
from simtailor.assets.trimesh_parts import load_parts, part_of

MATERIALS = "materials.mtl"  # by which trimesh asks for all materials together
# Options of a map before its file's name, and how many values follow: up to three numbers for
# -o, -s and -t (the MTL format, as published with Wavefront's Advanced Visualizer).
OPTIONS = {
    "-blendu": 1, "-blendv": 1, "-boost": 1, "-bm": 1, "-cc": 1, "-clamp": 1, "-imfchan": 1,
    "-mm": 2, "-texres": 1, "-type": 1, "-o": 3, "-s": 3, "-t": 3,
}  # fmt: skip
CLEAR = 0.05  # a 'd' of less: the part is not there


@dataclass
class _Finish:
    """One material of an MTL file, as far as trimesh does not read it rightly."""

    painted: bool = False
    alpha: np.ndarray | None = None
    scale: np.ndarray = field(default_factory=lambda: np.ones(2))
    offset: np.ndarray = field(default_factory=lambda: np.zeros(2))
    opacity: float = 1.0


@dataclass
class _Library:
    """All MTL files of a model: materials by name, text for trimesh, pictures by their number."""

    finishes: dict[str, _Finish] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)


def read_obj(path: Path, found: Parts) -> None:
    """Read an OBJ file into ``found``.

    Raises:
        ModelError: it cannot be read, or what it names is absent.
    """
    lines = _lines(path)
    words = [line.split(None, 1) for line in lines]
    _check_elements(words)
    library = _materials(path, words, found)
    finishes = library.finishes
    used = {_plain(" ".join(w[1].split())) for w in words if w[0] == "usemtl" and len(w) > 1}
    if finishes and used - finishes.keys():
        names = _plain(", ".join(sorted(used - finishes.keys())[:3]))
        found.note(f"its MTL file has no material {names}: drawn grey")
    coloured = any(w[0] == "v" and len(w) > 1 and len(w[1].split()) >= 6 for w in words)
    painted = any(finish.painted for finish in finishes.values())
    if coloured and painted:
        found.note("colours of vertices are not drawn, since the model has a texture")
    kept = [line for line, w in zip(lines, words, strict=True) if w[0] not in ("mtllib", "#")]
    content = _plain("\n".join([f"mtllib {MATERIALS}", *kept, ""]))
    meshes = load_parts(
        io.BytesIO(content.encode()), file_type="obj", resolver=_Beside(library),
        skip_materials=coloured and not painted,
    )  # fmt: skip
    for mesh in meshes:
        material = getattr(mesh.visual, "material", None)
        finish = finishes.get(getattr(material, "name", None) or "", _Finish())
        if finish.opacity < CLEAR:
            found.note("parts with an opacity (d) of 0 are left out")
            continue
        if finish.opacity < 1:
            found.note(f"an opacity (d) of {finish.opacity:.2g} is drawn opaque")
        found.parts.append(_moved(part_of(mesh), finish, found))


def _moved(part: Part, finish: _Finish, found: Parts) -> Part:
    """Return the part with its texture placed as the options -s and -o of its map say."""
    texture = part.material.texture
    if texture is None:
        return part
    if part.coordinates is None:
        found.note("a texture without coordinates is drawn as its mean colour")
        mean = np.asarray(texture, dtype=np.float64).mean((0, 1))
        return replace(part, material=replace(part.material, base_colour=tuple(mean), texture=None))
    placed = part.coordinates * [1, -1] + [0, 1]  # row 0 at the bottom, as the options mean
    placed = placed * finish.scale + finish.offset
    return replace(part, coordinates=placed * [1, -1] + [0, 1], alpha=finish.alpha)


def _lines(path: Path) -> list[str]:
    """Return the lines of a text file that are not empty; continued ones are joined.

    Bytes that are not UTF-8 are kept (as in names of files).
    """
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ModelError(f"{path.name} is UTF-16; save it as UTF-8")
    if b"\0" in content:
        raise ModelError(f"{path.name} is no text, though its name says so; export it again")
    text = content.decode("utf-8-sig", errors="surrogateescape")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\\\n", " ")
    return [line.strip() for line in text.split("\n") if line.strip()]


def _check_elements(words: list[list[str]]) -> None:
    kinds = {w[0] for w in words}
    if "f" in kinds:
        return
    if kinds & {"l", "p"}:
        raise ModelError("it holds lines or points only, no triangles; make surfaces of them")
    if kinds & {"curv", "surf"}:
        raise ModelError("it holds curved surfaces only; export it again as triangles")
    if "v" in kinds:
        raise ModelError("it holds points but no triangles (no line begins with 'f')")
    raise ModelError("it holds no triangles: no line begins with 'v' or 'f'; is it an OBJ file?")


def _materials(path: Path, words: list[list[str]], found: Parts) -> _Library:
    """Return what all MTL files that an OBJ file names hold."""
    library = _Library()
    for line in words:
        if line[0] == "mtllib" and len(line) > 1:
            for file in _libraries(path, line[1].strip(), found):
                _read_library(file, library, found)
    return library


def _libraries(path: Path, names: str, found: Parts) -> list[Path]:
    """Return the files of a line 'mtllib': one name with spaces, or several names."""
    several = names.split()
    if not (path.parent / names).is_file() and all(
        (path.parent / name).is_file() for name in several
    ):
        return [path.parent / name for name in several]
    try:
        return [find_companion(path.parent, names, "file of materials", found)]
    except ModelError as error:
        raise ModelError(f"{error}; or take the line 'mtllib {_plain(names)}' out of it") from error


def _read_library(path: Path, library: _Library, found: Parts) -> None:
    finish = None
    for line in _lines(path):
        key, _, value = line.partition(" ") if "\t" not in line else line.partition("\t")
        key, value = key.strip().lower(), value.strip()
        if key == "newmtl":
            finish = _Finish()
            library.finishes[_plain(" ".join(value.split()))] = finish
        if finish is None:
            continue
        if key in ("d", "tr"):
            finish.opacity = _opacity(key, value)
        elif key == "map_d":
            found.note("map_d (a picture of opacity) is not drawn")
        elif key == "map_kd":
            name = _with_options(value, finish)
            try:
                picture = find_companion(path.parent, name, "picture", found)
            except ModelError as error:
                raise ModelError(f"{path.name}: {error}") from error
            finish.painted = True
            image = read_picture(picture)
            finish.alpha = alpha_map(image) if has_alpha(image) else None
            line = f"map_Kd {len(library.pictures)}"  # noqa: PLW2901
            library.pictures.append(picture)
        library.text.append(line)


def _opacity(key: str, value: str) -> float:
    numbers = re.findall(r"-?\d*\.?\d+(?:[eE][-+]?\d+)?", value)
    if not numbers:
        return 1.0
    return float(numbers[-1]) if key == "d" else 1 - float(numbers[-1])


def _with_options(value: str, finish: _Finish) -> str:
    """Return the name of a map without its options; keeps its scale and offset."""
    rest = value
    while rest.startswith("-"):
        option, *words = rest.split()
        count = OPTIONS.get(option.lower())
        if count is None:
            break
        if count == 3:
            numbers = []
            for word in words[:3]:
                try:
                    numbers.append(float(word))
                except ValueError:
                    break
            count = len(numbers)
            if option.lower() == "-s" and numbers:
                finish.scale = np.array([*numbers, 1.0][:2])
            elif option.lower() == "-o" and numbers:
                finish.offset = np.array([*numbers, 0.0][:2])
        parts = rest.split(None, 1 + count)
        rest = parts[1 + count] if len(parts) > 1 + count else ""
    return rest.strip().strip('"')


class _Beside:
    """Gives trimesh the materials, and pictures by their number.

    Pictures are decoded here first: trimesh would pass over what cannot be read.
    """

    def __init__(self, library: _Library) -> None:
        self._text = _plain("\n".join(library.text))
        self._pictures = {str(i): self._shown(path) for i, path in enumerate(library.pictures)}

    def _shown(self, path: Path) -> bytes:
        image = read_picture(path)
        if not has_alpha(image):
            return path.read_bytes()
        content = io.BytesIO()
        opaque(image).save(content, "PNG")
        return content.getvalue()

    def get(self, name: str) -> bytes:
        return self._text.encode() if name == MATERIALS else self._pictures[name]

    __getitem__ = get


def _plain(text: str) -> str:
    """Return text with characters of names that are not UTF-8 replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")
