"""Models read from OBJ, glTF, GLB, PLY and STL files, as meshes of ours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from simtailor.assets.content import MODEL_SUFFIXES
from simtailor.assets.cut_outs import cut_outs
from simtailor.assets.decimation import decimated
from simtailor.assets.gltf_scene import read_gltf
from simtailor.assets.mesh import Mesh
from simtailor.assets.model_parts import ModelError, Parts, ReadModel, checked, put_together
from simtailor.assets.obj_files import read_obj
from simtailor.assets.scan_files import read_ply, read_stl
from simtailor.assets.trimesh_parts import load_parts, part_of

__all__ = ["SUFFIXES", "ModelError", "ReadModel", "read_model", "read_model_file"]

READERS: dict[str, Callable[[Path, Parts], None]] = dict(
    zip(MODEL_SUFFIXES, (read_obj, read_gltf, read_gltf, read_ply, read_stl), strict=True)
)
SUFFIXES = MODEL_SUFFIXES
MAXIMUM_FACES = 30_000  # more would cost memory that no picture of an object repays
POINTER = b"version https://git-lfs"


def read_model_file(path: Path, *, maximum_faces: int = MAXIMUM_FACES) -> ReadModel:
    """Read a model in its own units, with colours and textures, from a file and those it names.

    Args:
        maximum_faces: a model of more triangles is simplified, with a note.

    Raises:
        ModelError: the file, or one that it names, is damaged, absent or not of a kind that is
            read, or it holds no triangles; the message says which and what to do.
    """
    found = Parts()
    try:
        _check_content(path)
        READERS[path.suffix.lower()](path, found)
        found.parts = checked(found.parts)
        # Cutting what is clear out of pictures adds triangles.
        clear = any(part.alpha is not None for part in found.parts)
        limit = maximum_faces * 2 // 3 if clear else maximum_faces
        faces = sum(len(part.faces) for part in found.parts)
        if faces > maximum_faces:
            found.parts = decimated(found.parts, limit)
            left = sum(len(part.faces) for part in found.parts)
            found.note(f"{faces} triangles were simplified to {left}: at most {maximum_faces}")
        cut_outs(found, maximum_faces)
        return ReadModel(put_together(found.parts, maximum_faces), tuple(found.notes))
    except ModelError:
        raise
    except Exception as error:  # readers of many formats, each with exceptions of its own
        raise _damaged(error) from error


def read_model(
    file: str | Path | IO[bytes],
    *,
    file_type: str | None = None,
    resolver: Any = None,
    maximum_faces: int = MAXIMUM_FACES,
) -> Mesh:
    """Read an OBJ model of an archive in its own units, with colours and textures.

    Args:
        file_type: of an open file, such as ``obj``; resolver: finds the files it names.

    Raises:
        ModelError: the file is damaged, holds no triangles, or too many.
    """
    try:
        parts = [part_of(mesh) for mesh in load_parts(file, file_type=file_type, resolver=resolver)]
    except Exception as error:  # readers of many formats, each with exceptions of its own
        raise _damaged(error) from error
    faces = sum(len(part.faces) for part in checked(parts))
    if faces > maximum_faces:
        raise ModelError(f"it has {faces} triangles, more than {maximum_faces}")
    return put_together(parts, maximum_faces)


def _check_content(path: Path) -> None:
    with open(path, "rb") as file:
        start = file.read(64)
    if not start:
        raise ModelError("it is empty (0 bytes); copy or export it again")
    if start.startswith(POINTER):
        raise ModelError("it is a pointer of Git LFS, not the model; run 'git lfs pull'")


def _damaged(error: Exception) -> ModelError:
    reason = " ".join(str(error).split())[:200]
    return ModelError(
        f"cannot be read as a model: {type(error).__name__}: {reason}; open it in a program for "
        "models and export it again; if that shows it whole, report it with this job's log"
    )
