"""Tell the classes of images: ``python -m simtailor.classifier CLASSIFIER IMAGES ...``."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Sequence

from simtailor.errors import UserError

SOME_BAD, BAD_INPUT, INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table of predictions; return 0, 1 where some files cannot be read, or 2.

    Args:
        arguments: of the command line, the process's own if None.
    """
    parser = argparse.ArgumentParser(
        prog="python -m simtailor.classifier",
        description="Tell the classes of images. Prints CSV: file, class, probability, problem. "
        "Ends with status 1 where some files cannot be read; the others are in the table.",
    )
    parser.add_argument("classifier", help="folder, such as results/task2sim/classifier/TASK")
    parser.add_argument("images", nargs="+", help="image files, and folders of images")
    given = parser.parse_args(arguments)
    try:
        return _run(given)
    except UserError as error:
        _say(str(error))
        return BAD_INPUT
    except BrokenPipeError:  # of `| head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(given: argparse.Namespace) -> int:
    # Here, for torch and timm take seconds, and a wrong option should not.
    import torch  # noqa: PLC0415

    from simtailor.classifier.network import ImageClassifier  # noqa: PLC0415
    from simtailor.classifier.predict import COLUMNS, files_of, predict  # noqa: PLC0415
    from simtailor.intake.folder import broken_message  # noqa: PLC0415

    device = "cuda" if torch.cuda.is_available() else "cpu"
    classifier = ImageClassifier.read(given.classifier, device)
    files = files_of(given.images, _say)
    sys.stdout.reconfigure(encoding="utf-8")
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(COLUMNS)
    bad = []
    for prediction in predict(classifier, files, os.cpu_count() or 1, _say):
        table.writerow(prediction.row())
        if prediction.problem:
            bad.append((prediction.file, prediction.problem))
    sys.stdout.flush()
    if bad:
        _say(broken_message("", len(files), bad))
    return SOME_BAD if bad else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
