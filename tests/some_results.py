"""A folder of results made by hand, as jobs would leave it."""

import json
from pathlib import Path

import numpy as np
import yaml
from PIL import Image
from tiny_sets import make_set

from simtailor.datasets.shards import EncodedImage, encoded_image, write_shard
from simtailor.files import checksum

SETS = ["0_0_0_0_0_1_0_0_0", "1_0_0_0_0_1_0_0_0"]
REWARDS = {"digits": [50.0, 70.0], "faces": [95.0, 90.0]}
EPOCHS = [0, 2, 5]


def picture(path: Path, colour: tuple[int, int, int]) -> None:
    """Write a picture of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)


def write(path: Path, values: object) -> None:
    """Write JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def make_experiment(folder: Path, description: str = "Which yaw?") -> None:
    """Write the results of an experiment with two images an epoch."""
    for epoch in EPOCHS:
        for i in range(2):
            picture(folder / f"images/epoch_{epoch:04d}/{i:06d}.png", (40 * epoch, 0, 0))
    picture(folder / "images/target/000000.png", (200, 0, 0))
    picture(folder / "attributes.png", (9, 9, 9))
    (folder / "progress").mkdir()
    rows = ["epoch,mmd", *(f"{e},{3 / (1 + e):.4f}" for e in range(6))]
    (folder / "progress/mmd.csv").write_text("\n".join(rows) + "\n")
    generated = {"mean": 91.0, "std": 9.0, "mean_95": [90.0, 92.0], "std_95": [8.0, 10.0]}
    yaw = {"unit": "degrees", "prior": {"mean": 180.0, "std": 10.0},
           "target": {"mean": 90.0, "std": 10.0}, "generated": generated,
           "wasserstein": 1.0}  # fmt: skip
    write(folder / "summary.json", {
        "description": description, "verdict": "Converged: 1.0% left.", "converged": True,
        "best_epoch": 5, "renders": 1200, "attributes": {"yaw": yaw}})  # fmt: skip


def make_dataset(folder: Path, images: int) -> None:
    """Write a data set whose odd images have one object and whose even ones have two."""
    folder.mkdir(parents=True)
    pixels = np.zeros((16, 16, 3), np.uint8)
    mask = np.zeros((16, 16), np.uint8)
    mask[4:8, 4:12] = 1
    objects = [{"number": 1, "label": 0, "visible": 0.1, "box": [4, 4, 8, 4]},
               {"number": 2, "label": 1, "visible": 0.1, "box": [0, 12, 4, 4]}]  # fmt: skip
    kinds = [
        encoded_image("", pixels + 80 * k, mask, {"objects": objects[: 2 - k]}) for k in (0, 1)
    ]
    made = (
        EncodedImage(f"a-{i:08d}", kinds[i % 2].jpg, kinds[i % 2].mask, kinds[i % 2].annotation)
        for i in range(images)
    )
    shard = folder / "shard-00000.tar"
    write_shard(shard, made)
    write(folder / "manifest.json", {
        "seed": 0, "images": images, "classes": ["slipper", "box"], "image_size": 16,
        "renderer": "by hand", "experiment": folder.name, "parts": ["masks"], "licence": "none",
        "fit": "x", "shards": [
            {"file": shard.name, "images": images, "sha256": checksum(shard)}]})  # fmt: skip
    write(folder / "summary.json", {"converged": True, "verdict": "Converged.", "images": images})


def make_results(results: Path, images: int = 12) -> Path:
    """Write a folder with a result of each kind.

    Args:
        images: of the data set.
    """
    make_experiment(results / "metasim/slipper")
    make_dataset(results / "datasets/slipper", images)
    study = results / "task2sim"
    for name in SETS:
        make_set(study / "sets" / name, parameters=name)
    write(study / "reward_db/summary.json", {
        "verdict": "Complete: 2 sets x 2 tasks.", "sentences": ["Complete: 2 sets x 2 tasks."],
        "method": "few_labels",
        "tasks": {task: {"chance": 10.0, "raw_pixels": 40.0} for task in REWARDS}})  # fmt: skip
    write(study / "reward_db/entries.json", {
        task: {name: {"mean": mean, "seeds": 1} for name, mean in zip(SETS, means, strict=True)}
        for task, means in REWARDS.items()})  # fmt: skip
    write(study / "tasks/digits/summary.json", {"title": "Digits", "train": 20, "notes": []})
    picture(study / "tasks/digits/contact_sheet.png", (0, 99, 0))
    recommendation = {
        "set": SETS[1], "why": "it is best", "abstained": False, "best_fixed_set": SETS[0],
        "parameters": {"backgr": 1}, "nearest_tasks": [{"task": "digits", "distance": 0.1}],
        "expected_gain": {"set": SETS[1], "points": 2.0, "interval_95": [1.0, 3.0],
                          "probability_of_gain": 0.9},
        "commands": {"set": f"./run snakemake {SETS[1]}"},
    }  # fmt: skip
    (study / "recommend").mkdir()
    (study / "recommend/digits.yaml").write_text(yaml.safe_dump(recommendation))
    picture(study / "recommend/digits.png", (0, 0, 99))
    write(study / "explore/digits/exploration.json", {
        "verdict": "use it", "validation": {SETS[1]: 80.0}, "test": {SETS[1]: 79.0}})  # fmt: skip
    (study / "explore/digits/recommendation.yaml").write_text(yaml.safe_dump(recommendation))
    return results
