"""The training of all small networks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch

from simtailor.errors import UserError
from simtailor.worth.pyramid import PyramidNetwork

SECONDS = 15.0  # between two lines of progress
WEIGHT_DECAY = 1e-4
HEADS = 4.0  # times the packaged blocks' rate
WARMING = 0.1  # share of the steps in which the rate rises


def fit_network(
    network: PyramidNetwork,
    loss_of: Callable[[int], torch.Tensor],
    steps: int,
    learning_rate: float,
    report: Callable[[str], None],
) -> None:
    """Train a network by AdamW.

    Args:
        network: in the mode for training, on its device.
        loss_of: returns the loss of a step by its number.
        learning_rate: highest, of the packaged blocks.

    Raises:
        UserError: the loss is no number any more.
    """
    packaged = [p for p in network.blocks.parameters() if p.requires_grad]
    known = {id(p) for p in packaged}
    heads = [p for p in network.parameters() if p.requires_grad and id(p) not in known]
    groups = [
        {"params": packaged, "lr": learning_rate},
        {"params": heads, "lr": HEADS * learning_rate},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda n: _rate(n, steps))
    begun = told = time.monotonic()
    losses: list[float] = []
    for step in range(steps):
        loss = loss_of(step)
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise UserError(
                f"step {step + 1} of {steps}: the loss is {losses[-1]}, so nothing is learnt any "
                f"more. Set a 'learning_rate' of the training below {learning_rate:g}."
            )
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([*packaged, *heads], 10.0)
        optimiser.step()
        schedule.step()
        now = time.monotonic()
        if now - told > SECONDS or step + 1 == steps:
            told = now
            left = (now - begun) / (step + 1) * (steps - step - 1)
            mean = np.mean(losses[-50:])
            report(f"step {step + 1} of {steps}: loss {mean:.3f}, {left:.0f} s left")


def _rate(step: int, steps: int) -> float:
    """Return the share of the highest rate: a rise, then half a cosine to a hundredth."""
    warming = max(1, round(WARMING * steps))
    if step < warming:
        return (step + 1) / warming
    return 0.01 + 0.99 * (1 + np.cos(np.pi * (step - warming) / max(steps - warming, 1))) / 2
