"""torchvision works beside a CPU-only torch."""

import subprocess
import sys

CODE = """
from simtailor.torchvision_compat import import_torchvision
torchvision = import_torchvision()
import_torchvision()  # a second call changes nothing
import torch
from torchvision.transforms import v2
assert v2.Resize(8)(torch.zeros(3, 16, 16)).shape == (3, 8, 8)
model = torchvision.models.resnet18(weights=None).eval()
with torch.no_grad():
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)
"""


def test_transforms_and_models_work():
    finished = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
