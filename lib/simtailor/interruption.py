"""A run that is stopped by Ctrl-C or by a signal, and the process that works in a folder."""

from __future__ import annotations

import atexit
import os
import shlex
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil

from simtailor.reporting import INTERRUPTED, say

SCRIPTS = ".snakemake/scripts/"  # where Snakemake puts the scripts that its jobs run
LOCK = Path(".snakemake/simtailor.lock")  # the launcher's; it holds: host, process, command
LONGEST_END = 90.0  # seconds that Snakemake may take to end, with cancelling jobs of a cluster
STOPPED = "Stopped. What is finished is kept: the same command goes on from there."


def stop_on_signals(silence: Callable[[], None]) -> None:
    """Let SIGINT and SIGTERM end this process and its jobs soon, with status 130.

    A signal that is ignored stays so: the launcher hears Ctrl-C itself. Outside of the main
    thread nothing is changed.

    Args:
        silence: called first; nothing needs to be told of jobs that end now.
    """

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        for one in (signal.SIGINT, signal.SIGTERM):
            signal.signal(one, signal.SIG_IGN)
        try:
            # The signal may come in the middle of a line that is written to the same stream.
            silence()
            say(STOPPED)
        except RuntimeError:
            os.write(2, f"{STOPPED}\n".encode())
        finally:
            # At once, while this process ends, and at its very end: a job may start only now.
            threading.Thread(target=_go_on_ending_jobs, daemon=True).start()
            atexit.register(_end_jobs)
            raise SystemExit(INTERRUPTED)  # whatever went wrong: no other signal is heard

    if threading.current_thread() is threading.main_thread():
        for one in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(one) != signal.SIG_IGN:
                signal.signal(one, stop)


def _end_jobs() -> None:
    """End the scripts of jobs and what they started."""
    children: list[psutil.Process] = []
    with suppress(psutil.Error, OSError):
        children = psutil.Process().children(recursive=True)
    for process in children:
        ending: list[psutil.Process] = []
        with suppress(psutil.Error, OSError):  # it has ended meanwhile
            if any(SCRIPTS in word for word in process.cmdline()):
                ending = [process]
                ending = [*process.children(recursive=True), process]
        for one in ending:
            with suppress(psutil.Error):
                one.terminate()


def _go_on_ending_jobs() -> None:
    """End jobs until this process ends; if it does not come to that, end it."""
    until = time.monotonic() + LONGEST_END
    while time.monotonic() < until:
        _end_jobs()
        time.sleep(0.1)
    os._exit(INTERRUPTED)


def describe_lock() -> str:
    """Return a message about the run that works in the current folder."""
    start = "another run is making some of the same files in this folder: "
    found = _runs_here()
    if found:
        first = min(found, key=lambda process: process.create_time())
        began = datetime.fromtimestamp(first.create_time()).strftime("%Y-%m-%d %H:%M")
        command = shlex.join(first.cmdline())
        return (
            f"{start}process {first.pid}, since {began}: {command}. Wait for its end, or stop it "
            f"with 'kill {first.pid}': it goes on later with what it has."
        )
    host, process, command = _noted()
    if host not in (None, socket.gethostname()):
        return f"{start}process {process} on {host}: {command}. Wait for its end, or stop it there."
    return (
        "a run that was killed has left its lock in this folder, and no process works here now: "
        "give the same command to ./run, which removes such a lock, or before it "
        "'./run snakemake --unlock'."
    )


def _runs_here() -> list[psutil.Process]:
    """Return Snakemake's processes in the current folder, but for this one and its parents."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        try:
            words = [Path(word).name for word in process.cmdline()[:3]]
            if "snakemake" in words and process.pid not in own and process.cwd() == os.getcwd():
                found.append(process)
        except psutil.Error:  # it has ended, or is another user's
            continue
    return found


def _noted() -> tuple[str | None, str, str]:
    """Return host, process and command of the run that held the launcher's lock last."""
    try:
        host, process, command = LOCK.read_text(encoding="utf-8").strip().split(maxsplit=2)
    except (OSError, ValueError):
        return None, "", ""
    return host, process, command
