"""What the workflow needs to know of a study's sets while it is planned."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from simtailor.simulation.names import seed_of
from simtailor.simulation.parameters import enumerate_parameters
from simtailor.simulation.settings import Simulation
from simtailor.simulation.tdw.records import renderer_state
from simtailor.simulation.tdw.settings import INCIDENTAL

if TYPE_CHECKING:
    from simtailor.config import Configuration

# Raised when the same settings give other pictures, so that sets made before do not count.
SETS_VERSION = 2
INCIDENTAL_KEYS = "threedworld"  # where jobs find ``incidental_keys`` in Snakemake's configuration
ASSETS = {"packs", "classes", "seed"}
PICTURES = ASSETS | {"field_of_view"}
IMAGES = PICTURES | {"images", "image_size", "samples", "shard_size"}


def study_settings(configuration: Configuration) -> Simulation:
    """Return the settings of the sets with the seed filled in."""
    settings = configuration.task2sim.simulation
    seed = configuration.seed if settings.seed is None else settings.seed
    return settings.model_copy(update={"seed": seed})


def set_names(settings: Simulation) -> list[str]:
    """Return the names of the study's sets."""
    return [str(p) for p in enumerate_parameters(settings.values, settings.fraction)]


def settings_of_a_set(settings: Simulation, name: str) -> dict[str, Any]:
    """Return as plain values what decides a set's content: more sets change none of them.

    Args:
        name: of the set; the suffix of a repeat is its seed.
    """
    values = settings.model_dump(mode="json", include=IMAGES) | _threedworld(settings)
    return values | {"seed": seed_of(name, values["seed"])}


def settings_of_images(settings: Simulation) -> dict[str, Any]:
    """Return as plain values what the images of all sets depend on, beside each set's name."""
    values = settings.model_dump(mode="json", include=IMAGES) | _threedworld(settings)
    return values | {"version": SETS_VERSION}


def settings_of_pictures(settings: Simulation) -> dict[str, Any]:
    """Return as plain values what the pictures of the parameters and classes depend on."""
    return settings.model_dump(mode="json", include=PICTURES) | _threedworld(settings)


def version_of_sets(settings: Simulation) -> int | str:
    """Return what beside the settings makes sets anew where it changes: the build that draws.

    Raises:
        UserError: a package that it needs is not installed.
    """
    if settings.renderer == "embedded":
        return SETS_VERSION
    return f"{SETS_VERSION}, {renderer_state(settings.tdw)}"


def incidental_keys(settings: Simulation) -> dict[str, Any]:
    """Return the settings of ThreeDWorld that change no image, which jobs need all the same."""
    return settings.tdw.model_dump(mode="json", include=INCIDENTAL)


def _threedworld(settings: Simulation) -> dict[str, Any]:
    """Return the settings of ThreeDWorld that images depend on, where it draws."""
    if settings.renderer == "embedded":
        return {}
    shown = settings.tdw.model_dump(mode="json", exclude=INCIDENTAL)
    return {"renderer": settings.renderer, "tdw": shown}


def set_count(settings: Simulation) -> int:
    """Return the number of the study's sets."""
    return math.prod(len(choices) for choices in settings.values.values()) // settings.fraction
