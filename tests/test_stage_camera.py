"""Cameras of stage files: pictures that are no squares, calibrated ones, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from test_stage_files import grammar_of

from simtailor.errors import UserError
from simtailor.metasim.features.edges import OrientedEdges
from simtailor.metasim.features.pyramid import ImagePyramid
from simtailor.metasim.target_folder import read_target
from simtailor.render.creation import create_renderer
from simtailor.render.drawable import check_drawable
from simtailor.render.embedded.contracts import TABLETOP, TabletopSettings
from simtailor.render.embedded.stage_file import read_stage

WIDTH = 80
SCENE = {
    "object": {"yaw": 40.0, "loc_x": 96.0},
    "Camera": {"camera_pitch": 50.0, "camera_roll": 8.0},
}


BOX = "objects: {box: {built_in: box, symmetry: none}}"


def stage_of(folder, camera, others=BOX):
    path = folder / "stage.yaml"
    path.write_text(f"camera: {camera}\n{others}")
    return str(path)


def drawn(folder, camera, others=BOX, width=WIDTH, scene=SCENE):
    """Return what one scene, a box on the table, shows and how it is measured."""
    graphs = grammar_of(scene, ["Deterministic", 0]).sample(1, np.random.default_rng(0))
    graphs.seeds[:] = 3
    stage = {"file": stage_of(folder, camera, others), "image_size": width}
    with create_renderer("tabletop", threads=1, **stage) as renderer:
        parts = ("masks", "depth", "full_masks", "silhouettes", "poses", "cameras")
        return renderer.render(graphs, **dict.fromkeys(parts, True)), renderer.models()["box"]


def test_a_wide_picture_is_the_middle_of_a_square_one(tmp_path):
    square, _ = drawn(tmp_path, "{field_of_view: 45}")
    wide, _ = drawn(tmp_path, "{field_of_view: 45, image_size: [640, 480]}")
    assert square.images.shape == (1, WIDTH, WIDTH, 3)
    assert wide.images.shape == (1, 60, WIDTH, 3)
    part = slice(10, 70)
    assert (wide.masks == square.masks[:, part]).mean() > 0.999
    apart = np.abs(wide.images.astype(int) - square.images[:, part])
    assert np.median(apart) <= 1 and apart.mean() < 4  # the noise of soft shadows is another


@pytest.mark.parametrize("ground", ["table", "none"])
def test_intrinsics_are_those_of_the_picture_at_any_size(tmp_path, ground):
    camera = "{intrinsics: {fx: 700, fy: 640, cx: 280, cy: 270, width: 640, height: 480}}"
    seen, box = drawn(tmp_path, camera, f"{BOX}\nground: {{kind: {ground}}}")
    assert seen.images.shape == (1, 60, WIDTH, 3)
    (fx, _, cx), (_, fy, cy), _ = seen.cameras[0]
    scale = WIDTH / 640
    assert [fx, fy] == pytest.approx([700 * scale, 640 * scale], rel=1e-5)
    assert [cx, cy] == pytest.approx([280.5 * scale - 0.5, 270.5 * scale - 0.5], rel=1e-4)
    pose = seen.poses[0, 0].astype(np.float64)
    points = (box.vertices @ pose[:, :3].T + pose[:, 3]) @ seen.cameras[0].T
    places = points[:, :2] / points[:, 2:]
    left, top, width, height, _ = seen.silhouettes[0, 0]
    assert np.allclose(places.min(0), [left, top], atol=1.01)
    assert np.allclose(places.max(0), [left + width - 1, top + height - 1], atol=1.01)
    assert (seen.masks[0] == 1).any()
    # What is drawn in spans around the object is what is drawn whole.
    assert (seen.masks[0] == 1)[top : top + height, left : left + width].sum() == seen.masks.sum()


def test_the_picture_behind_a_shifted_axis_is_drawn_whole(tmp_path):
    """The object is drawn where its mask says, not only in spans that the shift would move."""
    camera = "{intrinsics: {fx: 640, fy: 640, cx: 200, cy: 330, width: 640, height: 480}}"
    seen, _ = drawn(tmp_path, camera)
    bare, _ = drawn(tmp_path, camera, BOX.replace("symmetry", "length: 0.001, symmetry"))
    changed = (np.abs(seen.images[0].astype(int) - bare.images[0]) > 8).any(-1)
    assert changed[seen.masks[0] > 0].mean() > 0.9


def test_photographs_are_cut_to_the_form_of_the_stage(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    tall = np.zeros((200, 100, 3), np.uint8)
    tall[50:150] = 255  # the middle
    for number in range(20):
        Image.fromarray(tall + np.uint8(number)).save(folder / f"{number}.png")
    target = read_target(folder, (48, 36), 100, 0)
    assert target.images.shape == (20, 36, 48, 3)
    assert target.images[0].min() > 200
    assert "images of 100 x 200 were cut to this form and resized to 48 x 36" in target.notes


def test_features_take_pictures_of_any_form():
    import torch  # noqa: PLC0415

    images = torch.rand(2, 3, 60, 80)
    assert [len(level[0]) for level in ImagePyramid([32, 8])(images)] == [3072, 192]
    # The left half and the right half differ, and so do their edges.
    images[..., :40] = 0
    (level,) = OrientedEdges([8])(images)
    cells = level.reshape(2, 6, 8, 8).sum(1)
    assert (cells[..., :3].sum() < 0.05 * cells[..., 5:].sum()).all()


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        ("{field_of_view: 30, intrinsics: {fx: 9, fy: 9, cx: 4, cy: 4, width: 8, height: 8}}",
         ["camera", "either 'intrinsics' or 'field_of_view'"]),
        ("{image_size: [9, 8], intrinsics: {fx: 9, fy: 9, cx: 4, cy: 4, width: 8, height: 8}}",
         ["camera", "either 'intrinsics' or 'image_size'"]),
        ("{intrinsics: {fx: 9, fy: 9, cx: 400, cy: 4, width: 8, height: 8}}", ["cx 400", "8 x 8"]),
        ("{intrinsics: {fx: 9000, fy: 9000, cx: 4, cy: 4, width: 8, height: 8}}", ["of one"]),
        ("{intrinsics: {fx: 9, fy: 30, cx: 4, cy: 4, width: 8, height: 8}}", ["fy 30"]),
        ("{intrinsics: {fx: 9, fy: 9, cx: 4, cy: 4, width: 8}}", ["camera.intrinsics.height"]),
        ("{image_size: [640, 100]}", ["640 x 100", "4 times"]),
        ("{image_size: [640]}", ["camera.image_size"]),
    ],
)  # fmt: skip
def test_cameras_that_cannot_be_are_refused_by_key_and_line(tmp_path, camera, words):
    path = stage_of(tmp_path, camera)
    with pytest.raises(UserError) as error:
        read_stage(path)
    assert all(word in str(error.value) for word in [f"{path}:1", *words]), error.value


def test_a_width_has_its_height():
    assert TabletopSettings(image_size=64).size == (64, 64)


def test_a_lens_is_sharp_where_it_is_focused(tmp_path):
    """A striped ground seen from above: focused on the air before it, its stripes run together."""
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).resize((64, 64), Image.Resampling.NEAREST).save(tmp_path / "s.png")
    stage = (
        f"{BOX}\nground: {{kind: plane, size: [2, 2], picture: s.png, picture_width: 0.25}}\n"
        "light: {softness: 0}"
    )
    pictures = [
        drawn(tmp_path, f"{{pitch: 90{lens}}}", stage, scene={"object": {"yaw": 40.0}})[0]
        for lens in ("", ", aperture: 60", ", aperture: 60, focus: 0.3")
    ]
    assert all((p.masks == pictures[0].masks).all() for p in pictures)
    # Means of columns above the object: the grain of few rays is gone, the stripes are left.
    assert not pictures[0].masks[0, :16].any()
    sharp, on_ground, near = (p.images[0, :16].mean((0, 2)).std() for p in pictures)
    assert on_ground > 0.8 * sharp
    assert near < 0.35 * sharp


def test_one_of_several_grounds_and_environments_is_chosen(tmp_path):
    path = stage_of(
        tmp_path,
        "{pitch: 40}",
        f"{BOX}\n"
        "ground: {kind: plane, size: [9, 9], colour: '#a02020'}\n"
        "grounds: [{kind: plane, size: [9, 9], colour: '#20a020'}, {kind: none}]\n"
        "environments: [{built_in: dusk}]\n",
    )
    stage = {"file": path, "image_size": 32}
    cases = [(0, 0), (1.4, 0), (2.99, 0), (0, 1), (3, 2)]
    with create_renderer("tabletop", threads=1, **stage) as renderer:
        images = {}
        for ground, around in cases:
            scene = {**SCENE, "Ground": {"choice": ground}, "Environment": {"choice": around}}
            graphs = grammar_of(scene, ["Deterministic", 0]).sample(1, np.random.default_rng(0))
            graphs.seeds[:] = 3
            images[ground, around] = renderer.render(graphs).images[0].astype(int)
    corners = {key: image[-4:, :6].reshape(-1, 3).mean(0) for key, image in images.items()}
    assert corners[0, 0][0] > 1.5 * corners[0, 0][1]  # red
    assert corners[1.4, 0][1] > 1.5 * corners[1.4, 0][0]  # green
    assert images[2.99, 0].std((0, 1)).max() < images[0, 0].std((0, 1)).max()
    assert np.abs(corners[0, 1] - corners[0, 0]).max() > 10  # another light
    assert np.abs(images[3, 2] - images[2.99, 0]).max() > 10  # cut to the last of each
    alone = TabletopSettings(file=stage_of(tmp_path, "{}"))
    with pytest.raises(UserError, match="choice"):
        check_drawable(grammar_of({**SCENE, "Ground": {"choice": 1.0}}, ["Deterministic", 0]),
                       TABLETOP.of(alone))  # fmt: skip
