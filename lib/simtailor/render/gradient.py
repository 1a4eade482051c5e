"""Gradient of images with respect to scene attributes, for any renderer.

A renderer with an exact derivative gives its own. For the others, differences: every attribute
of every scene of the batch is moved by its step, all moved scenes are rendered in one call, and
the difference to the scene as it was is divided by the step. Half of the scenes, by their seeds,
move up and the others down, so that over scenes it is the central difference, at half its renders.
A moved scene keeps the seed of its original, so noise cancels (common random numbers).
"""

from __future__ import annotations

import numpy as np
import torch

from simtailor.render.renderer import Renderer
from simtailor.scene.graph import SceneGraphBatch
from simtailor.seeds import scene_uniforms

MOST_BYTES = 2**28  # of perturbed images that are rendered in one call
SIDES = 2**20  # the first purpose of the scenes' numbers that say to which side to step
STEP_FACTORS = (1, 2, 4, 8)
RESPONDING_PIXELS = 0.002  # share of the pixels that have to respond to a step ...
GOOD_RESPONSE = 8.0  # ... by so many grey levels


def images_as_tensor(images: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return uint8 [B, H, W, 3] as float32 [B, 3, H, W] in [0, 1], made so on the device."""
    return torch.from_numpy(images).to(device).permute(0, 3, 1, 2).to(torch.float32) / 255


def render_with_gradient(
    renderer: Renderer,
    graphs: SceneGraphBatch,
    features: torch.Tensor,
    steps: np.ndarray,
    changed: list[np.ndarray] | None = None,
) -> torch.Tensor:
    """Render a batch so that gradients flow back to its features.

    Costs B renders forwards, and B renders an attribute backwards; only B in all where the
    renderer has ``render_differentiable``, whose exact gradient reaches every entry.

    Args:
        renderer: any renderer.
        graphs: B graphs; their features are replaced by ``features``.
        features: float32 [B, N, F] in units of ``layout.maximum``.
        steps: float [N, F] distance of the difference in units of the features; entries
            that are 0 get no gradient.
        changed: receives, when the gradient is taken, which steps changed any pixel at all:
            bool [E, B] for the E entries with a step.

    Returns:
        float32 [B, 3, H, W] in [0, 1].
    """
    if (np.asarray(steps) < 0).any():
        raise ValueError("the steps of the difference must not be negative")
    exact = getattr(renderer, "render_differentiable", None)
    if exact is not None:
        return exact(graphs, features)
    steps = np.asarray(steps, dtype=np.float32)
    return _Render.apply(features, renderer, graphs, steps, changed)


class _Render(torch.autograd.Function):
    @staticmethod
    def forward(context, features, renderer, graphs, steps, changed):
        context.save_for_backward(features)
        context.renderer, context.graphs, context.steps = renderer, graphs, steps
        context.changed = changed
        values = features.detach().cpu().numpy()
        images = renderer.render(graphs.with_features(values)).images
        context.images = images
        return images_as_tensor(images, features.device)

    @staticmethod
    def backward(context, gradient):
        (features,) = context.saved_tensors
        values = features.detach().cpu().numpy()
        result = torch.zeros_like(features)
        entries = np.argwhere(context.steps > 0)
        # Many entries a call, but no more pixels than fit into memory.
        together = max(1, MOST_BYTES // gradient.numel())
        changed = []
        for first in range(0, len(entries), together):
            part = entries[first : first + together]
            moved, distances = perturb_to_one_side(
                context.graphs.with_features(values), context.steps, part
            )
            graphs = context.graphs.repeat(len(part)).with_features(moved)
            images = context.renderer.render(graphs).images
            images = images.reshape(len(part), len(values), *images.shape[1:])
            for e, (node, feature) in enumerate(part):
                # int16 holds the difference of two bytes at half the memory of a float; so it
                # goes to the device, and becomes a float there.
                difference = images[e].astype(np.int16) - context.images
                changed.append(difference.any(axis=(1, 2, 3)))
                difference = torch.from_numpy(difference).to(gradient.device)
                difference = difference.permute(0, 3, 1, 2).to(gradient)
                # Each image's derivative meets the gradient of its own image only.
                slope = torch.einsum("bchw,bchw->b", difference, gradient) / 255
                distance = torch.from_numpy(distances[e]).to(gradient)
                result[:, node, feature] = slope / distance
        if context.changed is not None and changed:
            context.changed.append(np.stack(changed))
        return result, None, None, None, None


def responsive_steps(
    renderer: Renderer, graphs: SceneGraphBatch, steps: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Double steps of the central difference until the image responds well above its rounding.

    Args:
        graphs: a few scenes like those of the training.
        steps: float32 [N, F] in units of the features, 0 for entries without a gradient.

    Returns:
        the steps, and the response of each entry in grey levels (how far the
        most-changed pixels of a scene change): float32 [N, F] each; and the number of
        renders. Where even the widest step changes nothing, the response is 0.
    """
    chosen, responses, renders = steps.copy(), np.zeros_like(steps), 0
    for node, feature in np.argwhere(steps > 0):
        for factor in STEP_FACTORS:
            one = np.zeros_like(steps)
            one[node, feature] = steps[node, feature] * factor
            moved, _ = perturb(graphs.features, one, np.array([[node, feature]]))
            images = renderer.render(graphs.repeat(2).with_features(moved)).images
            renders += len(images)
            up, down = images.reshape(2, len(graphs), -1).astype(np.int16)
            most = np.quantile(np.abs(up - down), 1 - RESPONDING_PIXELS, axis=1)
            chosen[node, feature] = one[node, feature]
            responses[node, feature] = most.mean()
            if responses[node, feature] >= GOOD_RESPONSE:
                break
    return chosen, responses, renders


def perturb_to_one_side(
    graphs: SceneGraphBatch, steps: np.ndarray, entries: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Move each entry of each graph by its step, up or down as the scene's own seed has it.

    Args:
        graphs: B graphs.
        steps: float32 [N, F]; entries: int [E, 2], nodes and features.

    Returns:
        float32 [E * B, N, F], and the distances after rounding to float32, [E, B]: negative for
        half of the scenes, so that the mean difference is that of a central one.
    """
    values = graphs.features
    moved = np.repeat(values[None], len(entries), axis=0)
    distances = np.empty((len(entries), len(values)), np.float32)
    for e, (node, feature) in enumerate(entries):
        side = np.where(scene_uniforms(graphs.seeds, SIDES + e) < 0.5, 1, -1)
        moved[e, :, node, feature] += (side * steps[node, feature]).astype(np.float32)
        distances[e] = moved[e, :, node, feature] - values[:, node, feature]
    return moved.reshape(-1, *values.shape[1:]), distances


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
