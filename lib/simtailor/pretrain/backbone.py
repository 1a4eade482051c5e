"""A pre-trained backbone: its folder, and the features that it makes of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from simtailor.errors import UserError
from simtailor.files import read_json, staged, write_json
from simtailor.pretrain.augmentation import MEAN, STD
from simtailor.pretrain.network import create_network
from simtailor.pretrain.settings import Pretrain

WEIGHTS, DESCRIPTION = "model.safetensors", "backbone.json"
CHUNK = 256  # images that go through the network together


class Backbone:
    """A network without its classifier.

    Args:
        network: a model of timm.
        description: content of backbone.json: ``model`` and ``model_options`` for
            ``timm.create_model``, ``image_size``, ``mean``, ``std``, ``classes``,
            ``parameters`` and ``seed``.
        device: where the features are computed.
    """

    def __init__(
        self, network: nn.Module, description: dict[str, Any], device: torch.device | str = "cpu"
    ) -> None:
        self.device, self.description = torch.device(device), description
        self.network = network.to(self.device, memory_format=torch.channels_last).eval()
        self.image_size: int = description["image_size"]

    @property
    def name(self) -> str:
        """What it is, in messages."""
        set_name, seed = self.description["parameters"], self.description["seed"]
        return f"the backbone of set {set_name} (seed {seed})"

    @classmethod
    def read(cls, folder: str | Path, device: torch.device | str = "cpu") -> Backbone:
        """Read what ``write_backbone`` wrote.

        Raises:
            UserError: the folder holds no whole backbone.
        """
        folder = Path(folder)
        try:
            description = read_json(folder / DESCRIPTION)
            network = create_network(
                description["model"], description["model_options"], len(description["classes"])
            )
            network.load_state_dict(load_file(folder / WEIGHTS))
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise UserError(
                f"{folder}: no backbone that can be read ({error}); delete the folder and train "
                "it again"
            ) from error
        return cls(network, description, device)

    @classmethod
    def random(cls, settings: Pretrain, seed: int, device: torch.device | str = "cpu") -> Backbone:
        """Return the settings' network as it is before the training, to compare with."""
        network = create_network(settings.model, settings.model_options, 1, seed)
        return cls(network, describe(settings, ["none"], "random", seed), device)

    @torch.no_grad()
    def features(self, images: np.ndarray) -> np.ndarray:
        """Return the pooled features of images.

        Args:
            images: uint8 [N, H, W, 3]; they are resized to the network's size.

        Returns:
            float32 [N, D].
        """
        if not len(images):
            return self._features(np.zeros((1, 32, 32, 3), np.uint8))[:0]
        parts = [
            self._features(np.ascontiguousarray(images[start : start + CHUNK]))
            for start in range(0, len(images), CHUNK)
        ]
        return np.concatenate(parts)

    def _features(self, images: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2).float() / 255
        size = (self.image_size, self.image_size)
        if pixels.shape[2:] != size:
            pixels = functional.interpolate(pixels, size, mode="bilinear", antialias=True)
        mean, std = (
            torch.tensor(self.description[key], device=self.device).view(1, 3, 1, 1)
            for key in ("mean", "std")
        )
        pixels = ((pixels - mean) / std).contiguous(memory_format=torch.channels_last)
        maps = self.network.forward_features(pixels)
        return self.network.forward_head(maps, pre_logits=True).float().cpu().numpy()


def describe(settings: Pretrain, classes: list[str], parameters: str, seed: int) -> dict[str, Any]:
    """Return the content of backbone.json."""
    return {
        "model": settings.model,
        "model_options": settings.model_options,
        "image_size": settings.image_size,
        "mean": list(MEAN),
        "std": list(STD),
        "classes": classes,
        "parameters": parameters,
        "seed": seed,
    }


def write_backbone(
    folder: str | Path, weights: dict[str, torch.Tensor], description: dict[str, Any]
) -> None:
    """Write weights and description into a folder."""
    folder = Path(folder)
    with staged(folder / WEIGHTS) as staging:
        save_file(weights, staging)
    write_json(folder / DESCRIPTION, description)
