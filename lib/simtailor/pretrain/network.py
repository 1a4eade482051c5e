"""The network of the settings: any model of timm, with random weights."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import torch
from torch import nn

from simtailor.errors import UserError, nearest_name
from simtailor.seeds import generator
from simtailor.torchvision_compat import import_torchvision


def timm() -> ModuleType:
    """Import timm when it is needed: it takes seconds."""
    import_torchvision()
    for part in ("data", "optim", "scheduler"):
        importlib.import_module(f"timm.{part}")
    return importlib.import_module("timm")


def create_network(
    model: str, options: dict[str, Any], class_count: int, seed: int = 0
) -> nn.Module:
    """Return a timm model with random weights, on the CPU.

    Args:
        model: name of the model.
        options: what ``timm.create_model`` is given beside.
        class_count: outputs of the classifier.
        seed: decides the weights.

    Raises:
        UserError: timm has no such model, or it does not take the options.
    """
    if not timm().is_model(model):
        nearest = nearest_name(model, timm().list_models())
        raise UserError(f"task2sim.pretrain.model: timm has no model '{model}'.{nearest}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(seed, "backbone", "weights").integers(2**31)))
        try:
            return timm().create_model(model, pretrained=False, num_classes=class_count, **options)
        except (TypeError, ValueError, AssertionError) as error:
            raise UserError(
                f"task2sim.pretrain.model_options: '{model}' does not take {options}: {error}"
            ) from error


def check_network(model: str, options: dict[str, Any], image_size: int) -> None:
    """Check that a model exists and takes colour images of a size, by one pass of zeros.

    Raises:
        UserError: names the key that must change.
    """
    if options.get("in_chans", 3) != 3:
        raise UserError(
            f"task2sim.pretrain.model_options: in_chans: {options['in_chans']}, but the images "
            "have 3 channels. Remove in_chans."
        )
    network = create_network(model, options, 10).eval()
    try:
        with torch.no_grad():
            network(torch.zeros(2, 3, image_size, image_size))
    except Exception as error:  # layers complain in many ways
        raise UserError(
            f"task2sim.pretrain.image_size: {image_size}, but '{model}' with the options "
            f"{options} cannot take such images ({error}). Give another size or model, or the "
            "option img_size where the model has it."
        ) from None
