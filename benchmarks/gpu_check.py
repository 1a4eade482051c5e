"""Check and measure simtailor on one GPU, the most valuable first, in a limited time.

Writes into the folder OUTPUT, anew after every check: rows.jsonl (a line of JSON a check), gpu.md
(a table) and rates.tsv (rows for config/rates.tsv). What no longer fits into the time is left out,
and what fails keeps nothing from the next.

Run: ./run python benchmarks/gpu_check.py OUTPUT
     ./run python benchmarks/gpu_check.py --make-reference FILE    the CPU's results, to carry along
"""

from __future__ import annotations

import argparse
import datetime
import os
import tempfile
from pathlib import Path

import numpy as np
import torch
from gpu_checks import (
    environment,
    evaluation,
    metasim,
    pretraining,
    rendering,
    resuming,
    task_vectors,
)
from gpu_checks.bench import Bench
from gpu_checks.running import Check, run
from machine import describe_machine

from simtailor.devices import number_of

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 530  # of all checks; nine minutes with the start
# Seconds are guesses for a server's GPU, until one was measured.
CHECKS = (
    Check("environment", environment.environment, 5),
    Check("compile the kernels", rendering.compiling, 15),
    Check("pictures", rendering.pictures, 25),
    Check("sets", rendering.sets, 40),
    Check("Meta-Sim, one attribute", metasim.one_attribute, 60),
    Check("pre-training", pretraining.small_networks, 80),
    Check("killed and resumed", resuming.killed_and_resumed, 30),
    Check("features", evaluation.features, 20),
    Check("neighbours", evaluation.neighbours, 20),
    Check("heads", evaluation.heads, 25),
    Check("ResNet-50", pretraining.resnet50, 60),
    Check("Task2Vec", task_vectors.vectors, 30),
    Check("side by side", pretraining.side_by_side, 40),
    Check("ResNet-50, compiled", pretraining.resnet50_compiled, 60),
    Check("Meta-Sim, three attributes", metasim.three_attributes, 90),
    Check("renderer alone", rendering.speed, 60),
)
REFERENCES = {
    "pictures": rendering.pictures_of,
    "features": evaluation.features_of,
    "task vector": task_vectors.vector_of,
}


def write_reference(bench: Bench, path: Path) -> None:
    """Write what the CPU makes, so that a machine without a compiler for it can compare."""
    arrays = {
        f"{name}/{key}": values
        for name, make in REFERENCES.items()
        for key, values in make(bench, "cpu").items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)


def main(arguments: list[str] | None = None) -> int:
    """Run the checks; 0 where all was right."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("output", type=Path, nargs="?", default=Path("gpu_check"))
    parser.add_argument("--device", default="cuda", help="'cpu' tries the check itself")
    parser.add_argument("--tiny", action="store_true", help="sizes that a CPU does in a minute")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all checks")
    parser.add_argument("--only", nargs="+", metavar="CHECK", help="names of checks")
    parser.add_argument("--cache", default="resources", help="folder of caches")
    parser.add_argument("--reference", type=Path, help="what --make-reference wrote")
    parser.add_argument("--make-reference", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    unknown = set(options.only or ()) - {check.name for check in CHECKS}
    if unknown:
        parser.error(f"no check {', '.join(sorted(unknown))}; there are: "
                     f"{', '.join(check.name for check in CHECKS)}")  # fmt: skip
    output = options.output.resolve()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(
            options.device, len(os.sched_getaffinity(0)), str(Path(options.cache).resolve()),
            Path(folder), options.tiny, options.reference and options.reference.resolve(),
        )  # fmt: skip
        making = options.make_reference and options.make_reference.resolve()
        os.chdir(ROOT)  # the configuration names files from there
        if making:
            write_reference(bench, making)
            return 0
        if bench.on_cuda and torch.cuda.is_available():
            torch.cuda.set_device(number_of(options.device))
        output.mkdir(parents=True, exist_ok=True)
        chosen = [c for c in CHECKS if not options.only or c.name in options.only]
        about = f"- Date: {datetime.date.today().isoformat()}\n- Machine: {describe_machine()}"
        about += f"\n- Device: {bench.device}"
        with torch.compiler.set_stance("force_eager" if bench.tiny else "default"):
            right = run(chosen, bench, output, options.seconds, about)
        return 0 if right else 1


if __name__ == "__main__":
    raise SystemExit(main())
