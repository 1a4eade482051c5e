"""Names of what decides the bytes of a data set's shards, so that only equal ones are kept."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any


def recipe_of(values: Mapping[str, Any], parts: Iterable[Any], others: Iterable[Path] = ()) -> str:
    """Return a short name for all that decides a shard's bytes but the number of its images.

    So a data set that grows keeps its full shards.

    Args:
        values: plain ones that the images depend on.
        parts: classes and functions whose modules decide an image's bytes.
        others: further files of code that do.
    """
    files = (*(Path(inspect.getfile(part)) for part in parts), *others)
    whole = {**values, "encoder": f"Pillow {version('pillow')}", "code": _digest_of(files)}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:20]


@lru_cache
def _digest_of(files: tuple[Path, ...]) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
