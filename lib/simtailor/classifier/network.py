"""A classifier in a folder: weights and configuration that timm, and ``predict``, read.

``model.safetensors`` has the names of timm's parameters, the head among them, and
``config.json`` is in the format of timm's model hub, so that ``timm.create_model`` loads the
folder (``local-dir:FOLDER``) or the weights alone (``checkpoint_path``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from simtailor.errors import UserError
from simtailor.evaluate.heads import FineTuned
from simtailor.files import read_json, staged, write_json
from simtailor.pretrain.backbone import Backbone
from simtailor.pretrain.names import WEIGHTS
from simtailor.pretrain.network import create_network
from simtailor.pretrain.timm_files import CONFIGURATION, OWN, configuration_of

READING = {"image_size", "fit", "ranges"}  # keys below it that predictions need
CHUNK = 256  # images that go through the network together


class ImageClassifier:
    """A network of timm with a head for a task's classes.

    Args:
        backbone: the network, its head included, with size, mean and spread of its images.
        classes: their names.
        about: what else ``config.json`` says under ``simtailor``: how images are read
            (``image_size``, ``fit`` and ``ranges`` of ``Reading``), and what it was made of.
    """

    def __init__(
        self, backbone: Backbone, classes: Sequence[str], about: Mapping[str, Any]
    ) -> None:
        self.backbone, self.classes, self.about = backbone, tuple(classes), dict(about)

    @torch.no_grad()
    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Return float32 [N, classes] of images, uint8 [N, H, W, 3], read as the task's were."""
        found = [torch.softmax(scores, 1) for scores in self._scores(images)]
        return torch.cat(found).cpu().numpy()

    @torch.no_grad()
    def scores(self, images: np.ndarray) -> np.ndarray:
        """Return float32 [N, classes], of which the probabilities are the softmax."""
        return torch.cat(list(self._scores(images))).cpu().numpy()

    def _scores(self, images: np.ndarray) -> Iterator[torch.Tensor]:
        network = self.backbone.network
        for first in range(0, len(images), CHUNK):
            yield network(self.backbone.prepared(images[first : first + CHUNK])).float()

    def tempered(self, temperature: float) -> ImageClassifier:
        """Divide the scores by a number from now on; return itself."""
        head = self.backbone.network.get_classifier()
        with torch.no_grad():
            head.weight /= temperature
            head.bias /= temperature
        return self

    def write(self, folder: str | Path) -> None:
        """Write weights and configuration into a folder."""
        folder, description = Path(folder), self.backbone.description
        network = self.backbone.network
        weights = {name: value.cpu().contiguous() for name, value in network.state_dict().items()}
        with staged(folder / WEIGHTS) as staging:
            save_file(weights, staging)
        size, classes = self.backbone.image_size, self.classes
        configuration = configuration_of(network, description, size, classes, self.about)
        write_json(folder / CONFIGURATION, configuration)

    @classmethod
    def read(cls, folder: str | Path, device: torch.device | str = "cpu") -> ImageClassifier:
        """Read what ``write`` wrote.

        Raises:
            UserError: the folder holds no whole classifier.
        """
        folder = Path(folder)
        if not (folder / CONFIGURATION).is_file():
            raise UserError(
                f"{folder}: no classifier: it has no {CONFIGURATION}; give the folder that the "
                "target results/task2sim/classifier/TASK has made"
            )
        try:
            content = read_json(folder / CONFIGURATION)
            shown, classes = content["pretrained_cfg"], content["label_names"]
            description = {
                "model": content["architecture"],
                "model_options": content["model_args"],
                "mean": shown["mean"],
                "std": shown["std"],
                "image_size": int(shown["input_size"][1]),
            }
            network = create_network(
                description["model"], description["model_options"], len(classes)
            )
            network.load_state_dict(load_file(folder / WEIGHTS))
            about = content[OWN]
            if missing := READING - set(about):
                raise ValueError(f"{CONFIGURATION} lacks {OWN}.{min(missing)}")
            return cls(Backbone(network, description, device), classes, about)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise UserError(
                f"{folder}: no classifier that can be read ({error!r}); delete the folder and make "
                "its target again"
            ) from error


def with_head(
    backbone: Backbone,
    classes: Sequence[str],
    weight: torch.Tensor,
    bias: torch.Tensor,
    about: Mapping[str, Any],
) -> ImageClassifier:
    """Return a copy of a backbone with a linear head on its pooled features.

    Args:
        weight: [classes, D]; bias: [classes].

    Raises:
        UserError: the head of this kind of network is not one linear layer.
    """
    description = backbone.description
    description = {**description, "model_options": description.get("model_options", {})}
    network = create_network(description["model"], description["model_options"], len(classes))
    head = network.get_classifier()
    if not isinstance(head, nn.Linear) or tuple(head.weight.shape) != tuple(weight.shape):
        raise UserError(
            f"task2sim.pretrain.model: the head of '{description['model']}' is not one linear "
            "layer on the pooled features, so no classifier can be made of it; take another model"
        )
    of_head = {
        name
        for name, value in network.named_parameters()
        if any(value is own for own in head.parameters())
    }
    body = {n: v for n, v in backbone.network.state_dict().items() if n not in of_head}
    own = network.state_dict()
    network.load_state_dict({**body, **{name: own[name] for name in of_head}})
    with torch.no_grad():
        head.weight.copy_(weight)
        head.bias.copy_(bias)
    return ImageClassifier(
        Backbone(network, description, backbone.device, backbone.image_size), classes, about
    )


def of_fine_tuned(
    model: FineTuned, backbone: Backbone, classes: Sequence[str], about: Mapping[str, Any]
) -> ImageClassifier:
    """Return a fine-tuned network with its head as one linear layer.

    The head's batch normalisation, which has fixed statistics now, is a scale and a shift that go
    into the layer behind it.
    """
    _, statistics, linear = model.head
    weight = linear.weight.detach() / torch.sqrt(statistics.running_var + statistics.eps)
    bias = linear.bias.detach() - weight @ statistics.running_mean
    trained = Backbone(model.network, backbone.description, backbone.device, backbone.image_size)
    return with_head(trained, classes, weight, bias, about)
