"""Stands in for a Unity player with ML-Agents: real gRPC, the real messages, no Unity.

It does what the ML-Agents package and ``examples/unity/SceneGraphAgent.cs`` do in a player: it
connects to the port that it is given, sends a frame in each exchange, and with it the answer to
the scene graph that came by the side channel.
"""

from __future__ import annotations

import struct
import sys
import uuid
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np

from simtailor.render.standins.faults import (
    FAILED,
    FAULTS,
    Faults,
    add_drawing,
    add_faults,
    fails_to_start,
)
from simtailor.render.standins.scenes import (
    Drawing,
    RefusedError,
    check_graph,
    drawing_of,
    labels_of,
)
from simtailor.render.standins.unity_files import NONSENSE, encoded
from simtailor.render.unity_mlagents.channel import BEHAVIOR, CHANNEL, packed, unpacked
from simtailor.render.unity_mlagents.package import (
    PNG,
    QUIT,
    UnityMessageProto,
    UnityOutputProto,
    UnityToExternalProtoStub,
    grpc,
)

OK, VERSION, NO_VERSION = 200, "1.5.0", "9.0.0"
HEAD = struct.Struct("<i")  # length of a message, after the 16 bytes of its channel
KNOWN = {  # channels of the package itself, which a player has and we leave alone
    uuid.UUID("534c891e-810f-11ea-a9d0-822485860400"),
    uuid.UUID("e951342c-4f7e-11ea-b238-784f4387d1f7"),
    uuid.UUID("b664a4a9-d86f-5a5f-95cb-e8353a7e8356"),
}


class Player:
    """What a player does.

    Args:
        given: parsed arguments.
        draw: makes pictures of graphs.
    """

    def __init__(self, given: Namespace, draw: Drawing) -> None:
        self._given, self._draw, self._faults = given, draw, Faults(given)
        self._scenes = 0
        self._picture = encoded(np.zeros((1, given.image_size, given.image_size, 3), np.uint8))[0]
        self._answers: list[bytes] = []
        self._before: tuple[bytes, list[bytes]] | None = None

    def run(self) -> None:
        """Serve until simtailor says that it is enough."""
        target = f"127.0.0.1:{self._given.mlagents_port}"
        with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
            self._exchange = UnityToExternalProtoStub(channel).Exchange
            greeting = UnityOutputProto()
            said = greeting.rl_initialization_output
            said.name, said.package_version = "stand-in", "3.0.0"
            wrong = self._faults.now("version")
            said.communication_version = NO_VERSION if wrong else VERSION
            said.capabilities.baseRLCapabilities = True
            said.capabilities.compressedChannelMapping = True
            self._call(greeting)
            reply, first = self._call(None), True  # which waits for the first scene
            while reply.header.status == OK and reply.unity_input.rl_input.command != QUIT:
                self._take(reply.unity_input.rl_input.side_channel)
                reply, first = self._call(self._frame(first)), False

    def _call(self, output: Any) -> Any:
        message = UnityMessageProto()
        message.header.status = OK
        if output is not None:
            message.unity_output.CopyFrom(output)
        return self._exchange(message, wait_for_ready=True, timeout=self._given.idle)

    def _take(self, data: bytes) -> None:
        """Do what came by the side channels."""
        for channel, content in _messages(data):
            if channel in KNOWN:
                continue
            if channel != CHANNEL:
                raise RefusedError(f"unknown side channel {channel}")
            self._before = self._picture, self._answers
            scene = unpacked(content)
            self._scenes += 1
            if self._faults.now("crash", self._scenes):
                self._faults.crash()
            if self._faults.now("hang", self._scenes):
                self._faults.hang()
            self._faults.wait()
            self._answers = [packed(self._answer(scene))]

    def _answer(self, scene: dict[str, Any]) -> dict[str, Any]:
        try:
            check_graph(scene["graph"])
        except (RefusedError, KeyError) as error:
            return {"seq": scene["seq"], "error": str(error)}
        (self._picture,) = encoded(self._draw([scene["graph"]]))
        wrong = self._faults.now("wrong_order", self._scenes)
        return {"seq": scene["seq"] + wrong, "labels": labels_of(scene["graph"])}

    def _frame(self, first: bool) -> Any:
        """Return the picture and what is to be answered with it."""
        output, size = UnityOutputProto(), self._given.image_size
        picture, answers = self._picture, self._answers
        if self._before is not None and self._faults.now("resend", self._scenes):
            picture, answers = self._before
        else:
            self._answers = []
        if answers and self._faults.now("malformed", self._scenes):
            picture, answers = NONSENSE, [b"no JSON"]
        if answers and self._faults.now("half_written", self._scenes):
            picture = picture[: len(picture) // 2]
        agent = output.rl_output.agentInfos[BEHAVIOR].value.add(id=0)
        observation = agent.observations.add(name="CameraSensor", compression_type=PNG)
        last = self._given.channels == "last"
        observation.shape.extend((size, size, 3) if last else (3, size, size))
        observation.compressed_data = picture
        observation.compressed_channel_mapping.extend([0, 1, 2])
        if first:
            behavior = output.rl_initialization_output.brain_parameters.add(
                brain_name=BEHAVIOR, is_training=True
            )
            behavior.action_spec.num_continuous_actions = 1
        output.rl_output.side_channel = b"".join(
            CHANNEL.bytes_le + HEAD.pack(len(answer)) + answer for answer in answers
        )
        return output


def _messages(data: bytes) -> Iterator[tuple[uuid.UUID, bytes]]:
    """Yield the channel and the content of each message."""
    start = 0
    while start < len(data):
        channel = uuid.UUID(bytes_le=data[start : start + 16])
        (length,) = HEAD.unpack_from(data, start + 16)
        start += 16 + HEAD.size
        yield channel, data[start : start + length]
        start += length


def main() -> int:
    """Run a player."""
    parser = ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("-batchmode", action="store_true")
    parser.add_argument("-logFile")
    parser.add_argument("--image-size", type=int, required=True)
    parser.add_argument("--mlagents-port", type=int, required=True)
    parser.add_argument("--channels", choices=("first", "last"), default="first")
    add_drawing(parser)
    add_faults(parser, FAULTS)
    given = parser.parse_args()
    if fails_to_start(given):
        return FAILED
    with ExitStack() as held:
        draw = drawing_of(given, given.image_size, held)
        Player(given, draw).run()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except grpc.RpcError as error:
        sys.exit(f"the connection has ended: {error.code()}")
    except ValueError as error:
        sys.exit(f"refused: {error}")
