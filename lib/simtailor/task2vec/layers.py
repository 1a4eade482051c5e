"""Gradients of every filter and every image, exact, in one backward pass.

A layer's weight gradient for one image follows from the layer's input and the gradient of its
output. Calls of the supported functions are seen through ``TorchFunctionMode``, whichever
module makes them, with the very tensors that they get: padding, activations fused with a
normalisation, or work in place need no special case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from simtailor.task2vec.convolutions import Geometry, squared_gradients_of_filters


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


def named_arguments(
    func: Callable, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Return the arguments of a call of a supported function by name."""
    return {**dict(zip(SIGNATURES[func][1], args, strict=False)), **kwargs}


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
            kind, _ = SIGNATURES[func]
            arguments = named_arguments(func, args, kwargs or {})
            weight = arguments.get("weight")
            name = self._names.get(id(weight))
            if name is not None:
                arguments["input"] = arguments["input"].detach()
                inputs = arguments["input"]
                call = Call(kind, weight, inputs, arguments, inputs._version)
                return self._on_call(name, call, output)
        return output


def squared_gradients(call: Call, gradient: torch.Tensor, images: int) -> torch.Tensor:
    """Return the mean squared gradient of each filter for each image: float [images, C].

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
            return product.flatten(2).sum(2).square()
        return product.reshape(images, -1, len(call.weight)).sum(1).square()
    weight, inputs = call.weight, call.input
    if call.kind == "linear":  # a convolution of rows with a kernel of one place
        weight = weight[:, :, None, None]
        inputs, gradient = (
            values.reshape(images, -1, values.shape[-1]).transpose(1, 2)[..., None]
            for values in (inputs, gradient)
        )
    arguments = call.arguments if call.kind == "conv2d" else {}
    geometry = Geometry.of(weight, arguments)
    return squared_gradients_of_filters(weight, geometry, inputs, gradient)


def normalised(call: Call) -> torch.Tensor:
    """Return the input of a normalisation, normalised but not scaled by its weight."""
    arguments = {**call.arguments, "weight": None, "bias": None}
    function = functional.batch_norm if call.kind == "batch_norm" else functional.layer_norm
    return function(**arguments)
