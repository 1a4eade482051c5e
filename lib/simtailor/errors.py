"""The error that a user of simtailor can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Bad input. The message names the file, the key and the fix."""


def first_of(names: Iterable[str], most: int) -> str:
    """Return the first of many names with commas between, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def nearest_name(name: str, names: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the most similar of ``names``, or an empty string."""
    matches = difflib.get_close_matches(str(name), [str(n) for n in names], n=1, cutoff=0.5)
    return f" Did you mean '{matches[0]}'?" if matches else ""
