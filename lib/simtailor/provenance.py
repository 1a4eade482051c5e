"""Where a result comes from: settings, versions, seeds, commit and checksums, in a file of it.

A result that is a folder holds ``provenance.json``; one that is a file NAME.SUFFIX has
``NAME.provenance.json`` beside it. There is no time in it: where a run makes the same files again,
it says the same.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any, Protocol

from simtailor.files import checksum, read_json, write_json
from simtailor.shipped import ROOT

PROVENANCE = "provenance.json"
# What changes where a job reads and writes, not what comes out.
PLACES = {
    "cache", "checkpoint", "folder", "resources", "results", "task_folder", "tracking", "work",
}  # fmt: skip


class Named(Protocol):
    """Values by name, of which some have none."""

    def items(self) -> Iterable[tuple[str, Any]]: ...

    def __iter__(self) -> Any: ...


class Job(Protocol):
    """A finished job of the workflow, as its script knows it."""

    rule: str
    log: Named
    wildcards: Named
    input: Named
    output: Named
    params: Named
    config: Mapping[str, Any]


def write_provenance(job: Job) -> list[Path]:
    """Write where each output of a finished job comes from; return the files written.

    The file of an output holds:

    - ``rule``, ``wildcards``, ``settings``: the job, and all that the workflow compares to tell
      whether it has to run again; seeds are among them;
    - ``configuration``: what was configured, by files and by the command line;
    - ``simtailor``, ``commit``, ``changed``: version, commit of the code, and whether files differ
      from it; ``python``, ``machine``, ``packages``: versions of all that simtailor needs;
    - ``inputs``: SHA-256 by path; of a folder, that of its own provenance where it has one;
    - ``files``: SHA-256 of each file of the output.
    """
    made_by = {
        "rule": job.rule,
        "wildcards": _plain(dict(job.wildcards.items())),
        "settings": _plain({k: v for k, v in job.params.items() if k not in PLACES}),
        "configuration": _plain({k: v for k, v in job.config.items() if k not in PLACES}),
        **_code(),
        "inputs": {str(path): digest_of(path) for path in job.input},
    }
    written = []
    for output in map(Path, job.output):
        path = provenance_of(output)
        files = files_of(output) if output.is_dir() else [output]
        within = output if output.is_dir() else output.parent
        sums = {str(file.relative_to(within)): checksum(file) for file in files}
        write_json(path, {"result": output.name, **made_by, "files": sums})
        written.append(path)
    return written


def provenance_of(result: str | Path) -> Path:
    """Return the path of a result's provenance."""
    result = Path(result)
    return result / PROVENANCE if result.is_dir() else result.with_suffix(f".{PROVENANCE}")


def files_of(folder: Path) -> list[Path]:
    """Return the files of a result's folder, sorted, without its provenance and hidden ones."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return sorted(path for path in found if path != folder / PROVENANCE)


def digest_of(path: str | Path) -> str | None:
    """Return the SHA-256 of an input; of a folder that of its provenance, or of all its files.

    None where it is gone: a job may use its input up.
    """
    path = Path(path)
    if path.is_file():
        return checksum(path)
    if not path.is_dir():
        return None
    if (path / PROVENANCE).is_file():
        return checksum(path / PROVENANCE)
    digest = hashlib.sha256()
    for file in files_of(path):
        digest.update(f"{file.relative_to(path)}\0{checksum(file)}\n".encode())
    return digest.hexdigest()


def changed_files(folder: str | Path) -> list[str]:
    """Return the files of a result's folder that are not as its provenance says, sorted.

    Raises:
        OSError, ValueError: it has no provenance that can be read.
    """
    folder = Path(folder)
    said = read_json(folder / PROVENANCE)["files"]
    found = {str(file.relative_to(folder)): checksum(file) for file in files_of(folder)}
    return sorted(name for name in said | found if said.get(name) != found.get(name))


def _plain(values: Mapping[str, Any]) -> Any:
    """Return values as JSON has them."""
    return json.loads(json.dumps(values, default=str))


@lru_cache
def _code() -> dict[str, Any]:
    """Return the code that ran: versions of simtailor, of Python and of packages, and commit."""
    return {
        "simtailor": version("simtailor"),
        "commit": _git("rev-parse", "HEAD"),
        "changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "packages": dict(_versions()),
    }


def _git(*arguments: str) -> str | None:
    """Return what Git says of the project; None where there is no Git, or no such project."""
    if not (ROOT / ".git").exists():
        return None
    command = ["git", "-C", str(ROOT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _versions() -> Iterable[tuple[str, str]]:
    """Yield name and version of every installed package that simtailor requires."""
    needed = (line for line in requires("simtailor") or () if "extra ==" not in line)
    for name in sorted(re.match(r"[\w.-]+", line).group() for line in needed):
        try:
            yield name, version(name)
        except PackageNotFoundError:  # of another machine, or not needed here
            continue
