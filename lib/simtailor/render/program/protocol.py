"""Messages between simtailor and a program that draws, version 1.

A message is a line of JSON. An answer with ``parts`` is followed by their raw bytes.

    program:   {"simtailor": 1, "name", "version", "attributes", ...}, see ``hello``
    simtailor: {"start": {"image_size", "threads", "device", "options"}}
    program:   {"ready": true} or {"error": "text"}
    simtailor: {"render": 7, "parts": ["image", "mask"], "scenes": [{"seed", "nodes"}, ...]}
    program:   {"render": 7, "scene": 0, "parts": [["image", 49152], ["mask", 16384]]} + bytes,
               or {"render": 7, "scene": 0, "error": "text"}; in any order
    program:   {"progress": "text"} at any time
    simtailor: {"quit": true}, or it closes the connection
"""

from __future__ import annotations

import json
import socket
import time
from typing import Any

PROTOCOL = 1
PIXEL_BYTES = {"image": 3, "mask": 1, "depth": 4}
KEYPOINT_BYTES, MOST_KEYPOINTS = 12, 10_000
LONGEST_LINE = 2**24
RECEIVED_AT_ONCE = 2**18
SEND_TIMEOUT = 60.0  # seconds; a program that draws has read its whole line before
Message = tuple[dict[str, Any], memoryview]


class LostError(Exception):
    """The program ended, or gave no sign of life in time; the text begins with "it"."""


class FaultError(Exception):
    """The program did what no new start mends; the text begins with "it"."""


class Channel:
    """The connection to one program.

    Args:
        connection: a stream.
        image_size: of the images that it will send.
    """

    def __init__(self, connection: socket.socket, image_size: int) -> None:
        self.connection, self._image_size = connection, image_size
        self._buffer = bytearray()
        self._head: tuple[dict[str, Any], int, int] | None = None

    def send(self, message: dict[str, Any]) -> None:
        """Send a message.

        Raises:
            LostError: nobody takes it.
        """
        self.connection.settimeout(SEND_TIMEOUT)
        try:
            self.connection.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise LostError("it closed its connection") from error

    def read(self, timeout: float) -> None:
        """Read what has come, or comes in so many seconds.

        Raises:
            LostError: nothing came, or the connection is closed.
        """
        self.connection.settimeout(max(timeout, 1e-3))
        try:
            received = self.connection.recv(RECEIVED_AT_ONCE)
        except TimeoutError as error:
            raise LostError(f"it gave no sign of life for {timeout:g} s") from error
        except OSError as error:
            raise LostError("it closed its connection") from error
        if not received:
            raise LostError("it closed its connection")
        self._buffer += received

    def take(self) -> Message | None:
        """Return the next message that has come whole, with the bytes of its parts.

        Raises:
            FaultError: it is none of this protocol.
        """
        if self._head is None:
            end = self._buffer.find(b"\n", 0, LONGEST_LINE)
            if end < 0:
                if len(self._buffer) >= LONGEST_LINE:
                    raise FaultError(f"it sent a line of more than {LONGEST_LINE:,} bytes")
                return None
            head = _parsed(bytes(self._buffer[:end]))
            self._head = head, end + 1, end + 1 + self._payload(head)
        head, start, end = self._head
        if len(self._buffer) < end:
            return None
        # The rest moves to a new buffer, so that what is returned need not be copied.
        whole, self._buffer, self._head = self._buffer, self._buffer[end:], None
        return head, memoryview(whole)[start:end]

    def expect(self, key: str, timeout: float) -> dict[str, Any]:
        """Return the next message with a key; each sign of life gives it more time.

        Raises:
            LostError: none came in time.
            FaultError: the program tells of an error.
        """
        deadline = time.monotonic() + timeout
        while True:
            while (message := self.take()) is None:
                if (left := deadline - time.monotonic()) <= 0:
                    raise LostError(f"it gave no sign of life for {timeout:g} s")
                self.read(left)
            head, _ = message
            if "error" in head:
                raise FaultError(f"it says: {head['error']}")
            if key in head:
                return head
            deadline = time.monotonic() + timeout

    def _payload(self, head: dict[str, Any]) -> int:
        """Return how many bytes follow a message.

        Raises:
            FaultError: not so many as its parts have.
        """
        parts = head.get("parts")
        if "render" not in head or parts is None:
            return 0
        total = 0
        try:
            for name, length in parts:
                total += self._checked_length(name, length)
        except (TypeError, ValueError):
            raise FaultError(
                f"it sent the parts {parts!r:.200}; expected pairs of a name and a number of bytes"
            ) from None
        return total

    def _checked_length(self, name: str, length: int) -> int:
        if name == "keypoints":
            if 0 <= length <= KEYPOINT_BYTES * MOST_KEYPOINTS and length % KEYPOINT_BYTES == 0:
                return length
            raise FaultError(
                f"it sent {length} bytes of keypoints; expected {KEYPOINT_BYTES} for each, three "
                f"float32, and at most {MOST_KEYPOINTS:,} of them"
            )
        if name not in PIXEL_BYTES:
            raise FaultError(f"it sent a part {name!r}; known: {', '.join(PIXEL_BYTES)}, keypoints")
        pixels, each = self._image_size, PIXEL_BYTES[name]
        if length != pixels * pixels * each:
            raise FaultError(
                f"it sent {length:,} bytes of {name}; expected {pixels * pixels * each:,}: "
                f"{pixels} x {pixels} pixels of {each}"
            )
        return length


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        head = json.loads(line)
        if not isinstance(head, dict):
            raise ValueError
    except ValueError:
        raise FaultError(
            f"it sent {line[:80]!r}, which is no JSON object. Only messages may be written to its "
            "connection; what is printed does no harm."
        ) from None
    return head
