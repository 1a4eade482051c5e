"""What a fit is worth: labels, errors, networks and their table."""

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

from simtailor.config import Configuration
from simtailor.errors import UserError
from simtailor.files import write_json
from simtailor.metasim.settings import Experiment
from simtailor.render.renderer import Equivalents
from simtailor.worth.comparison import share_closed, table_of
from simtailor.worth.examples import Examples
from simtailor.worth.fitting import fit_network
from simtailor.worth.inputs import trained_sources, trial_of
from simtailor.worth.label_masks import read_mask
from simtailor.worth.networks import AttributeNetwork, train_network
from simtailor.worth.pyramid import PyramidNetwork
from simtailor.worth.regression import ALL, KNOWN, VALUES, Regression, errors_of, spreads_of
from simtailor.worth.segmentation import MASKS, Segmentation
from simtailor.worth.settings import WorthTraining

YAW = {"name": "yaw", "unit": "degrees", "period": 360.0, "look": False}
PLACE = {"name": "loc_x", "unit": "cm", "period": 0.0, "look": False}


def experiment(name="tyol_3attr", **values):
    grammar = str(ROOT / f"config/grammars/{name}.json")
    target = {"grammar": str(ROOT / f"config/grammars/{name}_target.json")}
    return Experiment.model_validate({"grammar": grammar, "target": target} | values)


def examples(values, known=None, about=(YAW, PLACE), images=None):
    values = np.array(values, np.float64)
    known = np.ones((len(values), len(about)), bool) if known is None else np.array(known)
    images = np.zeros((len(values), 16, 16, 3), np.uint8) if images is None else images
    return Examples(images, {VALUES: values, KNOWN: known}, list(about))


class HalfTurns:
    """Half a turn looks the same in every second scene; in the third no yaw is seen."""

    def nearest_equivalent(self, graphs, reference):
        layout = graphs.layout
        node, yaw = layout.node_names.index("object"), layout.features.index("yaw")
        features = graphs.features.copy()
        off = (features[:, node, yaw] - reference[node, yaw] + 0.5) % 1 - 0.5
        turned = np.arange(len(graphs)) % 2 == 1
        flip = turned & (np.abs(off) > 0.25)
        features[flip, node, yaw] = (features[flip, node, yaw] + 0.5) % 1
        told = np.ones(features.shape, bool)
        told[2, node, yaw] = False
        return Equivalents(graphs.with_features(features), told, ~turned)


def test_poses_that_look_alike_are_all_right():
    made = experiment()
    grammar = made.read_grammar(made.grammar)
    graphs = grammar.sample(6, np.random.default_rng(0))
    about = Regression().about(made)
    labels = Regression().of_scenes(graphs, None, about, made, HalfTurns())
    assert labels[VALUES].shape == (6, 2, 3)
    between = np.abs(labels[VALUES][:, 0] - labels[VALUES][:, 1])
    np.testing.assert_allclose(between[1::2], [[180, 0, 0]] * 3, atol=1e-3)
    assert (between[::2] == 0).all()
    assert labels[KNOWN][:, 0].tolist() == [True, True, False, True, True, True]


def test_errors_go_the_short_way_to_the_nearest_pose_that_looks_alike():
    test = examples(
        [[[359, 5], [359, 5]], [[10, 5], [190, 5]], [[10, 5], [10, 5]]],
        [[True, True], [True, True], [False, True]],
    )
    off = errors_of(np.array([[1.0, 5], [200, 4], [90, 7]]), test, np.ones(2))
    np.testing.assert_allclose(off, [[2, 0], [10, 1], [np.nan, 2]])


def test_the_row_of_an_attribute_has_median_and_90th_percentile_in_its_unit():
    places = np.arange(11.0)
    test = examples(np.stack([np.zeros(11), places], 1)[:, None])
    rows = Regression().judged([np.zeros((11, 2)), np.stack([np.ones(11), places], 1)], test)
    assert rows["loc_x"]["value"] == [5, 0] and rows["loc_x"]["p90"] == [9, 0]
    assert rows["yaw"]["value"] == [0, 1] and rows["yaw"]["spread"] is None
    assert ALL not in rows  # of one attribute that varies, a mean over attributes says no more
    guess = Regression().without_network(test)
    assert guess["loc_x"]["value"] == [3]  # of 0 to 10 about their mean


def test_what_no_test_picture_tells_has_no_row():
    test = examples([[[0, 1]], [[0, 2]]], [[False, True]] * 2)
    assert list(Regression().judged([np.zeros((2, 2))], test)) == ["loc_x"]


def test_closed_is_a_share_of_the_way_whether_more_or_less_is_better():
    assert share_closed([0.2, 0.4], [0.6], [0.45]) == pytest.approx(0.5)
    assert share_closed([8], [2], [5], lower=True) == pytest.approx(0.5)
    assert share_closed([2], [8], [5], lower=True) is None


def test_the_table_shows_every_source_and_the_guess_without_a_picture():
    row = {"value": [8.0, 8.0], "p90": [9.0, 9.0], "spread": 2.0, "unit": "cm"}
    rows = {
        "prior": {"loc_x": row},
        "fit": {"loc_x": row | {"value": [2.0, 4.0]}},
        "real": {"loc_x": row | {"value": [2.0, 2.0]}},
    }
    lines = table_of(Regression(), rows, {"loc_x": row | {"value": [1.5]}})
    assert "| 1.5 |" in lines[2]
    assert lines[4] == "| loc_x (cm) | the fit | 2 4 | 3 | 1.4 | 1.5 | 9 | 83 % |"


def bars(count, seed):
    """Return pictures of a bar from a middle outwards, at any angle, and its place."""
    random = np.random.default_rng(seed)
    angle, place = random.uniform(0, 360, count), random.uniform(12, 20, count)
    y, x = np.mgrid[:32, :32]
    x, y = x - place[:, None, None], 16 - y
    turn = np.radians(angle)[:, None, None]
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    shown = (along > -1) & (along < 11) & (np.abs(across) < 3)
    images = np.repeat((40 + 180 * shown)[..., None], 3, -1).astype(np.uint8)
    return examples(np.stack([angle, place], 1)[:, None], images=images)


def test_a_network_learns_angles_all_the_way_round_without_any_weights():
    # Whoever looks at no picture is 90 degrees and 2 pixels off.
    settings = WorthTraining(steps=40, batch_size=8, learning_rate=2e-3)
    lines = []
    network = train_network("regression", bars(200, 0), settings, 0, None, lines.append)
    test = bars(60, 1)
    rows = Regression().judged([network.guess(test.images)], test)
    assert rows["yaw"]["value"][0] < 35 and rows["loc_x"]["value"][0] < 1.8
    assert "0 s left" in lines[-1]


def test_a_training_that_learns_nothing_any_more_stops():
    network = PyramidNetwork(None)
    with pytest.raises(UserError, match=r"step 2 of 9: the loss is inf.*'learning_rate'.*0\.5"):
        fit_network(
            network,
            lambda step: network.smooth[0].weight.square().sum() * (1, float("inf"))[step],
            9,
            0.5,
            print,
        )


def test_pictures_of_other_colours_are_shown_unless_a_look_is_asked_for():
    values = [[[0.0, 1]], [[1, 2]]]
    assert AttributeNetwork(examples(values), None).recolours
    light = PLACE | {"look": True}
    assert not AttributeNetwork(examples(values, about=(YAW, light)), None).recolours


def test_examples_come_back_from_their_file(tmp_path):
    made = bars(3, 0)
    made.write(tmp_path / "some.npz")
    read = Examples.read(tmp_path / "some.npz")
    assert np.array_equal(read.images, made.images) and read.about == made.about
    assert np.array_equal(read.labels[VALUES], made.labels[VALUES])
    assert spreads_of(read)[1][1] > 0


def folder_of(folder, text, count=14):
    folder.mkdir(exist_ok=True)
    for number in range(count):
        Image.fromarray(np.full((20, 20, 3), 9 * number, np.uint8)).save(folder / f"{number}.png")
    if text is not None:
        (folder / "labels.csv").write_text(text)
    return folder


def trial(folder, made=None, kind="regression", **values):
    labelled = {"folder": str(folder)} | values
    worth = Configuration.model_validate({"worth": {"experiments": {"mine": labelled}}}).worth
    return trial_of(kind, "mine.seed3", made or experiment(), worth), worth


ROWS = "file,loc_x,yaw\n" + "".join(f"{n}.png,{100 + n},{n}\n" for n in range(14))


def test_photographs_are_judged_by_the_columns_that_there_are(tmp_path):
    found, worth = trial(folder_of(tmp_path / "a", ROWS))
    assert [one["name"] for one in found.about] == ["loc_x", "yaw"]
    assert trained_sources(worth, found) == ["prior", "fit"]
    found, worth = trial(tmp_path / "a", train=["0", "1"])
    assert trained_sources(worth, found) == ["prior", "fit", "real"]
    before = found.state
    (tmp_path / "a/labels.csv").write_text(ROWS.replace("100,0", "101.5,0"))
    assert trial(tmp_path / "a", train=["0", "1"])[0].state != before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, r"labels\.csv: there is no such file.*file,yaw"),
        (ROWS.replace("file", "name"), r"labels\.csv:1: no column 'file'.*name, loc_x, yaw"),
        (ROWS.replace("yaw", "yow"), r"'yow' is no attribute.*Did you mean 'yaw'.*yaw, loc_x"),
        ("file\n0.png\n", r"labels\.csv:1: no column of an attribute.*yaw, loc_x, loc_z"),
        (ROWS.replace("loc_x", "yaw"), r"labels\.csv:1: the column 'yaw' stands twice"),
        (ROWS.replace("103,3", "nan,3"), r"labels\.csv:5: loc_x is 'nan', not a finite"),
        (ROWS.replace("103,3", ",3"), r"labels\.csv:5: loc_x is '', not a finite number"),
        (ROWS.replace("103,3", "3"), r"labels\.csv:5: 2 values, but.*3 columns"),
        (ROWS.replace("3.png", "2.png", 1), r"labels\.csv:5: '2\.png' stands twice"),
        (ROWS + "20.png,1,1\n", r"20: expected one picture of this name.*none"),
        ("file,yaw\n", r"labels\.csv: no picture is labelled"),
        ("file,yaw\n0.png,1\n1.png,2\n", r"has 2 labelled pictures.*at least 10"),
    ],
)
def test_labels_that_cannot_be_used_are_told_while_planning(tmp_path, text, said):
    with pytest.raises(UserError, match=said):
        trial(folder_of(tmp_path / "a", text))


def test_an_experiment_without_any_labels_is_told_so():
    folder = {"target": {"folder": "photographs"}}
    worth = Configuration().worth
    with pytest.raises(UserError, match=r"worth\.experiments: no labelled.*'mine'.*photographs"):
        trial_of("regression", "mine", experiment(**folder), worth)
    several = experiment(grammar=str(ROOT / "config/grammars/several_objects.yaml"))
    with pytest.raises(UserError, match=r"how many objects there are.*segmentation"):
        trial_of("regression", "mine", several, worth)


def test_pictures_to_train_on_must_be_labelled(tmp_path):
    with pytest.raises(UserError, match=r"mine\.train: .*no labelled picture 'zero'.*suffix"):
        trial(folder_of(tmp_path / "a", ROWS), train=["zero"])


def squares(count, seed):
    """Return pictures of a light square with their masks."""
    random, images, masks = np.random.default_rng(seed), [], []
    for _ in range(count):
        image, mask = np.full((32, 32, 3), 90, np.uint8), np.zeros((32, 32), np.uint8)
        row, column = random.integers(0, 16, 2)
        image[row : row + 16, column : column + 16] = 220
        mask[row : row + 16, column : column + 16] = 1
        images.append(image)
        masks.append(mask)
    return Examples(np.stack(images), {MASKS: np.stack(masks)}, [{"name": "light"}])


def test_intersection_over_union_is_that_of_all_pictures_together():
    masks = np.zeros((2, 4, 4), np.uint8)
    masks[0, :2], masks[1, 0, :2] = 1, 2
    test = Examples(
        np.zeros((2, 4, 4, 3), np.uint8), {MASKS: masks}, [{"name": "red"}, {"name": "green"}]
    )
    guess = np.zeros_like(masks)
    guess[0, :1], guess[1, 0] = 1, 2  # half of the one, twice the other
    rows = Segmentation().judged([masks, guess], test)
    assert [rows[n]["value"] for n in ("red", "green")] == [[1, 0.5], [1, 0.5]]
    assert rows["all, mean"]["value"] == [1, 0.5]
    none = Examples(test.images, {MASKS: np.minimum(masks, 1)}, test.about)
    assert list(Segmentation().judged([masks], none)) == ["red"]


def test_a_network_learns_which_pixels_show_a_class_without_any_weights():
    settings = WorthTraining(steps=25, batch_size=8, learning_rate=2e-3)
    network = train_network("segmentation", squares(60, 0), settings, 0, None, print)
    test = squares(20, 1)
    assert Segmentation().judged([network.guess(test.images)], test)["light"]["value"][0] > 0.5
    assert network.guess(test.images[:2, :27, :19]).shape == (2, 27, 19)


def masked(folder, count=14, **others):
    folder_of(folder, None, count)
    for number in range(count):
        values = np.zeros((20, 20), np.uint8)
        values[:10] = 1 + number % 2
        Image.fromarray(others.get(f"mask_{number}", values)).save(folder / f"{number}.mask.png")
    return folder


def test_masks_beside_photographs_are_cut_as_these_are(tmp_path):
    mask = np.zeros((20, 40), np.uint8)
    mask[:10, 10:30], mask[:, :5] = 1, 2
    Image.fromarray(mask).save(tmp_path / "a.mask.png")
    cut = read_mask(tmp_path / "a.mask.png", tmp_path / "a.png", 2, (10, 10))
    assert (cut[:5] == 1).all() and not cut[5:].any()  # the left end is cut off
    assert read_mask(tmp_path / "a.mask.png", tmp_path / "a.png", 1, (10, 10)).max() == 1
    mask[0, 0] = 7
    Image.fromarray(mask).save(tmp_path / "a.mask.png")
    with pytest.raises(UserError, match=r"a\.mask\.png: the number 7 is no class: there are 2"):
        read_mask(tmp_path / "a.mask.png", tmp_path / "a.png", 2, (10, 10))
    Image.new("RGB", (4, 4)).save(tmp_path / "a.mask.png")
    with pytest.raises(UserError, match=r"a\.mask\.png: .*its pixels are RGB"):
        read_mask(tmp_path / "a.mask.png", tmp_path / "a.png", 2, (10, 10))


def test_masks_that_cannot_be_used_are_told_while_planning(tmp_path):
    made = experiment()
    found, worth = trial(masked(tmp_path / "a"), made, "segmentation", train=["1"])
    assert len(found.about) == 1 and trained_sources(worth, found)[-1] == "real"
    small = np.zeros((9, 20), np.uint8)
    with pytest.raises(UserError, match=r"4\.mask\.png.*20 x 9 pixels, its picture 4\.png has"):
        trial(masked(tmp_path / "b", mask_4=small), made, "segmentation")
    (tmp_path / "a/5.png").unlink()
    with pytest.raises(UserError, match=r"a/5: expected one picture of this name.*none"):
        trial(tmp_path / "a", made, "segmentation")
    with pytest.raises(UserError, match=r"no picture has a mask.*NAME\.mask\.png"):
        trial(folder_of(tmp_path / "c", ROWS), made, "segmentation")
    with pytest.raises(UserError, match=r"renderer 'plain' has no masks, which a segmentation"):
        plain = experiment("tyol_1attr", renderer=str(ROOT / "tests/maskless.py"))
        trial(tmp_path / "a", plain, "segmentation")


def test_masks_of_photographs_may_be_cocos(tmp_path):
    folder_of(tmp_path, None)
    images = [{"id": n, "file_name": f"{n}.png", "width": 20, "height": 20} for n in range(14)]
    corners = [0, 0, 20, 0, 20, 10, 0, 10]
    objects = [
        {
            "id": n,
            "image_id": n,
            "category_id": 3,
            "bbox": [0, 0, 20, 10],
            "segmentation": [corners],
        }
        for n in range(14)
    ]
    values = {"images": images, "annotations": objects, "categories": [{"id": 3, "name": "shoe"}]}
    write_json(tmp_path / "annotations.json", values)
    found, _ = trial(tmp_path, experiment(), "segmentation")
    labels = Segmentation().labels_in(tmp_path, found.about)
    assert len(labels.files) == 14
    mask = labels.given["3"]((10, 10))
    assert mask[:4].min() == 1 and mask[6:].max() == 0
    del objects[5]["segmentation"]
    write_json(tmp_path / "annotations.json", values)
    with pytest.raises(UserError, match=r"annotations\.json: an object of '5' has a box, but no"):
        trial(tmp_path, experiment(), "segmentation")
