"""The small Slurm, and what befalls its jobs and nodes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

SCRIPT = Path(__file__).resolve().parents[2] / "tests/slurm.sh"
DAEMONS = "/usr/sbin:/sbin"


class Cluster:
    """Four nodes on this machine, whose memory limits are kept by cgroups."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start Slurm, and end it."""
        lines = ("TaskPlugin=task/cgroup", "SlurmdTimeout=30")
        try:
            subprocess.run(["bash", SCRIPT, "start", self.folder, *lines], check=True)
            yield
        finally:
            subprocess.run(["bash", SCRIPT, "stop", self.folder], check=False)

    def processes(self, job: str) -> list[psutil.Process]:
        """Return the processes of a job, all but Slurm's own."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("SLURM_JOB_ID") == job and _python(process):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def hold(self, job: str) -> None:
        """Stop the processes of a job, so that its time goes by."""
        for process in self.processes(job):
            process.suspend()

    def kill(self, job: str) -> None:
        """Kill the processes of a job, as the kernel or a power cut does."""
        for process in self.processes(job):
            process.kill()

    def cancel(self, job: str) -> None:
        """Cancel a job, as a user or an administrator does."""
        subprocess.run(["scancel", job], check=True)

    def cancel_all(self) -> None:
        """Cancel all jobs."""
        subprocess.run(["scancel", "--user=root"], check=True)

    def node_of(self, job: str) -> str:
        """Return the node that a job runs on."""
        command = ["squeue", "--noheader", "--format=%N", f"--jobs={job}"]
        return subprocess.check_output(command, text=True).strip()

    def crash(self, node: str, job: str) -> None:
        """Take a node with its job away; Slurm notes it after its SlurmdTimeout."""
        daemon = int((self.folder / f"slurmd.{node}.pid").read_text())
        os.kill(daemon, signal.SIGKILL)
        for process in psutil.process_iter(["cmdline"]):
            if f"slurmstepd: [{job}." in " ".join(process.info["cmdline"] or ()):
                process.kill()
        self.kill(job)

    def mend(self, node: str) -> None:
        """Start the node again."""
        path = f"{os.environ['PATH']}:{DAEMONS}"
        subprocess.run(["slurmd", "-N", node], env={**os.environ, "PATH": path}, check=True)


def _python(process: psutil.Process) -> bool:
    return "python" in process.name() or process.name() in ("bash", "sh", "slurm_script")
