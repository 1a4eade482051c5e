"""The pretended CUDA device refuses what a real one would, and no more."""

import numpy as np
import pytest
import torch
from pretended_cuda import RefusedError, is_on_cuda, pretended_cuda

MIXED = {
    "arithmetic": lambda cpu, cuda: cpu + cuda,
    "products": lambda cpu, cuda: torch.nn.functional.linear(cuda, cpu[None]),
    "joining": lambda cpu, cuda: torch.cat([cpu, cuda]),
    "choosing": lambda cpu, cuda: torch.where(cuda > 0, cpu, cuda),
    "writing to the CPU": lambda cpu, cuda: torch.zeros(()).add_(cuda.sum()),
    "writing to the device": lambda cpu, cuda: cuda.mul_(cpu),
    "rows of the CPU": lambda cpu, cuda: cpu[torch.tensor([0], device="cuda")],
    "numpy": lambda cpu, cuda: cuda.numpy(),
    "an array of it": lambda cpu, cuda: np.asarray(cuda),
    "numbers of the CPU": lambda cpu, cuda: torch.rand_like(cuda, generator=torch.Generator()),
    "numbers for the CPU": lambda cpu, cuda: torch.rand(3, generator=torch.Generator("cuda")),
    "a network": lambda cpu, cuda: torch.nn.Linear(3, 2).to("cuda")(cpu),
    "a loss": lambda cpu, cuda: torch.nn.functional.cross_entropy(cuda[None], torch.tensor([1])),
}  # fmt: skip


@pytest.fixture
def cuda():
    with pretended_cuda():
        yield


@pytest.mark.parametrize("what", MIXED)
def test_what_cuda_refuses_is_refused(cuda, what):
    values = torch.ones(3), torch.ones(3, device="cuda")
    with pytest.raises(RefusedError):
        MIXED[what](*values)


def test_what_cuda_allows_is_allowed(cuda):
    there = torch.ones(3).to("cuda")
    made = {
        "copy": there.clone(), "view": there[1:], "scalar": there * torch.tensor(2.0),
        "rows": there[torch.tensor([0, 2])], "like": torch.zeros_like(there),
        "new": there.new_tensor([1.0]), "of numbers": torch.tensor([1.0], device=there.device),
        "random": torch.rand(3, device="cuda", generator=torch.Generator("cuda").manual_seed(1)),
        "vmap": torch.func.vmap(torch.sum)(there[None]), "other's": torch.ones(3).to(there),
        "double": there.double(), "of several": torch.stack([there, there]).std(0),
    }  # fmt: skip
    assert [name for name, tensor in made.items() if tensor.device.type != "cuda"] == []
    here = {"back": there.cpu(), "new": torch.ones(3), "both": there.to("cpu", torch.float64)}
    assert [name for name, tensor in here.items() if tensor.is_cuda] == []
    here["both"] += there.cpu()
    torch.empty(3).copy_(there)
    assert there.tolist() == [1, 1, 1] and float(there.sum()) == 3


def of_cpu(state):
    """Return an optimiser's state as a checkpoint has it."""
    moved = {
        number: {name: value.cpu() for name, value in values.items()}
        for number, values in state["state"].items()
    }
    return state | {"state": moved}


def test_gradients_are_where_their_tensors_are(cuda):
    here, there = (
        torch.ones(3, requires_grad=True),
        torch.ones(3, device="cuda", requires_grad=True),
    )
    ((here.to("cuda") * there).cpu() * here).sum().backward()
    assert not is_on_cuda(here.grad) and is_on_cuda(there.grad)
    network = torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2)).cuda()
    optimiser = torch.optim.AdamW(network.parameters())
    for _ in range(2):
        scores = network(torch.rand(4, 3, device="cuda"))
        torch.nn.functional.cross_entropy(scores, torch.zeros(4, 2, device="cuda")).backward()
        optimiser.step()
    restored = torch.optim.AdamW(network.parameters())
    state = torch.utils._pytree.tree_map_only(
        torch.Tensor, torch.Tensor.cpu, optimiser.state_dict()
    )
    restored.load_state_dict(state)
    assert all(is_on_cuda(values["exp_avg"]) for values in restored.state.values())


class Across(torch.autograd.Function):
    """A gradient that is left on the CPU."""

    @staticmethod
    def forward(context, values):
        return values * 2

    @staticmethod
    def backward(context, gradient):
        return gradient.cpu() * 2


def test_a_gradient_on_the_other_device_is_refused(cuda):
    there = torch.ones(3, device="cuda", requires_grad=True)
    with pytest.raises(RefusedError):
        Across.apply(there * there).sum().backward()
