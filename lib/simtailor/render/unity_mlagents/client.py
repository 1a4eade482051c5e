"""One player and the connection to it."""

from __future__ import annotations

import atexit
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.render.players.player import Player
from simtailor.render.program.protocol import FaultError, LostError
from simtailor.render.unity_mlagents.channel import CHANNEL, SIZE_ARGUMENT, packed, unpacked
from simtailor.render.unity_mlagents.communicator import LoopbackCommunicator
from simtailor.render.unity_mlagents.package import (
    CHANNELS_LAST,
    IncomingMessage,
    OutgoingMessage,
    SideChannel,
    UnityEnvironment,
    UnityException,
    logging_util,
)
from simtailor.render.unity_mlagents.settings import UnityMLAgentsSettings

MOST_FRAMES = 10  # that a player may send before the one that shows the scene
PORT_ARGUMENT = "--mlagents-port"


class Client:
    """A started player that waits for scenes.

    Args:
        settings: of the stage.
        log: gets what it says.

    Raises:
        LostError: it does not connect.
        FaultError: it cannot be started, or speaks another version.
    """

    def __init__(self, settings: UnityMLAgentsSettings, log: Path) -> None:
        self._size, self._sequence, self._asked = settings.image_size, 0, False
        self._channel, self._player = _SceneChannel(), None
        self._environment: _Environment | None = None
        self._communicator = LoopbackCommunicator(self._check, settings.start_timeout)
        try:
            arguments = [
                *settings.arguments, SIZE_ARGUMENT, str(settings.image_size),
                PORT_ARGUMENT, str(self._communicator.port),
            ]  # fmt: skip
            self._player = Player(settings.build, arguments, log)
            self._environment = _Environment(self._communicator, self._channel)
            self._timeout = settings.timeout
        except LostError as error:
            raise LostError(f"{error}{self.end()}") from error
        except UnityException as error:
            self.end()
            raise FaultError(f"it is of another version: {_line(error)}") from error
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        """Number of the player's process."""
        assert self._player is not None
        return self._player.pid

    def draw(self, seed: int, graph: dict[str, Any]) -> np.ndarray:
        """Return the picture of a scene: uint8 [S, S, 3].

        Raises:
            LostError: the player ended or hung, or sent what cannot be read.
            FaultError: its answer is wrong.
        """
        self._sequence += 1
        self._channel.post({"seq": self._sequence, "seed": seed, "graph": graph})
        try:
            for _ in range(MOST_FRAMES):
                self._exchange()
                answer = self._channel.answers.pop(self._sequence, None)
                if late := [seq for seq in self._channel.answers if seq > self._sequence]:
                    raise FaultError(f"it answers to scene {late[0]}, which nobody sent")
                self._channel.answers.clear()  # of a frame that came twice
                if answer is not None:
                    if "error" in answer:
                        raise FaultError(f"it cannot draw a scene: {answer['error']}")
                    return self._picture()
        except (UnityException, OSError, ValueError, TypeError, IndexError) as error:
            raise LostError(f"it sent what cannot be read: {_line(error)}") from error
        raise FaultError(
            f"it sent {MOST_FRAMES} frames without an answer to the scene. Does its agent listen "
            f"on the side channel {CHANNEL}, and answer with the same 'seq'?"
        )

    def tell(self) -> None:
        """Tell the player to end."""
        self._disconnect()

    def leave(self) -> bool:
        """Wait for its end; return whether it ended by itself."""
        return self._player is None or self._player.leave()

    def kill(self) -> None:
        """End the player, so that a thread which waits for it goes on."""
        if self._player is not None:
            self._player.kill()

    def end(self) -> str:
        """End the player at once; return how it had ended, and its last words."""
        text = self._player.end() if self._player is not None else ""
        self._disconnect()
        return text

    def _exchange(self) -> None:
        assert self._environment is not None
        if self._asked:
            self._environment.step()
        else:
            self._environment.reset()
        self._asked, self._communicator.timeout = True, self._timeout

    def _picture(self) -> np.ndarray:
        """Return the first visual observation of the first agent.

        Raises:
            FaultError: there is none, or of another size.
        """
        assert self._environment is not None
        for name in self._environment.behavior_specs:
            steps, _ = self._environment.get_steps(name)
            for observation in steps.obs:
                if observation.ndim == 4 and len(observation):
                    picture = observation[0] if CHANNELS_LAST else np.moveaxis(observation[0], 0, 2)
                    return self._checked(picture)
        raise FaultError(
            "it sends no visual observation. Its agent needs a CameraSensorComponent with "
            "compression PNG, and must ask for a decision in each frame"
        )

    def _checked(self, picture: np.ndarray) -> np.ndarray:
        if picture.shape != (self._size, self._size, 3):
            height, width, channels = picture.shape
            raise FaultError(
                f"its picture has {width} x {height} pixels and {channels} channels; asked for "
                f"were {self._size} x {self._size} and 3, by its argument {SIZE_ARGUMENT}"
            )
        return np.rint(picture * 255).astype(np.uint8)

    def _check(self) -> None:
        if self._player is not None:
            self._player.check()

    def _disconnect(self) -> None:
        self._communicator.close()
        if self._environment is not None:
            self._environment.forget()


class _SceneChannel(SideChannel):
    """Sends scenes, and keeps the answers by their numbers."""

    def __init__(self) -> None:
        super().__init__(CHANNEL)
        self.answers: dict[int, dict[str, Any]] = {}

    def post(self, message: dict[str, Any]) -> None:
        outgoing = OutgoingMessage()
        outgoing.set_raw_bytes(packed(message))
        self.queue_message_to_send(outgoing)

    def on_message_received(self, message: IncomingMessage) -> None:
        answer = unpacked(message.get_raw_bytes())
        self.answers[answer["seq"]] = answer


class _Environment(UnityEnvironment):
    """The package's environment, with a communicator and a player of ours."""

    def __init__(self, communicator: LoopbackCommunicator, channel: SideChannel) -> None:
        logging_util.set_log_level(logging_util.WARNING)
        self._made = communicator
        try:
            super().__init__(base_port=communicator.port, side_channels=[channel])
        except BaseException:
            self.forget()
            raise

    def _get_communicator(self, *_: Any) -> LoopbackCommunicator:
        return self._made

    def forget(self) -> None:
        """Nothing is left to do at the end of this process."""
        atexit.unregister(self._close)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
