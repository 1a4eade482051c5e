"""The card of a simulated set: what it shows, how it was made, and under which licences."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from simtailor.datasets.hub_cards import APACHE, OTHER, credits_of, data_set_header
from simtailor.files import staged
from simtailor.simulation.catalogue import BUILTIN
from simtailor.simulation.reading import SimulatedSet

CARD = "README.md"


def write_card(
    path: str | Path, made: SimulatedSet, summary: dict[str, Any], models: Iterable[str]
) -> None:
    """Write the card of a simulated set in Markdown.

    Args:
        models: names of the models that the images show.
    """
    manifest, parameters = made.manifest, summary["parameters"]
    own = manifest["packs"] == [BUILTIN]
    title, size = made.title, manifest["image_size"]
    lines = [
        *data_set_header(
            title, summary["images"], APACHE if own else OTHER, ["image-classification"]
        ),
        f"# S{title[1:]}",
        "",
        f"{summary['images']:,} images of {size} x {size} pixels, one object each, of "
        f"{summary['classes']} classes, with masks, boxes and all that was drawn for each image.",
        "",
        "![The first images with their classes](sheet.png)",
        "",
        "## How it was made",
        "",
        f"By simtailor's ray caster from nine simulation parameters and seed {manifest['seed']}: "
        + ", ".join(f"`{name}` {value}" for name, value in parameters.items())
        + f". Renderer: {manifest['renderer']}. `provenance.json` has settings, versions and "
        "checksums.",
        "",
        "## Reading",
        "",
        "```python",
        "import datasets",
        "",
        'data = datasets.load_dataset("this/folder", split="train")  # jpg, mask.png, json',
        "```",
        "",
        "The files and their keys: docs/simulated_sets.md of simtailor.",
        "",
        "## Licences",
        "",
        f"{made.licence[0].upper()}{made.licence[1:]}.",
        "",
    ]
    if named := credits_of(models):
        lines += ["Models by collection, whose name says the author and the licence:", "", *named]
        lines += [""]
    with staged(path) as staging:
        staging.write_text("\n".join(lines))
