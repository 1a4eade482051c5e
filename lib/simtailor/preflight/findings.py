"""What a check finds, and the registry of the checks.

A new check is one file in ``simtailor.preflight.checks`` with one function:

    @check("disk")
    def disk(asked: Asked) -> Iterator[Finding]:
        yield ok("...") or missing("...", "...")

Checks take seconds together, write nothing, and fetch nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from simtailor.discovery import import_modules_of
from simtailor.errors import UserError
from simtailor.preflight.asked import Asked


class State(StrEnum):
    """Whether what is needed is there."""

    OK = "ok"
    MISSING = "missing"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        found: in words, what is there or is not.
        fix: what to do, empty where nothing is to be done.
        subject: title of the check that found it.
    """

    state: State
    found: str
    fix: str = ""
    subject: str = ""


def ok(found: str, better: str = "") -> Finding:
    """Return that all is there, and perhaps what would be better."""
    return Finding(State.OK, found, better)


def missing(found: str, fix: str = "") -> Finding:
    """Return that something is not there; an error's message may hold the fix itself."""
    return Finding(State.MISSING, found, fix)


def unknown(found: str, fix: str = "") -> Finding:
    """Return what cannot be told from here, and how to find out."""
    return Finding(State.UNKNOWN, found, fix)


Check = Callable[[Asked], Iterable[Finding]]
_CHECKS: dict[str, Check] = {}


def check(subject: str) -> Callable[[Check], Check]:
    """Register a check under the title of its lines."""

    def register(function: Check) -> Check:
        _CHECKS[subject] = function
        return function

    return register


def run_checks(asked: Asked) -> list[Finding]:
    """Run all checks, sorted by title. One that fails says so, and ends no other."""
    import_modules_of("simtailor.preflight.checks")
    findings = []
    for subject, function in sorted(_CHECKS.items()):
        try:
            found = list(function(asked))
        except UserError as error:
            found = [missing(str(error))]
        except Exception as error:  # a check must not be what fails
            found = [unknown(f"the check failed: {type(error).__name__}: {error}")]
        findings += [Finding(f.state, f.found, f.fix, subject) for f in found]
    return findings


def describe(findings: Iterable[Finding]) -> str:
    """Return the report: a line a finding, and below it the fix."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:13}{finding.subject:14}{finding.found}")
        if finding.fix:
            lines.append(f"{'':27}{finding.fix}")
    return "\n".join(lines)


def summary_of(findings: Iterable[Finding]) -> str:
    """Return in words how many things are missing or cannot be told."""
    states = [finding.state for finding in findings]
    absent, open_ = states.count(State.MISSING), states.count(State.UNKNOWN)
    told = f"{absent or 'nothing'} missing" + (f", {open_} cannot be told" if open_ else "")
    return f"{len(states)} checked: {told}"
