"""Stages as data: the user's objects, ground, light and camera, and all that can be moved."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from simtailor.assets.tabletop import tabletop_objects
from simtailor.errors import UserError
from simtailor.render.creation import create_renderer
from simtailor.render.embedded.contracts import TABLETOP, TabletopSettings
from simtailor.render.embedded.looks import gains, recolouring, sensed
from simtailor.render.embedded.stage_file import Stage, read_stage
from simtailor.render.embedded.symmetry import measured_symmetry
from simtailor.scene.grammar import Grammar

ROOT = Path(__file__).parent.parent
SIZE = 64
MAXIMUM = 720
NOMINAL = {"saturation": 1, "size": 1, "roughness": 1, "brightness": 1, "warmth": 1, "exposure": 1,
           "white_balance": 1, "tint": 1, "softness": 0.06, "intensity": 0.5,
           "loc_x": 100, "loc_z": 100, "camera_pitch": 50, "distance": 0.8, "field_of_view": 40,
           "elevation": 60, "azimuth": 120, "focus": 0.4}  # fmt: skip


def node(kind: list, attributes: dict, children: list) -> dict:
    return {
        "class": kind,
        "attributes": attributes,
        "num_child": ["Deterministic", len(children)],
        "child": children,
    }


def grammar_of(values: dict[str, dict[str, float]], kind: list) -> Grammar:
    """Return a grammar whose attributes, by node, have fixed values."""
    features = sorted({name for node in values.values() for name in node})

    def attributes(name: str) -> dict:
        fixed = {f: ["Deterministic", v, 0, MAXIMUM] for f, v in values.get(name, {}).items()}
        return {"immutable": False, **fixed}

    children = [node(kind, attributes("object"), [])]
    children += [
        node(["Deterministic", name], attributes(name), []) for name in values if name != "object"
    ]
    root = {"features": ["class", *features], "mutable": features, "immutable": True}
    return Grammar(node(["Deterministic", "Image"], root, children), TABLETOP.attributes)


def drawn(values: dict, kind: list | None = None, **stage):
    """Return the picture and the mask of one scene."""
    graphs = grammar_of(values, kind or ["Deterministic", 0]).sample(1, np.random.default_rng(0))
    graphs.seeds[:] = 3
    with create_renderer("tabletop", image_size=SIZE, threads=1, **stage) as renderer:
        seen = renderer.render(graphs, masks=True)
    return seen.images[0].astype(int), seen.masks[0] > 0


def save_l(path: Path) -> Path:
    """Save an L of 0.2 x 0.1 x 0.05 units, lying, with z up."""
    parts = [trimesh.creation.box((0.2, 0.04, 0.05)), trimesh.creation.box((0.04, 0.1, 0.05))]
    parts[0].apply_translation((0, -0.03, 0))
    parts[1].apply_translation((-0.08, 0, 0))
    mesh = trimesh.util.concatenate(parts)
    mesh.visual = trimesh.visual.ColorVisuals(mesh, face_colors=[200, 60, 40, 255])
    mesh.export(path)
    return path


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Path:
    """A stage of the user's: an L on a plane with a picture, beside the file."""
    folder = tmp_path_factory.mktemp("stage")
    (folder / "models").mkdir()
    save_l(folder / "models/l.glb")
    chess = (np.indices((8, 8)).sum(0) % 2 * 120 + 90).astype(np.uint8)
    Image.fromarray(chess).resize((64, 64), Image.Resampling.NEAREST).save(folder / "chess.png")
    path = folder / "own.yaml"
    path.write_text(
        "objects:\n"
        "  l: {file: models/l.glb, up: z, length: 0.3}\n"
        "ground: {kind: plane, size: [3, 3], picture: chess.png, picture_width: 0.5,\n"
        "  colour: '#a0d080'}\n"
        "environment: {built_in: room_with_windows}\n"
    )
    return path


def test_the_shipped_file_is_what_a_stage_without_a_file_has():
    shipped = read_stage(ROOT / "config/stages/tabletop.yaml")
    without = Stage().model_dump()
    without["environment"]["built_in"] = "soft_room"
    assert shipped.model_dump() == without
    pictures = [
        drawn({"object": {"yaw": 30}}, ["Deterministic", 4], **stage)[0]
        for stage in ({}, {"file": str(ROOT / "config/stages/tabletop.yaml")})
    ]
    assert (pictures[0] == pictures[1]).all()


def test_an_object_of_the_users_has_its_length_and_stands_upright_on_the_ground(own):
    _, mask = drawn({"object": {"yaw": 0}}, ["Deterministic", 0], file=str(own), frame_width=0.6)
    rows, columns = np.nonzero(mask)
    # 0.3 m of 0.6 m; the top, 7.5 cm nearer to the camera at 82 cm, looks a tenth larger.
    assert np.ptp(columns) + 1 == pytest.approx(SIZE / 2 * 1.05, rel=0.08)
    assert np.ptp(rows) + 1 == pytest.approx(SIZE / 4 * 1.05, rel=0.12)
    turned = drawn({"object": {"yaw": 90}}, ["Deterministic", 0], file=str(own), frame_width=0.6)
    assert np.ptp(np.nonzero(turned[1])[0]) == np.ptp(columns)


def test_a_ground_shows_its_picture_and_an_absent_one_the_surroundings(own, tmp_path):
    options = {"frame_width": 1.0}
    picture, mask = drawn({"object": {"yaw": 0}}, ["Deterministic", 0], file=str(own), **options)
    # Squares of 1/16 m: 4 pixels. The top left corner shows as many bright as dark ones.
    corner = picture[:16, :16].mean(-1)
    assert not mask[:16, :16].any()
    assert (corner > corner.mean()).mean() == pytest.approx(0.5, abs=0.1)
    assert corner.std() > 15
    nothing = tmp_path / "nothing.yaml"
    nothing.write_text("objects: {mug: {built_in: mug}}\nground: {kind: none}\n")
    picture, mask = drawn({"object": {"yaw": 0}}, ["Deterministic", 0], file=str(nothing))
    assert 0.02 < mask.mean() < 0.9
    assert picture[~mask].std(0).max() < 12  # no shadow, no table


ATTRIBUTES = [(node, name) for node, kind in TABLETOP.nodes.items() for name in kind.attributes]


@pytest.mark.parametrize(("node_name", "name"), ATTRIBUTES, ids=[".".join(a) for a in ATTRIBUTES])
def test_every_attribute_of_the_contract_moves_something(node_name, name, own):
    """Found by the contract, so a new attribute is tested by being declared."""
    known = TABLETOP.nodes[node_name].attributes[name]
    nominal = float(NOMINAL.get(name, 0))
    other = nominal + (25 if known.period or known.unit in ("degrees", "cm") else 0.4)
    scene = {"Camera": {"camera_pitch": 50.0}, "object": {"yaw": 40.0, "pitch": 20.0}}
    pictures = []
    for value in (nominal, {"noise": 8.0, "blur": 3.0, "aperture": 60.0}.get(name, other)):
        values = {k: dict(v) for k, v in scene.items()}
        if name == "focus":
            values["Camera"]["aperture"] = 60.0
        values.setdefault(node_name, {})[name] = value
        pictures.append(drawn(values, ["Deterministic", 0], file=str(own))[0])
    assert np.abs(pictures[0] - pictures[1]).max() >= 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("objects: {a: {file: models/no.glb}}\n", ["stage.yaml:1", "objects.a.file", "no such"]),
        ("objects: {a: {file: a.fbx}}\n", ["objects.a.file", ".glb", "GLB"]),
        ("objects: {a: {built_in: mugg}}\n", ["objects.a.built_in", "'mug'"]),
        ("objects: {a: {length: 1}}\n", ["objects.a", "either 'built_in' or 'file'"]),
        ("ground:\n  kind: plain\n", ["stage.yaml:2", "ground.kind"]),
        ("lights: {}\n", ["lights", "unknown key", "'light'"]),
        ("light: {direction: [0, -1, 0]}\n", ["light.direction", "above"]),
    ],
)
def test_a_mistake_is_one_paragraph_while_planning(text, words, tmp_path):
    path = tmp_path / "stage.yaml"
    path.write_text(text)
    with pytest.raises(ValueError) as error:
        TabletopSettings(file=str(path))
    for word in words:
        assert word in str(error.value)


def test_a_model_without_a_plausible_size_asks_for_its_length(tmp_path):
    mesh = trimesh.creation.box((120, 80, 60))  # millimetres
    mesh.export(tmp_path / "part.stl")
    path = tmp_path / "stage.yaml"
    path.write_text("objects: {part: {file: part.stl}}\n")
    with pytest.raises(UserError, match=r"part.stl: its longest side is 120 m.*'length'"):
        drawn({"object": {"yaw": 0}}, ["Deterministic", 0], file=str(path))


def test_a_changed_model_is_another_renderer(own):
    def identity():
        return TABLETOP.of(TabletopSettings(file=str(own))).identity

    before = identity()
    assert identity() == before
    model = own.parent / "models/l.glb"
    content = model.read_bytes()
    try:
        model.write_bytes(content + b"\0")
        assert identity() != before
    finally:
        model.write_bytes(content)
    assert TABLETOP.of(TabletopSettings()).identity == ""  # results made before still count


def test_symmetry_is_measured():
    made = {name: measured_symmetry(mesh) for name, mesh in tabletop_objects().items()}
    made.pop("basket")  # half a turn, but for its weave
    assert made == {"slipper": "none", "box": "half_turn", "bowl": "any_turn", "mug": "none"}


def test_looks_leave_alone_what_they_should():
    grey = np.full(3, 0.4)
    turned = recolouring(np.array([0.0, 120, 77]), np.array([1.0, 1, 3]), np.array([1.0, 1, 2]))
    np.testing.assert_allclose(turned[0], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(turned[1] @ [1, 0, 0], [0, 1, 0], atol=1e-12)  # red to green
    np.testing.assert_allclose(turned[2] @ grey, 2 * grey, atol=1e-12)
    np.testing.assert_allclose(gains(np.ones(1), np.ones(1)), 1)
    red, green, blue = gains(np.array([2.0]), np.array([1.5]))[0]
    assert red / blue == pytest.approx(2)
    assert green / np.sqrt(red * blue) == pytest.approx(1.5)


def test_a_sensor_blurs_and_adds_noise_that_its_seed_decides():
    images = np.full((4, 64, 64, 3), 128, np.uint8)
    images[:, :, 32:] = 200
    nothing, seeds = np.zeros(4), np.array([1, 1, 2, 3])
    assert (sensed(images, nothing, nothing, seeds) == images).all()
    blur = np.array([0.0, 2, 4, 8])  # percent of 64 pixels
    blurred = sensed(images, blur, nothing, seeds).astype(int)
    np.testing.assert_allclose(blurred.mean((1, 2, 3)), images[0].mean(), atol=0.5)
    steps = np.diff(blurred[:, 0, :, 0], axis=1).max(1)
    expected = 72 / (np.sqrt(2 * np.pi) * blur[1:] * 0.64)
    assert steps[0] == 72
    np.testing.assert_allclose(steps[1:], expected, rtol=0.15)
    noisy = sensed(images, nothing, np.array([0.0, 8, 8, 8]), seeds).astype(int) - images
    assert noisy[0].any() == 0
    np.testing.assert_allclose(noisy[1:].std((1, 2, 3)), 4, rtol=0.05)  # half of 8 at 64 pixels
    again = sensed(images[1:2], nothing[:1], np.array([8.0]), seeds[:1]).astype(int) - images[:1]
    assert (again[0] == noisy[1]).all()
