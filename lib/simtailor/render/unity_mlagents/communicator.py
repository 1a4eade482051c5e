"""The server that a player connects to: on loopback, on a free port, and never waiting in vain."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from simtailor.render.program.protocol import LostError
from simtailor.render.unity_mlagents.package import (
    CHANNELS_LAST,
    RpcCommunicator,
    UnityMessageProto,
    UnityToExternalServicerImplementation,
    add_UnityToExternalProtoServicer_to_server,
    grpc,
)

LOOK_EVERY = 0.2  # seconds, whether the player lives
CLOSING = 3.0  # seconds until it knows, and the port is free
OK, QUIT = 200, 400  # status of a message
UNLIMITED = -1


class LoopbackCommunicator(RpcCommunicator):
    """Talks to one player.

    Args:
        check: raises ``LostError`` where the player does not live.
        timeout: seconds from a sign of life to the next; may be set.

    Attributes:
        port: that it listens on.
    """

    def __init__(self, check: Callable[[], None], timeout: float) -> None:
        self._check, self.timeout = check, timeout
        super().__init__(base_port=0, timeout_wait=timeout)

    def create_server(self) -> None:
        """Listen on a port of this machine that is free; the package's own listens everywhere."""
        self.server = grpc.server(
            ThreadPoolExecutor(max_workers=2),
            options=(
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", UNLIMITED),
            ),
        )
        self.unity_to_external = UnityToExternalServicerImplementation()
        add_UnityToExternalProtoServicer_to_server(self.unity_to_external, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()
        self.is_open = True

    def poll_for_timeout(self, poll_callback: Any = None) -> None:
        """Wait for a message.

        Raises:
            LostError: the player has ended, or says nothing.
        """
        deadline = time.monotonic() + self.timeout
        while not self.unity_to_external.parent_conn.poll(LOOK_EVERY):
            self._check()
            if time.monotonic() > deadline:
                raise LostError(f"it gave no sign of life for {self.timeout:g} s")

    def initialize(self, inputs: Any, poll_callback: Any = None) -> Any:
        """Greet the player, which then asks for what to do."""
        self.poll_for_timeout()
        greeting = self.unity_to_external.parent_conn.recv().unity_output
        message = UnityMessageProto()
        message.header.status = OK
        message.unity_input.CopyFrom(inputs)
        self.unity_to_external.parent_conn.send(message)
        self.poll_for_timeout()
        self.unity_to_external.parent_conn.recv()
        return greeting

    def exchange(self, inputs: Any, poll_callback: Any = None) -> Any:
        """Send a message and return the answer, with channels where the package wants them."""
        output = super().exchange(inputs, poll_callback)
        if output is None:
            raise LostError("it has closed its connection")
        for agents in output.rl_output.agentInfos.values():
            for agent in agents.value:
                for observation in agent.observations:
                    _order_channels(observation)
        return output

    def close(self) -> None:
        """Tell the player to end, and listen no more.

        The package's own cancels the call in which it tells.
        """
        if self.is_open:
            self.is_open = False
            message = UnityMessageProto()
            message.header.status = QUIT
            with suppress(OSError):
                self.unity_to_external.parent_conn.send(message)
        self.server.stop(CLOSING).wait(CLOSING)
        self.unity_to_external.parent_conn.close()


def _order_channels(observation: Any) -> None:
    """Say the shape of a compressed picture in the order that the package expects."""
    shape = tuple(observation.shape)
    if len(shape) != 3 or not observation.compressed_data:
        return
    last = shape[0] == shape[1] and shape[2] != shape[1]
    first = shape[1] == shape[2] and shape[0] != shape[1]
    if (last or first) and last != CHANNELS_LAST:
        height, width, channels = shape if last else (*shape[1:], shape[0])
        ordered = (height, width, channels) if CHANNELS_LAST else (channels, height, width)
        observation.shape[:] = ordered
        del observation.dimension_properties[:]
