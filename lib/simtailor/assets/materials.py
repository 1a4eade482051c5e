"""Measured parametric materials of the package materialxmaterials, as our own.

The values are those of the Physically Based Database (Anton Palmqvist, CC0), which the package
carries as JSON. The ray caster does not refract: clear materials with a colour, such as amber,
are drawn opaque, and those without, such as water, are left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from simtailor.assets.mesh import Material

TABLE = "data/PhysicallyBasedMaterialX/PhysicallyBasedMaterial.json"
COLOUR_SPACE = "srgb-linear"


@lru_cache(maxsize=1)
def measured_materials() -> tuple[Material, ...]:
    """Return the package's materials, in its order."""
    # The package's own import would need its clients of web services.
    folder = Path(find_spec("materialxMaterials").origin).parent
    entries = json.loads((folder / TABLE).read_text("utf-8"))
    return tuple(convert(entry) for entry in entries if not is_colourless(entry))


def is_colourless(entry: Mapping[str, Any]) -> bool:
    """Return whether an entry of the table lets all light through, as water does."""
    return entry.get("transmission", 0) > 0.5 and min(convert(entry).base_colour) > 0.6


def convert(entry: Mapping[str, Any]) -> Material:
    """Return one entry of the table as a material.

    Raises:
        ValueError: it has no colour in linear sRGB.
    """
    colours = [c["color"] for c in entry["color"] if c["colorSpace"] == COLOUR_SPACE]
    if not colours:
        raise ValueError(f"material {entry['name']!r} has no colour in {COLOUR_SPACE}")
    red, green, blue = (min(max(float(c), 0.0), 1.0) for c in colours[0])
    return Material(
        (red, green, blue),
        roughness=min(max(float(entry["roughness"]), 0.0), 1.0),
        metallic=min(max(float(entry["metalness"]), 0.0), 1.0),
    )
