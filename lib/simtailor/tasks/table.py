"""The table of tasks: which there are, where their images come from, which a study takes."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, ValidationError

from simtailor.errors import UserError, nearest_name
from simtailor.packages import find_package
from simtailor.section import Section
from simtailor.tasks import sources  # noqa: F401  (registers the kinds)
from simtailor.tasks.settings import Fit, Tasks, TestShare
from simtailor.tasks.sources.base import Place, find_kind
from simtailor.text_files import parse_json, read_text

NAME = re.compile(r"[A-Za-z0-9_\-]+")
RESOURCES = "{resources}"


class TaskRow(Section):
    """One task, as its row in the table says.

    Attributes:
        study: ``seen`` or ``unseen`` of the published study, or ``registry``.
        kind: of source, see ``simtailor.tasks.sources``.
        source: folder or name of the data set; ``{resources}`` stands for that folder.
        packages: whose files are the source instead.
        options: of the kind.
        fit: ``crop`` cuts images to the middle square, ``pad`` adds a border.
        test_share: share of the images that test; None takes that of the study.
        flip: whether a mirrored image is of the same class.
    """

    name: str
    title: str
    study: Literal["seen", "unseen", "registry", "extra"]
    kind: str
    source: str = ""
    packages: tuple[str, ...] = ()
    options: dict[str, Any] = Field({})
    fit: Fit = "crop"
    licence: str = ""
    notes: str = ""
    test_share: TestShare | None = None
    flip: bool = False

    def place(self, resources: str | Path) -> Place:
        """Return where the source's files are."""
        folders = [Path(resources) / "packages" / name for name in self.packages]
        source = self.source.replace(RESOURCES, str(resources))
        return Place(
            tuple(folders) or (Path(source),), source, Path(resources) / "datasets" / self.name
        )


OPTIONAL = ("test_share", "flip")  # columns that a table may lack
COLUMNS = tuple(name for name in TaskRow.model_fields if name not in OPTIONAL)


def study_tasks(settings: Tasks) -> list[str]:
    """Return the names of the study's tasks in the order of the configuration.

    Raises:
        UserError: the table is malformed or lacks one of them.
    """
    rows = _rows(settings)
    return [_find(settings, name, rows).name for name in settings.names]


def task_names(settings: Tasks) -> list[str]:
    """Return the names of all tasks: the table's rows and ``task2sim.tasks.extra``.

    Raises:
        UserError: the table is malformed.
    """
    return [*_rows(settings), *settings.extra]


def find_task(settings: Tasks, name: str) -> TaskRow:
    """Return a task of the table or of ``task2sim.tasks.extra``.

    Raises:
        UserError: there is none of this name, or the table is malformed.
    """
    return _find(settings, name, _rows(settings))


def _rows(settings: Tasks) -> dict[str, TaskRow]:
    """Return the table's rows, none of which has the name of a task beside the table."""
    rows = read_table(settings.table)
    if twice := sorted(set(rows) & set(settings.extra)):
        raise UserError(
            f"task2sim.tasks.extra.{twice[0]}: {settings.table} has a task '{twice[0]}' already. "
            "Give this one another name."
        )
    return rows


def _find(settings: Tasks, name: str, rows: dict[str, TaskRow]) -> TaskRow:
    if name in settings.extra:
        extra = settings.extra[name]
        return TaskRow(
            name=name, title=extra.title or name, study="extra", kind="folder",
            source=extra.folder, licence=extra.licence, fit=extra.fit,
            options={} if extra.group is None else {"group": extra.group},
            test_share=extra.test_share, flip=extra.flip,
        )  # fmt: skip
    if name not in rows:
        known = [*rows, *settings.extra]
        raise UserError(
            f"no task '{name}': neither a row of {settings.table} nor a key of "
            f"task2sim.tasks.extra.{nearest_name(name, known)} Known: {', '.join(known)}."
        )
    return rows[name]


def read_table(path: str | Path) -> dict[str, TaskRow]:
    """Return the tasks of a table by name.

    The table has tabs between its columns, one line a task and the names of the columns in
    the first, the optional ones last; lines that start with # are skipped.

    Raises:
        UserError: names line and column of what is wrong.
    """
    state = os.stat(path) if os.path.isfile(path) else None
    return dict(_read(path, state and (state.st_mtime_ns, state.st_size, state.st_ino)))


@lru_cache(maxsize=1)
def _read(path: str | Path, state: object) -> dict[str, TaskRow]:
    """Return ``read_table``; read again where the file's state is another."""
    text = read_text(path)
    lines = [
        (number, next(csv.reader([line], delimiter="\t", quoting=csv.QUOTE_NONE), []))
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.startswith("#")
    ]
    header = lines[0][1] if lines else []
    required, further = header[: len(COLUMNS)], header[len(COLUMNS) :]
    known = len(set(further)) == len(further) and set(further) <= set(OPTIONAL)
    if required != list(COLUMNS) or not known:
        where = f"{path}:{lines[0][0] if lines else 1}"
        if len(header) == 1 and header[0].split() == list(COLUMNS):
            raise UserError(
                f"{where}: spaces stand between the columns. Separate them by tabs, in every line."
            )
        given = ", ".join(map(repr, header)) or "none"
        raise UserError(
            f"{where}: the columns are {given}. Expected, with tabs between: {', '.join(COLUMNS)}; "
            f"behind them perhaps {', '.join(OPTIONAL)}."
        )
    rows: dict[str, TaskRow] = {}
    for number, cells in lines[1:]:
        row = _row(f"{path}:{number}", header, cells)
        if row.name in rows:
            raise UserError(f"{path}:{number}: column 1 (name): '{row.name}' is there twice")
        rows[row.name] = row
    return rows


def _row(where: str, columns: Sequence[str], cells: Sequence[str]) -> TaskRow:
    if len(cells) != len(columns):
        raise UserError(
            f"{where}: {len(cells)} columns, expected {len(columns)}: {', '.join(columns)}. "
            "Separate them by tabs; an empty one keeps its tab."
        )
    values: dict[str, Any] = dict(zip(columns, (cell.strip() for cell in cells), strict=True))

    def wrong(column: str, problem: object) -> UserError:
        return UserError(f"{where}: column {columns.index(column) + 1} ({column}): {problem}")

    if not NAME.fullmatch(values["name"]):
        raise wrong("name", f"'{values['name']}': use letters, digits, _ and -")
    values["packages"] = tuple(values["packages"].split())
    try:
        values["options"] = parse_json(values["options"] or "{}", "the cell")
    except UserError as error:
        raise wrong("options", error) from None
    try:
        row = TaskRow.model_validate({k: v for k, v in values.items() if v != ""})
    except ValidationError as error:
        problem = error.errors()[0]
        column = str(problem["loc"][0])
        if problem["type"] == "missing":
            choices = get_args(TaskRow.model_fields[column].annotation)
            allowed = f"one of {', '.join(choices)}" if choices else "a text"
            raise wrong(column, f"the cell is empty. Write {allowed}.") from None
        nearest = nearest_name(str(problem["input"]), re.findall(r"'([^']*)'", problem["msg"]))
        raise wrong(column, f"{problem['msg']}, got {problem['input']!r}.{nearest}") from None
    try:
        kind = find_kind(row.kind)
    except UserError as error:
        raise wrong("kind", error) from None
    for package in row.packages:
        try:
            find_package(package)
        except UserError as error:
            raise wrong("packages", error) from None
    if bool(row.packages) == bool(row.source):
        raise wrong("source", "give either a source or packages")
    given = "packages" if row.packages else "source"
    if kind.needs not in ("either", given):
        raise wrong(given, f"the kind '{row.kind}' needs its {kind.needs} instead")
    try:
        kind.options.model_validate(row.options)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        known = ", ".join(kind.options.model_fields) or "none"
        raise wrong("options", f"{key}: {problem['msg']}; keys of '{row.kind}': {known}") from None
    return row
