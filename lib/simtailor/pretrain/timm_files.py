"""What timm reads of a folder: ``config.json`` in the format of its model hub.

With ``model.safetensors`` beside it, ``timm.create_model("local-dir:FOLDER", pretrained=True)``
loads the folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

CONFIGURATION = "config.json"
OWN = "simtailor"  # the key of what timm has no name for


def configuration_of(
    network: nn.Module,
    description: Mapping[str, Any],
    image_size: int,
    classes: Sequence[str],
    about: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of ``config.json``.

    Args:
        network: of timm, with a head for the classes.
        description: ``model``, ``model_options``, ``mean`` and ``std``.
        image_size: pixels of the images that it takes; classes: their names.
        about: what else is to be said.
    """
    return {
        "architecture": description["model"],
        "num_classes": len(classes),
        "label_names": list(classes),
        "model_args": dict(description["model_options"]),
        "pretrained_cfg": {
            "input_size": [3, image_size, image_size],
            "mean": list(description["mean"]),
            "std": list(description["std"]),
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "num_classes": len(classes),
            "classifier": network.pretrained_cfg["classifier"],
            "first_conv": network.pretrained_cfg.get("first_conv"),
        },
        OWN: dict(about),
    }
