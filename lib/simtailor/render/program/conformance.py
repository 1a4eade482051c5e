"""Tries a program: whether it keeps to the protocol, and what to mend where it does not."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil

from simtailor.errors import UserError
from simtailor.render.description import RenderMachine
from simtailor.render.program import trial_scenes
from simtailor.render.program.contract import described
from simtailor.render.program.describing import hello_of
from simtailor.render.program.findings import FAILS, HOLDS, NOTE, PART_CHECKS, Finding
from simtailor.render.program.hello import RETURNS
from simtailor.render.program.renderer import ProgramRenderer, SceneRefusedError
from simtailor.render.program.settings import ProgramSettings
from simtailor.render.rendering import Rendering

SCENES = 8
GONE_WITHIN, LOOK_EVERY = 5.0, 0.02  # seconds after the end of simtailor
SPEED_SECONDS = 2.0


class Conformance:
    """The trial of a program.

    Args:
        settings: of the program.
        logs: folder for what it prints, a file a start.
        grammar: file of scenes to try, or None.
    """

    def __init__(self, settings: ProgramSettings, logs: Path, grammar: str | None = None) -> None:
        self._settings, self._logs, self._grammar = settings, logs, grammar
        self._starts = itertools.count(1)
        self._renderer: ProgramRenderer | None = None

    def findings(self) -> Iterator[Finding]:
        """Try one thing after the other; ends early where nothing more can be tried."""
        try:
            yield from self._findings()
        finally:
            if self._renderer is not None:
                self._renderer.close()

    def _findings(self) -> Iterator[Finding]:
        began = time.monotonic()
        try:
            self._hello = hello_of(self._settings, anew=True)
            described(self._settings)
            self._scenes = trial_scenes.trial_scenes(self._hello, SCENES, self._grammar)
            hello_after = time.monotonic() - began
            self._renderer = self._started()
        except UserError as error:
            yield Finding("start", FAILS, str(error), "see docs/own_simulator.md")
            return
        ready_after = time.monotonic() - began - hello_after
        yield Finding(
            "start",
            HOLDS,
            f"{self._hello.name} {self._hello.version}: says who it is after "
            f"{hello_after:.2g} s, can draw after {ready_after:.2g} s",
        )
        steps = (
            self._images,
            self._alone,
            self._again,
            self._attributes,
            self._parts,
            self._odd,
            self._speed,
            self._quit,
            self._orphans,
        )
        for step in steps:
            try:
                found = step()
            except UserError as error:
                found = Finding(step.__name__.strip("_"), FAILS, str(error), "see what it printed")
            yield from [found] if isinstance(found, Finding) else found
            if step == self._images and found.result == FAILS:
                return

    def _started(self) -> ProgramRenderer:
        log = self._logs / f"start{next(self._starts)}.log"
        return ProgramRenderer(self._settings, RenderMachine(log=log)).__enter__()

    def _draw(self, scenes: list[trial_scenes.Scene], *parts: str) -> Rendering:
        return self._renderer.draw(scenes, ("image", *parts))

    def _images(self) -> Finding:
        self._first = self._draw(self._scenes).images
        size = self._settings.image_size
        blank = sum(len(np.unique(image)) == 1 for image in self._first)
        if blank:
            return Finding(
                "images",
                NOTE,
                f"{blank} of {SCENES} have one colour only",
                "look at them: is the object in the picture?",
            )
        return Finding("images", HOLDS, f"{SCENES} of {size} x {size} pixels")

    def _alone(self) -> Finding:
        name = "each alone as among others"
        if not self._hello.deterministic:
            return Finding(name, NOTE, "not tried: it says that it is not deterministic")
        alone = np.concatenate([self._draw([scene]).images for scene in self._scenes])
        return self._compared(
            name,
            alone,
            "an image is to depend on its scene and seed alone, and answers on the "
            "number of their scene: keep nothing from one scene to the next",
        )

    def _again(self) -> Finding:
        """Draw by a second process, beside the first."""
        name = "the same by another process"
        with self._started() as other:
            images = other.draw(self._scenes, ("image",)).images
        if not self._hello.deterministic:
            return Finding(name, HOLDS, "two draw side by side; not compared: not deterministic")
        return self._compared(
            name,
            images,
            "take all chance from scene.seed; or say deterministic=False, which "
            "costs the kept scenes",
        )

    def _compared(self, name: str, images: np.ndarray, mend: str) -> Finding:
        differ = np.abs(images.astype(int) - self._first).reshape(SCENES, -1).max(1)
        if differ.any():
            found = f"{np.count_nonzero(differ)} of {SCENES} differ, by up to {differ.max()} levels"
            return Finding(name, FAILS, found, mend)
        return Finding(name, HOLDS, "byte for byte")

    def _attributes(self) -> Finding:
        pairs = list(trial_scenes.changed(self._scenes))
        alike = [
            name
            for name, first, other in pairs
            if np.ptp(self._draw([first, other]).images, 0).max() == 0
        ]
        absent = trial_scenes.without_range(self._hello) if self._grammar is None else []
        if alike:
            return Finding(
                "attributes",
                NOTE,
                f"no pixel changes with {', '.join(alike)}",
                "can it be seen? Else leave it out of what is said to be read",
            )
        found = f"{len(pairs)} change the image"
        if absent:
            return Finding(
                "attributes",
                NOTE,
                f"{found}; not tried, for want of a range: {', '.join(absent)}",
                "try with --grammar FILE",
            )
        return Finding("attributes", HOLDS, found)

    def _parts(self) -> list[Finding]:
        found = []
        for part in self._hello.parts:
            drawn = getattr(self._draw(self._scenes, part), RETURNS[part])
            found.append(PART_CHECKS[part](drawn, self._scenes))
        if "mask" not in self._hello.parts:
            fix = "without masks a fit makes no labelled data set"
            found.append(Finding("mask", NOTE, "it draws none", fix))
        return found

    def _odd(self) -> Finding:
        answers = []
        for what, scene in trial_scenes.odd_scenes(self._scenes[0]).items():
            try:
                self._draw([scene])
                answers.append(f"{what}: an image")
            except SceneRefusedError:
                answers.append(f"{what}: an error")
            except UserError as error:
                return Finding(
                    "odd scenes",
                    FAILS,
                    f"{what}: {error}",
                    "answer with an image or with an error, and live on",
                )
        return Finding("odd scenes", HOLDS, "; ".join(answers))

    def _speed(self) -> Finding:
        count, before, began = 0, self._renderer.seconds, time.perf_counter()
        while (took := time.perf_counter() - began) < SPEED_SECONDS:
            self._draw(self._scenes)
            count += SCENES
        each, own = 1000 * took / count, 1000 * (self._renderer.seconds - before) / count
        if not own:
            return Finding(
                "speed",
                NOTE,
                f"{each:.2f} ms an image; it does not tell its own share",
                "give 'seconds' in each answer",
            )
        return Finding(
            "speed",
            NOTE,
            f"{each:.2f} ms an image, {each - own:.2f} of them between it and simtailor",
        )

    def _quit(self) -> Finding:
        self._draw(self._scenes[:1])  # it may have been lost before
        if (code := self._renderer.close()[0]) is None:
            return Finding(
                "its end",
                FAILS,
                "it had to be killed after it was asked to end",
                'end when {"quit": true} comes or the connection closes',
            )
        if code:
            return Finding("its end", FAILS, f"status {code}", "end with status 0")
        return Finding("its end", HOLDS, "status 0")

    def _orphans(self) -> Finding:
        """Kill a simtailor whose program draws."""
        reading, writing = os.pipe()
        if not (job := os.fork()):
            self._draw_for_ever(writing)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            group = int(pipe.readline() or -1)
        members = [p for p in psutil.process_iter() if group > 0 and _group_of(p) == group]
        os.kill(job, signal.SIGKILL)
        os.waitpid(job, 0)
        deadline = time.monotonic() + GONE_WITHIN
        while (left := list(filter(_lives, members))) and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
        for process in left:
            process.kill()
        if not members:
            return Finding("no orphans", FAILS, "it could not be started once more", "see above")
        if left:
            return Finding(
                "no orphans",
                FAILS,
                f"{GONE_WITHIN:g} s after simtailor was killed, {len(left)} processes lived on",
                "end when the connection closes; one in Python that uses "
                "simtailor_simulator.py does",
            )
        return Finding("no orphans", HOLDS, "gone with a simtailor that was killed as it drew")

    def _draw_for_ever(self, writing: int) -> None:
        """Start and draw, in a process that is killed."""
        try:
            renderer = self._started()
            os.write(writing, f"{renderer.process_ids[0]}\n".encode())
            while True:
                renderer.draw(self._scenes, ("image",))
        finally:
            os._exit(1)


def _lives(process: psutil.Process) -> bool:
    """Return whether a process runs; one that nobody has asked for its status does not."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _group_of(process: psutil.Process) -> int:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return -1
