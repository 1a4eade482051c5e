"""Models of a data set's objects, as files beside the shards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trimesh

from simtailor.render.models import ObjectModel

MODELS = "models"


def model_name(label: int) -> str:
    """Return the file name of a class's model, as BOP has it: numbers begin at 1."""
    return f"obj_{label + 1:06d}.ply"


def write_models(
    folder: Path, models: Mapping[str, ObjectModel], classes: list[str]
) -> dict[str, Any]:
    """Write the models of some classes into ``folder / MODELS`` and return what a manifest says."""
    written = {}
    for label, name in enumerate(classes):
        if name not in models:
            continue
        (folder / MODELS).mkdir(exist_ok=True)
        save_model(folder / MODELS / model_name(label), models[name], 1.0)
        written[name] = {
            "file": f"{MODELS}/{model_name(label)}",
            "symmetry": models[name].symmetry,
        }
    return written


def save_model(path: Path, model: ObjectModel, scale: float) -> None:
    """Write a model as binary PLY with normals and colours, its lengths times ``scale``."""
    mesh = trimesh.Trimesh(
        model.vertices * scale, model.faces, vertex_normals=model.normals,
        vertex_colors=model.colours, process=False,
    )  # fmt: skip
    path.write_bytes(trimesh.exchange.ply.export_ply(mesh, vertex_normal=True))


def read_model(folder: Path, described: dict[str, Any]) -> ObjectModel:
    """Return a model that ``write_models`` wrote, by what the manifest says of it."""
    mesh = trimesh.load_mesh(folder / described["file"], process=False)
    return ObjectModel(
        mesh.vertices, mesh.vertex_normals, mesh.visual.vertex_colors[:, :3], mesh.faces,
        described["symmetry"],
    )  # fmt: skip
