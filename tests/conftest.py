"""A copy of the project to run the workflow in, a small configuration, and drawn digits."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

# Test processes run side by side: more threads in each would wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import numpy as np
import pytest
import torch
import yaml
from PIL import Image, ImageDraw, ImageFont
from warm_snakemake import run_warm

torch.set_num_threads(1)
# Tests that are begun in a shell's background ignore Ctrl-C, and so would the runs that they start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# How long an example takes says more of what else runs on the machine than of the code.
hypothesis.settings.register_profile("without deadline", deadline=None)
hypothesis.settings.load_profile("without deadline")

ROOT = Path(__file__).parent.parent
PARTS = ("Snakefile", "rules", "workflow_scripts", "config", "profiles", "envs", "docs", "run",
         "slurm", "pyproject.toml", "constraints.txt")  # fmt: skip

SMALL = {
    "target": {"images": 60},
    "stage": {"image_size": 32},
    "training": {
        "image_size": 32,
        "epochs": 6,
        "scenes_per_epoch": 20,
        "batch_size": 20,
        "validation_scenes": 10,
        "search": {"rounds": 2, "candidates": 8, "images": 10},
    },
    "evaluation": {"scenes": 200, "key_epochs": 3, "saved_images": 4},
}

KERNELS = "renderer-cpu.txt"  # says that they are compiled

# The files that take longest, longest first: begun last, one would keep its process at work
# while the others have nothing left.
LONGEST = (
    "test_study", "test_workflow", "test_simulation_workflow", "test_controller_explore",
    "test_recovery", "test_pretrain", "test_launcher", "test_gpu_check", "test_controller_policies",
    "test_tasks_workflow", "test_classifier_workflow", "test_plan", "test_bring_your_own",
    "test_controller_workflow", "test_stages_on_cuda", "test_unity_experiment", "test_digits",
    "test_training", "test_search", "test_heads", "test_raycast",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    """Put the files that take longest first."""
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))


class Project:
    """A copy of the project in a temporary folder."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder, self.cache = folder, cache
        folder.mkdir(parents=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_symlink():
                (folder / part).symlink_to(source.readlink())
            elif source.is_dir():
                shutil.copytree(source, folder / part)
            else:
                shutil.copy(source, folder / part)

    def configure(self, experiments: dict, **values: object) -> None:
        """Write small.yaml, a second configuration file."""
        values = {"resources": str(self.cache), **values, "metasim": {"experiments": experiments}}
        (self.folder / "small.yaml").write_text(yaml.safe_dump(values))

    def command(self, *targets: str, options: tuple[str, ...] = (), cores: int = 2) -> list[str]:
        """Return the arguments of a Snakemake run."""
        if (self.folder / "small.yaml").exists():
            options = (*options, "--configfile", "small.yaml")
        return ["snakemake", "--cores", str(cores), *options, "--", *targets]

    def snakemake(
        self, *targets: str, options: tuple[str, ...] = (), cores: int = 2
    ) -> subprocess.CompletedProcess:
        """Run Snakemake to its end."""
        return run_warm(self.command(*targets, options=options, cores=cores), self.folder)

    def make(self, *targets: str, cores: int = 2) -> subprocess.CompletedProcess:
        """Make targets, and fail the test with Snakemake's own words if that fails."""
        finished = self.snakemake(*targets, cores=cores)
        assert finished.returncode == 0, finished.stderr[-4000:]
        return finished

    def launch(self, *arguments: str) -> subprocess.Popen:
        """Start ./run in a process group of its own, with the environment of the tests."""
        venv = self.folder / "venv"
        if not venv.exists():
            # An environment that is up to date, so that the launcher does not install one.
            venv.mkdir()
            for part in ("bin", "lib", "pyvenv.cfg"):  # Python knows an environment by the last
                if (Path(sys.prefix) / part).exists():
                    (venv / part).symlink_to(Path(sys.prefix) / part)
            files = "cat pyproject.toml constraints.txt | cksum > venv/simtailor.stamp"
            subprocess.run(files, shell=True, cwd=self.folder, check=True)
        return subprocess.Popen(
            ["bash", "./run", *arguments],
            cwd=self.folder,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "SIMTAILOR_VENV": str(venv)},
        )


def copied(project: Project, folder: Path) -> Project:
    """Return a copy of a project with all that it made."""
    copy = Project(folder / "copy", project.cache)
    shutil.rmtree(copy.folder)
    shutil.copytree(project.folder, copy.folder, symlinks=True)
    return copy


@pytest.fixture(scope="session")
def kernel_cache(tmp_path_factory):
    """A cache for all workflow runs of a process, with kernels compiled once a test session."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    compiled = shared / "compiled"
    with open(shared / "compiled.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (compiled / KERNELS).exists():
            project = Project(tmp_path_factory.mktemp("compiling") / "project", compiled)
            project.configure({}, device="cpu")
            project.make(str(compiled / KERNELS))
    cache = tmp_path_factory.mktemp("resources")
    for made in compiled.iterdir():
        (cache / made.name).symlink_to(made)
    return cache


@pytest.fixture
def project(tmp_path, kernel_cache):
    """A fresh copy of the project."""
    return Project(tmp_path / "project", kernel_cache)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, kernel_cache):
    """A project whose small tyol_1attr is made, to look at only."""
    project = Project(tmp_path_factory.mktemp("finished") / "project", kernel_cache)
    project.configure({"tyol_1attr": SMALL})
    project.make("results/metasim/tyol_1attr")
    return project


def write_idx(path: Path, values: np.ndarray) -> None:
    """Write an array as an IDX file."""
    code = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}[values.dtype.str[1:]]
    header = bytes([0, 0, code, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    path.write_bytes(header + values.astype(values.dtype.newbyteorder(">")).tobytes())


def draw_digits(folder: Path, a_class: int = 40) -> Path:
    """Write files like MNIST's into ``folder``: digits of a font, each a little different."""
    folder.mkdir(parents=True)
    for seed, name in enumerate(("train", "t10k")):
        rng = np.random.default_rng(seed)
        labels = rng.permutation(np.repeat(np.arange(10), a_class)).astype(np.uint8)
        images = np.zeros((len(labels), 28, 28), np.uint8)
        for image, label in zip(images, labels, strict=True):
            picture = Image.new("L", (28, 28))
            font = ImageFont.load_default(size=int(rng.integers(19, 24)))
            place = tuple(14 + rng.uniform(-1.5, 1.5, 2))
            ImageDraw.Draw(picture).text(place, str(label), fill=255, font=font, anchor="mm")
            image[:] = picture
        write_idx(folder / f"{name}-images-idx3-ubyte", images)
        write_idx(folder / f"{name}-labels-idx1-ubyte", labels)
    return folder


@pytest.fixture(scope="session")
def digits_cache(tmp_path_factory):
    """A cache that holds drawn digits in place of MNIST."""
    cache = tmp_path_factory.mktemp("digits")
    draw_digits(cache / "packages" / "mnist")
    return cache


def write_task(
    folder: Path, name: str, images: np.ndarray, labels: np.ndarray, train_share: float
) -> Path:
    """Write images uint8 [N, S, S, 3] as a prepared task; the first ones are for training."""
    from simtailor.tasks.prepared import PreparedTask  # noqa: PLC0415

    classes = [f"class {label}" for label in np.unique(labels)]
    facts = {"name": name, "title": name, "classes": classes, "image_size": images.shape[1]}
    split = np.split(np.arange(len(images)), [round(train_share * len(images))])
    PreparedTask(facts, images, labels.astype(np.int64), *split).write(folder)
    return folder
