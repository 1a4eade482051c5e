"""The workflow from Python: ``simtailor.make`` and ``simtailor.fit``.

A call runs the workflow in a folder and comes back when it has ended. What is finished there is
kept, so the same call again goes on, or returns at once.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from simtailor.errors import UserError
from simtailor.files import read_json, staged
from simtailor.shipped import ROOT, found_path

CONFIGURATION = "configuration.yaml"  # in the folder: what the last call asked for
SHOWN = 40  # last lines of a run that an error tells

Report = Callable[[str], None]


@dataclass(frozen=True)
class Fit:
    """A fitted experiment.

    Attributes:
        name: of the experiment; folder: where the workflow runs; configuration: it ran with.
        cores: of further calls; report: is given their lines.
    """

    name: str
    folder: Path
    configuration: Mapping[str, Any]
    cores: int | None
    report: Report

    @property
    def results(self) -> Path:
        """Figures, tables, images and the generator, as docs/bring_your_own.md lists them."""
        return self.folder / "results" / "metasim" / self.name

    @property
    def summary(self) -> dict[str, Any]:
        """The content of ``summary.json``."""
        return read_json(self.results / "summary.json")

    @property
    def verdict(self) -> str:
        """What is to be thought of it, in a sentence."""
        return self.summary["verdict"]

    def dataset(self, **settings: Any) -> Path:
        """Draw a labelled data set from the fit, and return its folder.

        Args:
            settings: keys of ``datasets``, such as ``images=5000``.
        """
        configuration = {**self.configuration, "datasets": settings}
        target = f"results/datasets/{self.name}"
        make(target, folder=self.folder, configuration=configuration, cores=self.cores,
             report=self.report)  # fmt: skip
        return self.folder / target


def fit(
    images: str | Path | None,
    grammar: str | Path,
    folder: str | Path = "fits",
    *,
    name: str = "mine",
    device: str = "cpu",
    cores: int | None = None,
    report: Report = print,
    **experiment: Any,
) -> Fit:
    """Find the distribution of scenes whose pictures match a folder of images (Meta-Sim).

    Args:
        images: folder of the images; None where ``target`` is among the other keys.
        grammar: file of the scenes to start from; those of the project are found by
            ``config/grammars/NAME.json``.
        folder: where the workflow runs; it is made.
        name: of the experiment. Other settings need no other name, but replace what is there.
        device: ``cpu``, ``cuda`` or ``cuda:N``; cores: all where it is not given.
        report: is given a line a job.
        experiment: further keys of an experiment, such as ``stage={"frame_width": 0.9}``.

    Raises:
        UserError: the settings or the images are wrong, or a job failed; the message says why.
    """
    values = {"grammar": _absolute(grammar), **experiment}
    if images is not None:
        values["target"] = {**values.get("target", {}), "folder": _absolute(images)}
    configuration = {"device": device, "metasim": {"experiments": {name: values}}}
    fitted = Fit(name, Path(folder), configuration, cores, report)
    make(f"results/metasim/{name}", folder=folder, configuration=configuration, cores=cores,
         report=report)  # fmt: skip
    return fitted


def make(
    *targets: str,
    folder: str | Path,
    configuration: Mapping[str, Any] | None = None,
    cores: int | None = None,
    report: Report = print,
) -> None:
    """Make targets of the workflow in a folder.

    Args:
        targets: as ``./run snakemake`` takes them; paths count from the folder on.
        folder: where the workflow runs; it is made.
        configuration: keys that differ from the defaults.
        cores: all where it is not given.
        report: is given every line of the run.

    Raises:
        UserError: the configuration is wrong, or a job failed; the message says why.
    """
    folder = Path(folder)
    with staged(folder / CONFIGURATION) as staging:
        staging.write_text(yaml.safe_dump(dict(configuration or {}), sort_keys=False))
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
        *("--directory", str(folder), "--workflow-profile", str(ROOT / "profiles/default")),
        *("--cores", str(cores or "all"), "--configfile", str(folder / CONFIGURATION)),
        *("--", *targets),
    ]
    lines = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        for line in running.stdout or ():
            lines.append(line.rstrip())
            report(lines[-1])
    if running.returncode:
        raise UserError("\n".join(lines[-SHOWN:]))


def _absolute(path: str | Path) -> str:
    """Return a path that means the same in another folder; one of the project is left as it is."""
    return str(Path(found_path(path)).expanduser().absolute())
