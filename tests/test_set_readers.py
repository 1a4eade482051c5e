"""Simulated sets as other tools read them, alone and several together."""

import json
from itertools import product

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from studio import small_catalogue
from test_sets import NAME, make

from simtailor.datasets.coco import export_coco, run_lengths
from simtailor.files import read_json, write_json
from simtailor.simulation.card import write_card
from simtailor.simulation.exported import first_number
from simtailor.simulation.machine import Machine
from simtailor.simulation.parameters import SimulationParameters, enumerate_parameters
from simtailor.simulation.reading import SimulatedSet

OTHER = "0_0_0_0_0_1_0_0_0"


@pytest.fixture(scope="module")
def sets(tmp_path_factory, kernel_cache):
    """Two sets of a study."""
    machine, catalogue = Machine("cpu", 1, str(kernel_cache)), small_catalogue()
    folder = tmp_path_factory.mktemp("sets")
    return [make(folder / name, machine, catalogue, name)[0] for name in (NAME, OTHER)]


@pytest.fixture(scope="module")
def made(sets):
    """One of them."""
    return sets[0]


def test_webdataset_reads_a_set(made):
    import webdataset  # noqa: PLC0415

    urls = [str(shard) for shard in made.shards]
    data = webdataset.WebDataset(urls, shardshuffle=False).decode("pil")
    read = list(data.to_tuple("jpg", "mask.png", "json"))
    assert len(read) == 50
    for (image, mask, annotation), sample in zip(read, made.samples(), strict=True):
        assert (np.asarray(image) == sample.image).all()
        assert (np.asarray(mask.convert("1")) == sample.mask).all()
        assert annotation == sample.annotation


@pytest.mark.parametrize("by_card", [True, False])
def test_hugging_face_datasets_read_a_set(made, tmp_path, by_card):
    """By its folder, whose card says which files are data, or by its shards."""
    import datasets  # noqa: PLC0415

    datasets.disable_progress_bars()
    files = {"train": [str(shard) for shard in made.shards]}
    what = {"path": str(made.folder)} if by_card else {"path": "webdataset", "data_files": files}
    data = datasets.load_dataset(**what, split="train", cache_dir=str(tmp_path))
    assert len(data) == 50
    for row, sample in zip(data, made.samples(), strict=True):
        assert (np.asarray(row["jpg"]) == sample.image).all()
        assert (np.asarray(row["mask.png"].convert("1")) == sample.mask).all()
        assert row["json"]["label"] == sample.annotation["label"]


def test_the_card_of_a_set_says_its_licence_and_credits_the_models_shown(made):
    card = (made.folder / "README.md").read_text()
    header = yaml.safe_load(card.split("---")[1])
    assert header["license"] == "apache-2.0"  # all assets are the project's own
    assert header["size_categories"] == ["n<1K"]
    assert "`pose_rot` 1" in card
    assert "Models by collection" not in card
    manifest = {**made.manifest, "packs": ["builtin", "sweethome3d"]}
    write_json(made.folder / "manifest.json", manifest)
    path, summary = made.folder / "other.md", read_json(made.folder / "summary.json")
    shown = ["Jane Doe CC-BY#chair", "Jane Doe CC-BY#table", "mug"]
    write_card(path, SimulatedSet(made.folder), summary, shown)
    write_json(made.folder / "manifest.json", made.manifest)
    card = path.read_text()
    path.unlink()
    assert yaml.safe_load(card.split("---")[1])["license"] == "other"
    assert "CC-BY-3.0" in card
    assert "- Jane Doe CC-BY: 2 models\n" in card


def test_timm_reads_a_set(made):
    from simtailor.torchvision_compat import import_torchvision  # noqa: PLC0415

    import_torchvision()
    from timm.data import create_dataset  # noqa: PLC0415

    data = create_dataset("wds/simtailor", root=str(made.folder), split="train", batch_size=1)
    read = list(data)
    assert len(data) == len(read) == 50
    images, labels = made.load()
    assert [target for _, target in read] == labels.tolist()
    assert (np.asarray(read[7][0]) == images[7]).all()


def test_pycocotools_reads_the_export(made, tmp_path):
    from pycocotools.coco import COCO  # noqa: PLC0415

    export_coco(made, tmp_path / "coco")
    coco = COCO(tmp_path / "coco/annotations.json")
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == made.classes
    samples = list(made.samples())
    assert len(coco.getImgIds()) == len(samples)
    for number, sample in zip(coco.getImgIds(), samples, strict=True):
        image = coco.loadImgs(number)[0]
        read = np.asarray(Image.open(tmp_path / "coco/images" / image["file_name"]))
        assert (read == sample.image).all()
        (annotation,) = coco.loadAnns(coco.getAnnIds(imgIds=number))
        assert (coco.annToMask(annotation) == sample.mask).all()
        assert annotation["area"] == sample.mask.sum()
        assert annotation["bbox"] == sample.annotation["box"]
        assert annotation["category_id"] == sample.annotation["label"] + 1


@settings(deadline=None)  # the first example imports pycocotools
@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_run_lengths_are_those_of_coco(height, width, data):
    from pycocotools import mask as coco_mask  # noqa: PLC0415

    bits = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = np.array(bits).reshape(height, width)
    encoded = {"size": [height, width], "counts": run_lengths(mask)}
    decoded = coco_mask.decode(coco_mask.frPyObjects(encoded, height, width))
    assert (decoded.astype(bool) == mask).all()


# Several sets


def test_merged_exports_of_two_sets_have_no_number_or_name_twice(sets, tmp_path):
    from pycocotools.coco import COCO  # noqa: PLC0415

    exports = []
    for made in sets:
        export_coco(made, tmp_path / made.manifest["parameters"])
        exported = read_json(tmp_path / made.manifest["parameters"] / "annotations.json")
        exports.append(exported)
        assert exported["categories"] == exports[0]["categories"]
        licences = {entry["id"]: entry["name"] for entry in exported["licenses"]}
        assert {image["license"] for image in exported["images"]} == set(licences)
        assert "builtin: of this project, Apache-2.0" in licences[1]
        made_by = {key: made.manifest[key] for key in ("parameters", "seed", "packs", "renderer")}
        assert made_by.items() <= exported["info"].items()
        assert exported["info"]["version"].startswith("simtailor ")
    merged = {
        key: [entry for exported in exports for entry in exported[key]]
        for key in ("images", "annotations")
    } | {"categories": exports[0]["categories"]}
    assert len({image["file_name"] for image in merged["images"]}) == 100
    (tmp_path / "merged.json").write_text(json.dumps(merged))
    coco = COCO(tmp_path / "merged.json")  # holds images and annotations by number
    assert len(coco.imgs) == len(coco.anns) == 100
    for image in coco.loadImgs(coco.getImgIds()):
        (annotation,) = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
        assert coco.annToMask(annotation).sum() == annotation["area"]


def test_numbers_of_sets_never_meet_and_are_exact_everywhere():
    seeds = (0, 1, 2, 2**19 - 1)
    values = dict.fromkeys(SimulationParameters().as_dict(), (0, 1)) | {"materials": range(4)}
    every = list(enumerate_parameters(values))
    numbers = sorted(first_number(p, s) for p, s in product(every, seeds))
    assert len(every) == 1024
    assert min(np.diff(numbers)) >= 2**24
    assert numbers[0] == 1
    assert numbers[-1] + 2**24 - 2 < 2**53  # a set's last image


def test_keys_of_webdataset_are_those_of_one_set(sets):
    import webdataset  # noqa: PLC0415

    shards = [str(shard) for made in sets for shard in made.shards]
    keys = [sample["__key__"] for sample in webdataset.WebDataset(shards, shardshuffle=False)]
    assert len(set(keys)) == len(keys) == 100


def test_more_workers_than_shards_read_every_image_once(made):
    """As docs/simulated_sets.md says: without ``empty_check=False`` the workers left over stop."""
    import webdataset  # noqa: PLC0415
    from torch.utils.data import DataLoader  # noqa: PLC0415

    shards = [str(shard) for shard in made.shards]
    assert len(shards) < 8
    data = webdataset.WebDataset(shards, shardshuffle=len(shards), empty_check=False)
    loader = DataLoader(data.shuffle(100).decode("rgb8").to_tuple("__key__"), None, num_workers=8)
    assert sorted(key for (key,) in loader) == [sample.key for sample in made.samples()]
