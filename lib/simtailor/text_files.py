"""Reading of the text and JSON files that users write, with errors that name line and column."""

from __future__ import annotations

import codecs
import json
import math
import os
import re
import sys
from pathlib import Path
from typing import Any

from simtailor.errors import UserError

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
SHOWN = 100  # characters of a line that a message shows


def read_text(path: str | Path) -> str:
    """Return the text of a file in UTF-8, without byte order mark, its lines ended by ``\\n``.

    Raises:
        UserError: there is no such file, or it is a folder or in another encoding.
    """
    path = Path(path)
    if os.path.isdir(path):
        raise UserError(f"{path}: this is a folder. Give the name of a file.")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file. Check the name and the folder.") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot read this file: {reason}.") from None
    if data.startswith(UTF_16):
        raise UserError(f"{path}: this file is in UTF-16. Save it as UTF-8.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}:{line}: byte {error.start} ({data[error.start]:#04x}) is not UTF-8. Save the "
            "file as UTF-8 (it may be in Latin-1 or Windows-1252)."
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def shown_line(text: str, line: int) -> str:
    """Return a line of a text, counted from 1, for a message: `` in: ...``, or nothing."""
    lines = text.split("\n")
    found = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    found = "".join(c if c.isprintable() else "?" for c in found)
    return f", in: {found[:SHOWN]}" if found else ""


def parse_json(text: str, source: str | Path) -> Any:
    """Return the value of a JSON text; numbers are finite and no key stands twice.

    Raises:
        UserError: names the source, and line and column of a mistake.
    """
    try:
        return json.loads(
            text,
            parse_constant=_reject_constant,
            parse_float=_finite,
            object_pairs_hook=_unique_keys,
        )
    except json.JSONDecodeError as error:
        raise UserError(
            f"{source}:{error.lineno}: not valid JSON: {error.msg}, column {error.colno}"
            f"{shown_line(text, error.lineno)}. Compare brackets, commas and double quotes."
        ) from None
    except _NotAllowedError as error:
        place, words = _place(text, error.word, error.last)
        raise UserError(f"{source}{place}: {error}{words}. {error.fix}") from None
    except RecursionError:
        raise UserError(f"{source}: nested too deeply. Write it flatter.") from None
    except ValueError:  # an integer of more digits than Python reads
        place, _ = _place(text, max(re.findall(r"\d+", text), key=len), last=False)
        raise UserError(
            f"{source}{place}: a number has more than {sys.get_int_max_str_digits():,} digits. "
            "Write a smaller number."
        ) from None


class _NotAllowedError(ValueError):
    """What JSON's grammar, as Python reads it, allows but no file of this project.

    Attributes:
        word: to look for in the text; last: whether its last place is meant; fix: what to do.
    """

    def __init__(self, problem: str, word: str, fix: str, last: bool = False) -> None:
        super().__init__(problem)
        self.word, self.fix, self.last = word, fix, last


def _place(text: str, word: str, last: bool) -> tuple[str, str]:
    """Return ``:LINE`` of a word, where it is found, and that line's text."""
    start = text.rfind(word) if last else text.find(word)
    if start < 0:
        return "", ""
    line = text.count("\n", 0, start) + 1
    return f":{line}", shown_line(text, line)


def _reject_constant(name: str) -> None:
    raise _NotAllowedError(f"{name} is not a number in JSON", name, "Write a finite number.")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise _NotAllowedError(
            f"the number {digits} is too large", digits, "Write a smaller number."
        )
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise _NotAllowedError(
                f"the key {key!r} stands twice in one object",
                json.dumps(key, ensure_ascii=False),
                "Remove one of the two.",
                last=True,
            )
        values[key] = value
    return values
