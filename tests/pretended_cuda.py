"""A pretended CUDA device: a first run on a real one shall not fail on a tensor left elsewhere.

Within ``pretended_cuda()`` torch says that it has one GPU. Tensors that are moved to it lie in the
CPU's memory, and their storages are marked. What follows from them is marked, too, through the
backward pass as well, and what CUDA would refuse raises ``RefusedError``: tensors of both devices
in one operation, writing into a tensor of the other device, indexing a tensor of the CPU by one of
the GPU, NumPy, and a random generator of the other device.

It does not show: whether CUDA has a kernel, its precision, memory and speed; anything that needs
the order of streams; operations that want a scalar on the device (those of the CPU are let pass
everywhere, as CUDA's pointwise operations do); a gradient on the wrong device before it is used;
a checkpoint that is loaded without saying where to; Warp and FAISS, which do not run by torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
from torch._C import _functorch as functorch
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)
aten = torch.ops.aten
BETWEEN_DEVICES = {aten.copy_, aten._foreach_copy_, aten.set_}
BY_INDICES = {aten.index, aten._unsafe_index, aten.index_put, aten.index_put_}
PLAIN = torch._C.TensorBase  # the methods that are pretended over
PARSED = torch._C._nn._parse_to
COPIED_DEEPLY = torch.Tensor.__deepcopy__


class RefusedError(RuntimeError):
    """What CUDA would not do."""


def is_on_cuda(tensor: torch.Tensor) -> bool:
    """Return whether a tensor, or what vmap or grad wrap in it, lies on the pretended device."""
    while functorch.is_functorch_wrapped_tensor(tensor):
        tensor = functorch.get_unwrapped(tensor)
    with torch._C.DisableTorchFunction():
        try:
            return getattr(tensor.untyped_storage(), "on_cuda", False)
        except NotImplementedError:  # it has no storage
            return False


def _mark(tensor: torch.Tensor) -> torch.Tensor:
    with torch._C.DisableTorchFunction():
        tensor.untyped_storage().on_cuda = True
    return tensor


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in nested lists, tuples and dictionaries."""
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _tensors(value)
    elif isinstance(values, dict):
        yield from _tensors(list(values.values()))


class _Operations(TorchDispatchMode):
    """Refuses operations, and marks what the others return.

    Attributes:
        midst: the arguments of the function that is at work: a tensor that it makes from none, a
            helper, lies where they do.
    """

    midst: Any = ()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        placed = [is_on_cuda(tensor) for tensor in _tensors((args, kwargs))]
        if operation.overloadpacket in BETWEEN_DEVICES:
            return operation(*args, **kwargs)
        if any(placed) and not all(placed):
            _check(operation, args, kwargs)
        result = operation(*args, **kwargs)
        if any(placed) or (not placed and any(map(is_on_cuda, _tensors(self.midst)))):
            for tensor in _tensors(result):
                _mark(tensor)
        return result


def _check(operation: Any, args: tuple, kwargs: dict) -> None:
    """Refuse an operation on tensors of both devices, but for what CUDA takes from the CPU."""
    must = (args, kwargs)
    if operation.overloadpacket in BY_INDICES:
        if not is_on_cuda(args[0]):
            raise RefusedError(f"{operation}: a tensor of the CPU is indexed by one on CUDA")
        must = (args[0], args[2:], kwargs)  # the indices may be on the CPU
    strangers = [tensor for tensor in _tensors(must) if tensor.dim() and not is_on_cuda(tensor)]
    for argument, value in zip(operation._schema.arguments, args, strict=False):
        if argument.alias_info is not None and argument.alias_info.is_write:
            strangers += [tensor for tensor in _tensors(value) if not is_on_cuda(tensor)]
    if strangers:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in strangers)
        raise RefusedError(f"{operation}: tensors of shape {shapes} are on the CPU, others on CUDA")


class _Functions(TorchFunctionMode):
    """Keeps the word 'cuda' from torch, and knows in whose midst helpers are made."""

    def __init__(self, operations: _Operations) -> None:
        self._operations = operations

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        device, source = kwargs.get("device"), kwargs.get("generator")
        if function is PLAIN.new_tensor and device is None:
            device = args[0].device
        if function is PARSED or device is None or torch.device(device).type == "meta":
            if source is not None:
                on_cuda = any(map(is_on_cuda, _tensors((args, kwargs))))
                _check_source(source, CUDA if on_cuda else CPU)
            with self.amid((args, kwargs)):
                return function(*args, **kwargs)
        _check_source(source, torch.device(device))
        others = {key: kwargs[key] for key in kwargs.keys() - {"device", "requires_grad"}}
        with self.amid((args, others)):
            made = _moved(function(*args, **others), torch.device(device))
        return made.requires_grad_() if kwargs.get("requires_grad") else made

    @contextmanager
    def amid(self, midst: Any) -> Iterator[None]:
        before, self._operations.midst = self._operations.midst, midst
        try:
            yield
        finally:
            self._operations.midst = before


def _copied(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    with torch._C._DisableTorchDispatch():
        copy = tensor.detach().clone()
    return _mark(copy) if device.type == "cuda" else copy


class _Moved(torch.autograd.Function):
    @staticmethod
    def forward(context, tensor, device):
        context.before = tensor.device
        return _copied(tensor, device)

    @staticmethod
    def backward(context, gradient):
        return _moved(gradient, context.before), None


def _moved(tensor: torch.Tensor, device: torch.device | None) -> torch.Tensor:
    if device is None or device.type == tensor.device.type:
        return tensor
    learns = torch.is_grad_enabled() and tensor.requires_grad
    return _Moved.apply(tensor, device) if learns else _copied(tensor, device)


def _to(self: torch.Tensor, *args: Any, copy: bool = False, **kwargs: Any) -> torch.Tensor:
    if args and isinstance(args[0], torch.Tensor):
        args = (args[0].device, args[0].dtype, *args[1:])
    device, dtype, _, order = PARSED(*args, **kwargs)
    if device is not None and device.type == "meta":
        return PLAIN.to(self, device)
    same = PLAIN.to(self, dtype=dtype or self.dtype, copy=copy,
                    memory_format=order or torch.preserve_format)  # fmt: skip
    return _moved(same, device)


def _deep_copy(self: torch.Tensor, memo: dict) -> torch.Tensor:
    copy = COPIED_DEEPLY(self, memo)  # by its storage, past all operations
    return _mark(copy) if is_on_cuda(self) else copy


def _numpy(self: torch.Tensor, **kwargs: Any) -> Any:
    if is_on_cuda(self):
        raise RefusedError("a tensor on CUDA cannot become an array: copy it to the CPU first")
    return PLAIN.numpy(self, **kwargs)


class _Generator(torch.Generator):
    """A source of random numbers that says where it is."""

    def __new__(cls, device: torch.device | str = "cpu"):
        made = super().__new__(cls)
        made.place = torch.device(device)
        return made


def _check_source(source: torch.Generator | None, device: torch.device) -> None:
    place = getattr(source, "place", CPU)
    if source is not None and place.type != device.type:
        raise RefusedError(f"a generator of {place.type} draws no numbers on {device.type}")


def _known_to(functions: _Functions, run: Callable) -> Callable:
    """Return what torch runs in Python in the midst of a backward pass, where it has no modes."""

    def known(*args, **kwargs):
        with functions, functions.amid(()):
            return run(*args, **kwargs)

    return known


def _saved_tensors_hooks(functions: _Functions) -> Callable:
    """Return the beginning of saved tensors' hooks, as of what is computed again in backward."""
    plain = saved_tensors_hooks.__init__

    def begin(self, pack_hook, unpack_hook):
        plain(self, *(_known_to(functions, hook) for hook in (pack_hook, unpack_hook)))

    return begin


@contextmanager
def pretended_cuda() -> Iterator[None]:
    """Pretend that torch has one GPU."""
    operations = _Operations()
    functions = _Functions(operations)
    tensor = {
        "device": property(lambda self: CUDA if is_on_cuda(self) else PLAIN.device.__get__(self)),
        "is_cuda": property(is_on_cuda),
        "is_cpu": property(lambda self: not is_on_cuda(self)),
        "to": _to,
        "cuda": lambda self, *_, **__: _moved(self, CUDA),
        "cpu": lambda self, **_: _moved(self, CPU),
        "numpy": _numpy,
        "__deepcopy__": _deep_copy,
    }
    cuda = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "is_bf16_supported": lambda *_: True,
        "manual_seed_all": lambda seed: None,
        "get_rng_state": lambda device=0: torch.get_rng_state(),
        "set_rng_state": lambda state, device=0: None,
    }
    autocast = torch.autocast

    def casting(device_type: str, *args: Any, **kwargs: Any) -> torch.autocast:
        return autocast("cpu", *args, **kwargs)

    others = (
        (torch, "Generator", _Generator),
        (torch, "autocast", casting),
        (BackwardCFunction, "apply", _known_to(functions, BackwardCFunction.apply)),
        (saved_tensors_hooks, "__init__", _saved_tensors_hooks(functions)),
    )
    with ExitStack() as stack:
        patches = [(torch.Tensor, *item) for item in tensor.items()]
        patches += [(torch.cuda, *item) for item in cuda.items()]
        for owner, name, value in (*patches, *others):
            stack.enter_context(mock.patch.object(owner, name, value))
        stack.enter_context(operations)
        stack.enter_context(functions)
        yield
