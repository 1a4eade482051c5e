"""What README.md and docs say of results: Markdown from the files that the workflow wrote.

Each function takes the folder of results (or the saved table) and returns Markdown. A sentence
states what these files hold; none is true of one machine or seed only.
"""

import csv
import json
import re
from pathlib import Path

# Of a task's row in the reward database's summary, in this order; other numbers stay there.
COLUMNS = (
    "chance", "raw_pixels", "random_on", "random_off", "scratch_30", "fine_tuned_30", "scratch_120",
    "fine_tuned_120", "worst", "mean", "best", "best_reported", "imagenet", "spread_between_sets",
    "spread_between_seeds",
)  # fmt: skip
CHANCE_OF_NONE = 0.05  # of intervals of 95 %, so many exclude 0 where there is no effect


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def metasim(summary: dict) -> str:
    """Return what a training recovered."""
    rows = []
    for name, entry in summary["attributes"].items():
        found = entry["generated"]
        cells = [_spread(entry[source]) for source in ("prior", "target", "generated")]
        intervals = [_interval(found.get(key)) for key in ("mean_95", "std_95")]
        rows.append([f"{name} ({entry['unit']})", *cells, *intervals])
    head = ["attribute", "start", "target", "recovered", "mean, 95 %", "spread, 95 %"]
    renders, seconds = f"{summary['renders']:,}", f"{summary['seconds']:.0f}"
    shares = _shares(summary["shares"]) if "shares" in summary else ""
    return (
        f"`{summary['experiment']}`, seed {summary['seed']}: {renders} renders, {seconds} s of "
        f"training. Mean ± spread:\n\n{table(head, rows)}\n\n{shares}> {summary['verdict']}"
    )


def _shares(shares: dict) -> str:
    """Return how often classes and counts come."""
    rows = [
        [f"{node}: {'count' if kind == 'num_child' else kind} {value}",
         *(f"{row[source][value]:.3f}" if source in row else "unknown"
           for source in ("prior", "target", "generated"))]
        for node, kinds in shares.items() for kind, row in kinds.items() for value in row["prior"]
    ]  # fmt: skip
    head = ["share of", "start", "target", "recovered"]
    return f"How often classes and counts come:\n\n{table(head, rows)}\n\n"


def _spread(entry: dict | None) -> str:
    return "unknown" if entry is None else f"{entry['mean']:.4g} ± {entry['std']:.3g}"


def _interval(values: list[float] | None) -> str:
    return "–" if values is None else f"{values[0]:.4g} to {values[1]:.4g}"


def study(summary: dict, effects: list[dict]) -> str:
    """Return what a reward database says: every task, its own sentences, effects that stand out."""
    tasks = summary["tasks"]
    columns = [c for c in COLUMNS if any(row.get(c) is not None for row in tasks.values())]
    rows = [
        [f"`{name}`", *(_number(row.get(column)) for column in columns)]
        for name, row in tasks.items()
    ]
    heads = [column.replace("_", " ") for column in columns]
    parts = [
        f"Accuracy in percent of {summary['sets']} sets, by `{summary['method']}`, beside "
        "baselines, and the standard deviations between sets and between seeds:",
        table(["task", *heads], rows),
        "\n".join(f"- {sentence}" for sentence in summary["sentences"]),
        _effects(effects),
    ]
    return "\n\n".join(part for part in parts if part)


def _number(value: float | None) -> str:
    return f"{value:.1f}" if isinstance(value, int | float) else "–"


def _effects(effects: list[dict]) -> str:
    """Return the effects whose interval excludes 0, with how many would by chance."""
    judged = [e for e in effects if e.get("low") not in (None, "")]
    if not judged:
        return ""
    clear = [e for e in judged if float(e["low"]) > 0 or float(e["high"]) < 0]
    words = (
        f"Of {len(judged)} effects of a parameter on a task, {len(clear)} have a 95 % interval "
        f"without 0, where about {CHANCE_OF_NONE * len(judged):.0f} would by chance"
    )
    if not clear:
        return f"{words}."
    rows = [
        [
            f"`{e['parameter']}` = {e['value']} against {e['reference']}",
            f"`{e['task']}`",
            f"{float(e['effect']):+.1f}",
            f"{float(e['low']):+.1f} to {float(e['high']):+.1f}",
        ]
        for e in sorted(clear, key=lambda e: float(e["effect"]))
    ]
    return f"{words}:\n\n{table(['parameter', 'task', 'points', 'interval'], rows)}"


def classifier(summary: dict) -> str:
    """Return what a classifier and the ways beside it give on the test images."""
    rows = []
    for name, way in sorted(summary["ways"].items(), key=lambda item: -item[1]["test"]):
        gain = f"{way['gain']:+.1f} ({_signed(way['gain_interval_95'])})"
        rows.append([
            f"{way['title']}{' (the classifier)' if name == summary['classifier'] else ''}",
            way["way"],
            f"{way['validation']:.1f}",
            f"{way['test']:.1f} ± {way['standard_error']:.1f}",
            "–" if name == summary["classifier"] else gain,
        ])  # fmt: skip
    heads = ["way", "chosen in it", "validation", "test", "the classifier's gain over it"]
    images = summary["images"]
    begin = (
        f"Accuracy in percent with {images['train']:,} training and {images['test']:,} test "
        "images, with standard errors; gains in points with 95 % intervals:"
    )
    return f"{begin}\n\n{table(heads, rows)}\n\n> {summary['verdict']}"


def _signed(values: list[float]) -> str:
    return " to ".join(f"{value:+.1f}" for value in values)


def table_and_words(page: Path) -> str:
    """Return the table of an experiment's networks and what it says, without title and notes."""
    parts = page.read_text().strip().split("\n\n")
    return "\n\n".join(parts[1:-1])


def distances(summary: dict, kind: str = "shape") -> str:
    """Return which tasks are near to which by Task2Vec."""
    rows = [
        [f"`{name}`", *(f"`{other}` {far:.2f}" for other, far in (near[0], near[1], near[-1]))]
        for name, near in summary["nearest"][kind].items()
        if len(near) > 1
    ]
    return f"By `{kind}`:\n\n{table(['task', 'nearest', 'second', 'farthest'], rows)}"


def controller(page: str, which: str) -> str:
    """Return the tables of one choice of sets in benchmarks/controller.md.

    Args:
        which: begins the heading of its part.
    """
    part = _part(page, which)
    policies, tries = part.index("Accuracy in percent"), part.index("With evaluations on")
    end = part.index("Noise of one evaluation")
    return f"{part[policies:tries].strip()}\n\n{part[tries:end].strip()}"


def controller_front(page: str, which: str) -> str:
    """Return the verdict of the same part."""
    verdict = _part(page, which).strip().split("\n\n")[-1]
    return f"On the published database: {verdict}."


def controller_stamp(page: str) -> str:
    """Return date and machine of the saved tables."""
    date = re.findall(r"^- Date: (.*)$", page, flags=re.M)[-1]
    machine = re.findall(r"^- Machine: (.*)$", page, flags=re.M)[-1]
    return f"{date}; {machine}"


def _part(page: str, which: str) -> str:
    return next(part for part in re.split(r"^## ", page, flags=re.M) if part.startswith(which))


def recovery(page: str) -> str:
    """Return the front page's table of benchmarks/metasim_recovery.md."""
    head, *sections = re.split(r"^## ", page, flags=re.M)
    left = {section.split("\n")[0].strip(): _left_by_seed(section) for section in sections}
    rows, tasks = [], []
    for row in _rows(head):
        name = row["experiment"]
        rows.append(
            [
                f"`{name}`",
                f"{', '.join(left[name])} %",
                f"{row['renders, most']} ({row['of the published']})",
                f"{row['training s, most']} s",
                f"{row['converged']} of {row['seeds']}",
                row["published result"],
            ]
        )
        if row.get("task accuracy"):
            tasks.append([f"`{name}`", *(_pair(v)[1] for v in row["task accuracy"].split("; "))])
            sources = [_pair(v)[0] for v in row["task accuracy"].split("; ")]
    heads = [
        "run", "left, by seed", "renders, most (of the published)", "training, most",
        "converged", "published",
    ]  # fmt: skip
    parts = [
        "Left is the Wasserstein distance to the target's distribution divided by the prior's, "
        "for the worst attribute of each seed; seconds are by the clock, of the slowest seed. "
        "Every attribute is in [metasim_recovery.md](../benchmarks/metasim_recovery.md).",
        table(heads, rows),
    ]
    if tasks:
        parts += [
            "Accuracy in percent of a classifier on the target, mean of the seeds, by what it "
            "was trained on:",
            table(["run", *sources], tasks),
        ]
    return "\n\n".join(parts)


def first_hour(page: str) -> str:
    """Return the table of benchmarks/first_hour.md and what is said of it."""
    return page.split("\n\n", 2)[2].strip()


def saved_stamp(page: str) -> str:
    """Return date and machine of a saved table."""
    return page.split("\n\n")[1].strip().rstrip(".")


def _pair(text: str) -> tuple[str, str]:
    name, _, number = text.strip().rpartition(" ")
    return name, number


def _rows(text: str) -> list[dict[str, str]]:
    """Return the rows of the first table of a Markdown text."""
    lines = [line for line in text.split("\n") if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def _left_by_seed(section: str) -> list[str]:
    """Return what is left of the worst attribute, in percent, seed by seed."""
    worst: dict[str, float] = {}
    for row in _rows(section):
        percent = float(row["left"].rstrip("%"))
        worst[row["seed"]] = max(worst.get(row["seed"], 0.0), percent)
    return [f"{percent:.1f}" for percent in worst.values()]


def read_json(path: Path) -> dict:
    """Read a JSON file."""
    return json.loads(path.read_text())


def read_rows(path: Path) -> list[dict]:
    """Read the rows of a CSV file; none where there is no file."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))
