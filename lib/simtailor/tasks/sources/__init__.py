"""Sources of tasks; a kind is added by a module that registers itself, named here."""

from simtailor.tasks.sources import (  # noqa: F401
    arrays,
    brains,
    emoji,
    files,
    landsat,
    libraries,
    trees,
)
