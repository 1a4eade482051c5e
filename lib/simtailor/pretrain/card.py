"""The card of a backbone: what it was trained on, how well, and under which licences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simtailor.datasets.hub_cards import OTHER, model_header
from simtailor.files import staged

CARD = "README.md"
SNIPPET = """\
```python
import timm

network = timm.create_model("local-dir:this/folder", pretrained=True)
features = timm.create_model("local-dir:this/folder", pretrained=True, num_classes=0)
```
"""


def write_card(path: str | Path, summary: dict[str, Any], licence: str) -> None:
    """Write the card of a backbone in Markdown.

    Args:
        licence: of what the images show that it was trained on.
    """
    size = summary["image_size"]
    lines = [
        *model_header(OTHER),
        f"# Backbone {summary['backbone']}",
        "",
        f"`{summary['model']}` of timm with {summary['weights']:,} weights, trained from random "
        f"weights on {summary['images']:,} images of the simulated set `{summary['parameters']}` "
        f"at {size} x {size} pixels for {summary['epochs']} epochs. It saw no real image.",
        "",
        f"It tells {summary['accuracy']:.1%} of the varied training images of {summary['classes']} "
        f"classes right, where chance is {summary['chance']:.1%}. This is no measure of what it is "
        "worth for a real task: see results/task2sim/reward_db of the study.",
        "",
        SNIPPET,
        "`provenance.json` has settings, versions and checksums, and that of the set.",
        "",
        "## Licences",
        "",
        "Weights: as the code, Apache-2.0, as far as they are ours to license. The images that "
        f"they were trained on: {licence}. The set's own card credits the authors.",
        "",
    ]
    with staged(path) as staging:
        staging.write_text("\n".join(lines))
