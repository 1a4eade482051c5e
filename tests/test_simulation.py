"""Scenes drawn from simulation parameters: each parameter does what it should, and no more."""

from dataclasses import replace

import numpy as np
import pytest
from studio import small_catalogue, small_pack

from simtailor.assets.arrays import write_pack
from simtailor.assets.content import AssetPack, Category, Model, Sky
from simtailor.assets.environments import soft_room
from simtailor.assets.mesh import Material, box, join
from simtailor.boxes import boxes_of
from simtailor.errors import UserError
from simtailor.simulation.catalogue import merge_packs, read_catalogue
from simtailor.simulation.parameters import PARAMETER_NAMES, SimulationParameters
from simtailor.simulation.sampler import Sampler
from simtailor.simulation.studio import Studio
from simtailor.simulation.taking import VISIBLE_SHARE

COUNT, SIZE = 96, 48
ALL = SimulationParameters(1, 1, 1, 1, 1, 3, 1, 1, 1)


@pytest.fixture(scope="module")
def studio(kernel_cache):
    with Studio(small_catalogue(), device="cpu", threads=1, cache=kernel_cache) as made:
        yield made


@pytest.fixture(scope="module")
def take(studio):
    """Return a function that takes pictures with some parameters on; each set only once."""
    taken = {}

    def take(count=COUNT, **values):
        parameters = replace(SimulationParameters(), **values)
        if (parameters, count) not in taken:
            taken[parameters, count] = studio.take(
                parameters, 0, np.arange(count), image_size=SIZE, samples=2
            )
        return taken[parameters, count]

    return take


def attribute(pictures, name):
    return np.array([a["attributes"][name] for a in pictures.annotations])


def of_model(pictures, name):
    return np.array([a["model"] == name for a in pictures.annotations])


def object_colours(pictures):
    """Return the mean colour of each object, [B, 3] in [0, 1]."""
    masks = pictures.masks[..., None]
    return (pictures.images / 255 * masks).sum((1, 2)) / masks.sum((1, 2))


def backgrounds(pictures):
    """Return the images' colours far from any object: the outermost pixels, [B, n, 3]."""
    images = pictures.images.astype(float)
    return np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)


def chromaticities(colours):
    return colours / colours.sum(1, keepdims=True)


def correlation(first, second):
    return np.corrcoef(first, second)[0, 1]


def test_with_all_off_only_the_model_changes(take):
    pictures = take()
    for name in ("mug", "basket", "brick 0", "brick 1"):
        same = of_model(pictures, name)
        # The grain of soft shadows differs; the object stays where it is.
        assert (pictures.masks[same] == pictures.masks[same][0]).all()
        assert np.abs(object_colours(pictures)[same].std(0)).max() < 0.01
    assert np.ptp(backgrounds(pictures), axis=0).mean() < 2


def test_background_changes_and_the_view_of_the_object_does_not(take):
    off, on = take(), take(backgr=1)
    means = [backgrounds(p).mean(1) for p in (off, on)]
    assert means[0].std(0).max() < 1
    assert means[1].std(0).min() > 15
    assert len(set(attribute(on, "sky"))) == 4
    assert (off.masks == on.masks).mean() > 0.995


def test_blur_softens_edges_in_three_quarters_of_the_images(take):
    off, on = take(), take(blur=1)
    blurred = attribute(on, "f_number") > 0
    assert 0.65 < blurred.mean() < 0.85
    assert set(attribute(off, "f_number")) == {0}

    def sharpness(pictures):
        grey = pictures.images.mean(-1)
        edges = pictures.masks[:, :, 1:] != pictures.masks[:, :, :-1]
        steps = np.abs(np.diff(grey, axis=2))
        return (steps * edges).sum((1, 2)) / edges.sum((1, 2))

    ratio = sharpness(on) / sharpness(off)
    assert np.median(ratio[blurred]) < 0.95  # a pixel or so at this size
    assert np.quantile(ratio[blurred], 0.25) < 0.9
    assert np.abs(ratio[~blurred] - 1).max() < 0.05
    apertures = attribute(on, "f_number")[blurred]
    assert apertures.min() >= 0.5
    assert apertures.max() <= 1.2
    assert (off.masks == on.masks).all()  # masks stay sharp


def test_light_colour_tints_the_object_alone(take):
    off, on = take(), take(lighting_color=1)
    for name in ("mug", "basket"):
        same = of_model(on, name)
        tints = [chromaticities(object_colours(p)[same]) for p in (off, on)]
        assert tints[0].std(0).max() < 0.003
        assert tints[1].std(0).max() > 0.015
        light = chromaticities(attribute(on, "light_colour")[same])
        for channel in range(3):
            assert correlation(tints[1][:, channel], light[:, channel]) > 0.7
    colours = attribute(on, "light_colour")
    assert colours.min() >= 0.05
    assert colours.max() <= 1
    assert (backgrounds(on) == backgrounds(off)).all()


def test_light_direction_moves_the_bright_side(take):
    off = take(materials=0)
    on = take(materials=0, lighting_dir=1)

    def bright_side(pictures):
        """Return how far right of its middle the light falls onto each object, in pixels."""
        grey = pictures.images.mean(-1) * pictures.masks
        columns = np.arange(SIZE)
        lit = (grey * columns).sum((1, 2)) / grey.sum((1, 2))
        middle = (pictures.masks * columns).sum((1, 2)) / pictures.masks.sum((1, 2))
        return lit - middle

    same = of_model(on, "mug")
    side = bright_side(on)[same]
    assert side.std() > 5 * bright_side(off)[same].std()
    directions = attribute(on, "light_direction")[same]
    in_front = directions[:, 2] > 0
    assert correlation(side[in_front], directions[in_front, 0]) > 0.7
    assert np.abs(attribute(on, "light_direction").mean(0)).max() < 0.2  # evenly over the sphere


def test_light_intensity_changes_the_brightness(take):
    off, on = take(), take(lighting_intensity=1)
    same = of_model(on, "basket")
    brightness = [object_colours(p)[same].mean(1) for p in (off, on)]
    assert brightness[1].std() > 5 * brightness[0].std()
    intensity = attribute(on, "light_intensity")
    assert correlation(brightness[1], intensity[same]) > 0.95
    assert intensity.min() >= 0.4
    assert intensity.max() <= 1.6
    assert np.ptp(intensity) > 1


def test_materials_are_one_natural_fixed_or_random(take):
    one, natural, fixed, random = (take(materials=m) for m in range(4))
    assert np.ptp(chromaticities(object_colours(one))[..., 1]) < 0.05  # all are grey

    def drawn(pictures, name):
        """Return the materials of each image of a model, by slot."""
        same = [a for a in pictures.annotations if a["model"] == name]
        return [tuple(a["attributes"]["material"]) for a in same]

    for name in ("mug", "basket", "brick 0", "brick 1"):
        same = of_model(natural, name)
        assert set(drawn(natural, name)) == {(-1,) * len(drawn(natural, name)[0])}
        assert len(set(drawn(fixed, name))) == 1
        assert len(set(drawn(random, name))) > 4
        assert object_colours(fixed)[same].std(0).max() < 0.01
        assert object_colours(random)[same].std(0).max() > 0.1
    assert drawn(fixed, "brick 0")[0] != drawn(fixed, "brick 1")[0]
    assert {m for ms in drawn(random, "basket") for m in ms} == set(range(1, 9))
    assert not np.allclose(object_colours(fixed), object_colours(natural), atol=0.05)


def test_each_part_of_a_model_has_a_material_of_its_own(kernel_cache):
    halves = join(
        box((0, -0.5, -0.5), (0.5, 0.5, 0.5), Material((0.5, 0.5, 0.5))),
        box((-0.5, -0.5, -0.5), (0, 0.5, 0.5), Material((0.1, 0.1, 0.1))),
    )
    catalogue = small_catalogue(Category("block", "n0", (Model("block", halves),)))
    with Studio(catalogue, device="cpu", threads=1, cache=kernel_cache) as studio:
        parameters = SimulationParameters(materials=3)
        pictures = studio.take(parameters, 0, np.arange(3, 160, 4), image_size=32, samples=1)
    slots = np.array([a["attributes"]["material"] for a in pictures.annotations])
    assert slots.shape == (40, 2)
    alike = slots[:, 0] == slots[:, 1]  # one in eight by chance
    assert 0 < alike.sum() < 20
    assert correlation(slots[:, 0], slots[:, 1]) < 0.5
    shown = zip(pictures.images, pictures.masks, strict=True)
    contrast = np.array([image[mask].mean(-1).std() for image, mask in shown])
    assert contrast[~alike].mean() > 1.5 * contrast[alike].mean()


@pytest.mark.parametrize(("field_of_view", "filled"), [(60, 0.41), (36, 0.73)])
def test_objects_are_as_far_as_published_and_as_large_as_the_camera_says(
    field_of_view, filled, studio
):
    """A box side of 1 m at (1, 0.5, 1.8) m fills 41 % of the height at 60 degrees."""
    off = studio.take(
        SimulationParameters(),
        0,
        np.arange(12),
        image_size=SIZE,
        samples=1,
        field_of_view=field_of_view,
    )
    assert set(attribute(off, "distance")) == {2.1190}
    high = np.array([a["box"][3] for a in off.annotations])[of_model(off, "brick 1")]
    # The brick's upright edge, of 1 m, seen from 13.6 degrees above, and its depth.
    assert filled < high[0] / SIZE < 1.5 * filled


def test_the_camera_looks_everywhere_and_always_at_the_object(take):
    """The published camera was not aimed again where the distance was fixed."""
    on = take(backgr=1)
    elevation = np.sin(np.radians(attribute(on, "camera_elevation")))
    assert np.abs(np.quantile(elevation, [0.25, 0.5, 0.75]) - [-0.5, 0, 0.5]).max() < 0.25
    shares = np.array([a["visible"] for a in on.annotations])
    assert shares.min() > 0.02


def test_camera_moves_the_object_off_the_centre(take):
    off, on = take(), take(pose_cam=1)

    def centres(pictures):
        boxes = np.array([a["box"] for a in pictures.annotations])
        return boxes[:, :2] + boxes[:, 2:] / 2

    assert np.abs(centres(off) - SIZE / 2).max() < 0.1 * SIZE
    assert centres(on).std(0).min() > 0.1 * SIZE
    offset = attribute(on, "camera_offset")
    assert np.abs(offset).max() <= 15
    # Turned to the left, the camera sees the object on the right; turned up, below.
    assert correlation(centres(on)[:, 0], offset[:, 0]) > 0.9
    assert correlation(centres(on)[:, 1], offset[:, 1]) > 0.9


def test_rotation_shows_the_object_from_all_sides(take):
    off, on = take(), take(pose_rot=1)
    same = of_model(on, "mug")
    shapes = [p.masks[same] for p in (off, on)]
    overlaps = [(s & s[:1]).sum((1, 2)) / (s | s[:1]).sum((1, 2)) for s in shapes]
    assert overlaps[0].min() == 1
    assert np.median(overlaps[1][1:]) < 0.8
    angles = attribute(on, "rotation")
    assert angles.min() >= -180
    assert angles.max() <= 180
    assert (np.abs(angles.mean(0)) < 30).all()
    assert (angles.std(0) > 90).all()


def test_distance_changes_the_size(take):
    off, on = take(), take(pose_scale=1)
    areas = [p.masks.mean((1, 2)) for p in (off, on)]
    factor = attribute(on, "distance_factor")
    assert factor.min() >= 0.4
    assert factor.max() <= 1.5
    assert np.ptp(factor) > 0.9
    for name in ("mug", "brick 0"):
        same = of_model(on, name)
        assert areas[0][same].std() == 0
        whole = same & (factor > 0.9)
        expected = areas[0][whole] / factor[whole] ** 2
        np.testing.assert_allclose(areas[1][whole], expected, rtol=0.2)
        assert areas[1][same].max() > 5 * areas[1][same].min()


@pytest.mark.parametrize("name", PARAMETER_NAMES)
def test_a_parameter_leaves_the_numbers_of_the_others_alone(name, studio):
    """Two sets differ by their parameters alone, image by image."""
    intensities = np.ones(len(studio.catalogue.skies))
    off = replace(ALL, **{name: 0})
    drawn = [
        Sampler(p, 0, studio.catalogue, 60, intensities).sample(np.arange(20)) for p in (ALL, off)
    ]
    belonging = {
        "backgr": {"sky", "camera_azimuth", "camera_elevation"},
        "blur": {"f_number", "focus_distance"},
        "lighting_color": {"light_colour"},
        "lighting_dir": {"light_direction"},
        "lighting_intensity": {"light_intensity"},
        "materials": {"material"},
        "pose_cam": {"camera_offset"},
        "pose_rot": {"rotation"},
        "pose_scale": {"distance", "distance_factor", "focus_distance"},
    }
    first, second = (d.attributes for d in drawn)
    changed = {key for key in first if not np.array_equal(first[key], second[key])}
    assert changed == belonging[name]


def test_an_image_depends_neither_on_batch_nor_threads_nor_other_images(studio, kernel_cache):
    indices = np.array([7, 3, 40, 12, 5, 6])
    options = {"image_size": 32, "samples": 2}
    together = studio.take(ALL, 5, indices, **options)
    for place, index in enumerate(indices):
        alone = studio.take(ALL, 5, [index], **options)
        assert (alone.images[0] == together.images[place]).all()
        assert (alone.masks[0] == together.masks[place]).all()
        assert alone.annotations[0] == together.annotations[place]
    with Studio(studio.catalogue, device="cpu", threads=3, cache=kernel_cache) as threaded:
        assert (threaded.take(ALL, 5, indices, **options).images == together.images).all()
    other = studio.take(ALL, 6, indices, **options)
    assert (other.images != together.images).any((1, 2, 3)).all()


def test_any_stretch_of_images_is_balanced(studio):
    catalogue = studio.catalogue
    for first in (0, 7, 100):
        indices = np.arange(first, first + 36)
        assert np.bincount(catalogue.classes_of(indices)).tolist() == [12, 12, 12]
        assert np.bincount(catalogue.models_of(indices)).tolist() == [12, 12, 6, 6]


def needle(thickness):
    mesh = box((-thickness, -0.5, -thickness), (thickness, 0.5, thickness), Material((1, 1, 1)))
    return Category("needle", "n03816136", (Model("needle", mesh),))


def test_thin_objects_are_shown_all_the_same(kernel_cache):
    with Studio(
        small_catalogue(needle(0.004)), device="cpu", threads=1, cache=kernel_cache
    ) as studio:
        for parameters in (ALL, SimulationParameters()):
            pictures = studio.take(parameters, 0, np.arange(60), image_size=48, samples=1)
            assert pictures.masks.mean((1, 2)).min() >= VISIBLE_SHARE
            attempts = attribute(pictures, "attempts")
            assert attempts[3::4].max() > 0  # the needles
            assert attempts.mean() < 3
            # What was drawn anew is drawn so in any batch.
            again = studio.take(parameters, 0, [np.argmax(attempts)], image_size=48, samples=1)
            assert (again.images[0] == pictures.images[np.argmax(attempts)]).all()


def test_a_model_that_never_shows_is_named(kernel_cache):
    with (
        Studio(
            small_catalogue(needle(1e-6)), device="cpu", threads=1, cache=kernel_cache
        ) as studio,
        pytest.raises(UserError, match="'needle' does not show"),
    ):
        studio.take(SimulationParameters(), 0, np.arange(8), image_size=32, samples=1)


def test_boxes_hold_the_masks():
    masks = np.zeros((3, 6, 8), bool)
    masks[0, 2:5, 3:7] = True
    masks[1, 0, 7] = True
    assert boxes_of(masks).tolist() == [[3, 2, 4, 3], [7, 0, 1, 1], [0, 0, 0, 0]]


def test_assets_are_checked_before_they_are_drawn(tmp_path, monkeypatch):
    brick = Category("brick", "n02897820", small_catalogue().categories[2].models)
    rooms = [Sky(f"room {size}", soft_room(size)) for size in (32, 64)]
    packs = {
        "bricks": AssetPack("bricks", (brick,)),
        "rooms": AssetPack("rooms", environments=(rooms[0],)),
        "large": AssetPack("large", environments=(rooms[1],)),
        "grey": AssetPack("grey", materials=(Material((0.5, 0.5, 0.5)),)),
    }
    monkeypatch.setattr(
        "simtailor.simulation.catalogue.load_pack", lambda name, resources: packs[name]
    )

    def load(*names, classes=None):
        return merge_packs(names, classes, resources=tmp_path)

    made = load("bricks", "rooms", "grey")
    assert [len(x) for x in (made.categories, made.environments, made.materials)] == [1, 1, 1]
    with pytest.raises(UserError, match="classes: 2, but the packs have 1 categories"):
        load("bricks", "rooms", "grey", classes=2)
    with pytest.raises(UserError, match="several bring the categories brick"):
        load("bricks", "bricks", "rooms", "grey")
    packs["builtin"] = AssetPack("builtin", environments=(rooms[0],))
    alone = load("bricks", "grey")  # skies of the built-in pack
    assert alone.environments == (rooms[0],)
    assert "no pack brings environments: those of 'builtin' are taken" in alone.notes
    with pytest.raises(UserError, match="differ in size"):
        load("bricks", "rooms", "large", "grey")


def test_assets_are_the_same_from_their_file(tmp_path):
    path = tmp_path / "assets.safetensors"
    write_pack(small_pack(), path)
    assert read_catalogue(path, cache=tmp_path).digest == small_catalogue().digest
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="cannot be read as assets"):
        read_catalogue(path, cache=tmp_path)


def test_the_digest_follows_the_assets():
    catalogue = small_catalogue()
    assert catalogue.digest == small_catalogue().digest
    assert catalogue.digest != small_catalogue(needle(0.1)).digest
    assert catalogue.digest != replace(catalogue, materials=catalogue.materials[1:]).digest
