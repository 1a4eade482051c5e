"""The description of ``renderer: program``, which the program itself completes."""

from __future__ import annotations

from simtailor.errors import UserError
from simtailor.render.description import RendererDescription
from simtailor.render.program.describing import hello_of, who
from simtailor.render.program.hello import RETURNS
from simtailor.render.program.identity import identity_of
from simtailor.render.program.settings import ProgramSettings


def described(settings: ProgramSettings) -> RendererDescription:
    """Return the description of the program that the settings name, after asking it.

    Raises:
        UserError: it cannot be asked, or draws no images of the size.
    """
    hello = hello_of(settings)
    low, high = hello.image_sizes
    if not low <= settings.image_size <= high:
        raise UserError(
            f"{who(settings)}: it draws images of {low} to {high} pixels, and is asked for "
            f"{settings.image_size}. Set stage.image_size and training.image_size accordingly."
        )
    return RendererDescription(
        name=NAME,
        factory=FACTORY,
        settings=ProgramSettings,
        nodes=hello.nodes(),
        returns=tuple(RETURNS[part] for part in hello.parts),
        resizable=low < high,
        reproducible=hello.deterministic,
        slow=True,
        identity=identity_of(settings, hello),
    )


NAME = "program"
FACTORY = "simtailor.render.program.renderer:ProgramRenderer"
PROGRAM = RendererDescription(
    name=NAME, factory=FACTORY, nodes={}, settings=ProgramSettings, adapted=described
)
