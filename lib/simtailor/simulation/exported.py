"""What exports say of simulated sets: numbers that are theirs alone, and licences."""

from __future__ import annotations

from simtailor.assets.pack import find_pack
from simtailor.datasets.formats import check_export
from simtailor.datasets.reading import IMAGE_BITS
from simtailor.errors import UserError
from simtailor.packages import PACKAGES
from simtailor.simulation.parameters import MATERIALS, SimulationParameters
from simtailor.simulation.settings import Simulation

# Numbers stay below 2 ** 53, what every reader of JSON holds exactly: ten bits of parameters,
# the seed, the image.
SEED_BITS = 19
PARTS = ("masks",)  # of a set beside its images
THREEDWORLD = "threedworld"  # in place of packs, where ThreeDWorld drew


def check_set_exportable(name: str, output_format: str) -> None:
    """Check that simulated sets have what an export to a format is made of.

    Raises:
        UserError: they do not.
    """
    fix = "Export the data set of a fit (results/exports), or choose another format."
    check_export(f"the simulated set '{name}'", output_format, PARTS, fix)


def first_number(parameters: SimulationParameters, seed: int) -> int:
    """Return the number of a set's first image; those of other sets are far from it.

    So for seeds below 2 ** 19 and sets of up to 2 ** 24 - 1 images.
    """
    code = 0
    for name, value in parameters.as_dict().items():
        code = code * (len(MATERIALS) if name == "materials" else 2) + value
    return ((code << SEED_BITS | seed % 2**SEED_BITS) << IMAGE_BITS) + 1


def packs_shown(settings: Simulation) -> list[str]:
    """Return where the models and skies come from: the packs, or ThreeDWorld."""
    return settings.packs if settings.renderer == "embedded" else [THREEDWORLD]


def licence(packs: list[str]) -> str:
    """Return the licences of the packs that the images show models and skies of."""
    terms = []
    for pack in packs:
        if pack == THREEDWORLD:
            terms.append(f"{pack}: the terms of ThreeDWorld's assets")
            continue
        try:
            packages = find_pack(pack).packages
        except UserError:  # a folder that is gone
            packages = ()
        own = "of this project, Apache-2.0" if pack == "builtin" else "the user's own"
        of_pack = "; ".join(PACKAGES[name].licence for name in packages) or own
        terms.append(f"{pack}: {of_pack}")
    return "assets of " + " | ".join(terms) if terms else "not noted"
