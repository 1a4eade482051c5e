"""Emoji pictures of one package with the groups that another gives their code points."""

from __future__ import annotations

import json

import numpy as np

from simtailor.errors import UserError
from simtailor.intake.folder import find_images
from simtailor.tasks.sources.base import ImageSource, NoOptions, Place, register_source
from simtailor.tasks.sources.files import file_source

TABLE = "openmoji.json"
OTHER_GROUPS = ("component", "extras-openmoji", "extras-unicode")
SKIN_TONES = {f"1F3F{i:X}" for i in range(0xB, 0x10)}
# Signs that say how an emoji is drawn, and the adult of no stated gender.
SELECTORS, PERSON = {"FE0F", "200D", "2640", "2642"}, "1F9D1"
GENDERED = {"1F468": PERSON, "1F469": PERSON}


@register_source("emoji", NoOptions, needs="packages")
def load_emoji(place: Place, _: NoOptions) -> ImageSource:
    """Return emoji by their group: pictures of the first package, the table of the second.

    Skin tones are left out; pictures of one motif (man, woman, person) are a group.

    Raises:
        UserError: no picture has a group.
    """
    pictures, table = place.folders
    try:
        entries = json.loads((table / TABLE).read_text(encoding="utf-8"))
        groups = {_points(e["hexcode"]): e["group"] for e in entries}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{table / TABLE}: not OpenMoji's table: {error!r}") from error
    found, motifs = [], []
    for file in find_images(pictures).files:
        points = _points(file.stem)
        group = groups.get(points)
        if group is None or group in OTHER_GROUPS or SKIN_TONES.intersection(points):
            continue
        found.append((file, group))
        motifs.append("-".join(sorted(GENDERED.get(p, p) for p in points if p not in SELECTORS)))
    if not found:
        raise UserError(f"{pictures}: no picture is named by a code point of {table / TABLE}")
    return file_source(
        found,
        groups=np.unique(motifs, return_inverse=True)[1],
        split="at random; pictures of one motif on one side",
        notes=("labels are derived: the group of the code point in OpenMoji's table",),
    )


def _points(name: str) -> tuple[str, ...]:
    """Return the code points of a name such as ``1f3f4-200d-2620-fe0f``, without selectors."""
    return tuple(p.upper().zfill(4) for p in name.split("-") if p.upper() != "FE0F")
