"""MTL files, the materials of OBJ files: colours, pictures, opacity, roughness, metalness."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from simtailor.assets.companions import find_companion, without_comment
from simtailor.assets.cut_outs import alpha_map
from simtailor.assets.model_parts import ModelError, Parts, linear
from simtailor.assets.textures import has_alpha, opaque, read_picture, texture_of
from simtailor.intake.names import printable

# Options of a map before its file's name, and how many values follow: up to three numbers for
# -o, -s and -t (the MTL format, as published with Wavefront's Advanced Visualizer).
OPTIONS = {
    "-blendu": 1, "-blendv": 1, "-boost": 1, "-bm": 1, "-cc": 1, "-clamp": 1, "-imfchan": 1,
    "-mm": 2, "-texres": 1, "-type": 1, "-o": 3, "-s": 3, "-t": 3,
}  # fmt: skip
NUMBER = re.compile(r"-?\d*\.?\d+(?:[eE][-+]?\d+)?")
EXPONENT = "ns"  # of Phong's highlight, which trimesh reads


@dataclass
class Finish:
    """One material; None where its file is silent.

    Attributes:
        colour: linear RGB; beside a texture it multiplies that, as the format says.
        texture: linear [h, w, 3]; alpha: [h, w] where it is clear anywhere.
        scale, offset: of the texture's coordinates.
        opacity: ``d``, or 1 - ``Tr`` without it.
    """

    colour: tuple[float, ...] | None = None
    texture: np.ndarray | None = None
    alpha: np.ndarray | None = None
    scale: np.ndarray = field(default_factory=lambda: np.ones(2))
    offset: np.ndarray = field(default_factory=lambda: np.zeros(2))
    opacity: float = 1.0
    roughness: float | None = None
    metallic: float | None = None


@dataclass
class Library:
    """All MTL files of a model: materials by name, and what trimesh reads of them."""

    finishes: dict[str, Finish] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)


def text_lines(path: Path) -> list[tuple[str, str]]:
    """Return the first word and the rest of each line that is not empty; continued ones are joined.

    Bytes that are not UTF-8 are kept (as in names of files).

    Raises:
        ModelError: it is no text, or UTF-16.
    """
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ModelError(f"{path.name} is UTF-16; save it as UTF-8")
    if b"\0" in content:
        raise ModelError(f"{path.name} is no text, though its name says so; export it again")
    text = content.decode("utf-8-sig", errors="surrogateescape")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\\\n", " ")
    words = [line.split(None, 1) for line in text.split("\n")]
    return [(w[0], w[1].rstrip() if len(w) > 1 else "") for w in words if w]


def material_name(value: str) -> str:
    """Return a material's name as it is compared and printed."""
    return printable(" ".join(value.split()))


def read_materials(path: Path, named: list[str], found: Parts) -> Library:
    """Return what the MTL files hold that the OBJ file ``path`` names in its lines 'mtllib'.

    Raises:
        ModelError: one, or a picture that it names, is absent or damaged.
    """
    library = Library()
    for names in named:
        for file in _files(path.parent, names, found):
            _read_file(file, library, found)
    return library


def _files(folder: Path, names: str, found: Parts) -> list[Path]:
    """Return the files of a line 'mtllib': one name with spaces, or several names."""
    names = without_comment(folder, names)
    several = names.split()
    if not (folder / names).is_file() and all((folder / name).is_file() for name in several):
        return [folder / name for name in several]
    try:
        return [find_companion(folder, names, "file of materials", found)]
    except ModelError as error:
        raise ModelError(
            f"{error}; or take the line 'mtllib {printable(names)}' out of it"
        ) from error


def _read_file(path: Path, library: Library, found: Parts) -> None:
    finish, values = None, {}
    for word, value in text_lines(path):
        key = word.lower()
        if key == "newmtl":
            name = material_name(value)
            finish, values = Finish(), {}
            library.finishes[name] = finish
            library.text.append(f"newmtl {name}")
        if finish is None:
            continue
        values[key] = value
        if key == EXPONENT:
            library.text.append(f"{word} {printable(value)}")
        try:
            _take(key, value, values, finish, path.parent, found)
        except ModelError as error:
            raise ModelError(f"{path.name}: {error}") from error


def _take(
    key: str, value: str, values: dict[str, str], finish: Finish, folder: Path, found: Parts
) -> None:
    """Take one line of a material; ``values`` are its lines so far."""
    if key == "kd":
        finish.colour = _colour(value, found)
    elif key == "map_kd":
        picture = find_companion(folder, _with_options(value, finish, folder), "picture", found)
        image = read_picture(picture)
        finish.alpha = alpha_map(image) if has_alpha(image) else None
        finish.texture = texture_of(image if finish.alpha is None else opaque(image))
    elif key == "d" or (key == "tr" and "d" not in values):
        finish.opacity = _opacity(key, value)
    elif key == "pr":
        finish.roughness = _fraction("Pr", value)
    elif key == "pm":
        finish.metallic = _fraction("Pm", value)
    elif key == "map_d":
        found.note("map_d (a picture of opacity) is not drawn")
    elif key == "map_ka":
        found.note("map_Ka (a picture of ambient light) is not drawn; map_Kd is")
    elif key == "ke" and any(float(n) > 0 for n in NUMBER.findall(value)):
        found.note("light of its own (Ke) is not drawn")
    if finish.texture is not None and finish.colour is not None and not any(finish.colour):
        # As many exporters write it, who mean the picture.
        finish.colour = None
        found.note("Kd 0 0 0 beside a picture (map_Kd) is passed over: it would be black")


def _colour(value: str, found: Parts) -> tuple[float, ...]:
    """Return a colour as linear RGB; one number is a grey, as the format says."""
    numbers = _numbers(value)
    if len(numbers) not in (1, 3, 4):
        raise ModelError(
            f"'Kd {printable(value)}' is no colour; write three numbers from 0 to 1, such as "
            "'Kd 0.8 0.2 0.1'"
        )
    numbers = numbers * 3 if len(numbers) == 1 else numbers[:3]
    if max(numbers) > 1:
        found.note(
            f"the colour 'Kd {printable(value)}' is drawn with 1 for what is above; divide it by "
            "255 if it counts up to that"
        )
    return tuple(map(float, linear(np.clip(numbers, 0, 1))))


def _fraction(key: str, value: str) -> float:
    numbers = _numbers(value)
    if len(numbers) != 1:
        raise ModelError(f"'{key} {printable(value)}' is no number; write one from 0 to 1")
    return min(max(numbers[0], 0.0), 1.0)


def _numbers(value: str) -> list[float]:
    """Return the numbers of a line up to a comment; none where it holds anything else."""
    try:
        numbers = [float(word) for word in value.split("#", 1)[0].split()]
    except ValueError:
        return []
    return numbers if np.isfinite(numbers).all() else []


def _opacity(key: str, value: str) -> float:
    numbers = NUMBER.findall(value.split("#", 1)[0])
    if not numbers:
        return 1.0
    return float(numbers[-1]) if key == "d" else 1 - float(numbers[-1])


def _with_options(value: str, finish: Finish, folder: Path) -> str:
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
    return without_comment(folder, rest.strip()).strip('"')
