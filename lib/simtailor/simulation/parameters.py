"""The nine simulation parameters of Task2Sim, in their tuple and string forms.

Source: Mishra et al., "Task2Sim: Towards Effective Pre-training and Transfer from Synthetic
Data" (CVPR 2022), section 3.1 and the published reward database, whose keys are the nine
values in alphabetical order of their names, joined by ``_``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product

from simtailor.errors import UserError, nearest_name
from simtailor.simulation.fraction import fraction_of

MATERIALS = {0: "one", 1: "natural", 2: "random, fixed", 3: "random in every image"}


@dataclass(frozen=True, order=True)
class SimulationParameters:
    """What varies from image to image of a set; 0 is fixed, 1 varies.

    Attributes:
        backgr: sky and camera direction.
        blur: focus and aperture.
        lighting_color, lighting_dir, lighting_intensity: of the light.
        materials: 0 one for all, 1 the models' own, 2 random but fixed a model, 3 random in
            every image.
        pose_cam: the camera's direction off the object; pose_rot: the object's rotation;
            pose_scale: its distance.

    Raises:
        ValueError: a value is out of range; the message names the parameter.
    """

    backgr: int = 0
    blur: int = 0
    lighting_color: int = 0
    lighting_dir: int = 0
    lighting_intensity: int = 0
    materials: int = 1
    pose_cam: int = 0
    pose_rot: int = 0
    pose_scale: int = 0

    def __post_init__(self) -> None:
        for name, value in self.as_dict().items():
            highest = max(MATERIALS) if name == "materials" else 1
            if type(value) is not int or not 0 <= value <= highest:
                raise ValueError(f"{name}: {value!r} is not an integer from 0 to {highest}")

    def __str__(self) -> str:
        """Return the published name of the set, such as ``1_0_0_0_0_3_0_1_1``."""
        return "_".join(map(str, self.as_tuple()))

    def as_tuple(self) -> tuple[int, ...]:
        """Return the nine values in the published order."""
        return tuple(getattr(self, name) for name in PARAMETER_NAMES)

    def as_dict(self) -> dict[str, int]:
        """Return the nine values by name."""
        return dict(zip(PARAMETER_NAMES, self.as_tuple(), strict=True))

    @classmethod
    def parse(cls, text: str) -> SimulationParameters:
        """Return the parameters that a string such as ``1_0_0_0_0_3_0_1_1`` stands for.

        Raises:
            UserError: the string is not nine values in range.
        """
        parts = text.split("_")
        # Not int(): it takes signs, spaces and foreign digits, which would give two names
        # to one set.
        if len(parts) != len(PARAMETER_NAMES) or any(p not in ("0", "1", "2", "3") for p in parts):
            raise UserError(
                f"'{text}' names no simulated set: give {len(PARAMETER_NAMES)} digits joined by "
                f"'_', for {', '.join(PARAMETER_NAMES)}; for example {SimulationParameters()}"
            )
        try:
            return cls(*map(int, parts))
        except ValueError as error:
            raise UserError(f"'{text}' names no simulated set: {error}") from None


PARAMETER_NAMES: tuple[str, ...] = tuple(f.name for f in fields(SimulationParameters))

# The published study: materials natural or random, no moves of the camera, all else on or off.
PUBLISHED_VALUES: dict[str, tuple[int, ...]] = {
    name: {"materials": (1, 3), "pose_cam": (0,)}.get(name, (0, 1)) for name in PARAMETER_NAMES
}


def enumerate_parameters(
    values: Mapping[str, Sequence[int]] = PUBLISHED_VALUES, fraction: int = 1
) -> Iterator[SimulationParameters]:
    """Yield combinations of the values, the last parameter changing fastest.

    Args:
        values: by parameter; what is absent keeps its default. ``PUBLISHED_VALUES`` gives the
            256 sets of the paper.
        fraction: 1 gives every combination, n the regular fraction of one in n.

    Raises:
        UserError: a name or a value is wrong, or there is no such fraction.
    """
    for name in values:
        if name not in PARAMETER_NAMES:
            raise UserError(
                f"unknown simulation parameter '{name}'; known: {', '.join(PARAMETER_NAMES)}."
                + nearest_name(name, PARAMETER_NAMES)
            )
    default = SimulationParameters().as_dict()
    choices = [values.get(name, (default[name],)) for name in PARAMETER_NAMES]
    combinations = product(*choices) if fraction == 1 else _fraction(choices, fraction)
    for combination in combinations:
        try:
            yield SimulationParameters(*combination)
        except ValueError as error:
            raise UserError(f"simulation parameter {error}") from None


def _fraction(choices: Sequence[Sequence[int]], parts: int) -> Iterator[tuple[int, ...]]:
    """Yield one in ``parts`` combinations of the values, by which effects can be told apart."""
    varied = [place for place, values in enumerate(choices) if len(values) > 1]
    if any(len(choices[place]) > 2 for place in varied):
        raise UserError("a fraction needs one or two values of each parameter")
    runs = fraction_of(len(varied), parts)
    if runs is None:
        whole = 2 ** len(varied)
        sizes = [p for p in (2, 4, 8, 16) if fraction_of(len(varied), p)]
        possible = " or ".join(f"{p} ({whole // p} sets)" for p in sizes) or "none"
        raise UserError(
            f"no fraction of one in {parts} of {whole} combinations tells the effects of "
            f"{len(varied)} parameters from each other and from interactions of two; "
            f"possible beside 1: {possible}"
        )
    for run in runs:
        levels = dict(zip(varied, run, strict=True))
        yield tuple(values[levels.get(place, 0)] for place, values in enumerate(choices))
