"""One process of a program that draws: its start, its connection and its end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from simtailor.render.children import SETTLES, end_in_words, last_words
from simtailor.render.program.hello import Hello
from simtailor.render.program.protocol import Channel, FaultError, LostError

SIMULATOR_SIDE = Path(__file__).parent / "simulator_side"  # can be imported by a program in Python
CHANNEL = "SIMTAILOR_CHANNEL"
FOLDER = "simtailor-program-"  # and the number of our process
LONGEST_PATH = 100  # of a socket, in bytes; the system's limit is 107
LOOK_EVERY = 0.05  # seconds, whether it still lives while it starts
LEFT_OVER = 3600.0  # seconds; no program takes so long to connect
FAREWELL = 3.0  # seconds for its end after it was asked


class ProgramProcess:
    """A started program.

    Args:
        words: of the command.
        folder: that it runs in.
        log: gets what it prints.
        image_size: of the images that it will be asked for.
        threads: cores that it may use.

    Attributes:
        channel: the connection, after ``greet``.
    """

    def __init__(
        self, words: Sequence[str], folder: str, log: Path, image_size: int, threads: int
    ) -> None:
        self._log, self._image_size = log, image_size
        self._socket_folder = _make_socket_folder()
        self._listener = socket.socket(socket.AF_UNIX)
        self._lifeline: socket.socket | None = None
        self.channel: Channel | None = None
        self._killed = False
        address = f"{self._socket_folder}/channel"
        try:
            self._listener.bind(address)
            self._listener.listen(2)
            with open(log, "ab") as file:
                self._printed_before = file.tell()
                self._process = subprocess.Popen(
                    words,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    env=_environment(address, threads),
                    start_new_session=True,
                )
        except BaseException as error:
            self._remove_socket()
            if isinstance(error, OSError):
                raise FaultError(f"it cannot be started: {error}") from error
            raise

    @property
    def pid(self) -> int:
        """Number of the process, and of its group."""
        return self._process.pid

    def greet(self, timeout: float) -> Hello:
        """Wait for its connection and return its first message.

        Raises:
            LostError: it ended, or does not connect.
            FaultError: what it says is wrong.
        """
        try:
            self.channel = Channel(self._accepted(timeout), self._image_size)
            hello = Hello.parsed(self.channel.expect("simtailor", timeout))
            # One in Python has opened this before its first message; others need not have it.
            self._listener.setblocking(False)
            with suppress(BlockingIOError):
                self._lifeline, _ = self._listener.accept()
        except LostError as error:
            raise LostError(f"{error}{self.end()}") from error
        finally:
            self._remove_socket()
        return hello

    def prepare(self, settings: dict[str, Any], timeout: float) -> None:
        """Give it the settings, and wait until it is ready.

        Raises:
            LostError: it ended or hung.
            FaultError: it cannot draw with them.
        """
        assert self.channel is not None
        try:
            self.channel.send({"start": settings})
            self.channel.expect("ready", timeout)
        except LostError as error:
            raise LostError(f"{error}{self.end()}") from error

    def end(self) -> str:
        """End it at once, with all that it started; return how it had ended, and its last words."""
        with suppress(subprocess.TimeoutExpired):
            # What closed its connection needs a moment to be gone; what hangs does not end.
            self._process.wait(SETTLES)
        code = self._process.poll()
        self.kill()
        return end_in_words(code, last_words(self._log, self._printed_before))

    def ask_to_quit(self) -> None:
        """Ask it to end; ``kill`` waits for that."""
        if self.channel is not None:
            with suppress(LostError):
                self.channel.send({"quit": True})

    def leave(self) -> int | None:
        """Wait for its end after it was asked, end it otherwise; return its status by itself."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(FAREWELL)
        code = self._process.poll()
        self.kill()
        return code

    def kill(self) -> None:
        """End it with all that it started."""
        self._remove_socket()
        if not self._killed:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._killed = True  # another process may have its number now
        for connection in (self.channel and self.channel.connection, self._lifeline):
            if connection:
                connection.close()

    def _accepted(self, timeout: float) -> socket.socket:
        deadline = time.monotonic() + timeout
        self._listener.settimeout(LOOK_EVERY)
        while True:
            with suppress(TimeoutError):
                return self._listener.accept()[0]
            if self._process.poll() is not None:
                raise LostError("it does not connect")
            if time.monotonic() > deadline:
                raise LostError(f"it does not connect within {timeout:g} s")

    def _remove_socket(self) -> None:
        """Leave nothing on disk; once connected, nothing is needed there."""
        self._listener.close()
        shutil.rmtree(self._socket_folder, ignore_errors=True)


def _environment(address: str, threads: int) -> dict[str, str]:
    """Return the variables of a program: a Python of its own is not to be led into ours."""
    environment = {**os.environ, CHANNEL: f"unix:{address}", "OMP_NUM_THREADS": str(threads)}
    environment.pop("VIRTUAL_ENV", None)
    paths = [str(SIMULATOR_SIDE), os.environ.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    return environment


def _make_socket_folder() -> str:
    """Return a new folder that nobody else may enter."""
    parent = tempfile.gettempdir()
    if len(os.fsencode(parent)) + len(FOLDER) + 30 > LONGEST_PATH:
        parent = "/tmp"
    for left in Path(parent).glob(f"{FOLDER}*"):  # of processes killed while a program started
        number = left.name.removeprefix(FOLDER).partition("-")[0]
        with suppress(OSError):  # another process may remove it, too
            old = time.time() - left.stat().st_mtime > LEFT_OVER
            if old and number.isdigit() and not psutil.pid_exists(int(number)):
                shutil.rmtree(left, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-", dir=parent)
