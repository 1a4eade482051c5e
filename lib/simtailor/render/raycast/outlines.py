"""Which pixels an object and its shadow can change, as spans of a picture's rows."""

from __future__ import annotations

import numpy as np
import warp as wp

from simtailor.render.raycast.pixels import Spans
from simtailor.render.raycast.scenes import Scenes

AXES = wp.constant(8)  # of the picture; the polygon around an object has two sides for each
MARGIN = wp.constant(0.75)  # pixels around it: half a pixel, across its diagonal, and rounding
STEEPEST = wp.constant(0.05)  # least height of a light over the ground, of its length
NEAREST = wp.constant(0.02)  # metres before the camera; what comes nearer fills the picture
FARTHEST = wp.constant(1.0e30)

Axes = wp.types.vector(8, float)
_ANGLES = np.arange(8) * np.pi / 8
# Rounded, or an axis that is upright would be taken for one that is nearly so.
COSINES = wp.constant(Axes(*np.round(np.cos(_ANGLES), 9)))
SINES = wp.constant(Axes(*np.round(np.sin(_ANGLES), 9)))


@wp.struct
class View:
    """What of a scene decides where an object and its shadow show."""

    eye: wp.vec3
    camera: wp.mat33
    scale: float  # pixels that show what is as wide as it is far away
    principal: wp.vec2  # where the camera's axis meets the picture, from its middle, pixels
    stretch: float
    light: wp.vec3  # towards the light, 1 long
    softness: float
    slack: float  # metres that the object reaches beyond its points


@wp.struct
class Outline:
    """A polygon around an object and its shadow, in pixels from the picture's middle."""

    most: Axes  # how far it reaches along the axes
    least: Axes
    whole: int  # 1: it is the whole picture


@wp.func
def farthest_shift(along: float, upright: float, softness: float, side: float):
    """Return how far the shadow of what is 1 high moves along an axis, on one side (-1 or 1)."""
    reach = along + side * softness
    steep = upright + softness
    if side * reach > 0.0:
        steep = upright - softness
    return reach / wp.max(steep, STEEPEST)


@wp.func
def farthest_shifts(along: float, upright: float, softness: float):
    """Return how far the shadow of what is 1 high moves along an axis: the least and the most.

    ``along`` and ``upright`` are of the light's middle, 1 away.
    """
    least = farthest_shift(along, upright, softness, -1.0)
    return wp.vec2(least, farthest_shift(along, upright, softness, 1.0))


@wp.func
def within(place: wp.vec3, slack: float, low: wp.vec3, high: wp.vec3):
    """Return whether a point, and what lies around it, is on the ground."""
    x = place[0] - slack > low[0] and place[0] + slack < high[0]
    z = place[2] - slack > low[2] and place[2] + slack < high[2]
    return x and z


@wp.func
def projected(view: View, point: wp.vec3, slack: float):
    """Return column and row from the picture's middle, what the slack is there, and the depth.

    The slack is in pixels; the depth is that of what comes nearest.
    """
    seen = wp.transpose(view.camera) * (point - view.eye)
    depth = -seen[2] - slack
    away = wp.max(-seen[2], NEAREST)
    x = seen[0] / away
    y = -seen[1] / away
    reach = slack * (1.0 + wp.sqrt(x * x + y * y)) / wp.max(depth, NEAREST)
    column = x * view.scale + view.principal[0]
    row = y * view.scale * view.stretch + view.principal[1]
    return wp.vec3(column, row, reach * view.scale * wp.max(view.stretch, 1.0)), depth


@wp.kernel(enable_backward=False)
def find_outlines(
    points: wp.array2d(dtype=wp.vec3),
    views: wp.array(dtype=View),
    low: wp.vec3,
    high: wp.vec3,
    outlines: wp.array(dtype=Outline),
):
    """Find the outline of each scene; ``low`` and ``high`` are the corners of the ground."""
    s = wp.tid()
    view = views[s]
    light = view.light
    soft = view.softness
    most = Axes(-FARTHEST)
    least = Axes(FARTHEST)
    whole = int(light[1] - soft < STEEPEST)
    shifts_x = farthest_shifts(light[0], light[1], soft)
    shifts_z = farthest_shifts(light[2], light[1], soft)
    for p in range(points.shape[1]):
        point = points[s, p]
        above = point[1] - low[1]
        # The point itself, and its farthest shadows: those by the corners of a soft light.
        for which in range(5):
            place = point
            slack = view.slack
            if which > 0:
                x = shifts_x[which % 2]
                z = shifts_z[which / 3]
                place = wp.vec3(point[0] - x * above, low[1], point[2] - z * above)
                slack *= 1.0 + wp.abs(x) + wp.abs(z)
                if not within(place, slack, low, high):
                    whole = 1
            spot, depth = projected(view, place, slack)
            if depth < NEAREST:
                whole = 1
            for axis in range(AXES):
                along = spot[0] * COSINES[axis] + spot[1] * SINES[axis]
                most[axis] = wp.max(most[axis], along + spot[2])
                least[axis] = wp.min(least[axis], along - spot[2])
    outlines[s].most = most
    outlines[s].least = least
    outlines[s].whole = whole


@wp.kernel(enable_backward=False)
def find_spans(
    outlines: wp.array(dtype=Outline),
    width: int,
    height: int,
    first: wp.array2d(dtype=int),
    length: wp.array2d(dtype=int),
):
    """Find the stretch of each row that lies within the outline."""
    s, row = wp.tid()
    outline = outlines[s]
    middle = 0.5 * float(width)
    y = float(row) + 0.5 - 0.5 * float(height)
    left = -middle
    right = middle
    if outline.whole == 0:
        for axis in range(AXES):
            cosine = COSINES[axis]
            end = outline.most[axis] + MARGIN - y * SINES[axis]
            begin = outline.least[axis] - MARGIN - y * SINES[axis]
            if cosine > 0.0:
                right = wp.min(right, end / cosine)
                left = wp.max(left, begin / cosine)
            elif cosine < 0.0:
                right = wp.min(right, begin / cosine)
                left = wp.max(left, end / cosine)
            elif end < 0.0 or begin > 0.0:
                right = -middle
    begins = int(wp.ceil(left + middle - 0.5))
    first[s, row] = begins
    length[s, row] = wp.max(int(wp.floor(right + middle + 0.5)) - begins, 0)


def object_spans(
    points: np.ndarray,
    slack: np.ndarray,
    scenes: Scenes,
    size: tuple[int, int],
    ground: tuple[np.ndarray, np.ndarray],
    device: wp.Device,
) -> Spans:
    """Return where an object and its shadow on the ground can show.

    Both lie within the convex polygon around their points in the picture, of so many axes.
    Where a shadow can leave the ground, the light is low, or a point comes near the camera, it is
    the whole picture.

    Args:
        points: [B, P, 3] points around the object, metres.
        slack: [B] metres that the object reaches beyond the convex hull of its points.
        size: height and width of the picture in pixels.
        ground: opposite corners, [3] each, of the level rectangle that takes the shadow.
        device: where the spans are found.
    """
    views = np.zeros(len(scenes), View.numpy_dtype())
    views["eye"], views["camera"] = scenes.eye, scenes.camera
    height, width = size
    views["scale"] = width / 2 / np.tan(scenes.field_of_view / 2)
    views["principal"], views["stretch"] = scenes.principal * width / 2, scenes.stretch
    light = scenes.light_direction
    views["light"] = light / np.linalg.norm(light, axis=1, keepdims=True)
    views["softness"], views["slack"] = scenes.light_softness, slack
    outlines = wp.empty(len(scenes), dtype=Outline, device=device)
    first, length = (wp.empty((len(scenes), height), dtype=int, device=device) for _ in range(2))

    def launch(kernel: wp.Kernel, dim: tuple[int, ...], *inputs: object) -> None:
        wp.launch(kernel, dim=dim, inputs=list(inputs), device=device)

    around = wp.array(np.ascontiguousarray(points, np.float32), dtype=wp.vec3, device=device)
    seen = wp.array(views, dtype=View, device=device)
    corners = [wp.vec3(*map(float, corner)) for corner in ground]
    launch(find_outlines, (len(scenes),), around, seen, *corners, outlines)
    launch(find_spans, first.shape, outlines, width, height, first, length)
    return Spans(first.numpy(), length.numpy())
