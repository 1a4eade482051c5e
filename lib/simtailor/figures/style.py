"""One look for all figures. Uses matplotlib without its global state, so it runs headless."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageFont

from simtailor.files import staged

if TYPE_CHECKING:  # sheets of images need its font alone
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, distinguishable to colour-blind readers.
PRIOR, TARGET, GENERATED = "#999999", "#0072B2", "#D55E00"


def clean_axes(axes: Axes) -> None:
    """Remove the frame's top and right, soften the ticks."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, color="#666666")


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG without a date in it, of 256 colours: a third of the size."""
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=130)
    few = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    with staged(path) as staging:
        few.save(staging, format="png", optimize=True)


def label_font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font that matplotlib ships, for text on pictures."""
    return ImageFont.truetype(_font_file(), size)


@cache
def _font_file() -> Path:
    """Return the font's file without importing matplotlib, which takes half a second."""
    (folder,) = find_spec("matplotlib").submodule_search_locations
    return Path(folder) / "mpl-data/fonts/ttf/DejaVuSans.ttf"
