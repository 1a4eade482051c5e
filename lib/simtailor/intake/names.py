"""Names of files as text that can be printed, drawn and written as JSON or YAML."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of pairs, line separators


def printable(name: str | Path) -> str:
    r"""Return a path or a part of one as plain text of one line.

    Bytes that are not UTF-8 and control characters stand as ``\xe9`` or ``\n``; accents are
    composed, so that a name from macOS equals the same name from elsewhere.
    """
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return unicodedata.normalize(
        "NFC",
        "".join(
            c.encode("unicode_escape").decode() if unicodedata.category(c) in UNPRINTABLE else c
            for c in text
        ),
    )
