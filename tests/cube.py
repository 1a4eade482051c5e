"""A cube as an OBJ file with two materials, one of them with a picture."""

from __future__ import annotations

import io

from PIL import Image

CUBE = """mtllib cube.mtl
v 0 0 0
v 100 0 0
v 100 100 0
v 0 100 0
v 0 0 50
v 100 0 50
v 100 100 50
v 0 100 50
vt 0 0
vt 1 0
vt 1 1
usemtl painted
f 4/1 3/2 2/3 1/1
f 5/1 6/2 7/3 8/1
usemtl plain
f 1 2 6 5
f 3 4 8 7
f 2 3 7 6
f 4 1 5 8
"""
MATERIALS = """newmtl painted
Kd 1 1 1
map_Kd paint.png
newmtl plain
Kd 0.5 0.25 0.75
Ns 100
"""


def picture(size=(4, 4), colour=(255, 0, 0)) -> bytes:
    """Return a PNG: upper half of one colour, lower half black."""
    image = Image.new("RGB", size)
    image.paste(colour, (0, 0, size[0], size[1] // 2))
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()
