"""What the workflow needs to know of a classifier while it is planned; imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simtailor.evaluate.inputs import evaluation_settings

if TYPE_CHECKING:
    from simtailor.config import Configuration

RAW_PIXELS, RANDOM, IMAGENET, SIMULATED = "raw_pixels", "random", "imagenet", "simulated"
ORIGINS = (RAW_PIXELS, RANDOM, IMAGENET, SIMULATED)


def settings_of_a_classifier(configuration: Configuration) -> dict[str, Any]:
    """Return as plain values what a classifier depends on, beside its task and its set."""
    study, evaluation = configuration.task2sim, evaluation_settings(configuration)
    return {
        "classifier": study.classifier.model_dump(mode="json", exclude={"set"}),
        "image_size": evaluation.image_size,
        "knn": evaluation.knn.model_dump(mode="json"),
        "pretrain": study.pretrain.model_dump(
            mode="json", include={"model", "model_options", "image_size"}
        ),
    }
