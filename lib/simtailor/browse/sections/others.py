"""Results that are a verdict, facts, figures and tables: tasks, backbones, the controller, ..."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from simtailor.browse.parts import (
    address,
    entries_of,
    facts_of,
    figures_in,
    folders,
    summary_of,
    tables_in,
    titles_of_sets,
)
from simtailor.browse.registry import Entry, Results, section

STAGE = "task2sim"


@section("classifiers", "Classifiers", 45)
def classifiers(results: Results) -> list[Entry]:
    """Return an entry a task that has a classifier."""
    return _plain(results, folders(results, STAGE, "classifier"))


@section("controller", "Controller", 60)
def controller(results: Results) -> list[Entry]:
    """Return an entry for the policies that were compared."""
    return _plain(results, _one(results, "controller"))


@section("tasks", "Tasks", 70)
def tasks(results: Results) -> list[Entry]:
    """Return an entry a real task."""
    return _plain(results, folders(results, STAGE, "tasks"))


@section("task_vectors", "Task2Vec", 75)
def task_vectors(results: Results) -> list[Entry]:
    """Return an entry for the distances between tasks."""
    return _plain(results, _one(results, "task_vectors"))


@section("backbones", "Backbones", 80)
def backbones(results: Results) -> list[Entry]:
    """Return an entry a backbone."""
    there = list(folders(results, STAGE, "backbones"))
    titles = titles_of_sets(folder.name for folder in there)
    return [one | {"title": titles[one["id"]]} for one in _plain(results, iter(there))]


@section("parameters", "Simulation parameters", 85)
def parameters(results: Results) -> list[Entry]:
    """Return an entry for the pictures of what each parameter does."""
    return _plain(results, _one(results, "parameters"))


@section("assets", "Asset packs", 90)
def assets(results: Results) -> list[Entry]:
    """Return an entry an asset pack."""
    return _plain(results, folders(results, STAGE, "assets"))


def _one(results: Results, name: str) -> Iterator[Path]:
    folder = results.folder / STAGE / name
    return iter([folder] if folder.is_dir() else [])


def _plain(results: Results, found: Iterator[Path]) -> list[Entry]:
    def read(folder: Path) -> Entry:
        summary = summary_of(folder)
        return {
            "id": folder.name,
            "title": folder.name.replace("_", " ") if folder.parent.name == STAGE else folder.name,
            "description": summary.get("title"),
            "verdict": summary.get("verdict"),
            "notes": summary.get("notes", []),
            "facts": facts_of(summary),
            "figures": figures_in(results, folder),
            "tables": tables_in(results, folder),
            "files": address(results, folder),
        }

    return entries_of(results, found, read)
