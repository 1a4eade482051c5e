"""Results that are kept with a digest of all that they depend on, and counted only with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.files import read_json, write_json

# Raised when an evaluation gives other results from the same inputs.
EVALUATION_VERSION = 4

Percents = dict[str, list[float]]  # of a method, or of a number of steps: one an episode


def digest_of(*parts: Any) -> str:
    """Return a digest of plain values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def known_or_new(
    path: str | Path, keys: Mapping[str, str], make: Callable[[Sequence[str]], Percents]
) -> tuple[Percents, str]:
    """Return results by name, from a file where nothing changed, and words on them.

    Args:
        path: of the file, which is brought up to date.
        keys: digest of all that the result of each name depends on.
        make: gives the results of the names that are not known.
    """
    path = Path(path)
    known = read_json(path) if path.exists() else {}
    stale = [name for name, key in keys.items() if known.get(name, {}).get("key") != key]
    if stale:
        known |= {
            name: {"key": keys[name], "episodes": percents}
            for name, percents in make(stale).items()
        }
        write_json(path, known)
    found = {
        name: known[name]["episodes"]
        for name, key in keys.items()
        if known.get(name, {}).get("key") == key
    }
    told = ", ".join(f"{name} {np.mean(percents):.1f} %" for name, percents in found.items())
    return found, told if stale else f"{told} (known)"
