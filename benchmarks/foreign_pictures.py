"""Are distributions recovered from pictures that another renderer drew?

    ./run python -m pip install mitsuba                     # not of the project's environment
    ./run python benchmarks/foreign_pictures.py             # half an hour on two cores
    ./run python benchmarks/foreign_pictures.py --present   # the table of what is there

Mitsuba 3, a path tracer, draws the bracket of examples/bracket: 260 pictures a truth, with another
light, lens and tone curve, glossy materials, a ground of another colour, noise and JPEG. The
workflow is given the mesh and the pictures alone, and fits yaw and place from a wide prior, by the
edges of the pictures and, to compare, by their pixels; and, as ``looks``, by the edges with
exposure, white balance and tint fitted along. Truth 0 was used while the method was written; the
others only report, but 1 and 2 were looked at while the looks were. Rows of every attribute:
foreign_pictures.tsv beside this file.
"""

import argparse
import datetime
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from machine import describe_machine
from PIL import Image

from simtailor.scene.attributes import mean_and_spread, wrapped

ROOT = Path(__file__).parent.parent
TABLE = Path(__file__).with_suffix(".tsv")
MESH = ROOT / "examples/bracket/bracket.glb"
PICTURES, SIZE, SAMPLES = 260, 128, 12
LENGTH, FRAME, LENS = 0.2, 0.5, 52.0  # metres; degrees, where the stage has 50
PERIODS = {"yaw": 360.0, "loc_x": 0.0, "loc_z": 0.0}
GRAMMAR = {
    "object": {
        "class": 0,
        "yaw": "normal(180, 60)",
        "loc_x": "normal(100, 5) max 200",
        "loc_z": "normal(100, 5) max 200",
    }
}

LOOKS = {
    "Camera": {
        "exposure": "normal(1, 0.25) max 4",
        "white_balance": "normal(1, 0.2) max 4",
        "tint": "normal(1, 0.1) max 4",
    }
}
# By the last word of an experiment's name: what is compared, and the prior's file.
KINDS = {
    "edges": ("edges", "pose.yaml"), "pyramid": ("pyramid", "pose.yaml"),
    "looks": ("edges", "looks.yaml"),
}  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """What the pictures are drawn from.

    Attributes:
        pose: mean and spread of yaw (degrees), loc_x and loc_z (cm).
        lamp: its place, metres; colours are linear; noise in levels; JPEG's quality.
    """

    pose: tuple[tuple[float, float], ...]
    lamp: tuple[float, float, float]
    lamp_colour: tuple[float, float, float]
    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
    noise: float
    quality: int


WARM, COOL = (30.0, 26.0, 19.0), (22.0, 26.0, 30.0)
TRUTHS = [
    Truth(
        pose=((80, 12), (103, 3), (98, 3)), lamp=(0.5, 1.2, -0.4), lamp_colour=WARM,
        sky=(0.55, 0.5, 0.42), ground=(0.22, 0.15, 0.09), noise=2, quality=85,
    ),
    Truth(
        pose=((250, 20), (97, 4), (104, 2.5)), lamp=(-0.6, 1.0, 0.5), lamp_colour=WARM,
        sky=(0.3, 0.32, 0.36), ground=(0.35, 0.36, 0.38), noise=4, quality=75,
    ),
    Truth(
        pose=((330, 8), (104, 2), (102, 4)), lamp=(0.2, 1.4, 0.6), lamp_colour=COOL,
        sky=(0.5, 0.5, 0.5), ground=(0.05, 0.09, 0.06), noise=3, quality=80,
    ),
    Truth(
        pose=((150, 15), (98, 3), (96, 3)), lamp=(-0.4, 1.3, -0.5), lamp_colour=COOL,
        sky=(0.4, 0.45, 0.5), ground=(0.5, 0.42, 0.3), noise=2, quality=90,
    ),
]  # fmt: skip


def main() -> None:
    """Draw the pictures, run the workflow for them, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--truths", type=int, default=len(TRUTHS), help="the first so many")
    parser.add_argument("--work", type=Path, default=Path("work/foreign_pictures"))
    parser.add_argument("--cores", default="2")
    parser.add_argument("--present", action="store_true", help="run nothing")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    for file, grammar in (("pose.yaml", GRAMMAR), ("looks.yaml", GRAMMAR | LOOKS)):
        path, text = given.work / file, yaml.safe_dump(grammar)
        if not path.exists() or path.read_text() != text:  # Snakemake goes by times
            path.write_text(text)
    experiments = {}
    for number, truth in enumerate(TRUTHS[: given.truths]):
        folder = given.work / f"truth_{number}"
        poses = draw_poses(number, truth)
        if not given.present:
            photograph(truth, poses, folder)
        for kind, (features, grammar) in KINDS.items():
            experiments[f"foreign_{number}_{kind}"] = {
                "description": "A bracket, photographed by another renderer.",
                "grammar": str(given.work / grammar),
                "target": {"folder": str(folder)},
                "features": {"kind": features},
                "stage": {
                    "file": "examples/bracket/stage.yaml", "frame_width": FRAME, "image_size": 64,
                },
            }  # fmt: skip
    results = given.work / "results"
    if not given.present:
        settings = given.work / "configuration.yaml"
        content = {"results": str(results), "metasim": {"experiments": experiments}}
        settings.write_text(yaml.safe_dump(content))
        targets = [str(results / "metasim" / name) for name in experiments]
        command = [sys.executable, "-m", "snakemake", "--cores", given.cores, "--keep-going"]
        subprocess.run(
            [*command, "--configfile", str(settings), "--", *targets], check=True, cwd=ROOT
        )
    rows = pd.DataFrame(
        [row for name in experiments for row in rows_of(name, results / "metasim" / name)]
    )
    rows.to_csv(TABLE, sep="\t", index=False, float_format="%.4g")
    TABLE.with_suffix(".md").write_text(report(rows))
    print(TABLE.with_suffix(".md"))


def draw_poses(number: int, truth: Truth) -> np.ndarray:
    """Return yaw, loc_x and loc_z of every picture, [n, 3]."""
    random = np.random.default_rng(7 + number)
    return np.stack([random.normal(mean, spread, PICTURES) for mean, spread in truth.pose], 1)


def photograph(truth: Truth, poses: np.ndarray, folder: Path) -> None:
    """Draw all pictures by Mitsuba into a folder; those that are there stay."""
    import mitsuba
    import trimesh

    mitsuba.set_variant("scalar_rgb")
    folder.mkdir(parents=True, exist_ok=True)
    transform = mitsuba.ScalarTransform4f
    scene = trimesh.load(MESH)
    upright = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], float)  # z up to y up
    parts = [(part, part.vertices @ upright.T) for part in scene.dump(concatenate=False)]
    places = np.concatenate([vertices for _, vertices in parts])
    low, high = places.min(0), places.max(0)
    scale = LENGTH / (high - low).max()
    files = []
    for number, (part, vertices) in enumerate(parts):
        mesh = trimesh.Trimesh((vertices - (low + high) / 2) * scale, part.faces, process=False)
        path = folder.parent / f"part_{number}.ply"
        mesh.export(path)
        colour = np.asarray(part.visual.face_colors[0][:3]) / 255
        files.append((path, (colour**2.2).tolist()))
    height = FRAME / 2 / np.tan(np.radians(25))
    for number, (yaw, loc_x, loc_z) in enumerate(poses):
        picture = folder / f"{number:04d}.jpg"
        if picture.exists():
            continue
        above = (high - low)[1] * scale / 2
        pose = transform().translate([(100 - loc_x) / 100, above, (loc_z - 100) / 100])
        pose = pose.rotate([0, 1, 0], -yaw)
        world = {
            "type": "scene",
            "integrator": {"type": "path", "max_depth": 5},
            "sensor": {
                "type": "perspective",
                "fov": LENS,
                "to_world": transform().look_at([0, height, 0], [0, 0, 0], [0, 0, -1]),
                "film": {"type": "hdrfilm", "width": SIZE, "height": SIZE},
                "sampler": {"type": "independent", "sample_count": SAMPLES},
            },
            "sky": {"type": "constant", "radiance": _rgb(truth.sky)},
            "lamp": {
                "type": "sphere",
                "center": list(truth.lamp),
                "radius": 0.12,
                "emitter": {"type": "area", "radiance": _rgb(truth.lamp_colour)},
            },
            "ground": {
                "type": "rectangle",
                "to_world": transform().rotate([1, 0, 0], -90),
                "bsdf": _glossy(truth.ground, 0.3),
            },
        }
        for place, (path, colour) in enumerate(files):
            world[f"part_{place}"] = {
                "type": "ply", "filename": str(path), "face_normals": True, "to_world": pose,
                "bsdf": _glossy(colour, 0.2),
            }  # fmt: skip
        light = np.array(mitsuba.render(mitsuba.load_dict(world), seed=number))[..., :3] * 0.9
        curve = light / (1 + 0.3 * light)
        noise = np.random.default_rng(number).normal(0, truth.noise, curve.shape)
        levels = (curve.clip(0, 1) ** (1 / 2.2) * 255 + noise).clip(0, 255).astype(np.uint8)
        staging = picture.with_suffix(".part")
        Image.fromarray(levels).save(staging, format="JPEG", quality=truth.quality)
        staging.rename(picture)


def _rgb(colour: tuple[float, ...] | list[float]) -> dict:
    return {"type": "rgb", "value": list(colour)}


def _glossy(colour: tuple[float, ...] | list[float], roughness: float) -> dict:
    return {"type": "roughplastic", "alpha": roughness, "diffuse_reflectance": _rgb(colour)}


def rows_of(name: str, folder: Path) -> list[dict]:
    """Return how well each attribute was recovered; none where nothing is there."""
    path = folder / "summary.json"
    if not path.exists():
        return []
    summary = json.loads(path.read_text())
    _, number, features = name.split("_")
    poses = draw_poses(int(number), TRUTHS[int(number)])
    rows = []
    for place, (attribute, period) in enumerate(PERIODS.items()):
        mean, spread = mean_and_spread(poses[:, place], period)
        found = next(
            row["generated"]
            for key, row in summary["attributes"].items()
            if key.split()[0].endswith(attribute)
        )
        row = {
            "truth": int(number), "features": features, "attribute": attribute,
            "true_mean": mean, "mean": found["mean"],
            "error": abs(float(wrapped(np.array(found["mean"] - mean), period))) / spread,
            "true_spread": spread, "spread": found["std"],
            "ratio": found["std"] / spread,
            "misfit": summary["held_out_mmd"]["misfit"], "seconds": summary["seconds"],
        }  # fmt: skip
        for key, true in (("mean", mean), ("std", spread)):
            row[f"{key}_holds"] = holds(found[f"{key}_95"], true, period if key == "mean" else 0.0)
        rows.append(row)
    return rows


def holds(ends: list[float] | None, true: float, period: float) -> bool | None:
    """Return whether an interval holds the truth; None where none is stated."""
    if ends is None:
        return None
    low, high = ends
    return abs(float(wrapped(np.array(true - (low + high) / 2), period))) <= (high - low) / 2


def report(rows: pd.DataFrame) -> str:
    """Return the page."""
    lines = [
        "# Pictures of another renderer",
        "",
        f"`./run python benchmarks/foreign_pictures.py`, {datetime.date.today()}, "
        f"{describe_machine()}. {PICTURES} pictures a truth, one seed. Truth 0 was looked at while "
        "the method was written, 1 and 2 while looks were. `looks` compares edges and the mean "
        "colour, and fits exposure, white balance and tint along.",
        "",
        "| truth | features | attribute | true | recovered | error of the mean, spreads | "
        "ratio of spreads | 95 % of the mean holds | of the spread |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    words = {True: "yes", False: "no", None: "not stated"}
    for row in rows.to_dict("records"):
        lines.append(
            f"| {row['truth']} | {row['features']} | {row['attribute']} | "
            f"{row['true_mean']:.1f} ± {row['true_spread']:.1f} | "
            f"{row['mean']:.1f} ± {row['spread']:.1f} | {row['error']:.2f} | {row['ratio']:.2f} | "
            f"{words[row['mean_holds']]} | {words[row['std_holds']]} |"
        )
    reported = rows[rows.truth > 0]
    for features, some in reported.groupby("features"):
        stated = [v for key in ("mean_holds", "std_holds") for v in some[key] if v is not None]
        lines += [
            "",
            f"Truths that only report, by `{features}`: error of the mean in the middle "
            f"{some.error.median():.2f} spreads, at worst {some.error.max():.2f}; ratio of the "
            f"spreads {some.ratio.min():.2f} to {some.ratio.max():.2f}; {sum(stated)} of "
            f"{len(stated)} intervals hold (of {2 * len(some)} numbers).",
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
