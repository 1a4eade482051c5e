"""What simtailor and a player tell each other by the side channel, version 1.

One UTF-8 JSON document a message::

    simtailor: {"v": 1, "seq": 7, "seed": 5, "graph": node-link data}
    player:    {"v": 1, "seq": 7, "labels": {...}}  or  {"v": 1, "seq": 7, "error": "text"}

The picture is the visual observation of the exchange that brings the player's answer.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

VERSION = 1
CHANNEL = uuid.UUID("5f3c1d0e-0d1b-4d55-9a51-6d2b7a3f9e10")
SIZE_ARGUMENT = "--image-size"  # of a player, and a number of pixels
BEHAVIOR = "MetaSim"


def packed(message: dict[str, Any]) -> bytes:
    """Return a message as bytes."""
    return json.dumps({"v": VERSION, **message}, allow_nan=False).encode()


def unpacked(data: bytes) -> dict[str, Any]:
    """Return a message of bytes.

    Raises:
        ValueError: it is none of this version.
    """
    message = json.loads(bytes(data))
    if not isinstance(message, dict) or not isinstance(message.get("seq"), int):
        raise ValueError(f"expected an object with 'seq', got {bytes(data[:80])!r}")
    if message.get("v") != VERSION:
        raise ValueError(f"expected version {VERSION} of the messages, got {message.get('v')!r}")
    return message
