"""One look for all figures. Uses matplotlib without its global state, so it runs headless."""

from __future__ import annotations

from pathlib import Path

from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import ImageFont

from simtailor.files import staged

# Okabe and Ito's colours, distinguishable to colour-blind readers.
PRIOR, TARGET, GENERATED = "#999999", "#0072B2", "#D55E00"


def clean_axes(axes: Axes) -> None:
    """Remove the frame's top and right, soften the ticks."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, color="#666666")


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG without a date in it."""
    with staged(path) as staging:
        figure.savefig(staging, dpi=130, metadata={"Software": None})


def label_font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font that matplotlib ships, for text on pictures."""
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)
