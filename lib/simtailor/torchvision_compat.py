"""Import torchvision beside a torch without CUDA.

The package index has one torchvision for Linux, built against CUDA. Under a CPU-only torch
its compiled operators cannot load, and the import fails on two operators that are declared
nowhere. Declaring them is enough: transforms, models and datasets work, as does timm. Only
the compiled operators stay missing and say so when called (``ops.nms``, ``io.decode_*``):
decode images with Pillow.
"""

from __future__ import annotations

import sys
from types import ModuleType

import torch

_MISSING_OPERATORS = ("nms", "qnms")
_library: torch.library.Library | None = None  # the declarations live as long as this


def import_torchvision() -> ModuleType:
    """Import and return torchvision; does nothing special where it imports by itself.

    Raises:
        RuntimeError, ImportError: torchvision fails for another reason.
    """
    global _library  # noqa: PLW0603
    try:
        import torchvision  # noqa: PLC0415
    except RuntimeError as error:
        if "operator torchvision::" not in str(error) or torch.version.cuda is not None:
            raise
        for name in [m for m in sys.modules if m.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        _library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in _MISSING_OPERATORS:
            _library.define(
                f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        import torchvision  # noqa: PLC0415
    return torchvision
