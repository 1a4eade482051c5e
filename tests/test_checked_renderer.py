"""The wrapper around every renderer, with renderers that do something wrong."""

import numpy as np
import pytest
from dots import NODES, SETTINGS, SIZE, DotRenderer, description, scenes

from simtailor.errors import UserError
from simtailor.render import checked as module
from simtailor.render.checked import CheckedRenderer
from simtailor.render.rendering import Rendering
from simtailor.scene.attributes import ANGLE, Attribute


def checked(inner, lines=None, **values) -> CheckedRenderer:
    report = (lambda line: None) if lines is None else lines.append
    return CheckedRenderer(inner, description(**values), SETTINGS, report)


def expected(graphs):
    return DotRenderer().images(graphs)


def answering(change):
    """Return a renderer whose images go through ``change``."""

    class Wrong(DotRenderer):
        def render(self, graphs, **parts):
            answer = change(self.images(graphs))
            return answer if isinstance(answer, Rendering | str) else Rendering(answer)

    return Wrong()


WRONG = {
    "too few": (lambda i: i[:-1], r"5 scenes were asked for, and 4 images came back"),
    "too many": (lambda i: np.repeat(i, 2, 0), "5 scenes were asked for, and 10 images came"),
    "wrong size": (lambda i: i[:, :-1], r"uint8 \[5, 15, 16, 3\]; expected uint8 \[5, 16, 16, 3\]"),
    "grey": (lambda i: i[..., 0], r"uint8 \[5, 16, 16\]; expected uint8 \[5, 16, 16, 3\]"),
    "float": (lambda i: i / 255, r"float64 \[5, .*np\.rint\(255 \* images\)"),
    "NaN": (lambda i: np.where(i > 9, np.nan, i), r"float64 \[.* with NaN; expected uint8"),
    "a list": (list, "images are list; return a NumPy array"),
    "nothing": (lambda i: Rendering(None), "images are absent; return a NumPy array"),
    "no rendering": (lambda i: "done", r"returned str; return Rendering\(images\)"),
    "reversed": (lambda i: i[::-1], "order of the images is not that of the graphs"),
    "one too far": (lambda i: np.roll(i, 1, 0), "order of the images is not that of the graphs"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_answer_is_told_with_what_to_return(case):
    change, words = WRONG[case]
    with pytest.raises(UserError, match=words) as caught:
        checked(answering(change)).render(scenes(5))
    assert str(caught.value).startswith("renderer 'dots'")


def test_a_wrong_order_is_seen_though_the_first_scenes_look_alike():
    graphs, renderer = scenes(5), checked(answering(lambda i: i[::-1]))
    renderer.render(graphs[[0, 0, 0]])
    renderer.render(graphs[:1])
    with pytest.raises(UserError, match="order of the images"):
        renderer.render(graphs)


def test_images_that_are_not_reproducible_are_told():
    def noisy():
        random = np.random.default_rng(0)
        return answering(lambda i: random.integers(0, 256, i.shape).astype(np.uint8))

    with pytest.raises(UserError, match=r"drawn twice.*differ by up to 2\d\d.*reproducible=False"):
        checked(noisy()).render(scenes(5))
    assert checked(noisy(), reproducible=False).render(scenes(5)).images.shape[0] == 5
    rounding = np.random.default_rng(0)
    near = answering(lambda i: np.minimum(i, 250) + rounding.integers(0, 3, i.shape, np.uint8))
    assert checked(near).render(scenes(5)).images.shape[0] == 5


def test_a_scene_is_drawn_twice_at_the_first_call_only():
    inner = DotRenderer()
    renderer = checked(inner)
    for _ in range(3):
        np.testing.assert_array_equal(renderer.render(scenes(5)).images, expected(scenes(5)))
    assert inner.sizes == [5, 1, 5, 5]


def test_what_it_cannot_give_is_not_asked_for():
    with pytest.raises(UserError, match="gives no depth; it gives images, masks"):
        checked(DotRenderer(), returns=("masks",)).render(scenes(2), depth=True)


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("masks", None, "masks are absent"),
        ("masks", np.zeros((3, SIZE, SIZE), bool), r"masks are bool .* expected uint8"),
        ("depth", np.full((3, SIZE, SIZE), np.nan, np.float32), "depth hold NaN"),
        ("depth", np.ones((3, SIZE, SIZE)), r"depth are float64 .*metres along the camera"),
        ("keypoints", np.ones((3, 7, 2), np.float32), r"expected float32 \[3, K, 3\]"),
    ],
)
def test_the_other_parts_are_checked_too(part, value, words):
    class WithParts(DotRenderer):
        def render(self, graphs, **parts):
            assert parts == {part: True}
            return Rendering(self.images(graphs), **{part: value})

    renderer = checked(WithParts(), returns=("masks", "depth", "keypoints"))
    with pytest.raises(UserError, match=words):
        renderer.render(scenes(3), **{part: True})


def test_large_calls_are_cut_and_come_back_whole(monkeypatch):
    inner, graphs = DotRenderer(), scenes(500)
    np.testing.assert_array_equal(checked(inner).render(graphs).images, expected(graphs))
    assert max(inner.sizes) == 256  # nothing is known of its speed at first
    monkeypatch.setattr(module, "MOST_BYTES", 7 * SIZE * SIZE * 3)
    inner = DotRenderer()
    np.testing.assert_array_equal(checked(inner).render(graphs).images, expected(graphs))
    assert max(inner.sizes) == 7
    inner = DotRenderer()
    checked(inner, largest_batch=3).render(graphs[:20])
    assert max(inner.sizes) == 3


def test_calls_of_a_slow_renderer_are_short_and_report_progress(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])

    class Slow(DotRenderer):
        def render(self, graphs, **parts):
            clock[0] += 0.5 * len(graphs)
            return super().render(graphs)

    inner, lines = Slow(), []
    checked(inner, lines, slow=True).render(scenes(100))
    assert inner.sizes[0] == 1
    assert 15 <= max(inner.sizes) <= 20  # about ten seconds
    assert "of 100 scenes, " in lines[0]
    assert all(line.endswith(" a second") for line in lines)


class Failing(DotRenderer):
    """Fails now and then, and always at some scenes."""

    def __init__(self, every: int = 0, broken: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.every, self.broken, self.calls, self.restarts = every, broken, 0, 0

    def render(self, graphs, **parts):
        self.calls += 1
        if set(self.broken) & set(graphs.seeds) or (self.every and self.calls % self.every == 0):
            raise RuntimeError("the simulator lost its window")
        return super().render(graphs)

    def restart(self):
        self.restarts += 1


def test_a_failure_now_and_then_is_tried_again():
    inner, lines, graphs = Failing(every=3), [], scenes(40)
    renderer = checked(inner, lines, tries=3, largest_batch=8)
    np.testing.assert_array_equal(renderer.render(graphs).images, expected(graphs))
    assert inner.restarts == len(lines) > 0
    assert all("lost its window" in line and line.endswith("asking again") for line in lines)


def test_the_scene_that_always_fails_is_named():
    graphs = scenes(8)
    with pytest.raises(UserError, match=r"failed at scene 5: RuntimeError: .*\.py:\d+\)") as caught:
        checked(Failing(broken=(graphs.seeds[5],)), tries=2).render(graphs)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_without_further_tries_the_first_failure_ends_it():
    inner = Failing(every=1)
    with pytest.raises(UserError, match="failed at scenes 0 to 7: RuntimeError"):
        checked(inner).render(scenes(8))
    assert inner.calls == 1


def test_a_mistake_of_the_user_is_not_tried_again():
    class Strict(DotRenderer):
        def render(self, graphs, **parts):
            self.sizes.append(len(graphs))
            raise UserError("mine.json: no such class")

    inner = Strict()
    with pytest.raises(UserError, match=r"^mine\.json: no such class$"):
        checked(inner, tries=5).render(scenes(8))
    assert len(inner.sizes) == 1


def test_values_beyond_the_range_are_cut_to_it():
    graphs, inner = scenes(4), DotRenderer()
    graphs.features[:, 1, 0] = [-0.2, 0.5, 1.3, 1.0]
    checked(inner).render(graphs)
    assert inner.seen[:4] == [0, 7.5, 15, 15]
    assert graphs.features[0, 1, 0] == np.float32(-0.2)  # the caller's are as they were


def test_it_enters_and_leaves_the_renderer_where_it_wants_to():
    events = []

    class Managed(DotRenderer):
        def __enter__(self):
            events.append("enter")
            return self

        def __exit__(self, *arguments):
            events.append("exit")

    with checked(Managed()) as renderer:
        renderer.render(scenes(1))
    with checked(DotRenderer()) as renderer:
        assert renderer.render(scenes(0)).images.shape == (0, SIZE, SIZE, 3)
    assert events == ["enter", "exit"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": "my dots"}, "name: use letters"),
        ({"settings": dict}, "subclass of StageSettings"),
        ({"factory": "dots.DotRenderer"}, "expected 'module:name'"),
        ({"returns": ("normals",)}, "normals"),
        ({"largest_batch": 0}, "largest_batch: expected at least 1"),
        ({"tries": 0}, "tries: expected at least 1"),
        ({"nodes": {"dot": {"x": ANGLE}}}, "'dot' is no NodeKind"),
    ],
)
def test_an_impossible_description_is_refused(values, words):
    with pytest.raises(ValueError, match=words):
        description(**values)


def test_entries_are_looked_at_by_node_and_attribute():
    layout = scenes(1).layout
    assert description().effective(layout).tolist() == [[False], [True]]
    other = {"box": NODES["dot"]}
    assert not description(nodes=other).effective(layout).any()


def test_a_description_may_depend_on_the_settings():
    def adapted(settings):
        wide = {"x": Attribute("px", low=0, high=settings.image_size)}
        return description(nodes={"dot": type(NODES["dot"])(wide)}, identity="wide")

    found = description(adapted=adapted, identity="dots 1").of(SETTINGS)
    assert found.attributes["dot"]["x"].high == SIZE
    assert found.identity == "dots 1\nwide"
