"""What a classifier is worth, in sentences: only what the test images show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simtailor.classifier.inputs import IMAGENET

# Ways by name, in words.
WORDS = {
    "raw_pixels": "raw pixels",
    "random_head": "a head on random weights",
    "scratch": "the same network from scratch",
    "simulated_head": "a head on the simulated backbone",
    "simulated_fine_tuned": "the simulated backbone, fine-tuned",
    "imagenet_head": "a head on the packaged ImageNet network",
    "imagenet_fine_tuned": "the packaged ImageNet network, fine-tuned",
}
SIMPLER = ("raw_pixels", "random_head", "scratch")


def sentences(summary: Mapping[str, Any]) -> list[str]:
    """Return sentences on the content of summary.json."""
    found = [_accuracy(summary), _set(summary), _simpler(summary), _imagenet(summary)]
    return [sentence for sentence in [*found, _images(summary)] if sentence]


def _accuracy(summary: Mapping[str, Any]) -> str:
    name, count = summary["classifier"], summary["images"]["test"]
    mean = "" if summary["even"] else ", the mean over the classes"
    return (
        f"{WORDS[name].capitalize()}, chosen by the validation part: {summary['test']:.1f} % of "
        f"{count:,} test images that chose nothing (standard error "
        f"{summary['standard_error']:.1f}{mean}; chance {summary['chance']:.1f} %)."
    )


def _set(summary: Mapping[str, Any]) -> str:
    simulated = summary["simulated_set"]
    if simulated["why"] is None:
        return f"The set {simulated['set']} was given, not recommended."
    return f"The set {simulated['set']} is the recommended one: {simulated['why']}."


def _simpler(summary: Mapping[str, Any]) -> str:
    groups: dict[str, list[str]] = {}
    for name in SIMPLER:
        row = summary["ways"][name]
        groups.setdefault(_compared(row), []).append(f"{WORDS[name]} ({_gain(row)})")
    said = [f"{words} {', '.join(names)}" for words, names in groups.items()]
    text = "; ".join(said)
    return f"It is {text}."


def _imagenet(summary: Mapping[str, Any]) -> str:
    name = summary["imagenet"]
    row = summary["ways"][name]
    what, compared = f"{WORDS[name]} ({row['test']:.1f} %, {_gain(row)})", _compared(row)
    if compared == WORSE:
        return (
            f"It is worse than {what}: unless photographs may not be used, take that one; it is in "
            f"the folder {IMAGENET}."
        )
    return f"It is {compared} {what}."


BETTER, WORSE, ALIKE = "better than", "worse than", "not surely different from"


def _compared(row: Mapping[str, Any]) -> str:
    low, high = row["gain_interval_95"]
    return BETTER if low > 0 else WORSE if high < 0 else ALIKE


def _gain(row: Mapping[str, Any]) -> str:
    low, high = row["gain_interval_95"]
    return f"{row['gain']:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f}"


def _images(summary: Mapping[str, Any]) -> str:
    images = summary["images"]
    used = images["train"] + images["test"]
    if used >= images["in_source"]:
        return ""
    return (
        f"Only {used:,} of the {images['in_source']:,} images were used "
        "(task2sim.tasks.most_images)."
    )
