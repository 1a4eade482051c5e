"""The keys ``task2sim.tasks`` of the configuration."""

from __future__ import annotations

from simtailor.section import Section


class Tasks(Section):
    """Real downstream tasks."""
