"""Convolutions of maps with fewer places than the kernel has taps, as one product of matrices.

Most taps then meet the padding, which a library multiplies all the same: 8 of 9 where a kernel
of 3 x 3 meets a map of 1 x 1.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from simtailor.task2vec.convolutions import Geometry
from simtailor.task2vec.layers import named_arguments


class SmallMaps(TorchFunctionMode):
    """Computes convolutions of small maps in its own way, the same to rounding.

    The weights must not change: a weight's matrix, from all places and channels to all places
    and filters, is kept.
    """

    def __init__(self) -> None:
        super().__init__()
        self._matrices: dict[tuple[torch.Tensor, torch.Size, Geometry], _Matrix] = {}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Run the function, or do what it does."""
        if func is functional.conv2d:
            arguments = named_arguments(func, args, kwargs or {})
            inputs, weight = arguments["input"], arguments["weight"]
            size = inputs.shape[2:]
            if arguments.get("groups", 1) == 1 and math.prod(size) < math.prod(weight.shape[2:]):
                geometry = Geometry.of(weight, arguments)
                key = weight, size, geometry
                if key not in self._matrices:
                    self._matrices[key] = _matrix(*key)
                return _product(inputs, *self._matrices[key], arguments.get("bias"))
        return func(*args, **(kwargs or {}))


_Matrix = tuple[torch.Tensor, torch.Size]


def _matrix(weight: torch.Tensor, size: torch.Size, geometry: Geometry) -> _Matrix:
    """Return the matrix [places out * filters, places in * channels], and the output's size."""
    count = math.prod(size)
    # Which place each tap meets; the padding is the place after the last.
    places = torch.arange(1, count + 1, device=weight.device).view(1, 1, *size)
    places = geometry.padded(places)[0, 0] - 1
    met = torch.stack([places[rows, columns] for rows, columns in geometry.taps(places.shape)])
    tap, to = (met.flatten(1) >= 0).nonzero(as_tuple=True)
    filters, channels = weight.shape[:2]
    matrix = weight.new_zeros(met[0].numel(), count, filters, channels)
    matrix[to, met.flatten(1)[tap, to]] = weight.flatten(2).permute(2, 0, 1)[tap]
    return matrix.transpose(1, 2).reshape(-1, count * channels), met.shape[1:]


def _product(
    inputs: torch.Tensor, matrix: torch.Tensor, size: torch.Size, bias: Any
) -> torch.Tensor:
    rows = inputs.permute(0, 2, 3, 1).flatten(1)  # no copy where channels are last
    outputs = functional.linear(rows, matrix).view(len(inputs), *size, -1)
    if bias is not None:
        outputs = outputs + bias
    return outputs.permute(0, 3, 1, 2)
