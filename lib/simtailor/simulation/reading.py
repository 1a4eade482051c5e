"""Reading of simulated sets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from simtailor.datasets.reading import NEEDED, Instance, Sample, ShardedSet
from simtailor.errors import UserError
from simtailor.simulation.exported import PARTS, first_number, licence
from simtailor.simulation.parameters import SimulationParameters

# Of the settings in the manifest, those that decide what the images show.
MADE_BY = ("parameters", "seed", "image_size", "samples", "packs", "assets", "renderer")


class SimulatedSet(ShardedSet):
    """A folder with a simulated set.

    Attributes:
        folder: where it is.
        manifest: what it holds: parameters, seed, images, classes, image_size, shards.

    Raises:
        UserError: the folder holds no set; the message says which file is wrong.
    """

    kind = "simulated set"
    needed = NEEDED | {"parameters": str}

    @property
    def title(self) -> str:
        return f"simulated set {self.manifest['parameters']}"

    @property
    def first_number(self) -> int:
        parameters = SimulationParameters.parse(self.manifest["parameters"])
        return first_number(parameters, self.manifest["seed"])

    @property
    def licence(self) -> str:
        return licence(self.manifest.get("packs", []))

    @property
    def made_by(self) -> dict[str, Any]:
        return {key: self.manifest[key] for key in MADE_BY if key in self.manifest}

    @property
    def parts(self) -> list[str]:
        return list(PARTS)

    def instances(self, sample: Sample) -> list[Instance]:
        return [Instance(sample.annotation["label"], sample.mask, sample.annotation["box"])]


def check_sets(folders: Iterable[str | Path]) -> str:
    """Compare every shard of some sets with its checksum and say that all are whole.

    Raises:
        UserError: some shards are damaged; the message says how to make them again.
    """
    count, damaged = 0, {}
    for folder in folders:
        made = SimulatedSet(folder)
        count += len(made.shards)
        if names := made.damaged():
            damaged[folder] = names
    if damaged:
        lines = [f"{folder}: damaged or missing: {', '.join(n)}" for folder, n in damaged.items()]
        sets = " ".join(str(folder) for folder in damaged)
        raise UserError("\n".join([*lines, f"make them again: ./run snakemake --force {sets}"]))
    return f"{count} shards are as they were made"
