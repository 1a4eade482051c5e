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
