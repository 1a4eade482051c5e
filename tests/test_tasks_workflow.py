"""The targets ``tasks`` and ``task_vectors``, from folders of pictures to the map."""

import numpy as np
import pytest
import yaml
from pictures import draw_folder, write_picture
from PIL import Image

from simtailor.files import read_json
from simtailor.tasks.prepared import PreparedTask


def configure(project, folders, **task2vec):
    values = {
        "resources": str(project.cache),
        "task2sim": {
            "tasks": {
                "names": list(folders),
                "extra": {name: {"folder": str(folder)} for name, folder in folders.items()},
                "image_size": 16,
            },
            "task2vec": {
                "model": "resnet10t", "weights": "random", "image_size": 32, "precision": 0.3,
                **task2vec,
            },
        },
    }  # fmt: skip
    (project.folder / "small.yaml").write_text(yaml.safe_dump(values))


@pytest.mark.slow
def test_folders_become_tasks_vectors_and_a_map(project):
    folders = {
        name: draw_folder(project.folder / name, classes=count)
        for name, count in (("two", 2), ("three", 3))
    }
    configure(project, folders)
    project.make("task_vectors", "tasks")
    task = PreparedTask.read(project.folder / "work/task2sim/tasks/three")
    assert task.classes == ("blue", "green", "red")
    shown = project.folder / "results/task2sim/tasks/three"
    assert {"contact_sheet.png", "summary.json"} <= {p.name for p in shown.iterdir()}
    with np.load(project.folder / "results/task2sim/task_vectors.npz") as vectors:
        first = {name: vectors[name] for name in vectors.files}
    assert list(first) == ["two", "three"]
    assert first["two"].shape == first["three"].shape
    assert np.isfinite(first["two"]).all()
    found = project.folder / "results/task2sim/task_vectors"
    assert read_json(found / "summary.json")["nearest"]["shape"]["two"][0][0] == "three"
    assert Image.open(found / "normalised.png").width > 300

    # A changed picture makes its own task again, and only that.
    write_picture(folders["two"] / "red/0.png", 0, 99, (50, 50))
    planned = project.snakemake("task_vectors", options=("-n",)).stdout
    assert "Prepare the task two" in planned
    assert "Prepare the task three" not in planned


@pytest.mark.slow
def test_an_absent_folder_stops_the_run_before_any_job(project):
    configure(project, {"mine": project.folder / "absent"})
    failed = project.snakemake("task_vectors")
    assert failed.returncode != 0
    assert "absent: no such folder" in failed.stdout + failed.stderr
