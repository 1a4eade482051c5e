"""Drawing of pictures by lists of rays: which rays each pixel gets, and the steps of each list."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import warp as wp

from simtailor.render.raycast import kernels, records
from simtailor.render.raycast.pixels import pixel_list
from simtailor.render.raycast.tracers import RayList, Tracer

RAYS, CUDA_RAYS = 1 << 15, 1 << 22  # of a list; on a CPU they fit into its cache
CONTRAST = 24  # levels between neighbours that ask for all rays
LENS_REACH = 2  # pixels: how near grain has to be for blur that shows none to be taken for it
NONE = -1  # the kernels' number of no instance
CENTRE = -1  # the kernels' number of the ray through a pixel's centre


@dataclass(eq=False)
class Block:
    """Scenes that are drawn together, on the device, and where their pictures go.

    Attributes:
        meshes: int [B, K]; casting: bool [K], which instances cast a shadow in any scene.
        images: [B, pixels, 3]; masks, depth: [B, pixels], or empty where not wanted.
    """

    scenes: wp.array
    instances: wp.array
    meshes: np.ndarray
    casting: np.ndarray
    images: wp.array
    masks: wp.array
    depth: wp.array
    height: int
    width: int


class Painter:
    """Draws blocks of scenes.

    Args:
        threads: lists of rays under way at a time, on a CPU.
    """

    def __init__(
        self, device: wp.Device, assets: records.Assets, tracer: Tracer, threads: int
    ) -> None:
        self._device, self._assets, self._tracer = device, assets, tracer
        self._threads = threads
        # Kernels run on one thread of a CPU and release the interpreter's lock, so one list of
        # rays a thread uses all cores without processes. A GPU needs no more than one.
        self._pool = ThreadPoolExecutor(threads if device.is_cpu else 1)
        self._free: queue.SimpleQueue[records.Rays] = queue.SimpleQueue()
        wp.load_module(kernels, device=device)

    def share(self, work: Callable[[slice], None], count: int) -> None:
        """Do work on parts of a row of ``count``, one a thread; a GPU does all in one."""
        length = max(1, -(-count // (self._threads if self._device.is_cpu else 1)))
        parts = [slice(first, first + length) for first in range(0, count, length)]
        list(self._pool.map(work, parts))

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown()

    def draw(
        self,
        block: Block,
        pixels: tuple[np.ndarray, np.ndarray],
        lens: bool,
        samples: int,
        shadows: bool,
        drawn: int = NONE,
    ) -> None:
        """Draw a list of pixels.

        Args:
            pixels: scene and place of each, int32 [n]; lens: whether any scene has one.
            drawn: the instance whose clear top, where light reaches it, the images show already.
                It is used by single rays through pinholes.
        """
        looked_at = block.masks.size + block.depth.size > 0
        # Mask and depth come from a pinhole ray through the pixel's centre, or blur would make
        # them ragged. With one sample and no lens the colour ray is that very ray.
        if looked_at and (samples > 1 or lens):
            self.look(block, pixels)
            looked_at = False
        rays = list(range(samples))
        kept = NONE if samples > 1 or lens else drawn
        self._trace(block, pixels, rays, look=looked_at, colour=True, shadows=shadows, drawn=kept)

    def look(self, block: Block, pixels: tuple[np.ndarray, np.ndarray]) -> None:
        """Find masks and depth of a list of pixels, and draw nothing."""
        self._trace(block, pixels, [CENTRE], look=True, colour=False, shadows=False)

    def draw_adaptively(
        self, block: Block, order: np.ndarray, lens: np.ndarray, samples: int, shadows: bool
    ) -> None:
        """Draw with few rays a pixel, and anew with all of them where that has contrast.

        A pinhole's first ray is the one through the pixel's centre. Behind a lens it is a
        quarter of the rays: only their grain tells where the lens mixes what has contrast.
        """
        looked_at = block.masks.size + block.depth.size > 0
        for behind_lens in (False, True):
            scenes = order[lens[order] == behind_lens]
            if not len(scenes):
                continue
            pixels = pixel_list(scenes, None, block.height, block.width)
            first = list(range(max(1, samples // 4))) if behind_lens else [CENTRE]
            if looked_at and behind_lens:
                self.look(block, pixels)
            look = looked_at and not behind_lens
            self._trace(block, pixels, first, look=look, colour=True, shadows=shadows)
            if samples > len(first):
                reach = LENS_REACH if behind_lens else 1
                pixels = pixel_list(scenes, self._contrast(block, reach), block.height, block.width)
                rays = list(range(samples))
                self._trace(block, pixels, rays, look=False, colour=True, shadows=shadows)

    def _contrast(self, block: Block, reach: int) -> np.ndarray:
        """Return which pixels of the pictures so far have contrast around them: bool [B, P]."""
        marks = wp.empty(block.images.shape[:2], dtype=wp.uint8, device=self._device)
        wp.launch(
            kernels.mark_contrast,
            dim=(len(block.meshes), block.height, block.width),
            inputs=[block.images, block.width, block.height, reach, CONTRAST, marks],
            device=self._device,
        )
        return marks.numpy() > 0

    def _trace(
        self,
        block: Block,
        pixels: tuple[np.ndarray, np.ndarray],
        samples: list[int],
        *,
        look: bool,
        colour: bool,
        shadows: bool,
        drawn: int = NONE,
    ) -> None:
        """Trace some samples of a list of pixels: for labels and depth, for colour, or both."""
        scenes, places = pixels
        most = RAYS if self._device.is_cpu else CUDA_RAYS
        # Several lists a thread even out parts of unequal cost.
        length = max(1, min(most, -(-len(scenes) // (2 * self._threads))))

        def work(first: int) -> None:
            part = slice(first, min(first + length, len(scenes)))
            rays = self._rays(most)
            rays.scene = wp.array(scenes[part], dtype=wp.int32, device=self._device, copy=False)
            rays.pixel = wp.array(places[part], dtype=wp.int32, device=self._device, copy=False)
            count = part.stop - first
            batch = RayList(rays, count, scenes[part], block.meshes, block.casting, block.instances)

            def launch(kernel: wp.Kernel, *inputs: object) -> None:
                wp.launch(kernel, dim=count, inputs=[rays, *inputs], device=self._device)

            for sample in samples:
                launch(
                    kernels.start_rays, block.scenes, block.width, block.height, sample,
                    len(samples),
                )  # fmt: skip
                self._tracer.hits(batch)
                if look and sample == samples[0]:
                    launch(kernels.look, block.scenes, block.instances, block.masks, block.depth)
                if colour:
                    launch(kernels.aim_at_light, block.instances, self._assets)
                    if shadows:
                        self._tracer.shadows(batch)
                    launch(
                        kernels.shade_hits, block.scenes, block.instances, self._assets,
                        block.width, len(samples), int(sample == samples[-1]), drawn, block.images,
                    )  # fmt: skip
            self._free.put(rays)

        list(self._pool.map(work, range(0, len(scenes), length)))

    def _rays(self, count: int) -> records.Rays:
        """Return room for rays; what a thread has used is used again."""
        try:
            return self._free.get_nowait()
        except queue.Empty:
            return records.empty_rays(count, self._device)
