"""Variation of training images: a whole batch at once on the device, or image by image by timm.

A batch's numbers are drawn for all its images at once and do not depend on the device or the
process that applies them.
"""

from __future__ import annotations

import random as python_random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image

from simtailor.network_images import cropped, normalised
from simtailor.pretrain.settings import Augmentation, Pretrain
from simtailor.torchvision_compat import import_torchvision

# Of the ImageNet photographs, as in timm.data.constants: what most backbones expect.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
ASPECT = 4 / 3  # widest crop, and the inverse of the tallest


def draw_variations(
    settings: Augmentation, count: int, random: np.random.Generator
) -> torch.Tensor:
    """Draw the numbers of a batch, float32 [count, 9].

    The columns are width and height of the crop and its middle, x and y, in halves of the
    image; the sign of the mirroring; factors of brightness, contrast and saturation; and
    whether the colour is lost.
    """
    area = random.uniform(settings.crop, 1, count)
    widest = np.minimum(np.log(ASPECT), -np.log(area))  # so that the crop fits into the image
    aspect = np.exp(widest * random.uniform(-1, 1, count))
    width, height = np.sqrt(area * aspect), np.sqrt(area / aspect)
    middle = random.uniform(-1, 1, (2, count)) * (1 - np.stack([width, height]))
    mirror = np.where(random.uniform(size=count) < settings.flip, -1, 1)
    colour = random.uniform(1 - settings.colour, 1 + settings.colour, (3, count))
    grey = random.uniform(size=count) < settings.grey
    columns = [width, height, *middle, mirror, *colour, grey]
    return torch.from_numpy(np.stack(columns, 1).astype(np.float32))


def vary_batch(
    images: torch.Tensor,
    variations: torch.Tensor,
    image_size: int,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
) -> torch.Tensor:
    """Crop, mirror and colour a batch.

    Args:
        images: uint8 [B, H, H, 3].
        variations: of ``draw_variations``, [B, 9], on any device.
        image_size: pixels of the result.
        mean, std: of each channel, in [0, 1], as the network was trained with.

    Returns:
        Normalised float32 [B, 3, image_size, image_size] in channels-last order.
    """
    numbers = variations.to(images.device, non_blocking=True)
    width, height, x, y, mirror, brightness, contrast, saturation, grey = numbers.unbind(1)
    middles, sizes = torch.stack([x, y], 1), torch.stack([width * mirror, height], 1)
    pixels = cropped(images, middles, sizes, image_size)
    pixels = (pixels * _each(brightness)).clamp(0, 1)
    level = _luminance(pixels).mean((2, 3), keepdim=True)
    pixels = torch.lerp(level.expand_as(pixels), pixels, _each(contrast)).clamp(0, 1)
    strength = _each(saturation * (1 - grey))
    luminance = _luminance(pixels).expand_as(pixels)
    pixels = torch.lerp(luminance, pixels, strength).clamp(0, 1)
    return normalised(pixels, mean, std).contiguous(memory_format=torch.channels_last)


def image_transform(settings: Pretrain) -> Callable[[np.ndarray, int], torch.Tensor]:
    """Return timm's training transform with RandAugment as a function of image and seed.

    The function takes uint8 [H, H, 3] and returns normalised float32 [3, S, S].
    """
    import_torchvision()
    from timm.data import create_transform  # noqa: PLC0415  takes seconds

    varied = settings.augmentation
    transform = create_transform(
        settings.image_size,
        is_training=True,
        scale=(varied.crop, 1),
        ratio=(1 / ASPECT, ASPECT),
        hflip=varied.flip,
        color_jitter=varied.colour,
        grayscale_prob=varied.grey,
        auto_augment=varied.randaugment,
        interpolation="bilinear",  # as images are resized in evaluation
        mean=MEAN,
        std=STD,
    )
    _keep_a_bit(transform)

    def apply(image: np.ndarray, seed: int) -> torch.Tensor:
        with global_randomness(seed):
            return transform(Image.fromarray(image))

    return apply


def _keep_a_bit(transform: Any) -> None:
    """Let timm's posterisation keep a bit at its strongest, where Pillow refuses to keep none.

    With ``rand-m9-mstd0.5-inc1`` this befalls an image in some hundreds.
    """
    from timm.data.auto_augment import RandAugment, posterize  # noqa: PLC0415

    chosen = (part for part in transform.transforms if isinstance(part, RandAugment))
    for operation in (operation for part in chosen for operation in part.ops):
        if operation.aug_fn is posterize:
            operation.aug_fn = lambda image, bits, **_: posterize(image, max(bits, 1))


@contextmanager
def global_randomness(seed: int) -> Iterator[None]:
    """Let code that draws from the CPU's global generators draw by ``seed``; restore them after.

    Those of CUDA stay as they are: dropout draws from them, other numbers in every process.
    """
    before = python_random.getstate(), np.random.get_state(), torch.get_rng_state()
    python_random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        python_random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


def _each(factors: torch.Tensor) -> torch.Tensor:
    return factors.view(-1, 1, 1, 1)


def _luminance(pixels: torch.Tensor) -> torch.Tensor:
    return (pixels * pixels.new_tensor(GREY).view(1, 3, 1, 1)).sum(1, keepdim=True)
