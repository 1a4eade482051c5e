"""Gradient of images with respect to scene attributes, for any renderer.

A renderer with an exact derivative gives its own. For the others, central differences: every
attribute of every scene of the batch is moved up and down, all perturbed scenes are rendered
in one call, and the difference is divided by the distance between the two. A perturbed scene
keeps the seed of its original, so noise cancels (common random numbers).
"""

from __future__ import annotations

import numpy as np
import torch

from simtailor.render.renderer import Renderer
from simtailor.scene.graph import SceneGraphBatch


def images_as_tensor(images: np.ndarray) -> torch.Tensor:
    """Return uint8 [B, H, W, 3] as float32 [B, 3, H, W] in [0, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).to(torch.float32) / 255


def render_with_gradient(
    renderer: Renderer, graphs: SceneGraphBatch, features: torch.Tensor, steps: np.ndarray
) -> torch.Tensor:
    """Render a batch so that gradients flow back to its features.

    Costs B renders forwards, and 2 B renders an attribute backwards; only B in all where the
    renderer has ``render_differentiable``, whose exact gradient reaches every entry.

    Args:
        renderer: any renderer.
        graphs: B graphs; their features are replaced by ``features``.
        features: float32 [B, N, F] in units of ``layout.maximum``.
        steps: float [N, F] half distance of the central difference in units of the
            features; entries that are 0 get no gradient.

    Returns:
        float32 [B, 3, H, W] in [0, 1].
    """
    if (np.asarray(steps) < 0).any():
        raise ValueError("the steps of the central difference must not be negative")
    exact = getattr(renderer, "render_differentiable", None)
    if exact is not None:
        return exact(graphs, features)
    return _Render.apply(features, renderer, graphs, np.asarray(steps, dtype=np.float32))


class _Render(torch.autograd.Function):
    @staticmethod
    def forward(context, features, renderer, graphs, steps):
        context.save_for_backward(features)
        context.renderer, context.graphs, context.steps = renderer, graphs, steps
        values = features.detach().cpu().numpy()
        images = images_as_tensor(renderer.render(graphs.with_features(values)).images)
        return images.to(features.device)

    @staticmethod
    def backward(context, gradient):
        (features,) = context.saved_tensors
        values = features.detach().cpu().numpy()
        result = torch.zeros_like(features)
        entries = np.argwhere(context.steps > 0)
        if not len(entries):
            return result, None, None, None
        perturbed, distances = perturb(values, context.steps, entries)
        graphs = context.graphs.repeat(2 * len(entries)).with_features(perturbed)
        images = context.renderer.render(graphs).images
        images = images.reshape(len(entries), 2, len(values), *images.shape[1:])
        for e, (node, feature) in enumerate(entries):
            # int16 holds the difference of two bytes at half the memory of a float.
            difference = images[e, 0].astype(np.int16) - images[e, 1]
            difference = torch.from_numpy(difference).permute(0, 3, 1, 2).to(gradient)
            # Each image's derivative meets the gradient of its own image only.
            slope = torch.einsum("bchw,bchw->b", difference, gradient) / 255
            distance = torch.from_numpy(distances[e]).to(gradient)
            result[:, node, feature] = slope / distance
        return result, None, None, None


def perturb(
    values: np.ndarray, steps: np.ndarray, entries: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Move each entry of each graph up and down by its step.

    Args:
        values: float32 [B, N, F]; steps: float32 [N, F]; entries: int [E, 2], nodes and features.

    Returns:
        float32 [E * 2 * B, N, F], up before down, and the distances between the two after
        rounding to float32: float32 [E, B].
    """
    perturbed = np.repeat(values[None], 2 * len(entries), axis=0)
    perturbed = perturbed.reshape(len(entries), 2, *values.shape)
    distances = np.empty((len(entries), len(values)), np.float32)
    for e, (node, feature) in enumerate(entries):
        perturbed[e, 0, :, node, feature] += steps[node, feature]
        perturbed[e, 1, :, node, feature] -= steps[node, feature]
        distances[e] = perturbed[e, 0, :, node, feature] - perturbed[e, 1, :, node, feature]
    return perturbed.reshape(-1, *values.shape[1:]), distances
