"""Mistakes that a stand-in makes when it is told to."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path

# Of Unity players; other protocols have their own words for what they can get wrong.
FAULTS = {
    "crash": "ends by a signal in the middle of a batch",
    "hang": "goes on running, and answers no more",
    "slow": "takes --delay seconds for each scene",
    "resend": "sends the answer before once more",
    "malformed": "sends pictures and labels that are none",
    "half_written": "says that it is done before its last picture is whole",
    "wrong_order": "answers each graph with another's picture and labels",
    "version": "speaks a version of the protocol that does not exist",
    "exit": "ends at its start, with status 3",
}
SEGMENTATION_FAULT = 11
FAILED = 3  # the status of one that cannot start


def add_faults(parser: ArgumentParser, faults: Mapping[str, str]) -> None:
    """Add what tells a stand-in which mistake to make, and when.

    Args:
        faults: what each of them does, by name.
    """
    told = "; ".join(f"{name}: it {does}" for name, does in faults.items())
    parser.add_argument("--fault", choices=faults, help=told)
    parser.add_argument("--at", type=int, default=1, help="batch or scene, from 1; 0: each")
    parser.add_argument("--mark", type=Path, help="file; the fault happens once, and makes it")
    parser.add_argument("--delay", type=float, default=0.5, help="seconds a scene, of 'slow'")
    parser.add_argument(
        "--idle", type=float, default=600, help="seconds without work until it ends"
    )


def add_drawing(parser: ArgumentParser) -> None:
    """Add what tells a stand-in for scene graphs how to draw."""
    parser.add_argument("--drawing", choices=("tabletop", "bars"), default="tabletop")
    parser.add_argument("--frame-width", type=float, default=0.42, help="metres, of 'tabletop'")


def fails_to_start(given: Namespace) -> bool:
    """Return whether it is to end at once with status ``FAILED``, and say why."""
    if given.fault != "exit":
        return False
    print("no display", file=sys.stderr)
    return True


class Faults:
    """Says when to make the mistake.

    Args:
        given: parsed arguments.
    """

    def __init__(self, given: Namespace) -> None:
        self._fault, self._at, self._mark, self._delay = (
            given.fault, given.at, given.mark, given.delay
        )  # fmt: skip

    def now(self, fault: str, number: int | None = None) -> bool:
        """Return whether to make a mistake, at the batch or scene of a number where it has one."""
        if fault != self._fault or (self._at and number is not None and number != self._at):
            return False
        if self._mark is None:
            return True
        if self._mark.exists():
            return False
        self._mark.touch()
        return True

    def wait(self) -> None:
        """Take time for a scene, if that is the mistake."""
        if self._fault == "slow":
            time.sleep(self._delay)

    @staticmethod
    def crash() -> None:
        """End by a signal."""
        print("a crash, as asked for", flush=True)
        os.kill(os.getpid(), SEGMENTATION_FAULT)

    @staticmethod
    def hang() -> None:
        """Answer no more: in C, with Python's lock held, as a simulator of one's own may do."""
        ctypes.PyDLL(None).sleep(3600)
