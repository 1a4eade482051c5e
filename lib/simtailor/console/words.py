"""Names, times and results in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from simtailor.reporting import FAILED, WARNING
from simtailor.simulation.names import set_in_words

TAIL = 8192  # bytes of a log that are looked at
MOST_LINES = 4  # of a log that is told as a whole


def title_of(message: str, wildcards: Mapping[str, str], varied: Collection[str]) -> str:
    """Return a rule's message on a job, with the names of sets put in words."""
    title = message
    for value in wildcards.values():
        title = title.replace(value, set_in_words(value, varied))
    return title


def last_words(log: str | Path) -> str:
    """Return the last line that a job wrote to its log; empty where there is none yet."""
    return next(iter(_own_lines(log)[-1:]), "")


def result_in(log: str | Path) -> str:
    """Return what a job that has ended wrote: a short log as a whole, of a long one the last line.

    So what was noted of a user's files is told, and a training's epochs are not.
    """
    lines = _own_lines(log)
    return "; ".join(lines) if len(lines) <= MOST_LINES else lines[-1]


def _own_lines(log: str | Path) -> list[str]:
    """Return the last lines of a log, but for warnings of libraries and failures."""
    try:
        with open(log, "rb") as file:
            file.seek(0, 2)
            file.seek(max(file.tell() - TAIL, 0))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return []
    words = (" ".join(line.split()) for line in lines if not line.startswith((WARNING, FAILED)))
    return [line for line in words if line]


def clock(seconds: float) -> str:
    """Return a time as people say it: ``48 s``, ``12 min``, ``3 h 20 min``, ``4 days``."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{round(hours / 24)} days"


def shortened(text: str, width: int) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= width else f"{text[: max(width - 1, 0)]}…"
