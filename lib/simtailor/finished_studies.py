"""Which finished study recommendations learn from: the user's, one made here, or the shipped one.

The workflow asks while it is planned, so nothing heavy is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simtailor.config import Configuration, load_configuration
from simtailor.controller.inputs import known_files, settings_of_evidence
from simtailor.errors import UserError
from simtailor.evaluate.inputs import evidence_digest
from simtailor.files import read_json
from simtailor.provenance import provenance_of
from simtailor.shipped import found_path
from simtailor.simulation.inputs import set_names, study_settings

SHIPPED = "config/study"  # made by benchmarks/documented.py study
VERSION = "version of simtailor"
# What task vectors depend on; rewards depend on everything else.
VECTORS = ("seed", "task2sim.tasks", "task2sim.task2vec")


@dataclass(frozen=True)
class KnownStudy:
    """A study to learn from.

    Attributes:
        reward_db, task_vectors: its files; they may have to be made first.
        note: a sentence on why it is this one, where the user did not say so; may be empty.
        other_evidence: a sentence where it was made with other settings; otherwise empty.
    """

    reward_db: str
    task_vectors: str
    note: str = ""
    other_evidence: str = ""


def study_to_learn_from(configuration: Configuration) -> KnownStudy:
    """Return the study that recommendations and the few-shot loop learn from.

    It is that of the files which the configuration names; else that of this folder, where it is
    there; else the one that comes with the project, where it has the settings at hand. Where it
    has others, the study of this folder is to be made.
    """
    keys, own = configuration.task2sim.controller, known_files(configuration)
    if keys.reward_db or keys.task_vectors:
        changed = changed_settings(*own, configuration)
        return KnownStudy(*own, other_evidence=_other_evidence(own[0], changed))
    if Path(own[0]).exists():
        return KnownStudy(*own)
    shipped = [found_path(f"{SHIPPED}/{name}") for name in ("reward_db.json", "task_vectors.npz")]
    changed = [
        *changed_settings(*shipped, configuration),
        *_other_sets_or_tasks(shipped[0], configuration),
    ]
    if changed:
        note = f"{_other_evidence(SHIPPED, changed)}. The study that is configured is made first"
        return KnownStudy(*own, note=note)
    note = (
        f"Learns from the study that comes with the project, {SHIPPED}; {own[0]} is not there, and "
        "would be made from the same settings"
    )
    return KnownStudy(*shipped, note=note)


def changed_settings(
    reward_db: str | Path, task_vectors: str | Path, configuration: Configuration
) -> list[str]:
    """Return the keys of the settings in which a study's files differ from a configuration.

    More sets or tasks are no difference. Nothing is said of a file without a provenance, such as
    the published ones: how it was made is not known here.
    """
    now, changed = _settings(configuration), []
    rewards = [key for key in now if key != "task2sim.task2vec"]
    for file, keys in ((reward_db, rewards), (task_vectors, VECTORS)):
        said = _provenance(file)
        if said:
            then = _settings_of(said)
            changed += [key for key in keys if then and then[key] != now[key]]
            digest = said["settings"].get("evidence")
            if not then or (not changed and digest not in (None, evidence_digest(configuration))):
                changed.append(VERSION)
    return list(dict.fromkeys(changed))


def _settings(configuration: Configuration) -> dict[str, Any]:
    """Return as plain values, by key, what rewards and task vectors depend on."""
    study = configuration.task2sim
    return {
        **settings_of_evidence(configuration),
        "task2sim.tasks": study.tasks.model_dump(
            mode="json", include={"image_size", "most_images", "test_share"}
        ),
        "task2sim.task2vec": study.task2vec.model_dump(mode="json"),
    }


def _settings_of(provenance: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the same of the configuration in a provenance; None if it cannot be read here."""
    values = provenance["configuration"].items()
    try:
        known = {key: value for key, value in values if key in Configuration.model_fields}
        return _settings(load_configuration(known, []))
    except UserError:  # a key that this version lacks, or a file that is elsewhere
        return None


def _other_sets_or_tasks(reward_db: str, configuration: Configuration) -> list[str]:
    """Return the keys by which a study has other sets or tasks than a configuration."""
    said = _provenance(reward_db)
    if not said:
        return [VERSION]
    study, made = configuration.task2sim, said["settings"]
    now = {
        "task2sim.simulation.values": (made["sets"], set_names(study_settings(configuration))),
        "task2sim.tasks.names": (made["tasks"], study.tasks.names),
    }
    return [key for key, (then, wanted) in now.items() if sorted(then) != sorted(wanted)]


def _provenance(file: str | Path) -> dict[str, Any] | None:
    path = provenance_of(file)
    return read_json(path) if path.exists() else None


def _other_evidence(name: str, changed: list[str]) -> str:
    if not changed:
        return ""
    return f"{name} is other evidence, made with another {', '.join(changed)} than configured here"
