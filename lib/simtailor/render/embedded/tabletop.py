"""A stage with objects, drawn by the ray caster: 3D-TYOL's dark table, or one of a file.

Attributes as in the published grammars. Objects: yaw, pitch, roll in degrees, loc_x and
loc_z in centimetres, where (100, 100) is the middle of the picture. Light: intensity,
where 0.5 is the nominal light. Camera: camera_pitch (90 looks straight down) and
camera_roll in degrees. The published stage is a Unity scene and so left-handed: x points
to the left of the picture, z downwards, and a growing yaw turns the object clockwise.
What else can be moved, docs/stages.md lists.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from simtailor.render.description import RenderMachine, silent
from simtailor.render.embedded import annotating
from simtailor.render.embedded.contracts import TabletopSettings
from simtailor.render.embedded.equivalents import nearest_poses
from simtailor.render.embedded.looks import sensed
from simtailor.render.embedded.placing import BELOW, Placing, Values
from simtailor.render.embedded.stage_assets import load_stage
from simtailor.render.embedded.stage_file import Stage
from simtailor.render.models import ObjectModel
from simtailor.render.raycast.caster import RayCaster, use_kernel_cache
from simtailor.render.raycast.environment import prefilter
from simtailor.render.raycast.ground import Ground
from simtailor.render.raycast.outlines import object_spans
from simtailor.render.raycast.scenes import Scenes
from simtailor.render.renderer import Equivalents
from simtailor.render.rendering import Rendering
from simtailor.scene.graph import SceneGraphBatch

LENS_RAYS = 8  # a pixel, at least, behind a lens: with one, blur would be grain


class TabletopRenderer:
    """Renders tabletop scene graphs.

    Args:
        image_size: pixels of the picture's width.
        samples: rays a pixel.
        frame_width: metres of the ground that the picture shows from side to side.
        stage: what stands where; None is 3D-TYOL's table.
        device: ``cpu`` or a CUDA device; threads: cores, None for all.
        cache: folder for prefiltered environments and, under ``kernels``, compiled kernels.
        tracer: see ``RayCaster``.
        report: is told what of the stage's models is not drawn as it was meant.

    Raises:
        UserError: a file of the stage cannot be read.
    """

    def __init__(
        self,
        *,
        image_size: int = 128,
        samples: int = 1,
        frame_width: float = 0.42,
        stage: Stage | None = None,
        device: str = "cpu",
        threads: int | None = None,
        cache: str | Path | None = None,
        tracer: str | None = None,
        report: Callable[[str], None] = silent,
    ) -> None:
        self.samples = samples
        if cache is not None:
            use_kernel_cache(Path(cache) / "kernels")
        stage = Stage() if stage is None else stage
        self.size = stage.camera.size(image_size)
        assets = load_stage(stage, report)
        self._objects, self._symmetries = assets.objects, np.array(assets.symmetries)
        grounds = [ground for ground in assets.grounds if ground is not None]
        # Without a ground, the object's own mesh takes the place that nothing looks at.
        meshes = [*(grounds or assets.objects[:1]), *assets.objects]
        self._caster = RayCaster(
            meshes,
            [prefilter(radiance, cache) for radiance in assets.environments],
            device=device,
            threads=threads,
            tracer=tracer,
        )
        self.identity = self._caster.traced_by
        numbers = iter(range(len(grounds)))
        chosen = tuple(-1 if ground is None else next(numbers) for ground in assets.grounds)
        first_object = len(meshes) - len(assets.objects)
        self.placing = Placing.of(stage, assets.objects, frame_width, chosen, first_object)
        self._grounds = []
        for ground, smooth in zip(assets.grounds, assets.smooth, strict=True):
            if ground is not None:
                top = ground.vertices[ground.faces[:2]].reshape(-1, 3)
                drawn = Ground(self._caster, slot=BELOW, smooth=smooth)
                self._grounds.append((drawn, (top.min(0), top.max(0))))

    @classmethod
    def create(cls, settings: TabletopSettings, machine: RenderMachine) -> TabletopRenderer:
        """Return the renderer of an experiment."""
        return cls(
            **settings.model_dump(exclude={"file"}),
            stage=settings.stage,
            device=machine.device,
            threads=machine.threads,
            cache=machine.cache,
            report=machine.report,
        )

    def __enter__(self) -> TabletopRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self._caster.close()

    def render(
        self,
        graphs: SceneGraphBatch,
        *,
        masks: bool = False,
        depth: bool = False,
        full_masks: bool = False,
        silhouettes: bool = False,
        poses: bool = False,
        cameras: bool = False,
    ) -> Rendering:
        """Render B graphs: images and, if wanted, what else a ``Rendering`` has."""
        scenes = self.placing.scenes(graphs)
        rendering = self.render_scenes(scenes, masks=masks, depth=depth)
        places = self.placing.instances(graphs.layout)
        if full_masks or silhouettes:
            whole = annotating.full_masks(self._caster, scenes, self.size, places)
            rendering.full_masks = whole[0] if full_masks else None
            rendering.silhouettes = whole[1] if silhouettes else None
        if poses:
            rendering.poses = annotating.object_poses(scenes, places)
        if cameras:
            rendering.cameras = annotating.camera_matrices(scenes, self.size)
        values = Values(graphs)
        if values.has("Camera", "blur", "noise"):
            flaws = values("Camera", "blur", 0), values("Camera", "noise", 0)
            rendering.images = sensed(rendering.images, *flaws, graphs.seeds)
        return rendering

    def render_scenes(
        self, scenes: Scenes, *, masks: bool = False, depth: bool = False
    ) -> Rendering:
        """Render scenes of ``Placing``, those of one ground together."""
        # What depends on depth is drawn whole: the ground's picture is that of a pinhole.
        below = scenes.mesh[:, BELOW] if self.placing.grounded else np.full(len(scenes), -1)
        below = np.where(scenes.aperture > 0, -1, below)
        kinds = np.unique(below)
        if len(kinds) == 1:  # as most stages have it: nothing to put together
            rendering = Rendering(self._images(scenes, int(kinds[0])))
        else:
            rendering = Rendering(np.zeros((len(scenes), *self.size, 3), np.uint8))
            for ground in kinds:
                some = np.flatnonzero(below == ground)
                rendering.images[some] = self._images(scenes[some], int(ground))
        if masks or depth:
            seen = self._caster.look(scenes, self.size)
            rendering.masks = seen.masks if masks else None
            rendering.depth = seen.depth if depth else None
        return rendering

    def _images(self, scenes: Scenes, ground: int) -> np.ndarray:
        """Return images: of a ground first that, then the objects and shadows; -1 is of none."""
        size = self.size
        if ground < 0:
            images = np.zeros((len(scenes), *size, 3), np.uint8)
            lens = scenes.aperture > 0
            for some, least in ((~lens, 1), (lens, LENS_RAYS)):
                samples = max(self.samples, least)
                images[some] = self._caster.render(scenes[some], size, samples=samples).images
            return images
        drawn, table = self._grounds[ground]
        rendering = Rendering(drawn.pictures(scenes, size, self.samples))
        outlines, device = self.placing.outlines(scenes), self._caster.device
        spans = object_spans(*outlines, scenes, size, table, device)
        self._caster.draw(scenes, rendering, spans, samples=self.samples, drawn=BELOW)
        return rendering.images

    def models(self) -> dict[str, ObjectModel]:
        """Return the objects' models by class."""
        objects = zip(self.placing.names, self._objects, self._symmetries, strict=True)
        return {name: annotating.model_of(mesh, str(turns)) for name, mesh, turns in objects}

    def nearest_equivalent(self, graphs: SceneGraphBatch, reference: np.ndarray) -> Equivalents:
        """Return the poses that look the same and are nearest to a reference [N, F]."""
        symmetries = self._symmetries[self.placing.kinds(graphs)]
        return nearest_poses(graphs, reference, symmetries)

    def apart(self, graphs: SceneGraphBatch) -> np.ndarray:
        """Return the scenes in which no object is in another: bool [B]."""
        return self.placing.apart(graphs)
