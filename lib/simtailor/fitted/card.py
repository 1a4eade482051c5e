"""The card of a data set: how it was made, what is in it, and under which licences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simtailor.datasets.hub_cards import OTHER, data_set_header
from simtailor.files import staged
from simtailor.fitted.reading import FittedSet
from simtailor.fitted.scenes import Fit
from simtailor.metasim.settings import Experiment
from simtailor.packages import PACKAGES
from simtailor.render.program.contract import PROGRAM
from simtailor.render.registry import BUILT_IN

NOT_CONVERGED = (
    "**The fit did not converge.** These images may look unlike the target; a detector trained on "
    "them may be worse than one trained on the prior's images."
)
WITHOUT_MASKS = (
    "The renderer gives no masks. So there are images, classes and attributes, and no masks, boxes "
    "or visible shares, and no exports."
)
WITH_MASKS = "Masks and boxes are those of the visible pixels."
WITHOUT_FULL_MASKS = (
    "Full masks of objects that are partly hidden are not there: the renderer gives none."
)
WITH_FULL_MASKS = (
    "Beside them are full masks and boxes, of what would be seen if nothing hid an object, and its "
    "visibility, the share of the full mask that is seen."
)


def licence_of(experiment: Experiment) -> str:
    """Return the licences of what an experiment's renderer shows."""
    contract = experiment.contract
    if contract.needs.packages:
        terms = "; ".join(f"{name}: {PACKAGES[name].licence}" for name in contract.needs.packages)
    elif contract.name in BUILT_IN and contract.name != PROGRAM.name:
        terms = "of this project, Apache-2.0"
    else:
        terms = "those of the renderer's author and of what it shows"
    return f"objects and materials of the renderer '{contract.name}': {terms}"


def write_card(path: str | Path, made: FittedSet, fit: Fit, summary: dict[str, Any]) -> None:
    """Write the card of a data set in Markdown."""
    manifest, counts = made.manifest, summary["classes"]
    beside = [part.replace("_", " ") for part in (*manifest["parts"], "classes", "attributes")]
    beside += ["models"] if manifest["models"] else []
    lines = [
        *data_set_header(made.title, summary["images"], OTHER, ["object-detection"]),
        f"# {made.title}",
        "",
        fit.experiment.description or "Synthetic images with labels.",
        "",
        "![The first images with boxes and masks](sheet.png)",
        "",
        "## How it was made",
        "",
        f"By simtailor, from the results of the experiment `{manifest['experiment']}`: scenes "
        f"drawn from its fitted generator with seed {manifest['seed']}. Renderer: "
        f"{manifest['renderer']}; stage: {_listed(manifest['stage'])}.",
        "",
        f"The fit's verdict: {summary['verdict']}",
        *([] if summary["converged"] else ["", NOT_CONVERGED]),
        "",
        *_attributes(fit),
        "",
        _widened(manifest["widen"], fit),
        "",
        "## What is in it",
        "",
        f"{summary['images']:,} images of {summary['image_size']} x {summary['image_height']} "
        f"pixels in {summary['shards']} shards, {summary['megabytes']} MB. "
        f"{summary['objects']:,} objects: "
        + (", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none is named")
        + ".",
        "",
    ]
    if "masks" in manifest["parts"]:
        lines += [
            f"{summary['objects_seen']:,} objects are seen, {summary['objects_at_edge']:,} of them "
            f"reach the image's edge; {summary['images_without_object']:,} images show none. "
            f"{WITH_MASKS} "
            + (WITH_FULL_MASKS if "full_masks" in manifest["parts"] else WITHOUT_FULL_MASKS),
        ]
    else:
        lines.append(WITHOUT_MASKS)
    lines += [
        "",
        f"Beside the images: {', '.join(beside)}. "
        "The files and their keys: docs/datasets.md of simtailor.",
        "",
        "## Licences",
        "",
        f"{manifest['licence'][0].upper()}{manifest['licence'][1:]}.",
        "",
        "The target images of the fit are not in this data set.",
        "",
    ]  # fmt: skip
    with staged(path) as staging:
        staging.write_text("\n".join(lines))


def _listed(stage: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in stage.items())


def _attributes(fit: Fit) -> list[str]:
    """Return a table of what was fitted."""
    lines = [
        "| attribute | prior | fit | mean, 95 % | spread, 95 % |",
        "|---|---|---|---|---|",
    ]
    for name, row in fit.summary["attributes"].items():
        unit = f" ({row['unit']})" if row["unit"] else ""
        generated = row["generated"] or {}
        cells = [
            f"{name}{unit}",
            *(f"{s['mean']:.4g} ± {s['std']:.3g}" if s else "not to be told"
              for s in (row["prior"], generated)),
            *(f"{ends[0]:.4g} to {ends[1]:.4g}" if ends else "none"
              for ends in (generated.get("mean_95"), generated.get("std_95"))),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _widened(widen: float, fit: Fit) -> str:
    """Return what was done about the fit's uncertainty."""
    if not widen:
        return "The scenes are those of the fit as it is: `widen: 0`."
    text = (
        f"Each attribute is spread by {widen:g} times the standard error of its fitted mean, on "
        "top of the fit's own spread (`widen`)."
    )
    rows = fit.summary["attributes"].items()
    without = [name for name, row in rows if not (row["generated"] or {}).get("mean_95")]
    if without:
        text += (
            f" The fit has no interval of {', '.join(without)}: they are spread as widely as the "
            "prior, where the fit is narrower."
        )
    return text
