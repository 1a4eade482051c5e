"""The files that a model names: pictures, buffers, materials."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, unquote_to_bytes

from simtailor.assets.model_parts import ModelError, Parts
from simtailor.intake.names import printable

DATA = re.compile(r"data:[^,]*?(;base64)?,", re.IGNORECASE)
REMOTE = re.compile(r"https?://", re.IGNORECASE)
LOCAL = re.compile(r"\Afile:(?://[^/]*)?(?:/(?=[A-Za-z]:/))?", re.IGNORECASE)  # before a path
COMMENT = re.compile(r"\s+#.*")


def find_companion(folder: Path, name: str, kind: str, found: Parts) -> Path:
    """Return the file that a model in ``folder`` names.

    Names written on Windows are found too: with backslashes, in another case, as ``file:///C:/``,
    or, where the path is of another machine, beside the model; each is noted.

    Args:
        kind: what it is, for messages, such as ``picture``.
        found: takes the notes.

    Raises:
        ModelError: it is absent; says how it is written and where it was looked for.
    """
    plain = LOCAL.sub("", name.replace("\\", "/"))
    written = [plain]
    # Names that are not UTF-8 are bytes of Latin-1, or the system's own.
    written += [n for n in (_latin(plain),) if n not in (None, plain)]
    for candidate in written:
        if _is_file(folder / candidate):
            return folder / candidate
        path = _any_case(folder, PurePosixPath(candidate))
        if path is not None:
            found.note(f"the {kind} {name!r} was read from {path.name!r}, written differently")
            return path
    beside = plain.rsplit("/", 1)[-1]
    if re.match(r"[A-Za-z]:/|/", plain) and beside:
        path = _any_case(folder, PurePosixPath(beside))
        if path is not None:
            found.note(f"the {kind} {name!r} is a path of another machine; {path.name!r} was read")
            return path
    raise ModelError(
        f"it names the {kind} {printable(name)}, which is absent ({printable(folder / plain)}); "
        "add it, or export the model again with it inside"
    )


def without_comment(folder: Path, name: str) -> str:
    """Return a name at the end of a line without a comment, unless a file has all of it as name."""
    return name if _is_file(folder / name) else COMMENT.sub("", name)


def read_uri(folder: Path, uri: str, kind: str, found: Parts) -> bytes:
    """Return what a URI of glTF holds: data in it, or a file that is named relative to ``folder``.

    Raises:
        ModelError: it is absent, on the network or damaged.
    """
    head = DATA.match(uri)
    if head:
        try:
            if not head[1]:
                return unquote_to_bytes(uri[head.end() :])
            return base64.b64decode(unquote(uri[head.end() :]), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ModelError(f"the data of a {kind} is damaged: {error}") from error
    if REMOTE.match(uri):
        raise ModelError(f"it names the {kind} {uri} on the network; download it beside the model")
    # Decoded, as the format says; else as written, by exporters that do not escape names.
    decoded = unquote(uri, errors="surrogateescape")
    name = uri if not _is_file(folder / decoded) and _is_file(folder / uri) else decoded
    path = find_companion(folder, name, kind, found)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"its {kind} {path} cannot be read: {error.strerror}") from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a zero
        return False


def _any_case(folder: Path, name: PurePosixPath) -> Path | None:
    """Return the only file of this name in any case."""
    place = Path("/") if name.is_absolute() else folder
    for part in name.parts:
        if part == "/":
            continue
        try:
            exact = place / part
            same = [exact] if exact.exists() else []
            same = same or [p for p in place.iterdir() if p.name.casefold() == part.casefold()]
        except (OSError, ValueError):
            return None
        if len(same) != 1:
            return None
        place = same[0]
    return place if _is_file(place) else None


def _latin(name: str) -> str | None:
    try:
        return name.encode("utf-8", "surrogateescape").decode("latin-1")
    except UnicodeEncodeError:
        return None
