"""What a renderer's answer must be, and what is said where it is something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from simtailor.errors import UserError
from simtailor.render.description import RendererDescription
from simtailor.render.rendering import Rendering

ROUNDING = 2  # grey levels by which two drawings of a scene may differ
UINT8, FLOAT, INT = "uint8", "float32", "int32"
BYTES = {"images": 3, "masks": 1, "depth": 4}  # a pixel
FULL_MASKS = "full_masks"  # of each object
FIX = {
    "images": "np.rint(255 * images).astype(np.uint8) for values from 0 to 1",
    "masks": "0 for the background, and the number of the object",
    "depth": "metres along the camera's axis",
    "keypoints": "column, row, and 1 where it is seen",
    "full_masks": "1 where the object would be seen if nothing hid it, of every node 'object'",
    "silhouettes": "left, top, width, height and pixels, of every node 'object'",
    "poses": "from an object's model to the camera, in metres, of every node 'object'",
    "cameras": "from the camera's coordinates to columns and rows",
}


@dataclass(frozen=True)
class Wanted:
    """What a call asks for.

    Attributes:
        description: of the renderer; size: height and width of its images.
        asked: names of the parts beside the images.
        objects: how many nodes ``object`` the scenes have.

    Raises:
        UserError: the renderer cannot give it.
    """

    description: RendererDescription
    size: tuple[int, int]
    asked: tuple[str, ...] = ()
    objects: int = 1

    def __post_init__(self) -> None:
        for name in self.asked:
            if name not in self.description.returns:
                given = ", ".join(("images", *self.description.returns))
                raise UserError(
                    f"renderer '{self.description.name}' gives no {name}; it gives {given}"
                )

    @property
    def keywords(self) -> dict[str, bool]:
        """Of the renderer's method: only what is wanted, since not every renderer knows all."""
        return dict.fromkeys(self.asked, True)

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the answer's parts."""
        return ("images", *self.asked)

    @property
    def bytes_a_scene(self) -> int:
        """Of the answer."""
        of_pixel = sum(BYTES.get(name, 0) for name in self.parts)
        return self.size[0] * self.size[1] * (of_pixel + self.objects * (FULL_MASKS in self.asked))


def checked_answer(answer: Any, wanted: Wanted, count: int) -> Rendering:
    """Return the answer to a call for ``count`` scenes, if it is one.

    Raises:
        UserError: says what is wrong with it, and what the renderer's author should return.
    """
    who = f"renderer '{wanted.description.name}'"
    if not isinstance(answer, Rendering):
        raise UserError(
            f"{who}: render() returned {type(answer).__name__}; return Rendering(images)"
        )
    size = wanted.size
    shapes = {
        "images": (UINT8, (count, *size, 3)),
        "masks": (UINT8, (count, *size)),
        "depth": (FLOAT, (count, *size)),
        "keypoints": (FLOAT, (count, None, 3)),
        "full_masks": (UINT8, (count, wanted.objects, *size)),
        "silhouettes": (INT, (count, wanted.objects, 5)),
        "poses": (FLOAT, (count, wanted.objects, 3, 4)),
        "cameras": (FLOAT, (count, 3, 3)),
    }
    for name in wanted.parts:
        part = getattr(answer, name)
        kind, shape = shapes[name]
        expected = f"{kind} [{', '.join('K' if n is None else str(n) for n in shape)}]"
        if not isinstance(part, np.ndarray):
            raise UserError(
                f"{who}: {name} are {_described(part)}; return a NumPy array, {expected}"
            )
        if part.ndim and len(part) != count:
            raise UserError(
                f"{who}: {count} scenes were asked for, and {len(part)} {name} came back; return "
                "one of each scene, in the order of the graphs"
            )
        fits = part.ndim == len(shape) and all(
            n in (None, m) for n, m in zip(shape, part.shape, strict=True)
        )
        if not fits or part.dtype != kind:
            raise UserError(
                f"{who}: {name} are {_described(part)}; expected {expected} ({FIX[name]})"
            )
        if kind == FLOAT and np.isnan(part).any():
            raise UserError(f"{who}: {name} hold NaN; return numbers ({FIX[name]})")
    return answer


def check_repeated(
    again: Rendering, answer: Rendering, place: int, description: RendererDescription
) -> None:
    """Check that a scene that was drawn again, alone, looks as it did among others.

    Args:
        again: of the one scene.
        place: its place in ``answer``.

    Raises:
        UserError: it is another image of the answer, or none of them.
    """
    image = again.images[0].astype(np.int16)
    differences = np.abs(answer.images.astype(np.int16) - image).max(axis=(1, 2, 3))
    if differences[place] <= ROUNDING:
        return
    who = f"renderer '{description.name}'"
    elsewhere = np.flatnonzero(differences <= ROUNDING)
    if len(elsewhere):
        raise UserError(
            f"{who}: the order of the images is not that of the graphs: scene {place}, drawn "
            f"alone, looks like image {elsewhere[0]} of {len(answer.images)}. Image b must show "
            "graph b."
        )
    raise UserError(
        f"{who}: the same scene was drawn twice, and the two differ by up to {differences[place]} "
        "levels. An image may depend on its graph and the graph's seed alone, and not on the "
        "others of a call. Or say reproducible=False in the description; a run that is resumed "
        "may then give another result."
    )


def _described(part: Any) -> str:
    if part is None:
        return "absent"
    if not isinstance(part, np.ndarray):
        return type(part).__name__
    nan = part.dtype.kind == "f" and np.isnan(part).any()
    return f"{part.dtype} [{', '.join(map(str, part.shape))}]{' with NaN' if nan else ''}"
