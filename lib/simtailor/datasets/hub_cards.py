"""What stands first in a card that Hugging Face's tools read, and how models are credited."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import yaml

# The names that the hub has for ranges of numbers of images.
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
LARGEST = "1M<n<10M"
APACHE, OTHER = "apache-2.0", "other"
COLLECTION_END = "#"  # in a model's name; before it stands the collection, which names the author


def data_set_header(title: str, images: int, licence: str, tasks: list[str]) -> list[str]:
    """Return the lines that tell ``datasets.load_dataset(FOLDER)`` which files are the data.

    Args:
        licence: as the hub names it; tasks: that the data are for, as the hub names them.
    """
    values = {
        "pretty_name": title,
        "license": licence,
        "size_categories": [next((name for most, name in SIZES if images < most), LARGEST)],
        "task_categories": tasks,
        "tags": ["synthetic", "webdataset"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "shard-*.tar"}],
            }
        ],
    }
    return _header(values)


def model_header(licence: str) -> list[str]:
    """Return the lines that tell the hub what a folder with a network of timm is."""
    return _header(
        {
            "license": licence,
            "library_name": "timm",
            "pipeline_tag": "image-classification",
            "tags": ["synthetic"],
        }
    )


def _header(values: dict) -> list[str]:
    return ["---", *yaml.safe_dump(values, sort_keys=False).splitlines(), "---", ""]


def credits_of(models: Iterable[str]) -> list[str]:
    """Return a line for each collection that models come from, with the number of its models.

    Args:
        models: names; one with a collection is ``COLLECTION#NAME``.
    """
    counts = Counter(
        name.split(COLLECTION_END)[0] for name in sorted(set(models)) if COLLECTION_END in name
    )
    return [
        f"- {collection}: {count} model{'s' if count > 1 else ''}"
        for collection, count in counts.items()
    ]
