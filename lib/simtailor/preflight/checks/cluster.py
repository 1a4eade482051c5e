"""The cluster of a profile: its command, and partitions against what the jobs ask for."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from simtailor.errors import UserError, first_of, nearest_name
from simtailor.preflight.asked import Asked, Rule
from simtailor.preflight.findings import Finding, check, missing, ok, unknown
from simtailor.yaml_files import read_yaml

COMMANDS = ("sbatch", "squeue", "scancel", "sinfo")
TIME_LIMIT = 20  # seconds that the cluster may take to answer
NAMED = 6
CORE_LIMITS = ("max_threads", "max_cpus_per_task")  # of the plugin's file


@dataclass(frozen=True)
class Partition:
    """What the nodes of a partition have, each the most of any node.

    Attributes:
        default: whether jobs that name none go there. up: whether it takes jobs.
    """

    name: str
    default: bool
    up: bool
    cores: int
    memory_mb: int
    gpus: int


@check("cluster")
def cluster(asked: Asked) -> Iterator[Finding]:
    """Look for Slurm, and for partitions in which every rule's jobs can start."""
    if asked.run.here:
        return
    if asked.run.executor != "slurm":
        yield unknown(f"the executor '{asked.run.executor}' is not known to this check")
        return
    if absent := [name for name in COMMANDS if shutil.which(name) is None]:
        yield missing(
            f"{', '.join(absent)}: not here", "Run where jobs are submitted from (a login node)."
        )
        return
    try:
        partitions = read_partitions(_ask_slurm())
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", "") or str(error)
        yield missing(f"Slurm does not answer: {reason.strip().splitlines()[-1]}", "Try: sinfo")
        return
    rules = asked.run.rules
    if asked.run.partition_file:
        rules = placed(rules, asked.run.partition_file)
    yield from check_rules(rules, partitions)


def _ask_slurm() -> str:
    command = ["sinfo", "--noheader", "--format=%P|%a|%c|%m|%G"]
    finished = subprocess.run(
        command, capture_output=True, text=True, timeout=TIME_LIMIT, check=True
    )
    return finished.stdout


def read_partitions(text: str) -> dict[str, Partition]:
    """Return the partitions by name from lines of ``sinfo --format=%P|%a|%c|%m|%G``."""
    found: dict[str, Partition] = {}
    for line in text.splitlines():
        name, state, cores, memory, resources = line.strip().split("|")
        default, name = name.endswith("*"), name.rstrip("*")
        gpus = sum(int(n) for n in re.findall(r"gpu(?::[^:,(]+)?:(\d+)", resources))
        new = Partition(name, default, state == "up", _number(cores), _number(memory), gpus)
        old = found.get(name, new)
        found[name] = Partition(
            name, default, old.up or new.up, max(old.cores, new.cores),
            max(old.memory_mb, new.memory_mb), max(old.gpus, new.gpus),
        )  # fmt: skip
    return found


def _number(text: str) -> int:
    return int(text.rstrip("+") or 0)  # where nodes differ, Slurm says "at least"


def check_rules(rules: Sequence[Rule], partitions: dict[str, Partition]) -> Iterator[Finding]:
    """Compare what rules ask for with the partition that their jobs go to, a line a partition."""
    default = next((p.name for p in partitions.values() if p.default), "")
    by_partition: dict[str, list[Rule]] = {}
    for rule in rules:
        by_partition.setdefault(rule.partition or default, []).append(rule)
    for name, asking in by_partition.items():
        partition = partitions.get(name)
        who = first_of([rule.name for rule in asking], NAMED)
        if partition is None or not partition.up:
            what = f"no partition '{name}'" if name else "no default partition"
            if partition is not None:
                what = f"the partition '{name}' is not up"
            yield missing(
                f"{what}, which jobs of {who} go to",
                f"There are: {', '.join(partitions)}.{nearest_name(name, partitions)} "
                "Name one by --default-resources slurm_partition=NAME.",
            )
            continue
        unfit = list(_unfit(asking, partition))
        yield from unfit
        if not unfit:
            yield ok(f"'{name}' has what jobs of {who} ask for")


def placed(rules: Sequence[Rule], path: str) -> list[Rule]:
    """Return the rules with the partitions that Slurm's plugin would choose by a file.

    Raises:
        UserError: the file is no such file, or no partition of it has what a rule asks for.
    """
    listed = read_yaml(path).get("partitions")
    if not isinstance(listed, dict) or not all(isinstance(v, dict) for v in listed.values()):
        raise UserError(f"{path}: expected 'partitions:' with limits by the name of each partition")
    found = []
    for rule in rules:
        fitting = [name for name, limits in listed.items() if _fits(rule, limits)]
        # A job without a GPU goes to a partition with some only where no other takes it.
        fitting.sort(key=lambda name: bool(listed[name].get("max_gpu")) and not rule.gpus)
        if not fitting and not rule.partition:
            raise UserError(
                f"{path}: no partition takes jobs of {rule.name} ({rule.gpus or 0} GPU(s), "
                f"{rule.cores or 0} cores, {rule.memory_mb or 0:,} MB): raise its limits"
            )
        found.append(replace(rule, partition=rule.partition or fitting[0]))
    return found


def _fits(rule: Rule, limits: Mapping[str, Any]) -> bool:
    return (
        (rule.gpus or 0) <= limits.get("max_gpu", 0)
        and (rule.cores or 0) <= min(limits.get(key, math.inf) for key in CORE_LIMITS)
        and (rule.memory_mb or 0) <= limits.get("max_mem_mb", math.inf)
    )


def _unfit(rules: Sequence[Rule], partition: Partition) -> Iterator[Finding]:
    """Yield what no node of the partition has."""
    for what, unit, there, needs in (
        ("gpus", "GPU(s)", partition.gpus, [r.gpus or 0 for r in rules]),
        ("cores", "cores", partition.cores, [r.cores or 0 for r in rules]),
        ("memory", "MB of memory", partition.memory_mb, [r.memory_mb or 0 for r in rules]),
    ):
        short = [rule.name for rule, need in zip(rules, needs, strict=True) if need > there]
        if not short:
            continue
        fix = " ".join(f"{name}:slurm_partition=NAME" for name in short[:NAMED])
        if what == "memory":
            fix = " ".join(f"{name}:mem_mb={there}" for name in short[:NAMED])
        yield missing(
            f"jobs of {first_of(short, NAMED)} ask for up to {max(needs):,} {unit}, and no node of "
            f"'{partition.name}' has more than {there:,}",
            f"Give --set-resources {fix}" if what != "cores" else "Give fewer threads.",
        )
