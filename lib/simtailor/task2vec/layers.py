"""Gradients of every filter and every image, exact, in one backward pass.

A layer's weight gradient for one image follows from the layer's input and the gradient of its
output. Calls of the supported functions are seen through ``TorchFunctionMode``, whichever
module makes them, with the very tensors that they get: padding, activations fused with a
normalisation, or work in place need no special case.

Only squared norms a filter are needed, so the gradient itself need not always be formed: for a
convolution with patches p [K, L] of one image and output gradient g [C, L], the squared norm of
filter c's gradient is ||g_c p^T||^2 = g_c (p^T p) g_c^T. The first way costs C K L, the second
K L^2 + C L^2; the cheaper one is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

CHUNK = 4_000_000  # numbers held at a time, so that they stay near the processor


@dataclass(frozen=True)
class Call:
    """A call of a supported function.

    Attributes:
        kind: the function's name.
        weight: the parameter: [C, ...], a filter or a channel a row.
        input: of the function, detached: [B, ...], or more rows than images where a network
            puts parts of an image side by side, an image's rows together.
        arguments: all of the function's, by name.
        version: of the input's content when the function was called.
    """

    kind: str
    weight: torch.Tensor
    input: torch.Tensor
    arguments: dict[str, Any]
    version: int


def _named(names: tuple[str, ...], args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    return {**dict(zip(names, args, strict=False)), **kwargs}


SIGNATURES: dict[Callable, tuple[str, tuple[str, ...]]] = {
    functional.conv2d: (
        "conv2d",
        ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    ),
    functional.linear: ("linear", ("input", "weight", "bias")),
    functional.batch_norm: (
        "batch_norm",
        ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"),
    ),
    functional.layer_norm: ("layer_norm", ("input", "normalized_shape", "weight", "bias", "eps")),
}


class LayerCalls(TorchFunctionMode):
    """Tells of every call of a supported function with one of the wanted weights.

    Args:
        weights: the wanted parameters by name.
        on_call: gets the parameter's name, the call and its output; returns the output, or
            another to go on with.
    """

    def __init__(
        self,
        weights: dict[str, nn.Parameter],
        on_call: Callable[[str, Call, torch.Tensor], torch.Tensor],
    ) -> None:
        super().__init__()
        self._names = {id(weight): name for name, weight in weights.items()}
        self._on_call = on_call

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Run the function, and tell of it."""
        output = func(*args, **(kwargs or {}))
        if func in SIGNATURES:
            kind, names = SIGNATURES[func]
            arguments = _named(names, args, kwargs or {})
            weight = arguments.get("weight")
            name = self._names.get(id(weight))
            if name is not None:
                arguments["input"] = arguments["input"].detach()
                inputs = arguments["input"]
                call = Call(kind, weight, inputs, arguments, inputs._version)
                return self._on_call(name, call, output)
        return output


def squared_gradients(call: Call, gradient: torch.Tensor, images: int) -> torch.Tensor:
    """Return the mean squared gradient of each filter, summed over images: float [C].

    Args:
        call: of a batch of ``images`` that do not depend on each other.
        gradient: of each image's own loss with respect to the call's output, of that shape.

    Raises:
        RuntimeError: the network has written over the input since.
    """
    if call.input._version != call.version:
        raise RuntimeError(f"the input of a {call.kind} was changed in place after its use")
    if call.kind in ("batch_norm", "layer_norm"):
        product = gradient * normalised(call)
        if call.kind == "batch_norm":
            return product.flatten(2).sum(2).square().sum(0)
        return product.reshape(images, -1, len(call.weight)).sum(1).square().sum(0)
    if call.kind == "linear":
        inputs = call.input.reshape(images, -1, call.input.shape[-1]).transpose(1, 2)[:, None]
        outputs = gradient.reshape(images, -1, gradient.shape[-1]).transpose(1, 2)[:, None]
        return _squares(inputs, outputs)
    groups = call.arguments.get("groups", 1)
    if groups == len(call.weight) == call.input.shape[1]:
        return _depthwise_squares(call, gradient)
    outputs = gradient.reshape(images, groups, len(call.weight) // groups, -1)
    size = call.weight[0].numel() * groups * outputs.shape[-1]
    parts = max(1, CHUNK // max(1, size))
    sums = [
        _squares(patches(call, inputs), part)
        for inputs, part in zip(call.input.split(parts), outputs.split(parts), strict=True)
    ]
    return torch.stack(sums).sum(0)


def _squares(inputs: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Return the squared norms of products, averaged over K and summed over images.

    Args:
        inputs: [B, G, K, L]; gradient: [B, G, C, L].

    Returns:
        [G * C]
    """
    size, places = inputs.shape[2:]
    filters = gradient.shape[2]
    if filters * size <= places * (size + filters):
        squares = (gradient @ inputs.transpose(2, 3)).square().sum((0, 3))
    else:
        gram = inputs.transpose(2, 3) @ inputs
        squares = ((gradient @ gram) * gradient).sum((0, 3))
    return squares.flatten() / size


def _depthwise_squares(call: Call, gradient: torch.Tensor) -> torch.Tensor:
    """Return what ``_squares`` does for a convolution with a filter a channel.

    Its gradient is itself a convolution, of every image and channel with the output's gradient
    as filter, in which stride and dilation change places.
    """
    inputs, padding = _padded(call, call.input)
    stride, dilation = (_pair(call.arguments.get(key, 1)) for key in ("stride", "dilation"))
    height, width = call.weight.shape[2:]
    products = functional.conv2d(
        inputs.reshape(1, -1, *inputs.shape[2:]),
        gradient.reshape(-1, 1, *gradient.shape[2:]),
        stride=dilation, padding=padding, dilation=stride, groups=gradient[:, :, 0, 0].numel(),
    )[0, :, :height, :width]  # fmt: skip
    squares = products.square().sum((1, 2)).reshape(len(gradient), -1).sum(0)
    return squares / (height * width)


def patches(call: Call, inputs: torch.Tensor) -> torch.Tensor:
    """Return what each filter of a convolution sees at each place: [B, groups, K, places]."""
    kernel = call.weight.shape[2:]
    stride, dilation = (_pair(call.arguments.get(key, 1)) for key in ("stride", "dilation"))
    inputs, padding = _padded(call, inputs)
    if tuple(kernel) == (1, 1) and padding == (0, 0):
        columns = inputs[:, :, :: stride[0], :: stride[1]].flatten(2)
    else:
        columns = functional.unfold(inputs, kernel, dilation, padding, stride)
    groups = call.arguments.get("groups", 1)
    return columns.reshape(len(inputs), groups, -1, columns.shape[-1])


def _padded(call: Call, inputs: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int]]:
    """Return the input of a convolution and its padding in numbers."""
    padding = call.arguments.get("padding", 0)
    if padding != "same":
        return inputs, _pair(0 if padding == "valid" else padding)
    kernel, dilation = call.weight.shape[2:], _pair(call.arguments.get("dilation", 1))
    sides = [
        side
        for d, k in zip(reversed(dilation), reversed(kernel), strict=True)
        for side in (d * (k - 1) // 2, d * (k - 1) - d * (k - 1) // 2)
    ]
    return functional.pad(inputs, sides), (0, 0)


def normalised(call: Call) -> torch.Tensor:
    """Return the input of a normalisation, normalised but not scaled by its weight."""
    arguments = {**call.arguments, "weight": None, "bias": None}
    function = functional.batch_norm if call.kind == "batch_norm" else functional.layer_norm
    return function(**arguments)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)
