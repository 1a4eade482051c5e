"""Asks a program what it reads and draws, while the workflow is planned.

It is started for this, says who it is and ends. The answer is kept for an hour in the user's
cache folder, as long as the files are the same that it comes from, so that a workflow is planned
fast. Whatever is started to draw is compared with what was said before.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ValidationError

from simtailor.errors import UserError
from simtailor.files import staged
from simtailor.render.program.hello import Hello
from simtailor.render.program.identity import command_sums, is_current
from simtailor.render.program.process import ProgramProcess
from simtailor.render.program.protocol import PROTOCOL, FaultError, LostError
from simtailor.render.program.settings import ProgramSettings

HOW = "It is to call serve() of simtailor_simulator.py, see docs/own_simulator.md."
TELL_AFTER = 10.0  # seconds of silence while planning
VALID = 3600.0  # seconds; an installed simulator may be another one then
_asked: dict[str, Hello | UserError] = {}  # by this process


class _Kept(BaseModel):
    said: Hello
    at: float


def hello_of(settings: ProgramSettings, anew: bool = False) -> Hello:
    """Return what a program says of itself.

    Args:
        anew: whether it is asked even where the answer is known.

    Raises:
        UserError: it cannot be started, or says nothing of use.
    """
    key = _key(settings)
    known = _asked.get(key)
    if anew or known is None or (isinstance(known, Hello) and not is_current(known)):
        known = None if anew else _read(key)
        if known is None:
            try:
                known = _asked_now(settings)
                remember(settings, known)
            except UserError as error:
                known = error
        _asked[key] = known
    if isinstance(known, UserError):
        raise known
    return known


def remember(settings: ProgramSettings, hello: Hello) -> None:
    """Keep what a program says of itself, for who asks next."""
    key = _key(settings)
    _asked[key] = hello
    # Where it cannot be kept, it is asked again.
    with suppress(OSError), staged(_place(key)) as staging:
        staging.write_text(_Kept(said=hello, at=time.time()).model_dump_json())


def who(settings: ProgramSettings) -> str:
    """Return how an error message begins."""
    return f"renderer 'program': stage.command: {shlex.join(settings.command)}"


def _asked_now(settings: ProgramSettings) -> Hello:
    waiting = f"{shlex.join(settings.command)}: waiting for it to say what it draws"
    timer = threading.Timer(TELL_AFTER, print, [waiting], {"file": sys.stderr, "flush": True})
    timer.daemon = True
    with tempfile.TemporaryDirectory(prefix="simtailor-") as folder:
        timer.start()
        log = Path(folder) / "printed"
        try:
            process = ProgramProcess(
                settings.words, settings.folder, log, settings.image_size, os.cpu_count() or 1
            )
            try:
                return process.greet(settings.start_timeout)
            finally:
                process.kill()
        except (LostError, FaultError) as error:
            raise UserError(f"{who(settings)}: {error}. {HOW}") from error
        finally:
            timer.cancel()


def _key(settings: ProgramSettings) -> str:
    parts = [PROTOCOL, settings.words, os.path.abspath(settings.folder), command_sums(settings)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _place(key: str) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(cache) / "simtailor" / "programs" / f"{key}.json"


def _read(key: str) -> Hello | None:
    """Return what is kept; None where there is nothing, or it is out of date."""
    try:
        kept = _Kept.model_validate_json(_place(key).read_text())
    except (OSError, ValidationError):
        return None
    fresh = 0 <= time.time() - kept.at < VALID
    return kept.said if fresh and is_current(kept.said) else None
