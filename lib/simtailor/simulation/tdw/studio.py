"""ThreeDWorld's studio: builds that draw side by side, and are started again where one is lost."""

from __future__ import annotations

import queue
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import numpy as np

from simtailor.errors import UserError
from simtailor.simulation.parameters import SimulationParameters
from simtailor.simulation.sampler import SIDE
from simtailor.simulation.taking import PictureTaker, SampledImages
from simtailor.simulation.tdw import commands
from simtailor.simulation.tdw.outputs import LostError
from simtailor.simulation.tdw.records import KEY, ThreeDWorldCatalogue
from simtailor.simulation.tdw.sampler import Shots, ShotSampler
from simtailor.simulation.tdw.session import NotStartedError, Session
from simtailor.simulation.tdw.settings import ThreeDWorld

KEPT_MODELS = 64  # in a build's memory
REPORT_SECONDS = 10.0


class ThreeDWorldStudio(PictureTaker):
    """Takes pictures by one or several builds of ThreeDWorld.

    Args:
        catalogue: the assets.
        settings: which build, and how long to wait for it.
        log: of the job; what the builds print is kept beside it. None keeps it for the session.
        report: is told how it goes on.
    """

    catalogue: ThreeDWorldCatalogue

    def __init__(
        self,
        catalogue: ThreeDWorldCatalogue,
        settings: ThreeDWorld,
        log: Path | None,
        report: Callable[[str], None],
    ) -> None:
        self.catalogue = catalogue
        self._settings, self._report = settings, report
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if log is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="simtailor-")
            log = Path(self._temporary.name) / "job.log"
        self._log = log.with_suffix(f".tdw{log.suffix}")
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.write_bytes(b"")  # of this job alone
        # A build that the user starts is one.
        count = settings.builds if settings.build is not None else 1
        self._builds = [_Build(catalogue, settings, self._log, report) for _ in range(count)]

    def close(self) -> None:
        """End the builds."""
        for build in self._builds:
            build.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def sampler(
        self, parameters: SimulationParameters, seed: int, field_of_view: float
    ) -> ShotSampler:
        """Return what draws the shots of a set."""
        return ShotSampler(parameters, seed, self.catalogue, field_of_view)

    def draw(
        self,
        sampled: SampledImages,
        places: np.ndarray,
        images: np.ndarray,
        masks: np.ndarray,
        samples: int,
    ) -> None:
        """Draw shots into their places of the batch, those of a model one after the other."""
        shots: Shots = sampled.scenes
        order = np.lexsort((shots.skies, shots.models)).tolist()
        blocks: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
        for _, block in groupby(order, key=lambda i: shots.models[i]):
            blocks.put(list(block))
        _Round(shots, places, images, masks, blocks, self._settings, self._told, self._report).run(
            self._builds
        )

    def _told(self, why: str) -> UserError:
        where = "" if self._temporary is not None else f" What it printed is in {self._log}."
        return UserError(f"{KEY}.renderer: 'tdw': {why}.{where}")


class _Round:
    """The shots of one call of ``draw``, shared by the builds."""

    def __init__(
        self,
        shots: Shots,
        places: np.ndarray,
        images: np.ndarray,
        masks: np.ndarray,
        blocks: queue.SimpleQueue[list[int]],
        settings: ThreeDWorld,
        told: Callable[[str], UserError],
        report: Callable[[str], None],
    ) -> None:
        self._shots, self._places, self._images, self._masks = shots, places, images, masks
        self._blocks, self._settings = blocks, settings
        self._told, self._report = told, report
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._done, self._reported = 0, time.monotonic()

    def run(self, builds: list[_Build]) -> None:
        """Draw all.

        Raises:
            UserError: a build was lost too often at one image.
        """
        with ThreadPoolExecutor(len(builds)) as threads:
            try:
                for work in [threads.submit(self._work, build) for build in builds]:
                    work.result()
            finally:
                self._stopped.set()  # the others end with the image that they are at

    def _work(self, build: _Build) -> None:
        while not self._stopped.is_set():
            try:
                block = self._blocks.get_nowait()
            except queue.Empty:
                return
            try:
                self._draw(build, block)
            except BaseException:
                self._stopped.set()
                raise

    def _draw(self, build: _Build, block: list[int]) -> None:
        losses: Counter[int] = Counter()
        left = list(block)
        while left and not self._stopped.is_set():
            try:
                image, mask = build.picture(self._shots, left[0], self._images.shape[1])
            except NotStartedError as error:
                raise self._told(f"no build of ThreeDWorld is ready: {error}") from error
            except LostError as error:
                why = f"{error}{build.kill()}"
                losses[left[0]] += 1
                model = build.catalogue.models[self._shots.models[left[0]]].name
                if (lost := losses[left[0]]) >= self._settings.tries:
                    times = "once" if lost == 1 else f"{lost} times"
                    raise self._told(
                        f"the build was lost {times} at an image of the model '{model}': {why}"
                    ) from error
                self._report(f"the build was lost at '{model}': {why}; starting it again")
                continue
            place = self._places[left.pop(0)]
            self._images[place], self._masks[place] = image, mask
            self._count()

    def _count(self) -> None:
        with self._lock:
            self._done += 1
            if time.monotonic() - self._reported > REPORT_SECONDS:
                self._reported = time.monotonic()
                self._report(f"{self._done} of {len(self._shots)} images of this shard")


class _Build:
    """One build, and what it shows at the moment.

    Attributes:
        catalogue: the assets.
    """

    def __init__(
        self,
        catalogue: ThreeDWorldCatalogue,
        settings: ThreeDWorld,
        log: Path,
        report: Callable[[str], None],
    ) -> None:
        self.catalogue = catalogue
        self._settings, self._log, self._report = settings, log, report
        self._session: Session | None = None

    def close(self) -> None:
        """End it as it should be."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def kill(self) -> str:
        """End it at once; return how it had ended."""
        session, self._session = self._session, None
        return "" if session is None else session.kill()

    def picture(self, shots: Shots, i: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the image, uint8 [size, size, 3], and mask, bool [size, size], of a shot.

        Raises:
            LostError: it ended, hangs or answers nonsense.
        """
        # What one set sends and another does not must be as it was at the start.
        sent = (shots.sun is None, shots.colours is None, shots.materials[i, 0] < 0)
        if self._session is None:
            self._session = Session(self._settings, self._log, self._report)
            self._ready = None
        if self._ready != (size, sent):
            self._load(size)
            self._ready = (size, sent)
        if self._model != shots.models[i]:
            self._show_model(int(shots.models[i]))
        if self._sky != shots.skies[i] or shots.brighter is not None:
            # The sun's strength can be changed, but only a sky sets it.
            self._sky = None
            self._session.ask(commands.of_sky(self.catalogue.skies[shots.skies[i]]))
            self._sky = int(shots.skies[i])
        pivot = shots.centres[i] - shots.rotations[i] @ self._middle
        asked = commands.of_shot(shots, i, self._number, pivot)
        if shots.materials[i, 0] >= 0:
            chosen = [self.catalogue.materials[m] for m in shots.materials[i]]
            slots = self.catalogue.models[shots.models[i]].slots
            asked += commands.of_materials(slots, chosen, self._number, self._materials)
        return self._session.ask([*asked, *commands.of_picture()]).picture(size)

    def _load(self, size: int) -> None:
        """Load an empty scene, with nothing left of what was there."""
        assert self._session is not None
        self._session.ask(commands.of_start(size, self._settings.private_models))
        self._sky: int | None = None
        self._model: int | None = None
        self._number, self._shown_models = 0, set[int]()
        self._materials: set[str] = set()

    def _show_model(self, model: int) -> None:
        """Show a model alone, as large as all are."""
        assert self._session is not None
        removal = [] if self._model is None else commands.of_removal(self._number)
        self._model = None
        if len(self._shown_models - {model}) >= KEPT_MODELS:
            self._session.ask(removal)
            removal = commands.of_forgetting()
            self._shown_models.clear()
        self._number += 1
        asset = self.catalogue.models[model]
        box = self._session.ask([*removal, *commands.of_model(asset, self._number)]).box(
            self._number
        )
        longest = np.ptp(box[:-1], axis=0).max()
        if longest <= 0:
            raise UserError(f"{KEY}.tdw: ThreeDWorld's model '{asset.name}' has no size")
        self._session.ask(commands.of_size(self._number, SIDE / longest))
        self._middle = SIDE / longest * box[-1]
        self._shown_models.add(model)
        self._model = model
