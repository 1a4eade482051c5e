"""Reading of data sets drawn from fits."""

from __future__ import annotations

import hashlib
from typing import Any

from simtailor.datasets.reading import IMAGE_BITS, NEEDED, Instance, Sample, ShardedSet
from simtailor.errors import UserError

NUMBER_BITS = 29  # of a data set, above those of its images: together below 2 ** 53
MADE_BY = ("experiment", "seed", "widen", "fit", "renderer", "stage")


class FittedSet(ShardedSet):
    """A folder with a data set drawn from a fit.

    Attributes:
        folder: where it is.
        manifest: what it holds: experiment, seed, images, classes, parts, units, shards, ...

    Raises:
        UserError: the folder holds no data set; the message says which file is wrong.
    """

    kind = "data set"
    needed = NEEDED | {"experiment": str, "parts": list, "licence": str, "fit": str}

    @property
    def title(self) -> str:
        return f"data set drawn from the fit {self.manifest['experiment']}"

    @property
    def first_number(self) -> int:
        made = "\n".join(str(self.made_by[key]) for key in MADE_BY)
        digest = int.from_bytes(hashlib.sha256(made.encode()).digest()[:8])
        return (digest % 2**NUMBER_BITS << IMAGE_BITS) + 1

    @property
    def licence(self) -> str:
        return self.manifest["licence"]

    @property
    def made_by(self) -> dict[str, Any]:
        return {key: self.manifest.get(key) for key in MADE_BY}

    def instances(self, sample: Sample) -> list[Instance]:
        if sample.mask is None:
            raise UserError(
                f"{self.folder}: this data set has no masks, which an export needs: its renderer "
                "gives none. It has images, classes and attributes."
            )
        instances = self.all_instances(sample)
        return [i for i in instances if i.described["visible"] > 0]

    def all_instances(self, sample: Sample) -> list[Instance]:
        return [
            Instance(
                described["label"],
                sample.mask == described["number"],
                described["box"],
                None if sample.full_masks is None else sample.full_masks[place],
                described,
            )
            for place, described in enumerate(sample.annotation["objects"])
        ]
