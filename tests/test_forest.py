"""Forests from the air: the renderer, textures, and a large picture as a target."""

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from simtailor.errors import UserError
from simtailor.fitted.objects import SceneObjects
from simtailor.metasim.features.textures import Textures
from simtailor.metasim.settings import Experiment, LargePicture
from simtailor.metasim.target_picture import read_picture
from simtailor.render.creation import create_renderer
from simtailor.render.forest.contract import FOREST
from simtailor.render.forest.planting import NEAREST, planted
from simtailor.render.forest.renderer import USUAL, marked
from simtailor.scene.grammar import Grammar
from simtailor.scene.short_form import expanded
from simtailor.seeds import generator

PLAIN = {
    "Forest": {"density": "uniform(60, 200) max 500", "crown": "uniform(3, 6) max 12"},
    "Light": {"azimuth": 90, "elevation": "40 max 90"},
}


def forest(**changes):
    tree = {node: dict(values) for node, values in PLAIN.items()}
    for name, value in changes.items():
        node, _, attribute = name.partition("__")
        tree.setdefault(node, {})[attribute] = value
    attributes = FOREST.attributes
    return Grammar(expanded(tree, attributes, "test"), "test", attributes)


def drawn(grammar, count=4, size=64, width=26.0, seed=0, **parts):
    with create_renderer("forest", image_size=size, frame_width=width) as renderer:
        return renderer.render(grammar.sample(count, generator(seed, "test")), **parts)


def test_images_and_masks_show_the_same_trees_at_any_size():
    small, large = (drawn(forest(), size=size, masks=True) for size in (48, 96))
    trees = small.masks.max((1, 2)).astype(int), large.masks.max((1, 2)).astype(int)
    assert trees[0].min() >= 1
    assert np.abs(trees[0] - trees[1]).max() <= 1  # one at the edge or the limit may differ
    covered = [(r.masks > 0).mean((1, 2)) for r in (small, large)]
    assert np.abs(covered[0] - covered[1]).max() < 0.03
    means = [r.images.mean((1, 2, 3)) for r in (small, large)]
    assert np.abs(means[0] - means[1]).max() < 8


def test_what_an_attribute_says_is_seen():
    def cover(**changes):
        return (drawn(forest(**changes), 6, masks=True).masks > 0).mean()

    assert cover(Forest__density="300 max 500") > 1.8 * cover(Forest__density="80 max 500")
    assert cover(Forest__crown="7 max 12") > 1.8 * cover(Forest__crown="4 max 12")
    bright, dark = (
        drawn(forest(Camera__exposure=f"{value} max 4"), 2).images.mean() for value in (1.4, 0.7)
    )
    assert bright > 1.2 * dark


def test_shadows_lie_on_the_side_that_the_sun_is_not():
    low = drawn(forest(Light__elevation="30 max 90", Forest__density="25 max 500"), 12, masks=True)
    dark = low.images.mean(3) < 0.62 * np.median(low.images.mean(3), (1, 2), keepdims=True)
    sides = []
    for shade, mask in zip(dark, low.masks, strict=True):
        for number in np.unique(mask)[1:]:
            columns, rows = np.nonzero((mask == number).any(0))[0], (mask == number).any(1)
            ground = shade & (mask == 0)
            sides.append(
                ground[rows][:, max(columns[0] - 8, 0) : columns[0]].sum()
                - ground[rows][:, columns[-1] + 1 : columns[-1] + 9].sum()
            )
    assert np.sum(sides) > 0  # the sun is on the right, at 90 degrees


def test_a_pixel_is_the_mean_of_its_samples_and_haze_makes_shadows_blue():
    grammar = forest()
    scenes = grammar.sample(2, generator(0, "test"))
    images = {}
    for name, size, samples in (("soft", 48, 2), ("large", 96, 1)):
        with create_renderer(
            "forest", image_size=size, frame_width=26.0, samples=samples
        ) as renderer:
            images[name] = renderer.render(scenes).images.astype(float)
    means = images["large"].reshape(2, 48, 2, 48, 2, 3).mean((2, 4))
    assert np.abs(images["soft"] - means).max() <= 0.5
    clear, hazy = (
        drawn(forest(Camera__haze=f"{haze} max 0.3"), 2).images.astype(float) for haze in (0, 0.06)
    )
    dark = clear.mean(3) < np.quantile(clear.mean(3), 0.05)
    assert hazy[dark][:, 2].mean() > hazy[dark][:, 0].mean() + 20
    assert clear[dark][:, 2].mean() < clear[dark][:, 0].mean() + 20


def test_trees_have_room_and_density_is_what_it_says():
    values = USUAL["Forest"] | {"density": 100.0, "saplings": 0.0, "clustering": 0.8}
    all_trees = [planted(values, 60.0, 10.0, np.random.default_rng(i)) for i in range(12)]
    assert np.mean([len(t.radius) for t in all_trees]) == pytest.approx(64, rel=0.15)
    for trees in all_trees:
        away = np.hypot(*(trees.place[:, None] - trees.place[None]).transpose(2, 0, 1))
        room = 2 * NEAREST * (trees.radius[:, None] + trees.radius)
        assert (away + 1e3 * np.eye(len(away)) >= room - 1e-6).all()


def test_trees_that_are_hardly_seen_are_not_marked():
    numbers = np.zeros((20, 20), np.uint16)
    numbers[5:15, 5:15] = 1
    numbers[5, 5] = 2  # all else of it is hidden
    numbers[0, 0:9] = 3  # cut by the edge, so that most lies outside
    mask = marked(numbers, np.array([100.0, 100.0, 100.0]), 0.5)
    assert mask[10, 10] == 1 and mask[5, 5] == 0 and mask[0, 0] == 2


def test_scattered_trees_are_the_objects_of_a_data_set():
    objects = SceneObjects.of(forest(), FOREST)
    assert objects.classes == ("tree",) and objects.scattered
    objects.check(np.full((1, 2, 2), 200, np.uint8), "forest")  # no limit by the grammar's nodes


def test_textures_do_not_mind_place_but_turning_and_colour():
    image = torch.from_numpy(drawn(forest(), 6).images).permute(0, 3, 1, 2).float() / 255
    textures = Textures()

    def distances(other):
        pairs = zip(textures(image), textures(other), strict=True)
        return np.array([float((a - b).norm(dim=1).mean()) for a, b in pairs])

    rolled = distances(torch.roll(image, (16, 32), (2, 3)))
    turned = distances(image.rot90(2, (2, 3)))
    assert turned[4] > 1.3 * rolled[4]  # the sides of edges that are dark
    assert distances(image.flip(1))[0] > 3 * rolled[0]
    assert distances(1.2 * image)[1] > 3 * rolled[1]


def test_textures_tell_large_parts_from_small_ones_that_cover_as_much():
    rows, columns = np.indices((64, 64))
    spectra = []
    for edge in (4, 16):  # a checkerboard of dark squares
        board = ((rows // edge + columns // edge) % 2).astype(np.float32)
        image = torch.from_numpy(np.repeat(board[None, None], 3, 1))
        spectra.append(Textures()(image)[-1].numpy()[0].reshape(2, -1))
    small, large = spectra
    assert (small.argmax(1) == 1).all()  # the square of 5 pixels is the first that takes 4 away
    assert (large.argmax(1) == 3).all()  # that of 17 takes 16 away


def test_textures_have_finite_gradients_for_a_blank_picture():
    image = torch.full((1, 3, 32, 32), 0.5, requires_grad=True)
    sum(level.sum() for level in Textures()(image)).backward()
    assert torch.isfinite(image.grad).all()


def test_a_large_picture_is_cut_into_squares_side_by_side(tmp_path):
    values = np.arange(24, dtype=np.uint8).repeat(10).reshape(1, -1)
    image = np.repeat(np.repeat(values, 25, 0)[..., None], 3, 2)  # 240 wide, 25 high
    Image.fromarray(image).save(tmp_path / "map.png")
    picture = LargePicture(file=str(tmp_path / "map.png"), edge=10)
    target = read_picture(picture, tmp_path, 8, 100, 0)
    assert target.images.shape == (48, 8, 8, 3)
    assert target.images[:24, 4, 4, 0].tolist() == list(range(24))
    assert len(read_picture(picture, tmp_path, 8, 30, 0).images) == 30


def test_a_picture_that_is_too_small_or_absent_is_named(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "map.png")
    with pytest.raises(UserError, match=r"map\.png.*4 squares of 20.*target\.picture\.edge"):
        read_picture(LargePicture(file=str(tmp_path / "map.png"), edge=20), tmp_path, 8, 9, 0)
    with pytest.raises(UserError, match=r"none\.png: target\.picture\.file"):
        read_picture(LargePicture(file=str(tmp_path / "none.png"), edge=20), tmp_path, 8, 9, 0)


def test_the_shipped_experiment_is_whole():
    with open("config/experiments/tree_crowns.yaml") as file:
        experiment = Experiment.model_validate(yaml.safe_load(file))
    assert experiment.contract.scattered == "tree"
    assert experiment.target.packages == ["deepforest"]
    assert len(experiment.read_grammar(experiment.grammar).layout.entries()) == 12


def test_a_large_picture_of_16_bits_lies_on_its_side_and_is_read_as_it_is_meant(tmp_path):
    values = np.repeat(np.arange(24, dtype=np.uint16).repeat(10)[:, None] * 1000, 25, 1)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the rows go down from the right
    Image.fromarray(values[:, ::-1]).save(tmp_path / "map.png", exif=exif)
    picture = LargePicture(file=str(tmp_path / "map.png"), edge=10)
    target = read_picture(picture, tmp_path, 8, 100, 0)
    levels = target.images[:24, 4, 4, 0].astype(int)
    assert len(target.images) == 48 and abs(np.diff(levels)).min() >= 9  # nothing is cut off
    assert any("EXIF" in note for note in target.notes)
    assert any("16 bits" in note for note in target.notes)
    with pytest.raises(UserError, match=r"map\.png.*more than target\.most_pixels"):
        read_picture(picture, tmp_path, 8, 100, 0, most_pixels=5000)
