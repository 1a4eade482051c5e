"""The five objects of the 3D-TYOL stage and the room they stand in.

Modelled after the published pictures of the scene, with real sizes in metres. An object
stands on y = 0, centred on the y axis; its front points to -z, the top of the picture
when the camera looks straight down.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from simtailor.assets.mesh import Material, Mesh, box, grid_surface, join, loft, tube

OBJECT_NAMES = ("slipper", "box", "basket", "bowl", "mug")


def _noise_texture(size: int, contrast: float, seed: int) -> np.ndarray:
    """Return smooth grey noise around 1 that tiles: float32 [size, size, 3]."""
    noise = np.random.default_rng(seed).standard_normal((size, size))
    frequency = np.fft.fftfreq(size)
    radius = np.hypot(*np.meshgrid(frequency, frequency))
    smooth = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-((radius * 12) ** 2))).real
    smooth /= smooth.std()
    return np.repeat(np.clip(1 + contrast * smooth, 0, 2)[..., None], 3, -1).astype(np.float32)


def _weave_texture(cells: int = 8, size: int = 128) -> np.ndarray:
    """Return over-and-under wicker strands: float32 [size, size, 3]."""
    row, column = np.mgrid[0:size, 0:size] / size * cells
    over = (np.floor(row) + np.floor(column)) % 2
    across = np.where(over > 0, row % 1, column % 1)
    along = np.where(over > 0, column % 1, row % 1)
    shade = 0.35 + 0.65 * np.sin(np.pi * across) ** 0.6 * (0.7 + 0.3 * np.sin(np.pi * along))
    shade *= np.where(over > 0, 1.0, 0.86)
    tint = np.array([1.0, 0.97, 0.92])
    return (shade[..., None] * tint).astype(np.float32)


def slipper() -> Mesh:
    """Return a green slipper, 27 cm long, whose toe has a waffle pattern."""
    green = (0.13, 0.48, 0.06)
    sole = Material((0.16, 0.46, 0.09), roughness=0.7, texture=_noise_texture(64, 0.07, 1))
    upper = Material(green, roughness=0.45)
    length, steps = 0.27, 130
    t = np.linspace(0, 1, steps)  # heel to toe
    # A footprint: round heel, narrow waist, wide ball, round toe slightly to one side.
    width = 0.5 * np.interp(
        t,
        [0, 0.015, 0.05, 0.12, 0.22, 0.45, 0.68, 0.82, 0.92, 0.975, 1],
        [0, 0.022, 0.042, 0.058, 0.066, 0.068, 0.092, 0.088, 0.066, 0.034, 0],
    )
    kernel = np.hanning(9) / np.hanning(9).sum()
    width = np.convolve(np.pad(width, 4, mode="reflect", reflect_type="odd"), kernel, "valid")
    width = np.maximum(width, 0)
    centre = 0.008 * np.sin(np.pi * np.clip((t - 0.35) / 0.65, 0, 1))
    z = length * (0.5 - t)
    floor = 0.012 * np.clip(1 - t / 0.35, 0, 1)
    thickness = 0.014 + floor

    def sheet(across: np.ndarray, height: np.ndarray) -> np.ndarray:
        x = centre[:, None] + width[:, None] * across
        return np.stack(np.broadcast_arrays(x, height, z[:, None]), -1)

    lateral = np.linspace(-1, 1, 25)[None]
    dish = 0.003 * lateral**2
    top = grid_surface(sheet(lateral, thickness[:, None] + dish), sole, (6, 2))
    bottom = grid_surface(sheet(-lateral, np.zeros((steps, 1))), sole, (6, 2))
    wall_height = np.linspace(0, 1, 5)[None] * (thickness[:, None] + 0.003)
    walls = [
        grid_surface(sheet(np.full((1, 5), side), wall_height), sole, (6, 1)) for side in (-1, 1)
    ]

    begin = int(0.44 * steps)
    arch = np.linspace(0, np.pi, 73)[None]
    rise = 0.056 * np.clip((1 - t) / 0.56, 0, 1) ** 0.45 * np.clip((1 - t) / 0.03, 0, 1) ** 0.5
    # The opening slopes: the edge of the upper lies further forward in the middle.
    along = t[begin:, None] + 0.06 * np.sin(arch) ** 2 * (1 - (t[begin:, None] - 0.44) / 0.56) ** 2
    waffle = np.abs(np.sin(along * length / 0.0135 * np.pi)) * np.abs(np.sin(arch * 6.5))
    inside = np.clip((along - 0.52) / 0.06, 0, 1) * np.clip(np.sin(arch) / 0.3, 0, 1)
    relief = 0.0055 * inside * (waffle**0.7 - 0.35)
    at = np.clip(along, 0, 1)
    half = np.interp(at, t, width) + 0.003
    height = 0.006 + np.interp(at, t, thickness) * 0.6
    x = np.interp(at, t, centre) - (half + relief) * np.cos(arch)
    y = height + (np.interp(at, t, rise) + relief) * np.sin(arch) ** 0.75
    points = np.stack([x, y, length * (0.5 - at)], -1)
    band = join(top, bottom, *walls, grid_surface(points, upper, (1, 1)))
    hem = points[0] + np.array([0, 0.001, 0])
    return join(band, tube_along(hem, 0.0035, upper))


def tube_along(path: np.ndarray, radius: float, material: Material) -> Mesh:
    """Return a thin round bead along any path [n, 3] that does not run straight up."""
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.cross(tangent, [0.0, 0.3, 1.0])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(tangent, side)
    angle = np.linspace(0, 2 * np.pi, 11)[None, :, None]
    ring = np.cos(angle) * side[:, None] + np.sin(angle) * other[:, None]
    return grid_surface(path[:, None] + radius * ring, material, (1, 1))


def storage_box() -> Mesh:
    """Return a pale blue plastic box with a rimmed lid, 14 x 20 cm."""
    plastic = Material((0.36, 0.52, 0.78), roughness=0.3)
    lid = Material((0.45, 0.60, 0.84), roughness=0.35)
    body = [(0.07, 0.0), (0.010, 0.0), (0.007, 0.003), (0.002, 0.055)]
    cover = [
        (0.002, 0.055), (-0.003, 0.056), (-0.003, 0.066), (0.000, 0.070), (0.006, 0.070),
        (0.009, 0.066), (0.016, 0.066), (0.019, 0.071), (0.025, 0.071), (0.028, 0.0675),
        (0.07, 0.0675),
    ]  # fmt: skip
    return join(
        loft(0.07, 0.10, body, plastic, exponent=6, segments=128),
        loft(0.07, 0.10, cover, lid, exponent=6, segments=128),
    )


def basket() -> Mesh:
    """Return a brown wicker basket with a handle over it, 17 x 23 cm."""
    wicker = Material((0.58, 0.42, 0.23), roughness=0.85, texture=_weave_texture())
    dark = Material((0.42, 0.29, 0.15), roughness=0.85, texture=_weave_texture())
    heights = np.linspace(0, 0.095, 40)
    outside = [(0.085, 0.0), (0.02, 0.0), *[(0.016 - 0.17 * h, h) for h in heights]]
    rim = [(-0.006, 0.097), (-0.007, 0.103), (-0.002, 0.106), (0.006, 0.103), (0.008, 0.097)]
    inside = [(0.008 + 0.17 * (0.095 - h), h) for h in heights[:1:-1]] + [(0.085, 0.008)]

    def weave(row: np.ndarray, turn: np.ndarray) -> np.ndarray:
        return 0.0022 * np.sin(np.pi * row / 2.5) * np.sign(np.sin(2 * np.pi * turn * 26))

    body = loft(
        0.085, 0.115, outside + rim + inside, wicker, exponent=4.5, segments=208, relief=weave,
        repeats=(5, 6),
    )  # fmt: skip
    angle = np.linspace(0, np.pi, 40)
    handles = []
    for offset in (-0.009, 0.009):
        path = np.stack(
            [0.091 * np.cos(angle), 0.085 + 0.115 * np.sin(angle), np.full(40, offset)], -1
        )
        handles.append(tube(path, 0.0085, dark, sides=14))
    return join(body, *handles)


def bowl() -> Mesh:
    """Return a dark red bowl, 16 cm across."""
    glaze = Material((0.38, 0.02, 0.025), roughness=0.22)
    inner = Material((0.45, 0.03, 0.03), roughness=0.25)
    curve = np.linspace(0, np.pi / 2, 24)
    outside = [(0.08, 0.0), (0.048, 0.0), (0.046, 0.006)] + [
        (0.08 - 0.036 - 0.044 * np.sin(c), 0.006 + 0.064 * (1 - np.cos(c))) for c in curve
    ]
    inside = [(0.0035, 0.071), (0.005, 0.069)] + [
        (0.08 - 0.075 * np.sin(c), 0.012 + 0.056 * (1 - np.cos(c))) for c in curve[:0:-1]
    ]
    return join(
        loft(0.08, 0.08, outside, glaze),
        loft(0.08, 0.08, [(0.0, 0.070), *inside, (0.08, 0.012)], inner),
    )


def mug() -> Mesh:
    """Return a yellow mug with its handle to the front, 9 cm across."""
    glaze = Material((0.72, 0.47, 0.05), roughness=0.25)
    outside = [(0.045, 0.0), (0.006, 0.0), (0.002, 0.004)] + [
        (0.003 - 0.003 * np.sin(np.pi * h), 0.004 + 0.09 * h) for h in np.linspace(0, 1, 24)
    ]
    inside = [(0.0025, 0.0965), (0.005, 0.095), (0.006, 0.05), (0.008, 0.012), (0.045, 0.008)]
    angle = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 40)
    path = np.stack(
        [np.zeros(40), 0.048 + 0.032 * np.sin(angle), -0.040 - 0.036 * np.cos(angle)], -1
    )
    return join(loft(0.045, 0.045, outside + inside, glaze), tube(path, 0.0065, glaze, sides=18))


def _table_top(
    half_x: float, half_z: float, corner: float, thickness: float, material: Material
) -> Mesh:
    """Return a slab with round corners whose top is y = 0. Few and fat triangles trace fast."""

    def flat(low_x: float, low_z: float, high_x: float, high_z: float) -> Mesh:
        x, z = np.meshgrid([low_x, high_x], [low_z, high_z])
        return grid_surface(np.stack([x, np.zeros_like(x), z], -1), material, (1, 1))

    inner_x, inner_z = half_x - corner, half_z - corner
    parts = [flat(-half_x, -inner_z, half_x, inner_z)]
    parts += [flat(-inner_x, low, inner_x, low + corner) for low in (-half_z, inner_z)]
    outline = []
    for quarter, (sign_x, sign_z) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        angle = (quarter + np.linspace(0, 1, 9)) * np.pi / 2
        centre = np.array([sign_x * inner_x, 0.0, sign_z * inner_z])
        arc = centre + corner * np.stack([np.cos(angle), 0 * angle, np.sin(angle)], -1)
        parts.append(
            grid_surface(np.stack([np.broadcast_to(centre, arc.shape), arc]), material, (1, 1))
        )
        outline.append(arc)
    edge = np.concatenate([*outline, outline[0][:1]])
    below = edge - np.array([0, thickness, 0])
    return join(*parts, grid_surface(np.stack([edge, below]), material, (1, 1)))


def room() -> Mesh:
    """Return a dark table top with round corners, floor and walls. The table's top is y = 0."""
    top = Material((0.0042, 0.0052, 0.0068), roughness=0.85)
    floor = Material((0.20, 0.14, 0.105), roughness=0.9)
    wall = Material((0.30, 0.33, 0.39), roughness=0.95)
    ceiling = Material((0.6, 0.6, 0.6), roughness=0.95)
    side, below, above = 2.0, -0.75, 2.2
    whole = join(
        _table_top(0.5, 0.7, 0.07, 0.04, top),
        box((-side, below - 0.02, -side), (side, below, side), floor),
        box((-side, above, -side), (side, above + 0.02, side), ceiling),
        box((-side - 0.02, below, -side), (-side, above, side), wall),
        box((side, below, -side), (side + 0.02, above, side), wall),
        box((-side, below, -side - 0.02), (side, above, -side), wall),
        box((-side, below, side), (side, above, side + 0.02), wall),
    )
    return replace(whole, clear_top=True)


@lru_cache(maxsize=1)
def tabletop_objects() -> dict[str, Mesh]:
    """Return the five objects by name, in the order of the published classes."""
    makers = (slipper, storage_box, basket, bowl, mug)
    return {name: make() for name, make in zip(OBJECT_NAMES, makers, strict=True)}
