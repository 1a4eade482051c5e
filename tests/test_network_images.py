"""Images as networks take them: one resizing for training and evaluation."""

import numpy as np
import pytest
import torch
from PIL import Image

from simtailor.network_images import cropped, normalised, resized, unit_images

WHOLE = torch.zeros(2, 2), torch.ones(2, 2)  # middles and sizes


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (2, 50, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("edge", [24, 48, 96])
def test_a_crop_of_the_whole_is_what_the_evaluation_resizes_to(images, edge):
    found = cropped(torch.from_numpy(images), *WHOLE, edge)
    torch.testing.assert_close(found, resized(unit_images(images), edge), atol=1e-5, rtol=0)


def test_crops_are_resized_with_antialiasing_like_another_library(images):
    middles = torch.tensor([[0.25, 0.0], [0.0, -0.2]])
    sizes = torch.tensor([[0.5, 1.0], [-1.0, 0.8]])  # a part, and a mirrored one
    found = cropped(torch.from_numpy(images), middles, sizes, 20)
    boxes = (24, 0, 56, 50), (0, 0, 64, 40)
    for image, box, crop in zip(images, boxes, found, strict=True):
        wanted = Image.fromarray(image).resize((20, 20), Image.Resampling.BILINEAR, box=box)
        values = torch.from_numpy(np.array(wanted)).permute(2, 0, 1) / 255
        values = values.flip(2) if box[2] == 64 else values
        # Pillow takes no pixels from beyond the box, and rounds.
        assert (crop - values)[:, 2:-2, 2:-2].abs().max() < 0.01


def test_fine_stripes_become_grey_and_not_other_stripes():
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = 255
    found = cropped(torch.from_numpy(stripes), WHOLE[0][:1], WHOLE[1][:1], 24)
    assert found.std() < 0.06  # without antialiasing about 0.4


def test_each_channel_is_normalised():
    pixels = torch.full((1, 3, 2, 2), 0.5)
    found = normalised(pixels, (0.5, 0.25, 0.0), (1.0, 0.5, 0.25))
    assert found[0, :, 0, 0].tolist() == [0.0, 0.5, 2.0]
