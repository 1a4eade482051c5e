"""Colours as brightness and two differences of channels."""

from __future__ import annotations

import torch

# Brightness, red over blue, green over both: linear in the channels.
OPPONENT = ((1 / 3, 1 / 3, 1 / 3), (0.5, 0.0, -0.5), (-0.25, 0.5, -0.25))


def opponent(images: torch.Tensor) -> torch.Tensor:
    """Return brightness, red over blue and green over both of images [B, 3, H, W]."""
    return torch.einsum("kc,bchw->bkhw", images.new_tensor(OPPONENT), images)
