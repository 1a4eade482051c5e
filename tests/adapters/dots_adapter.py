"""A dot of the column x in a picture, for tests of ``renderer: program``."""

import numpy as np
from simtailor_simulator import serve


def setup(settings):
    return np.arange(settings.image_size), settings.options.get("colour", [255, 255, 255])


def render(scene, world):
    columns, colour = world
    size, x = len(columns), scene.value("dot", "x", 0) * len(columns) / 16
    near = np.exp(-((columns - x) ** 2) / 4)
    image = np.rint(near[None, :, None] * np.array(colour)).astype(np.uint8)
    image = np.ascontiguousarray(np.broadcast_to(image, (size, size, 3)))
    mask = (image[..., 0] > 127).astype(np.uint8)
    depth = np.full((size, size), 1.5, np.float32)
    return {"image": image, "mask": mask, "depth": depth}


if __name__ == "__main__":
    x = {"unit": "px", "low": 0, "high": 15}
    serve(render, setup=setup, name="dots", version="1", attributes={"dot": {"x": x}},
          parts=["mask", "depth"], image_sizes=(8, 1024))  # fmt: skip
