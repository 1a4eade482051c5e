"""Steps of the optimiser on a network, over several processes if wanted."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from simtailor.pretrain.distributed import ALONE, Process
from simtailor.pretrain.network import timm
from simtailor.pretrain.settings import Pretrain

FIRST_RATE, FINAL_RATE = 1e-3, 1e-2  # of the warm-up and of the end, as shares of the highest

Weights = dict[str, torch.Tensor]


class Learner:
    """A network in training; with several processes each has a copy and a part of the batch.

    Args:
        network: of timm.
        settings: of the training.
        steps: batches an epoch.
        device: of the network.
        process: of those that train together.
    """

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
        self.optimiser = _optimiser(settings, network)
        self._device, self._order = device, order
        self._call = self.network
        if process.count > 1:
            devices = [device] if device.type == "cuda" else None
            self._call = DistributedDataParallel(self.network, devices)
        if settings.compile:
            self._call = torch.compile(self._call)
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
        """Take one step.

        Args:
            update: number of the step since the training's beginning.
            images: float32 [b, 3, S, S].
            targets: probabilities [b, C].

        Returns:
            Loss and share of right answers of the batch before the step, on the device.
        """
        self.schedule.step_update(update)
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(
            self._device.type, self._precision, enabled=self._precision != torch.float32
        ):
            scores = self._call(images.contiguous(memory_format=self._order))
        loss = -(targets * functional.log_softmax(scores.float(), -1)).sum(-1).mean()
        self._scaler.scale(loss).backward()
        self._scaler.step(self.optimiser)
        self._scaler.update()
        right = (scores.detach().argmax(-1) == targets.argmax(-1)).float().mean()
        return loss.detach(), right

    def weights(self) -> Weights:
        """Return the weights, as timm names them, on the CPU."""
        state = self.network.state_dict()
        return {name: value.detach().cpu().contiguous() for name, value in state.items()}

    def state(self) -> dict[str, Any]:
        """Return all that a training goes on from."""
        return {
            "weights": self.weights(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from ``state``."""
        self.network.load_state_dict(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])
        self._scaler.load_state_dict(state["scaler"])


def _optimiser(settings: Pretrain, network: nn.Module) -> torch.optim.Optimizer:
    """Return timm's optimiser; biases, scales and what the network names do not decay."""
    exempt = network.no_weight_decay() if hasattr(network, "no_weight_decay") else ()
    groups = timm().optim.param_groups_weight_decay(
        network, settings.weight_decay, no_weight_decay_list=exempt
    )
    return timm().optim.create_optimizer_v2(
        groups, opt=settings.optimiser, lr=settings.learning_rate
    )
