"""What the checks are asked about: a configuration, and how its jobs would run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simtailor.config import Configuration


@dataclass(frozen=True)
class Rule:
    """What a rule asks for, where that is a number known while planning, else None.

    Attributes:
        partition: of a cluster; empty for its default.
    """

    name: str
    cores: int | None = None
    memory_mb: int | None = None
    gpus: int | None = None
    partition: str = ""


@dataclass(frozen=True)
class Run:
    """How jobs run.

    Attributes:
        executor: ``local``, or the name of Snakemake's plugin, such as ``slurm``.
        cores: of this machine that jobs may take, None for all or where they run elsewhere.
        rules: of the study and the experiments.
        partition_file: from which Slurm's plugin takes each job's partition, or empty.
    """

    executor: str = "local"
    cores: int | None = None
    rules: tuple[Rule, ...] = ()
    partition_file: str = ""

    @property
    def here(self) -> bool:
        """Whether jobs run on this machine."""
        return self.executor == "local"


@dataclass(frozen=True)
class Asked:
    """What the checks look at.

    Attributes:
        files: of the configuration, in the order in which they were merged.
        sets: names of the study's sets and repeats; tasks: names of its tasks.
    """

    configuration: Configuration
    files: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    run: Run = field(default_factory=Run)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Asked:
        """Return the same from the plain values of a rule's parameters."""
        rules: Sequence[Mapping[str, Any]] = values["rules"]
        return cls(
            Configuration.model_validate(values["configuration"]),
            *(tuple(values[name]) for name in ("files", "sets", "tasks", "packages")),
            Run(
                values["executor"],
                values["cores"],
                tuple(Rule(**rule) for rule in rules),
                values["partition_file"],
            ),
        )
