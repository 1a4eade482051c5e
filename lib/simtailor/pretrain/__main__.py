"""One process of a training: ``torchrun -m simtailor.pretrain JOB.json``, or under ``srun``.

JOB.json holds the attributes of ``simtailor.pretrain.stage.Job``.
"""

from __future__ import annotations

import sys

from simtailor.files import read_json
from simtailor.pretrain.stage import Job, pretrain
from simtailor.tracking.current import tracked_by_parent


def main() -> None:
    """Do the job of the file that the command line names."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tracked_by_parent(report):
        pretrain(Job(**read_json(sys.argv[1])), report)


def report(line: str) -> None:
    """Write a line for the process that started this one, at once."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
