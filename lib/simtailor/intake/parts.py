"""Folders that are parts of a split (training, validation, test), told by their names."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

from simtailor.errors import UserError, first_of
from simtailor.intake.folder import ImageFolder
from simtailor.intake.names import printable

# Names of parts, compared in lower case. A second test part ("eval") is one to validate with.
PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval"), "val"),
    **dict.fromkeys(("test", "testing", "holdout"), "test"),
}
GLUED = "set|sets|dir|data|images|imgs|folder|split|part"  # as in "traindir"
BETWEEN = re.compile(r"[\W_\d]+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
WORD = re.compile(f"({'|'.join(sorted(PARTS, key=len, reverse=True))})(?:{GLUED})?")
FEW = 5  # names that a message lists


def part_roles(images: ImageFolder) -> dict[str, str]:
    """Return the role (train, val, test) of each top folder, if all that hold images are parts.

    Raises:
        UserError: some are parts and others are not, or two are the same part.
    """
    inside = (images.parts(path) for path in (*images.files, *images.unread))
    top = sorted({names[0] for names in inside if len(names) > 1})
    roles = _roles(top)
    if roles:
        _check_parts(images, roles)
        return roles
    named = _named(top)
    if len(set(named.values())) > 1 and "train" in named.values():
        beside = _listed(name for name in top if name not in named)
        raise UserError(
            f"{images.where}the folders {_listed(named)} look like parts of a "
            f"split, but beside them is: {beside}; move it away"
        )
    return {}


def roles_inside(images: ImageFolder) -> dict[str, str]:
    """Return the roles of the parts inside of every class folder; empty where there are none.

    Raises:
        UserError: some classes have parts and others have not, or two are the same part.
    """
    inside = [images.parts(path) for path in images.files]
    below: dict[str, set[str]] = defaultdict(set)
    for names in inside:
        if len(names) > 2:
            below[names[0]].add(names[1])
    split = [name for name, found in below.items() if _is_split(_roles(sorted(found)))]
    if not split:
        return {}
    roles = _roles(sorted(set.union(*below.values())))
    without = [names for names in inside if len(names) < 3 or names[1] not in roles]
    if without:
        raise UserError(
            f"{images.where}in '{printable(split[0])}' lie parts of a split "
            f"({_listed(sorted(below[split[0]]))}), but {printable('/'.join(without[0]))} is in "
            "none; give every class the same parts, or put the images of each into one folder"
        )
    _check_parts(images, roles)
    return roles


def check_same_inside(images: ImageFolder) -> None:
    """Stop where several folders hold folders of the same names, which rather are the classes.

    Raises:
        UserError: names them, and how to tell which folders are the classes.
    """
    below: dict[str, set[str]] = defaultdict(set)
    direct = set()
    for path in images.files:
        names = images.parts(path)
        if len(names) > 2:
            below[names[0]].add(names[1])
        else:
            direct.add(names[0])
    same: dict[frozenset[str], list[str]] = defaultdict(list)
    for top, found in below.items():
        if top not in direct and len(found) > 1:
            same[frozenset(found)].append(top)
    for found, tops in same.items():
        if len(tops) > 1:
            raise UserError(
                f"{images.where}the folders {_listed(tops)} hold the same folders "
                f"({_listed(sorted(found))}). If these are the classes, give "
                f"{printable(images.folder / tops[0])}, or all with kind: files and pattern: "
                f"'[^/]+/(?P<class>[^/]+)/.+'; if {tops[0]} is a class, pattern: "
                "'(?P<class>[^/]+)/.+'; if they are parts of a split, call them train and test"
            )


def check_distinct(images: ImageFolder, depth: int, left_out: Collection[str] = ()) -> None:
    """Check that no two classes or parts are, through links, one and the same folder.

    Args:
        depth: of the folders that are told apart.
        left_out: top folders that do not matter.

    Raises:
        UserError: two are; names them.
    """
    known: dict[str, tuple[tuple[str, ...], Path]] = {}
    for folder in images.folders:
        names = images.parts(folder)
        if names[0] in left_out:
            continue
        real = os.path.realpath(folder)
        group, first = known.setdefault(real, (names[:depth], folder))
        if group != names[:depth]:
            one, other = (printable("/".join(images.parts(f))) for f in (first, folder))
            raise UserError(
                f"{images.where}'{one}' and '{other}' are one and the same folder, "
                f"{printable(real)}, through a link; its images would count twice: remove the link"
            )


def _roles(names: Iterable[str]) -> dict[str, str]:
    """Return the roles of folders if all are parts, else nothing.

    A name that is more than the part's ("train_set") counts only beside others of other parts: a
    class may be called "test tube".
    """
    names = list(names)
    named = _named(names)
    if len(named) == len(names):
        return named
    roles = {name: role for name in names if (role := _role_of(name))}
    return roles if len(roles) == len(names) and len(set(roles.values())) > 1 else {}


def _named(names: Iterable[str]) -> dict[str, str]:
    return {name: role for name in names if (role := PARTS.get(name.strip().lower()))}


def _role_of(name: str) -> str | None:
    """Return the role that a word of a name tells; None where none does, or several differ."""
    joined = re.sub(r"hold[\s_-]?out", "holdout", name, flags=re.IGNORECASE)
    words = [WORD.fullmatch(word.lower()) for word in BETWEEN.split(joined)]
    roles = {PARTS[word[1]] for word in words if word}
    if roles == {"train", "val"} or name.strip().lower() == "trainval":  # of Pascal VOC
        return "train"
    return roles.pop() if len(roles) == 1 else None


def _is_split(roles: dict[str, str]) -> bool:
    return len(set(roles.values())) > 1 and "train" in roles.values()


def _check_parts(images: ImageFolder, roles: dict[str, str]) -> None:
    by_role = defaultdict(list)
    for name, role in roles.items():
        by_role[role].append(name)
    for role, names in by_role.items():
        if len(names) > 1:
            raise UserError(
                f"{images.where}two folders are the {role} part: "
                f"{_listed(names)}; leave one, or put the images into one folder"
            )


def _listed(names: Iterable[str]) -> str:
    return first_of(map(printable, names), FEW)
