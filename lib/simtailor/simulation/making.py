"""Making of simulated sets: which shards, what decides their bytes, and the set's folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from simtailor.assets.mesh import Mesh
from simtailor.boxes import boxes_of
from simtailor.datasets.making import Drawing, Rendered, ShardJob, shards_of
from simtailor.datasets.recipes import recipe_of
from simtailor.datasets.shards import write_shard
from simtailor.figures.simulation import set_sheet
from simtailor.files import staged_folder, write_json
from simtailor.render import raycast
from simtailor.seeds import generator
from simtailor.simulation import tdw
from simtailor.simulation.card import CARD, write_card
from simtailor.simulation.catalogue import Catalogue
from simtailor.simulation.classes import Classes
from simtailor.simulation.exported import packs_shown
from simtailor.simulation.names import set_of
from simtailor.simulation.parameters import SimulationParameters
from simtailor.simulation.reading import SimulatedSet
from simtailor.simulation.sampler import Sampler
from simtailor.simulation.settings import Simulation
from simtailor.simulation.shards import encode, set_key, statistics_of
from simtailor.simulation.simulators import AnyCatalogue, AnyMachine
from simtailor.simulation.studio import Studio
from simtailor.simulation.taking import PictureTaker

ENCODED = 64  # images compressed by one call
PICTURED = 56  # images on a set's sheet: all 49 built-in classes, and whole rows


@dataclass(frozen=True)
class SetPlan:
    """One set: what it shows and in which shards.

    Attributes:
        settings: with the seed filled in.
    """

    parameters: SimulationParameters
    settings: Simulation

    @classmethod
    def create(cls, name: str, settings: dict[str, Any]) -> SetPlan:
        """Return the plan of a set by its name and the settings as plain values, the seed's too."""
        return cls(SimulationParameters.parse(set_of(name)), Simulation.model_validate(settings))

    @property
    def seed(self) -> int:
        return int(self.settings.seed or 0)

    @property
    def shards(self) -> list[np.ndarray]:
        """Return the image numbers of each shard."""
        return shards_of(self.settings.images, self.settings.shard_size)

    def recipe(self, catalogue: AnyCatalogue, renderer: str) -> str:
        """Return the name of what decides the bytes of this set's shards."""
        values = {
            "parameters": str(self.parameters),
            "seed": self.seed,
            "assets": catalogue.digest,
            "renderer": renderer,
            **self.settings.model_dump(
                include={"image_size", "field_of_view", "samples", "shard_size"}
            ),
        }
        parts = (Classes, PictureTaker, Sampler, encode, write_shard, boxes_of, generator)
        own = (Catalogue, Mesh, Studio) if self.settings.renderer == "embedded" else ()
        code = raycast if self.settings.renderer == "embedded" else tdw
        return recipe_of(values, (*parts, *own), sorted(Path(code.__file__).parent.glob("*.py")))


def make_shards(
    plan: SetPlan,
    catalogue: AnyCatalogue,
    machine: AnyMachine,
    work: str | Path,
    report: Callable[[str], None],
    *,
    part: int = 0,
    parts: int = 1,
) -> None:
    """Make those shards of a set that are not there yet.

    Args:
        work: folder of the set's shards.
        part, parts: make every shard whose number divided by ``parts`` leaves ``part``.
    """
    _job(plan, catalogue, machine, work).make(report, part=part, parts=parts)


def _job(plan: SetPlan, catalogue: AnyCatalogue, machine: AnyMachine, work: str | Path) -> ShardJob:
    """Return how the shards of a set are made."""

    @contextmanager
    def drawing() -> Iterator[Drawing]:
        with machine.studio(catalogue) as studio:
            yield partial(_rendered, plan, studio, machine)

    return ShardJob(
        work=Path(work),
        shards=plan.shards,
        recipe=plan.recipe(catalogue, machine.renderer),
        drawing=drawing,
        statistics=statistics_of,
        threads=machine.threads,
    )


def _rendered(
    plan: SetPlan, studio: PictureTaker, machine: AnyMachine, indices: np.ndarray
) -> Iterator[Rendered]:
    """Render some images and yield what compresses a few of them."""
    settings, of_set = plan.settings, set_key(plan.parameters, plan.seed)
    batch = max(1, machine.pixels // settings.image_size**2)
    for some in np.split(indices, range(batch, len(indices), batch)):
        pictures = studio.take(
            plan.parameters,
            plan.seed,
            some,
            image_size=settings.image_size,
            samples=settings.samples,
            field_of_view=settings.field_of_view,
        )
        for start in range(0, len(some), ENCODED):
            few = slice(start, start + ENCODED)
            yield len(some[few]), partial(encode, pictures[few], some[few], of_set)


def make_set(
    plan: SetPlan,
    catalogue: AnyCatalogue,
    machine: AnyMachine,
    work: str | Path,
    output: str | Path,
    report: Callable[[str], None],
) -> None:
    """Make a set's folder: the shards that are missing, manifest, sheet and summary."""
    job, settings = _job(plan, catalogue, machine, work), plan.settings
    job.make(report)
    job.remove_leftovers()
    manifest = {
        "parameters": str(plan.parameters),
        "seed": plan.seed,
        "images": settings.images,
        "classes": [category.name for category in catalogue.categories],
        "wordnet_ids": [category.wordnet_id for category in catalogue.categories],
        "image_size": settings.image_size,
        "samples": settings.samples,
        "packs": packs_shown(settings),
        "assets": catalogue.digest,
        "renderer": machine.renderer,
    }
    with staged_folder(output) as staging:
        total = job.publish(staging, manifest)
        made = SimulatedSet(staging)
        set_sheet(made, staging / "sheet.png", PICTURED, title=str(plan.parameters))
        summary = _summary(plan, made, total)
        write_json(staging / "summary.json", summary)
        shown = np.unique(catalogue.models_of(np.arange(settings.images)))
        write_card(staging / CARD, made, summary, [catalogue.models[n].name for n in shown])


def _summary(plan: SetPlan, made: SimulatedSet, total: dict[str, float]) -> dict[str, Any]:
    count = plan.settings.images
    return {
        "parameters": plan.parameters.as_dict(),
        "images": count,
        "classes": len(made.classes),
        "shards": len(made.shards),
        "megabytes": round(total["bytes"] / 1e6, 3),
        "bytes_per_image": round(total["bytes"] / count, 1),
        "jpg_bytes_per_image": round(total["jpg_bytes"] / count, 1),
        "mean_share_of_object": round(total["visible"] / count, 4),
        "drawn_anew": int(total["drawn_anew"]),
    }
