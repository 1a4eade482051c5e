"""Draws scenes by programs: hands them out, collects answers, and starts anew what was lost."""

from __future__ import annotations

import itertools
import os
import selectors
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from simtailor.errors import UserError
from simtailor.render.description import RenderMachine
from simtailor.render.program.batch import Batch, RefusedError
from simtailor.render.program.describing import hello_of, remember, who
from simtailor.render.program.hello import Hello
from simtailor.render.program.process import ProgramProcess
from simtailor.render.program.protocol import FaultError, LostError, Message
from simtailor.render.program.scenes import scenes_of
from simtailor.render.program.settings import ProgramSettings
from simtailor.render.rendering import Rendering
from simtailor.scene.graph import SceneGraphBatch

LOOK_EVERY = 1.0  # seconds, whether a deadline is over


class SceneRefusedError(UserError):
    """The program says that it cannot draw a scene."""


class ProgramRenderer:
    """Draws by one or several processes of a program.

    Args:
        settings: of the stage.
        machine: where it runs; what the programs print is kept beside its log.

    Attributes:
        seconds: that the programs took for all scenes, as far as they tell of it.
    """

    def __init__(self, settings: ProgramSettings, machine: RenderMachine) -> None:
        self._settings, self._machine = settings, machine
        self._hello = hello_of(settings)
        self.seconds = 0.0
        self._numbers = itertools.count(1)
        self._workers: list[_Worker] = []
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if machine.log is not None:
            self._log = machine.log.with_suffix(f".program{machine.log.suffix}")
            self._log.write_bytes(b"")  # of this job alone
        else:
            self._temporary = tempfile.TemporaryDirectory(prefix="simtailor-")
            self._log = Path(self._temporary.name) / "program.log"

    def __enter__(self) -> ProgramRenderer:
        self._workers = self._started(self._settings.processes)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> list[int | None]:
        """End the programs; return the status of each, None of one that had to be killed."""
        for worker in self._workers:
            worker.process.ask_to_quit()
        codes = [worker.process.leave() for worker in self._workers]
        self._workers = []
        if self._temporary is not None:
            self._temporary.cleanup()
        return codes

    @property
    def process_ids(self) -> list[int]:
        """Numbers of the processes that draw."""
        return [worker.process.pid for worker in self._workers]

    def render(
        self,
        graphs: SceneGraphBatch,
        *,
        masks: bool = False,
        depth: bool = False,
        keypoints: bool = False,
    ) -> Rendering:
        """Draw B graphs.

        Raises:
            UserError: the program is lost or wrong; names the scene where there is one.
        """
        wanted = {"image": True, "mask": masks, "depth": depth, "keypoints": keypoints}
        parts = [name for name, asked in wanted.items() if asked]
        return self.draw(scenes_of(graphs, self._hello.classes), parts)

    def draw(self, scenes: Sequence[dict[str, Any]], parts: Sequence[str]) -> Rendering:
        """Draw scenes as they are sent, see ``scenes_of``; ``render`` is this for graphs."""
        batch = Batch(scenes, parts, self._settings.image_size)
        try:
            if not self._workers:
                self._workers = self._started(self._settings.processes)
            while batch.left:
                self._hand_out(batch)
                self._collect(batch)
        except BaseException as error:
            self._stop()  # answers to other scenes may be under way
            if isinstance(error, FaultError):
                raise self._told(error) from error
            raise
        self.seconds += batch.seconds
        return batch.rendering()

    def _hand_out(self, batch: Batch) -> None:
        for worker in self._workers:
            if not worker.waiting:
                numbers = batch.take(len(self._workers))
                if not numbers:
                    return
                worker.render, worker.waiting = next(self._numbers), dict(enumerate(numbers))
                worker.heard = time.monotonic()
                scenes = [batch.scenes[number] for number in numbers]
                message = {"render": worker.render, "parts": batch.parts, "scenes": scenes}
                try:
                    worker.channel.send(message)
                except LostError as error:
                    self._replace(worker, batch, error)

    def _collect(self, batch: Batch) -> None:
        """Wait for something to come, and take what has."""
        with selectors.DefaultSelector() as selector:
            for worker in self._workers:
                if worker.waiting:
                    selector.register(worker.channel.connection, selectors.EVENT_READ, worker)
            ready = [key.data for key, _ in selector.select(LOOK_EVERY)]
        now = time.monotonic()
        for worker in list(self._workers):
            try:
                if worker in ready:
                    worker.heard = now
                    worker.channel.read(self._settings.timeout)
                    while (message := worker.channel.take()) is not None:
                        worker.store(batch, message)
                elif worker.waiting and now - worker.heard > self._settings.timeout:
                    raise LostError(f"it gave no sign of life for {self._settings.timeout:g} s")
            except LostError as error:
                self._replace(worker, batch, error)

    def _replace(self, worker: _Worker, batch: Batch, error: LostError) -> None:
        """Start a program in place of one that is lost; others wait for its scenes meanwhile."""
        why = f"{error}{worker.process.end()}"
        batch.give_back(list(worker.waiting.values()), self._settings.tries, why)
        self._machine.report(f"{who(self._settings)}: {why}; starting it again")
        self._workers[self._workers.index(worker)] = self._started(1)[0]

    def _started(self, count: int) -> list[_Worker]:
        """Return started programs, which start side by side.

        Raises:
            UserError: one does not, or is another than was planned with.
        """
        settings = self._settings
        threads = self._machine.threads or os.cpu_count() or 1
        share = max(1, threads // settings.processes)
        given = {
            "image_size": settings.image_size,
            "threads": share,
            "device": self._machine.device,
            "options": settings.options,
        }
        processes: list[ProgramProcess] = []
        try:
            for _ in range(count):
                processes.append(
                    ProgramProcess(
                        settings.words, settings.folder, self._log, settings.image_size, share
                    )
                )
            for process in processes:
                self._check(process.greet(settings.start_timeout))
            for process in processes:
                process.prepare(given, settings.start_timeout)
        except BaseException as error:
            for process in processes:
                process.kill()
            if isinstance(error, FaultError | LostError):
                raise self._told(error) from error
            raise
        return [_Worker(process) for process in processes]

    def _check(self, hello: Hello) -> None:
        """Check that a program is the one that the workflow was planned with."""
        if hello != self._hello:
            remember(self._settings, hello)
            changed = [
                name
                for name in Hello.model_fields
                if getattr(hello, name) != getattr(self._hello, name)
            ]
            raise UserError(
                f"{who(self._settings)}: it has changed since the workflow was planned "
                f"({', '.join(changed)}). Give the same command again, which plans with what it "
                "says now."
            )

    def _told(self, error: Exception) -> UserError:
        where = "" if self._temporary is not None else f" What it printed is in {self._log}."
        kind = SceneRefusedError if isinstance(error, RefusedError) else UserError
        return kind(f"{who(self._settings)}: {error}.{where}")

    def _stop(self) -> None:
        for worker in self._workers:
            with suppress(OSError):
                worker.process.kill()
        self._workers = []


class _Worker:
    """A program that draws.

    Attributes:
        render: number of the message that it works at.
        waiting: the scenes that it has not answered, by their place in that message.
        heard: when there was a sign of life.
    """

    def __init__(self, process: ProgramProcess) -> None:
        assert process.channel is not None
        self.process, self.channel = process, process.channel
        self.render, self.waiting, self.heard = 0, dict[int, int](), 0.0

    def store(self, batch: Batch, message: Message) -> None:
        """Take a message of the program.

        Raises:
            FaultError: it is wrong.
        """
        head, _ = message
        if "progress" in head:
            return
        if head.get("render") != self.render or head.get("scene") not in self.waiting:
            raise FaultError(
                f"it answered to render {head.get('render')!r}, scene {head.get('scene')!r}; "
                f"asked for was render {self.render}, scenes {sorted(self.waiting)[:5]}"
            )
        batch.put(self.waiting[head["scene"]], message)
        del self.waiting[head["scene"]]
