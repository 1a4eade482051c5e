"""Convolutions as products of matrices: squared gradients of filters, and results in small maps.

The gradient of filter c for one image is the product of the output's gradient g_c [L] at the L
places and of the patches p [K, L] that the filter sees there. Only its squared norm is wanted,
||g_c p^T||^2 = g_c (p^T p) g_c^T, so it need not be formed. The products p^T p of patches are
sums of products of single places, of all channels at once, shifted along the kernel: so the
patches need not be formed either. Which of the two ways is cheaper depends on the sizes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

CHUNK = 4_000_000  # numbers held at a time, so that they stay near the processor
MOVED = 32  # products of numbers that a processor forms while it moves one about


@dataclass(frozen=True)
class Geometry:
    """How a convolution looks at its input.

    Attributes:
        kernel, stride, dilation: along height and width.
        padding: places added left, right, above and below, as of ``functional.pad``.
        groups: of channels, each with filters of its own.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int, int, int]
    groups: int

    @classmethod
    def of(cls, weight: torch.Tensor, arguments: Mapping[str, Any]) -> Geometry:
        """Return the geometry of a call of ``functional.conv2d`` with these arguments."""
        kernel = tuple(weight.shape[2:])
        stride, dilation = (_pair(arguments.get(key, 1)) for key in ("stride", "dilation"))
        padding = arguments.get("padding", 0)
        if padding == "same":
            added = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
            (above, below), (left, right) = ((n // 2, n - n // 2) for n in added)
        else:
            above, left = below, right = _pair(0 if padding == "valid" else padding)
        sides = (left, right, above, below)
        return cls(kernel, stride, dilation, sides, arguments.get("groups", 1))

    def padded(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return inputs [B, C, H, W] with zeros around them."""
        return functional.pad(inputs, self.padding) if any(self.padding) else inputs

    def taps(self, size: torch.Size) -> list[tuple[slice, slice]]:
        """Return the rows and columns of a padded map that each tap of the kernel meets."""
        return [
            (rows, columns)
            for rows in self._positions(0, size[0])
            for columns in self._positions(1, size[1])
        ]

    def patches(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return what the kernel meets in padded maps: a view [B, channels, h, w, kernel]."""
        for axis, stride in enumerate(self.stride):
            inputs = inputs.unfold(2 + axis, self._reach(axis), stride)
        return inputs[..., :: self.dilation[0], :: self.dilation[1]]

    def _reach(self, axis: int) -> int:
        return self.dilation[axis] * (self.kernel[axis] - 1) + 1

    def _positions(self, axis: int, size: int) -> list[slice]:
        stride, reach = self.stride[axis], self._reach(axis)
        last = (size - reach) // stride * stride
        offsets = range(0, reach, self.dilation[axis])
        return [slice(start, start + last + 1, stride) for start in offsets]


def squared_gradients_of_filters(
    weight: torch.Tensor, geometry: Geometry, inputs: torch.Tensor, gradient: torch.Tensor
) -> torch.Tensor:
    """Return the mean squared gradient of each filter for each image: float [B, C].

    Args:
        inputs: of the convolution, [B, channels, H, W]; gradient: of its output [B, C, h, w].
    """
    inputs = geometry.padded(inputs)
    if geometry.groups == len(weight) == inputs.shape[1]:
        return _depthwise(geometry, inputs, gradient)
    if geometry.kernel == (1, 1):
        inputs = inputs[:, :, :: geometry.stride[0], :: geometry.stride[1]]
    filters, places = len(weight) // geometry.groups, gradient[0, 0].numel()
    channels, size = weight.shape[1], weight[0].numel()
    taps, seen = size // channels, inputs[0, 0].numel()
    moved = MOVED if taps > 1 else 0
    formed = size * places * (filters + moved)
    unformed = seen**2 * channels + places**2 * (filters + moved * taps)
    directly = formed <= unformed
    square = _from_patches if directly else _from_places
    held = (size * places if directly else seen**2) * geometry.groups
    parts = max(1, CHUNK // max(1, held))
    squares = [
        square(geometry, part, of_part)
        for part, of_part in zip(inputs.split(parts), gradient.split(parts), strict=True)
    ]
    return torch.cat(squares) / size


def _from_patches(geometry: Geometry, inputs: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Return the squared norms of filters' gradients, [B, C], from patches of padded inputs."""
    patches = geometry.patches(inputs).permute(0, 1, 4, 5, 2, 3)
    outputs = gradient.reshape(len(gradient), geometry.groups, -1, gradient[0, 0].numel())
    patches = patches.reshape(*outputs.shape[:2], -1, outputs.shape[3])
    return (outputs @ patches.transpose(2, 3)).square().sum(3).flatten(1)


def _from_places(geometry: Geometry, inputs: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Return what ``_from_patches`` does, from products of places with one another."""
    outputs = gradient.reshape(len(gradient), geometry.groups, -1, gradient[0, 0].numel())
    products = products_of_patches(geometry, inputs)
    return ((outputs @ products) * outputs).sum(3).flatten(1)


def products_of_patches(geometry: Geometry, inputs: torch.Tensor) -> torch.Tensor:
    """Return the products of an image's patches with one another: [B, groups, L, L].

    Args:
        inputs: [B, channels, H, W], padded.
    """
    height, width = inputs.shape[2:]
    flat = inputs.reshape(len(inputs), geometry.groups, -1, height * width)
    products = flat.transpose(2, 3) @ flat
    if geometry.kernel == (1, 1):
        return products
    products = products.unflatten(3, (height, width)).unflatten(2, (height, width))
    first, *others = (
        products[:, :, rows, columns][..., rows, columns]
        for rows, columns in geometry.taps(inputs.shape[2:])
    )
    total = first.clone()
    for other in others:
        total += other
    return total.flatten(4).flatten(2, 3)


def _depthwise(geometry: Geometry, inputs: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Return the squared gradients for a convolution with a filter a channel.

    The gradient is itself a convolution, of every image and channel with the output's gradient
    as filter, in which stride and dilation change places.
    """
    height, width = geometry.kernel
    products = functional.conv2d(
        inputs.reshape(1, -1, *inputs.shape[2:]),
        gradient.reshape(-1, 1, *gradient.shape[2:]),
        stride=geometry.dilation, dilation=geometry.stride, groups=gradient[:, :, 0, 0].numel(),
    )[0, :, :height, :width]  # fmt: skip
    return products.square().mean((1, 2)).reshape(len(gradient), -1)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)
