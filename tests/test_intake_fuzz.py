"""Random folders and random images: a right result or a message for the user, nothing else."""

import os
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from simtailor.errors import UserError
from simtailor.intake.formats import open_image
from simtailor.intake.layout import labelled_files
from simtailor.intake.reading import Reading, read_squares

# The same examples every time, and none made smaller: that takes minutes.
QUICK = {"deadline": None, "derandomize": True, "phases": [Phase.generate]}
READ = (".png", ".JPG", ".jfif", ".Tiff", ".webp", ".bmp")
UNREAD = (".heic", ".NEF", ".mov")
OTHER = (".txt", ".json", "")
SERVICE = (".hidden", "__MACOSX", "@eaDir", ".ipynb_checkpoints")
ROLE = {"train": 0, "Training": 0, "val": 1, "VALID": 1, "test": 2, "Testing": 2}

stems = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0.", exclude_categories=("Cs",)),
    min_size=1, max_size=6,
).filter(lambda text: len(text.encode()) < 60)  # fmt: skip
files = st.lists(
    st.tuples(stems, st.sampled_from(READ * 4 + UNREAD + OTHER)),
    min_size=1, max_size=6, unique_by=lambda file: file[0].casefold(),
)  # fmt: skip
classes = st.dictionaries(st.sampled_from(["cat", "dog", "Eel", "über", "a b"]), files, max_size=4)
trees = st.fixed_dictionaries(
    {
        "parts": st.lists(st.sampled_from([*ROLE]), max_size=3, unique_by=ROLE.get),
        "classes": classes,
        "deeper": st.booleans(),
        "service": st.lists(st.sampled_from(SERVICE), max_size=2, unique=True),
        "linked": st.booleans(),
        "loose": st.booleans(),
    }
)


def write_tree(root: Path, tree: dict) -> set[tuple[str, str, bool]]:
    """Write a tree; return class, file and whether it tests, of every image that is to be taken."""
    folder, taken = root / "set", set()
    folder.mkdir()
    used = set(map(ROLE.get, tree["parts"]))
    for part in tree["parts"] or [""]:
        for name, content in tree["classes"].items():
            below = folder / part / name
            if tree["linked"] and name == "cat":
                target = root / f"elsewhere{part}"
                target.mkdir()
                below.parent.mkdir(exist_ok=True)
                below.symlink_to(target)
            below.mkdir(parents=True, exist_ok=True)
            inner = below / "more" if tree["deeper"] else below
            inner.mkdir(exist_ok=True)
            for stem, suffix in content:
                (inner / f"{stem}{suffix}").write_bytes(b"x")
                if suffix in READ:
                    tests = bool(part) and len(used) > 1 and ROLE[part] == max(used)
                    taken.add((name, str(inner / f"{stem}{suffix}"), tests))
    for name in tree["service"]:
        for place in (folder, *(folder / n for n in tree["classes"] if not tree["parts"])):
            (place / name).mkdir(parents=True, exist_ok=True)
            (place / name / "0.png").write_bytes(b"x")
    if tree["loose"]:
        (folder / "loose.png").write_bytes(b"x")
    return taken


def lost_classes(tree: dict) -> bool:
    """Return whether more pictures of a class are of a format that is not read than are."""
    return any(
        sum(s in UNREAD for _, s in content) > sum(s in READ for _, s in content)
        for content in tree["classes"].values()
    )


@settings(**QUICK, max_examples=60)
@given(tree=trees)
def test_a_random_tree_is_taken_whole_or_refused(tree):
    with tempfile.TemporaryDirectory() as temporary:
        expected = write_tree(Path(temporary), tree)
        try:
            found = labelled_files(Path(temporary) / "set")
        except UserError as error:
            assert str(error).startswith(f"{temporary}/set: ")
            assert not expected or tree["loose"] or lost_classes(tree), error
            return
        tests = found.test or [False] * len(found.labelled)
        got = {(n, str(p), t) for (p, n), t in zip(found.labelled, tests, strict=True)}
        assert got == expected
        assert not tree["loose"] and not lost_classes(tree)
        report = found.report
        assert report.taken == len(expected)
        assert report.found == report.taken + report.passed_over.total()
        on_disk = sum(len(names) for _, _, names in os.walk(temporary))
        assert report.found == on_disk


TURNS = {  # EXIF's orientation: how the stored pixels become upright
    1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
    5: lambda a: np.swapaxes(a, 0, 1), 6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(np.swapaxes(a, 0, 1), 2), 8: np.rot90,
}  # fmt: skip
DEEP = {"I;16": (np.uint16, 0, 65535), "I": (np.int32, -2e9, 2e9), "F": (np.float32, -1e3, 1e3)}
CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
drawings = st.lists(
    st.tuples(
        st.integers(1, 50), st.integers(1, 50), st.sampled_from([*TURNS]), st.floats(0, 1),
        st.floats(0, 1), st.integers(0, 99),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


def fitted(upright: np.ndarray, size: int) -> np.ndarray:
    """Return float [size, size, 3]: the middle square of values [H, W] or [H, W, 3]."""
    planes = [upright] * 3 if upright.ndim == 2 else list(np.moveaxis(upright, -1, 0))
    images = [Image.fromarray(plane.astype(np.float32)) for plane in planes]
    method = Image.Resampling.BICUBIC
    small = [np.asarray(ImageOps.fit(image, (size, size), method)) for image in images]
    return np.stack(small, -1)


def read_all(images: list[Image.Image], turns: list[int], suffix: str, size: int) -> np.ndarray:
    with tempfile.TemporaryDirectory() as temporary:
        paths = [Path(temporary) / f"{i}{suffix}" for i in range(len(images))]
        for path, image, turn in zip(paths, images, turns, strict=True):
            exif = Image.Exif()
            exif[0x0112] = turn
            image.save(path, exif=exif)
        read = read_squares(
            lambda i: open_image(paths[i]), str, range(len(paths)), Reading(size), 2
        )
    return read.images.astype(int)


@settings(**QUICK, max_examples=40)
@given(
    drawings=drawings,
    mode=st.sampled_from([*DEEP]),
    suffix=st.sampled_from([".png", ".tif"]),
    size=st.integers(8, 40),
)
def test_random_deep_images_reach_from_black_to_white(drawings, mode, suffix, size):
    kind, lowest, highest = DEEP[mode]
    suffix = suffix if mode == "I;16" else ".tif"
    stored = []
    for width, height, _, begin, end, seed in drawings:
        noise = np.random.default_rng(seed).random((height, width))
        shares = begin + (end - begin) * noise
        stored.append((lowest + (highest - lowest) * shares).astype(kind))
    turns = [turn for _, _, turn, *_ in drawings]
    got = read_all([Image.fromarray(values) for values in stored], turns, suffix, size)
    low, high = float(min(v.min() for v in stored)), float(max(v.max() for v in stored))
    if low == high:
        return  # one value has no range; the depth that holds it is tested elsewhere
    for values, turn, square in zip(stored, turns, got, strict=True):
        shares = (TURNS[turn](values).astype(float) - low) / (high - low)
        expected = np.clip(fitted(255 * shares, size), 0, 255)
        assert abs(square - expected).max() <= 1


@settings(**QUICK, max_examples=40)
@given(
    drawings=drawings,
    mode=st.sampled_from([*CHANNELS]),
    suffix=st.sampled_from([".png", ".tif"]),
    size=st.integers(8, 40),
)
def test_random_plain_images_are_upright_and_on_white(drawings, mode, suffix, size):
    stored = [
        np.random.default_rng(seed).integers(90, 166, (h, w, CHANNELS[mode]), dtype=np.uint8)
        for w, h, *_, seed in drawings
    ]
    turns = [turn for _, _, turn, *_ in drawings]
    images = [Image.fromarray(values.squeeze(-1) if mode == "L" else values, mode)
              for values in stored]  # fmt: skip
    got = read_all(images, turns, suffix, size)
    for values, turn, square in zip(stored, turns, got, strict=True):
        upright = TURNS[turn](values).astype(float)
        colours = upright[..., : 1 if mode in ("L", "LA") else 3]
        alpha = upright[..., -1:] / 255 if mode in ("LA", "RGBA") else 1
        on_white = np.broadcast_to(colours * alpha + 255 * (1 - alpha), (*upright.shape[:2], 3))
        assert abs(square - np.clip(fitted(on_white, size), 0, 255)).max() <= 3
