"""Features of frozen classification networks."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from simtailor.errors import UserError, nearest_name
from simtailor.metasim.features.weights import load_packaged, load_weights, weights_file
from simtailor.metasim.settings import PACKAGED_MODEL, Features
from simtailor.network_images import normalised, resized
from simtailor.torchvision_compat import import_torchvision

INCEPTION = "inception_v3"
INCEPTION_BLOCKS = {64: "Pool1", 192: "Pool2", 768: "Mixed_6e", 2048: "Mixed_7c"}
HALF = (0.5, 0.5, 0.5)
PACKAGED = (127 / 255,) * 3, (128 / 255,) * 3  # trained on (x - 127) / 128 of x in [0, 255]
GRADIENT_CHUNK = 8  # images


class _FrozenNetwork:
    """A network in evaluation mode, with the size and range of images that it wants.

    A kind of network says in ``_levels`` what it makes of prepared images.

    Args:
        network: any network on images.
        mean, std: of each channel, in [0, 1], by which the images are normalised.
    """

    def __init__(
        self, network: nn.Module, mean: Sequence[float], std: Sequence[float], device: torch.device
    ) -> None:
        self.network = network.eval().requires_grad_(False).to(device)
        self.size = tuple(network.pretrained_cfg["input_size"][1:])
        self._mean, self._std = (torch.tensor(v, device=device) for v in (mean, std))

    def __call__(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return one float32 [B, channels] a level of images, float32 [B, 3, H, W] in [0, 1]."""
        if not (images.requires_grad and torch.is_grad_enabled()):
            return self._levels_of(images)
        # Inception-v3 would hold 110 MB an image for the gradient. Computing the forward
        # pass again, few images at a time, costs less than moving so much memory.
        parts = [
            checkpoint(self._levels_of, part, use_reentrant=False, preserve_rng_state=False)
            for part in images.split(GRADIENT_CHUNK)
        ]
        return [torch.cat(level) for level in zip(*parts, strict=True)]

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """Return images in [0, 1] resized and normalised as the network was trained."""
        return normalised(resized(images, self.size), self._mean, self._std)

    def _levels_of(self, images: torch.Tensor) -> list[torch.Tensor]:
        return self._levels(self.prepare(images))

    def _levels(self, prepared: torch.Tensor) -> list[torch.Tensor]:
        raise NotImplementedError


class InceptionFeatures(_FrozenNetwork):
    """Inception-v3 (Szegedy et al. 2016), averaged over the image after some of its blocks.

    Args:
        network: timm's Inception-v3.
        blocks: 64 and 192 follow the first and second max-pool, 768 is the last block of so
            many channels, 2048 the final average pool.
    """

    def __init__(self, network: nn.Module, blocks: Sequence[int], device: torch.device) -> None:
        # The weights were trained on [-1, 1]: so 2 x - 1 for the x in [0, 1].
        super().__init__(network, HALF, HALF, device)
        self._names = [INCEPTION_BLOCKS[block] for block in blocks]

    def _levels(self, prepared: torch.Tensor) -> list[torch.Tensor]:
        maps, levels = prepared, []
        for name, module in self.network.named_children():
            maps = module(maps)
            if name in self._names:
                levels.append(maps.mean((2, 3)))
            if name == self._names[-1]:
                break
        return levels


class TimmFeatures(_FrozenNetwork):
    """Any classification model of timm: its pooled output, or averages of some of its levels.

    Args:
        network: a model of timm.
        layers: indices of its levels, the finest first; empty takes the pooled output.
        mean, std: by which images in [0, 1] are normalised.

    Raises:
        UserError: the model has no such levels.
    """

    def __init__(
        self,
        network: nn.Module,
        layers: Sequence[int],
        mean: Sequence[float],
        std: Sequence[float],
        device: torch.device,
    ) -> None:
        network.reset_classifier(0)
        super().__init__(network, mean, std, device)
        self._layers = list(layers)
        try:
            with torch.no_grad():
                self(torch.zeros(1, 3, *self.size, device=device))
        except (AssertionError, AttributeError, IndexError, ValueError) as error:
            name = network.pretrained_cfg["architecture"]
            raise UserError(
                f"features.layers: {self._layers}: '{name}' has no such levels ({error}); "
                "give smaller numbers, or none for the pooled output"
            ) from error

    def _levels(self, prepared: torch.Tensor) -> list[torch.Tensor]:
        if not self._layers:
            return [self.network(prepared)]
        maps = self.network.forward_intermediates(
            prepared, indices=self._layers, intermediates_only=True, stop_early=True
        )
        return [level.mean((2, 3)) for level in maps]


def make_inception(settings: Features, device: torch.device, cache: Path) -> InceptionFeatures:
    """Return the Inception features of the settings."""
    return InceptionFeatures(make_network(settings, cache), settings.blocks, device)


def make_timm(settings: Features, device: torch.device, cache: Path) -> TimmFeatures:
    """Return the features by a timm model of the settings."""
    network = make_network(settings, cache)
    return TimmFeatures(network, settings.layers, *normalisation(network, settings), device)


def normalisation(network: nn.Module, settings: Features) -> tuple[tuple[float, ...], ...]:
    """Return mean and spread of each channel, in [0, 1], that a network was trained with."""
    if settings.weights == "package":
        return PACKAGED
    return tuple(tuple(network.pretrained_cfg[key]) for key in ("mean", "std"))


def make_network(settings: Features, cache: Path) -> nn.Module:
    """Return the network of the settings with its classifier and weights, on the CPU.

    Random weights have a seed of their own, so that experiments of all seeds compare alike.

    Raises:
        UserError: there is no such model, or its weights cannot be had or do not fit.
    """
    name = INCEPTION if settings.kind == "inception" else settings.model
    check_model(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if settings.weights == "hub":
            return _from_hub(name)
        network = _timm().create_model(name)
    file = weights_file(settings, cache)
    if settings.weights == "package":
        load_packaged(network, file)
    elif file is not None:
        load_weights(network, file)
    return network


def check_model(name: str) -> None:
    """Check that timm has a model, and weights of the name's tag (``model.tag``) if it has one.

    Raises:
        UserError: it has none of this name.
    """
    timm = _timm()
    if not timm.is_model(name):
        nearest = nearest_name(name, timm.list_models())
        raise UserError(f"features.model: timm has no model '{name}'.{nearest}")
    model, _, tag = name.partition(".")
    known = [p.partition(".")[2] for p in timm.list_pretrained(f"{model}.*")]
    if tag and tag not in known:
        raise UserError(
            f"features.model: timm has no weights '{tag}' of '{model}'; known: {', '.join(known)}"
        )


def check_layers(name: str, layers: Sequence[int]) -> None:
    """Check that a model of timm has these levels, without its weights.

    Raises:
        UserError: it lacks one.
    """
    network = _timm().create_model(name)
    TimmFeatures(network, layers, HALF, HALF, torch.device("cpu"))


def _from_hub(name: str) -> nn.Module:
    try:
        return _timm().create_model(name, pretrained=True)
    except Exception as error:  # of the network, the hub's client or timm: many kinds
        raise UserError(
            f"features.weights: hub: cannot download the weights of '{name}' ({error}); where "
            "there is no network, set features.weights to a .safetensors or .pth file, or use "
            f"features.kind: timm, model: {PACKAGED_MODEL}, weights: package"
        ) from error


def _timm() -> ModuleType:
    """Import timm when it is needed: it takes seconds."""
    import_torchvision()
    return importlib.import_module("timm")
