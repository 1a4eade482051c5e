"""The keys ``task2sim.controller`` of the configuration."""

from __future__ import annotations

from simtailor.section import Section


class Controller(Section):
    """From a task vector to simulation parameters."""
