"""A pre-trained backbone: its folder, and the features that it makes of images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from simtailor.errors import UserError
from simtailor.files import read_json, staged, write_json
from simtailor.network_images import network_input
from simtailor.pretrain.augmentation import MEAN, STD, vary_batch
from simtailor.pretrain.names import DESCRIPTION, WEIGHTS
from simtailor.pretrain.network import create_network
from simtailor.pretrain.settings import Pretrain
from simtailor.pretrain.timm_files import CONFIGURATION, configuration_of

CHUNK = 256  # images that go through the network together
STAGES = 4  # the last ones of a network, whose features are taken


class Backbone:
    """A network without its classifier.

    Args:
        network: a model of timm.
        description: content of backbone.json: ``model`` and ``model_options`` for
            ``timm.create_model``, ``image_size``, ``mean``, ``std``, ``classes``,
            ``parameters`` and ``seed``.
        device: where the features are computed.
        image_size: pixels of the images that the network is given; the description's, at which
            it was trained, if None.
    """

    def __init__(
        self,
        network: nn.Module,
        description: dict[str, Any],
        device: torch.device | str = "cpu",
        image_size: int | None = None,
    ) -> None:
        self.device, self.description = torch.device(device), description
        self.network = network.to(self.device, memory_format=torch.channels_last).eval()
        self.image_size: int = image_size or description["image_size"]

    @property
    def name(self) -> str:
        """What it is, in messages."""
        set_name = self.description.get("parameters")
        if set_name is None:
            return f"the packaged network {self.description['model']}"
        return f"the backbone of set {set_name} (seed {self.description['seed']})"

    @classmethod
    def read(
        cls, folder: str | Path, device: torch.device | str = "cpu", image_size: int | None = None
    ) -> Backbone:
        """Read what ``write_backbone`` wrote.

        Args:
            device, image_size: as of the class.

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
        return cls(network, description, device, image_size)

    @classmethod
    def random(
        cls,
        settings: Pretrain,
        seed: int,
        device: torch.device | str = "cpu",
        image_size: int | None = None,
        *,
        branches_on: bool = False,
    ) -> Backbone:
        """Return the settings' network with random weights, to compare with.

        Args:
            branches_on: as it is before the training, timm's residual branches end in a scale
                of 0 and add nothing; this sets those scales to 1.
        """
        network = create_network(settings.model, settings.model_options, 1, seed)
        if branches_on:
            with torch.no_grad():
                for name, values in network.named_parameters():
                    if name.endswith("weight") and not values.any():
                        values.fill_(1)
        description = describe(settings, ["none"], "random", seed)
        return cls(network, description, device, image_size)

    @torch.no_grad()
    def features(self, images: np.ndarray) -> np.ndarray:
        """Return the pooled features of images.

        Args:
            images: uint8 [N, H, W, 3]; they are resized to the network's size.

        Returns:
            float32 [N, D].
        """
        return self.features_of_stages(images)[0]

    @torch.no_grad()
    def features_of_stages(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the pooled features of images, and those of the network's last four stages.

        Args:
            images: uint8 [N, H, W, 3]; they are resized to the network's size.

        Returns:
            float32 [N, D], and float32 [N, E]: of each channel of the stages, the mean and the
            maximum over the image.
        """
        if not len(images):
            none = self._features(np.zeros((1, 32, 32, 3), "u1"))
            return tuple(values[:0].cpu().numpy() for values in none)
        parts = [
            self._features(images[start : start + CHUNK]) for start in range(0, len(images), CHUNK)
        ]
        # Together from the device: each copy would wait for what the device has yet to do.
        pooled, stages = (torch.cat(values).cpu().numpy() for values in zip(*parts, strict=True))
        return pooled, stages

    def prepared(self, images: np.ndarray) -> torch.Tensor:
        """Return images, uint8 [N, H, W, 3], as the network takes them: float32 [N, 3, S, S]."""
        mean, std = self.description["mean"], self.description["std"]
        return network_input(images, self.image_size, mean, std, self.device)

    def varied(self, images: torch.Tensor, variations: torch.Tensor) -> torch.Tensor:
        """Return images, uint8 [B, H, H, 3] on the device, varied, and else as ``prepared``.

        Args:
            variations: of ``draw_variations``.
        """
        mean, std = self.description["mean"], self.description["std"]
        return vary_batch(images, variations, self.image_size, mean, std)

    def _features(self, images: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        maps, stages = self.network.forward_intermediates(self.prepared(images), indices=STAGES)
        pooled = self.network.forward_head(maps, pre_logits=True)
        values = [pool(stage, (2, 3)) for stage in stages for pool in (torch.mean, torch.amax)]
        return pooled.float(), torch.cat(values, 1).float()


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
    """Write weights, description and what timm reads of them into a folder."""
    folder, classes = Path(folder), description["classes"]
    network = create_network(description["model"], description["model_options"], len(classes))
    about = {key: description[key] for key in ("parameters", "seed")}
    size = description["image_size"]
    write_json(folder / CONFIGURATION, configuration_of(network, description, size, classes, about))
    with staged(folder / WEIGHTS) as staging:
        save_file(weights, staging)
    write_json(folder / DESCRIPTION, description)
