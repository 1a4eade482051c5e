"""Remake the figures of README.md and docs/*.md, and write them into their marked places.

    ./run python benchmarks/documented.py metasim            # one section; or several, or all
    ./run python benchmarks/documented.py recovery --from-saved

A place is what stands between ``<!-- documented: NAME -->`` and ``<!-- end: NAME -->``. A section
makes the targets that its places and pictures are of, and writes these with date, machine and
commit. Results that are there already are not made again.

| section | takes, on two cores |
|---|---|
| metasim | 3 minutes |
| own_object | 3 minutes |
| several_objects | 2 minutes |
| photographs | 5 minutes, once the files of docs/bring_your_own.md are saved where it says |
| tree_crowns | 40 minutes |
| worth | 15 minutes |
| study | 55 minutes; the study that comes with the project, config/study, is this one |
| study_again | 55 minutes |
| controller | 40 minutes; with --reference |
| classifier | 15 minutes |
| assets | 5 minutes and 140 MB to fetch |
| recovery | 80 minutes |
| first_hour | 15 minutes, 2.5 GB to fetch; the clone stays in work/first_hour |
"""

import argparse
import datetime
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import documented_figures as figures
import yaml
from machine import describe_machine
from PIL import Image

ROOT = Path(__file__).parent.parent
SAVED_RECOVERY = ROOT / "benchmarks/metasim_recovery.md"
SAVED_CONTROLLER = ROOT / "benchmarks/controller.md"
SAVED_FIRST_HOUR = ROOT / "benchmarks/first_hour.md"
MARK = re.compile(r"(<!-- documented: (\w+) -->\n)(.*?)(<!-- end: \2 -->)", re.S)
RECOVERED = [
    *(f"tyol_{n}attr" for n in (1, 2, 3, 5, 8)),
    *(f"tyol_multi_{n}attr" for n in (1, 3, 5, 8)),
    "mnist_rot",
    "mnist_rot_trans",
]
UNSEEN = ["CUB", "PacsC", "PacsS", "AID", "USPS", "FMD", "CactusAerial", "ChestXPneumonia"]


@dataclass(frozen=True)
class Place:
    """A marked place.

    Attributes:
        source: the file below the results that its figures are of.
        render: returns Markdown from the folder of results.
    """

    source: str
    render: Callable[[Path], str]


@dataclass(frozen=True)
class Section:
    """What is made together.

    Attributes:
        targets: below the folder of results.
        places: by name; pictures: files in docs/pictures by what they are copies of.
        shipped: results that come with the project, below config.
        needs: a file that must be there first, and what to do.
        settings: keys of the configuration beside the defaults.
        folder: of its results, below that of the others.
    """

    targets: tuple[str, ...] = ()
    places: dict[str, Place] = field(default_factory=dict)
    pictures: dict[str, str] = field(default_factory=dict)
    shipped: dict[str, str] = field(default_factory=dict)
    needs: tuple[str, str] | None = None
    settings: dict = field(default_factory=dict)
    folder: str = ""


def _metasim(name: str) -> Place:
    source = f"metasim/{name}/summary.json"
    return Place(source, lambda results: figures.metasim(figures.read_json(results / source)))


def _study(results: Path) -> str:
    folder = results / "task2sim/reward_db"
    effects = figures.read_rows(folder / "effects.csv")
    return figures.study(figures.read_json(folder / "summary.json"), effects)


def _policies(render: Callable[[str, str], str], which: str) -> Place:
    return Place("", lambda results: render(SAVED_CONTROLLER.read_text(), which))


CROWNS = "detector/tree_crowns/README.md"
WORTH = "regression/tyol_3attr"
CLASSIFIER = "task2sim/classifier/mnist"
DISTANCES = "task2sim/task_vectors/summary.json"
SECTIONS = {
    "metasim": Section(
        ("metasim/tyol_1attr",),
        {"metasim": _metasim("tyol_1attr")},
        {
            "metasim/tyol_1attr/converging.gif": "converging.gif",
            "metasim/tyol_1attr/attributes.png": "attributes.png",
        },
    ),
    "photographs": Section(
        ("metasim/mine",),
        {"photographs": _metasim("mine")},
        needs=("config/experiments/mine.yaml", "save the files of docs/bring_your_own.md"),
    ),
    "own_object": Section(
        ("metasim/bracket",),
        {"own_object": _metasim("bracket")},
        {"metasim/bracket/images.png": "own_object.png"},
        settings=yaml.safe_load((ROOT / "examples/bracket/experiment.yaml").read_text()),
    ),
    "several_objects": Section(
        ("metasim/several_objects",),
        {"several_objects": _metasim("several_objects")},
        {"metasim/several_objects/images.png": "several_objects.png"},
    ),
    "tree_crowns": Section(
        ("detector/tree_crowns",),
        {"tree_crowns": Place(CROWNS, lambda results: figures.table_and_words(results / CROWNS))},
        {
            "detector/tree_crowns/pictures.png": "tree_crowns.jpg",
            "detector/tree_crowns/misses.png": "tree_crowns_misses.jpg",
        },
    ),
    "worth": Section(
        (WORTH,),
        {
            "worth": Place(
                f"{WORTH}/README.md",
                lambda results: figures.table_and_words(results / WORTH / "README.md"),
            )
        },
        {f"{WORTH}/worth.png": "worth.png"},
    ),
    "study": Section(
        ("task2sim/reward_db.json", "task2sim/task_vectors.npz", "task2sim/sets/1_0_0_0_0_1_0_1_1"),
        {
            "study": Place("task2sim/reward_db/summary.json", _study),
            "distances": Place(
                DISTANCES,
                lambda results: figures.distances(figures.read_json(results / DISTANCES)),
            ),
        },
        {
            "task2sim/sets/1_0_0_0_0_1_0_1_1/sheet.png": "simulated_set.png",
            "task2sim/reward_db/heat_map.png": "reward_db.png",
            "task2sim/reward_db/effects.png": "effects.png",
        },
        # What recommendations learn from where there is no other study.
        shipped={
            f"task2sim/{name}": f"study/{name}"
            for name in (
                "reward_db.json",
                "reward_db.provenance.json",
                "reward_db/entries.json",
                "task_vectors.npz",
                "task_vectors.provenance.json",
            )
        },
    ),
    "study_again": Section(
        ("task2sim/reward_db.json",),
        {"study_again": Place("task2sim/reward_db/summary.json", _study)},
        settings={"seed": 1, "work": "work/again"},
        folder="again",
    ),
    "controller": Section(
        ("task2sim/controller",),
        {
            "controller": _policies(figures.controller, "All sets"),
            "controller_without": _policies(figures.controller, "Without"),
            "controller_front": _policies(figures.controller_front, "All sets"),
        },
        {"task2sim/controller/few_shot.png": "few_shot.png"},
        folder="published",
    ),
    "classifier": Section(
        (CLASSIFIER,),
        {
            "classifier": Place(
                f"{CLASSIFIER}/summary.json",
                lambda results: figures.classifier(
                    figures.read_json(results / f"{CLASSIFIER}/summary.json")
                ),
            )
        },
        settings={"task2sim": {"classifier": {"set": "1_0_0_0_0_3_0_0_0"}}},
    ),
    "assets": Section(
        ("task2sim/assets/builtin", "task2sim/assets/sweethome3d"),
        pictures={
            "task2sim/assets/builtin/classes.png": "assets_builtin.jpg",
            "task2sim/assets/sweethome3d/classes.png": "assets_sweethome3d.jpg",
        },
    ),
    "recovery": Section(
        (),
        {"recovery": Place("", lambda results: figures.recovery(SAVED_RECOVERY.read_text()))},
        {"metasim/tyol_8attr.seed0/attributes.png": "eight_attributes.png"},
    ),
    "first_hour": Section(
        (),
        {"first_hour": Place("", lambda results: figures.first_hour(SAVED_FIRST_HOUR.read_text()))},
    ),
}


def main() -> None:
    """Make sections and write their places."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="+", choices=[*SECTIONS, "all"])
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    parser.add_argument("--from-saved", action="store_true", help="make nothing, only write")
    parser.add_argument(
        "--reference", type=Path, help="folder with the published reward_db.json, task_vectors.npz"
    )
    given = parser.parse_args()
    os.chdir(ROOT)
    names = list(SECTIONS) if "all" in given.sections else given.sections
    if "controller" in names and given.reference is None and not given.from_saved:
        parser.error("the section 'controller' needs --reference")
    for name in names:
        section = SECTIONS[name]
        results = given.results / section.folder
        if not given.from_saved:
            make(name, section, results, given.reference)
        write(name, section, results, ROOT)


def make(name: str, section: Section, results: Path, reference: Path | None) -> None:
    """Have the workflow make what a section is of."""
    if name == "recovery":
        script = [sys.executable, "benchmarks/metasim_recovery.py", *RECOVERED]
        subprocess.run(script, check=True)
        return
    if name == "first_hour":
        subprocess.run([sys.executable, "benchmarks/first_hour.py", "work/first_hour"], check=True)
        return
    if name == "controller":
        script = [sys.executable, "benchmarks/controller.py", str(reference)]
        subprocess.run(script, check=True)
    if section.needs and not Path(section.needs[0]).exists():
        sys.exit(f"section '{name}': {section.needs[0]} is absent; {section.needs[1]}")
    values: dict = {"results": str(results), **section.settings}
    if reference is not None and name == "controller":
        files = {k: str((reference / f).resolve()) for k, f in (
            ("reward_db", "reward_db.json"), ("task_vectors", "task_vectors.npz"))}  # fmt: skip
        values["task2sim"] = {"controller": {**files, "unseen": UNSEEN}}
    settings = Path("work/documented") / f"{name}.yaml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(yaml.safe_dump(values))
    targets = [str(results / target) for target in section.targets]
    command = [sys.executable, "-m", "snakemake", "--cores", "all", "--configfile", str(settings)]
    subprocess.run([*command, "--", *targets], check=True)


def write(name: str, section: Section, results: Path, root: Path) -> None:
    """Write the places and pictures of a section into the pages below ``root``."""
    for place_name, place in section.places.items():
        text = place.render(results) + "\n\n" + stamp(name, results / place.source)
        pages = [page for page in documented_pages(root) if place_name in places_of(page)]
        for page in pages:
            replace_place(page, place_name, text)
            print(f"{page.relative_to(root)}: {place_name}")
    for source, picture in section.pictures.items():
        path = root / "docs/pictures" / picture
        if not (results / source).exists():
            print(f"{source} is absent, so {path.relative_to(root)} stays as it is")
        elif path.suffix == Path(source).suffix:
            shutil.copyfile(results / source, path)
        else:
            Image.open(results / source).convert("RGB").save(path, quality=85)
    for source, shipped in section.shipped.items():
        path = root / "config" / shipped
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(results / source, path)
        print(f"{path.relative_to(root)}: {path.stat().st_size / 1e6:.2f} MB")


def stamp(name: str, source: Path) -> str:
    """Return when, where and at which commit figures were made."""
    if name in ("recovery", "first_hour"):
        saved = SAVED_RECOVERY if name == "recovery" else SAVED_FIRST_HOUR
        made = figures.saved_stamp(saved.read_text())
    elif name == "controller":
        made = figures.controller_stamp(SAVED_CONTROLLER.read_text())
    else:
        day = datetime.date.fromtimestamp(source.stat().st_mtime)
        made = f"{day.isoformat()}, {describe_machine()}"
    return f"*`benchmarks/documented.py {name}`: {made}; written at commit {commit()}.*"


def commit() -> str:
    """Return the short name of the commit, with a mark where the code differs from it."""
    made_by = ["Snakefile", "config", "lib", "rules", "workflow_scripts"]
    found, changed = (
        subprocess.run(["git", *words], capture_output=True, text=True, check=False).stdout.strip()
        for words in (["rev-parse", "--short", "HEAD"], ["status", "--porcelain", *made_by])
    )
    return (found or "unknown") + (" with changes" if changed else "")


def documented_pages(root: Path) -> list[Path]:
    """Return the pages that may have places."""
    return [root / "README.md", *sorted((root / "docs").glob("*.md"))]


def places_of(page: Path) -> list[str]:
    """Return the names of the places of a page."""
    return [match[2] for match in MARK.finditer(page.read_text())]


def replace_place(page: Path, name: str, text: str) -> None:
    """Put a text between the marks of a place."""

    def replaced(match: re.Match) -> str:
        return f"{match[1]}{text}\n{match[4]}" if match[2] == name else match[0]

    page.write_text(MARK.sub(replaced, page.read_text()))


if __name__ == "__main__":
    main()
