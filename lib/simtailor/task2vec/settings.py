"""The keys ``task2sim.task2vec`` of the configuration."""

from __future__ import annotations

from simtailor.section import Section


class Task2Vec(Section):
    """Task vectors."""
