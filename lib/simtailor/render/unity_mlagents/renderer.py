"""Draws scenes by one or several Unity players with ML-Agents."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import numpy as np

from simtailor.errors import UserError
from simtailor.render.description import RenderMachine
from simtailor.render.players.logs import PlayerLog
from simtailor.render.players.player import lost_text
from simtailor.render.program.protocol import FaultError, LostError
from simtailor.render.rendering import Rendering
from simtailor.render.unity_mlagents.client import Client
from simtailor.render.unity_mlagents.settings import UnityMLAgentsSettings
from simtailor.scene.graph import SceneGraphBatch


class UnityMLAgentsRenderer:
    """Draws by players that work side by side.

    Args:
        settings: of the stage.
        machine: where it runs; what the players say is kept beside its log.
    """

    def __init__(self, settings: UnityMLAgentsSettings, machine: RenderMachine) -> None:
        self._settings, self._report = settings, machine.report
        self._log = PlayerLog(machine)
        self._clients: list[Client | None] = [None] * settings.players

    def __enter__(self) -> UnityMLAgentsRenderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> list[bool]:
        """End the players; return of each whether it ended by itself."""
        clients = [client for client in self._clients if client is not None]
        for client in clients:
            client.tell()
        codes = [client.leave() for client in clients]
        self._clients = [None] * self._settings.players
        self._log.close()
        return codes

    def render(self, graphs: SceneGraphBatch) -> Rendering:
        """Draw B graphs.

        Raises:
            UserError: a player is lost, or answers wrongly.
        """
        size = self._settings.image_size
        images = np.zeros((len(graphs), size, size, 3), np.uint8)
        left, stop = iter(range(len(graphs))), threading.Event()

        def work(place: int) -> None:
            """Draw with one of the players until no scene is left."""
            try:
                while not stop.is_set() and (number := next(left, None)) is not None:
                    images[number] = self._drawn(place, graphs, number, stop)
            except BaseException:
                stop.set()
                raise

        count = min(self._settings.players, len(graphs))
        if count:
            with ThreadPoolExecutor(count) as pool:
                done = [pool.submit(work, place) for place in range(count)]
                try:
                    wait(done)
                except BaseException:  # such as an interruption
                    stop.set()
                    for client in filter(None, self._clients):
                        client.kill()
                    raise
            for future in done:
                future.result()
        return Rendering(images)

    def _drawn(
        self, place: int, graphs: SceneGraphBatch, number: int, stop: threading.Event
    ) -> np.ndarray:
        """Return the picture of a scene; a player that is lost at it is started again."""
        graph, seed = graphs.to_node_link(number), int(graphs.seeds[number])
        tries = self._settings.tries
        for attempt in range(1, tries + 1):
            client = self._clients[place]
            try:
                if client is None:
                    client = self._clients[place] = Client(self._settings, self._log.of(place))
                return client.draw(seed, graph)
            except FaultError as error:
                raise self._told(f"{error} (the scene: {json.dumps(graph)})") from error
            except LostError as error:
                self._clients[place] = None
                why = f"{error}{client.end() if client else ''}"
                if attempt == tries or stop.is_set():
                    lost = lost_text(attempt, f"the scene {json.dumps(graph)}", why)
                    raise self._told(lost) from error
                self._report(f"{self._who}: {why}; starting it again")
        raise AssertionError("unreachable")

    @property
    def _who(self) -> str:
        return f"renderer 'unity_mlagents': stage.build: {self._settings.build}"

    def _told(self, text: str) -> UserError:
        return UserError(f"{self._who}: {text}.{self._log.hint}")
