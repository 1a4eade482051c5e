"""Steps of the optimiser: of one network, over several processes if wanted, or of several at once.

Several networks of one kind are one network whose weights have one more axis (``torch.func``):
its convolutions are grouped ones, and a GPU that a small network leaves idle is filled. Each
network has its own batch, its own batch statistics and its own optimiser's state; nothing
of one reaches another.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from simtailor.pretrain.distributed import ALONE, Process
from simtailor.pretrain.network import timm
from simtailor.pretrain.settings import Pretrain

FIRST_RATE, FINAL_RATE = 1e-3, 1e-2  # of the warm-up and of the end, as shares of the highest

Weights = dict[str, torch.Tensor]


class Learner(ABC):
    """Networks in training.

    Args:
        settings: of the training.
        steps: batches an epoch.
        device: of the networks.
    """

    optimiser: torch.optim.Optimizer

    def __init__(self, settings: Pretrain, steps: int, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self._precision = getattr(torch, settings.precision)
        self._scaler = torch.amp.GradScaler(
            device.type, enabled=settings.precision == "float16" and device.type == "cuda"
        )
        self.schedule, _ = timm().scheduler.create_scheduler_v2(
            self.optimiser,
            sched="cosine",
            num_epochs=settings.epochs,
            warmup_epochs=settings.warmup_epochs,
            warmup_lr=settings.learning_rate * FIRST_RATE,
            min_lr=settings.learning_rate * FINAL_RATE,
            step_on_epochs=False,
            updates_per_epoch=steps,
        )

    @property
    def learning_rate(self) -> float:
        """The rate of the last step."""
        return self.optimiser.param_groups[0]["lr"]

    def step(
        self, update: int, images: torch.Tensor, targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Take one step with every network.

        Args:
            update: number of the step since the training's beginning.
            images: float32 [K, b, 3, S, S], a batch for each of K networks.
            targets: probabilities [K, b, C].

        Returns:
            Loss and share of right answers of each network's batch before the step: [K], [K].
        """
        self.schedule.step_update(update)
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(
            self.device.type, self._precision, enabled=self._precision != torch.float32
        ):
            scores = self.scores(images)
        losses = -(targets * functional.log_softmax(scores.float(), -1)).sum(-1).mean(-1)
        self._scaler.scale(losses.sum()).backward()
        self._scaler.step(self.optimiser)
        self._scaler.update()
        right = (scores.detach().argmax(-1) == targets.argmax(-1)).float().mean(-1)
        return losses.detach(), right

    @abstractmethod
    def scores(self, images: torch.Tensor) -> torch.Tensor:
        """Return the networks' scores [K, b, C] of their images [K, b, 3, S, S]."""

    @abstractmethod
    def weights(self) -> list[Weights]:
        """Return the weights of each network, as timm names them, on the CPU."""

    @abstractmethod
    def load_weights(self, weights: list[Weights]) -> None:
        """Take over weights."""

    def state(self) -> dict[str, Any]:
        """Return all that a training goes on from."""
        return {
            "weights": self.weights(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from ``state``."""
        self.load_weights(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])
        self._scaler.load_state_dict(state["scaler"])


class SingleLearner(Learner):
    """One network; with several processes each has a copy and a part of the batch."""

    def __init__(
        self,
        network: nn.Module,
        settings: Pretrain,
        steps: int,
        device: torch.device,
        process: Process = ALONE,
    ) -> None:
        order = torch.channels_last if settings.channels_last else torch.contiguous_format
        self.network = network.to(device, memory_format=order).train()
        self.optimiser = _optimiser(settings, network, dict(network.named_parameters()))
        self._order = order
        self._call = self.network
        if process.count > 1:
            devices = [device] if device.type == "cuda" else None
            self._call = DistributedDataParallel(self.network, devices)
        if settings.compile:
            self._call = torch.compile(self._call)
        super().__init__(settings, steps, device)

    def scores(self, images: torch.Tensor) -> torch.Tensor:
        return self._call(images[0].contiguous(memory_format=self._order))[None]

    def weights(self) -> list[Weights]:
        state = self.network.state_dict()
        return [{name: value.detach().cpu().contiguous() for name, value in state.items()}]

    def load_weights(self, weights: list[Weights]) -> None:
        self.network.load_state_dict(weights[0])


class JointLearner(Learner):
    """Several networks of one kind at once on one device."""

    def __init__(
        self, networks: list[nn.Module], settings: Pretrain, steps: int, device: torch.device
    ) -> None:
        for network in networks:
            network.to(device).train()
        self._parameters, self._buffers = stack_module_state(networks)
        self._shape = copy.deepcopy(networks[0]).to("meta")
        self.optimiser = _optimiser(settings, networks[0], self._parameters)
        # Dropout and the like differ from network to network.
        self._call = vmap(self._one, randomness="different")
        super().__init__(settings, steps, device)

    def _one(self, parameters: Weights, buffers: Weights, images: torch.Tensor) -> torch.Tensor:
        # Batch normalisation writes its running statistics into the stacked buffers.
        return functional_call(self._shape, (parameters, buffers), (images,))

    def scores(self, images: torch.Tensor) -> torch.Tensor:
        return self._call(self._parameters, self._buffers, images)

    def _tensors(self) -> Weights:
        return {**self._parameters, **self._buffers}

    def weights(self) -> list[Weights]:
        stacked = {name: value.detach().cpu() for name, value in self._tensors().items()}
        count = len(next(iter(stacked.values())))
        return [
            {name: stacked[name][k].contiguous() for name in self._shape.state_dict()}
            for k in range(count)
        ]

    def load_weights(self, weights: list[Weights]) -> None:
        with torch.no_grad():
            for name, value in self._tensors().items():
                value.copy_(torch.stack([one[name] for one in weights]))


def _optimiser(settings: Pretrain, network: nn.Module, tensors: Weights) -> torch.optim.Optimizer:
    """Return timm's optimiser of ``tensors``, which stand for the network's parameters.

    Which of them decay is decided by the network's own: a stacked bias is no longer flat.
    """
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    exempt = network.no_weight_decay() if hasattr(network, "no_weight_decay") else ()
    groups = timm().optim.param_groups_weight_decay(
        network, settings.weight_decay, no_weight_decay_list=exempt
    )
    for group in groups:
        group["params"] = [tensors[names[id(parameter)]] for parameter in group["params"]]
    return timm().optim.create_optimizer_v2(
        groups, opt=settings.optimiser, lr=settings.learning_rate
    )
