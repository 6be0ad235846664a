"""Figures of panels, each marked as research, as PNG and as SVG."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from fdglung import RESEARCH_NOTICE

COLOURS = ("#1f5a94", "#c2571a", "#2e7d4f", "#7b3f98", "#8c6d1f", "#b2186b", "#3a3a3a", "#2aa0a8")
"""Of classes, in their order; used again where there are more."""

RED, GREY = "#b2182b", "#666666"


@contextmanager
def panels(path: Path, rows: int, columns: int, *, title: str, size_in: tuple[float, float]) -> Iterator[list[Axes]]:
    """Give the axes of a figure, and write it as ``.png`` and ``.svg`` when the block ends well.

    Parameters
    ----------
    path
        Without an ending.
    rows, columns
        Of panels.
    title
        Over all panels.
    size_in
        Width and height of a panel in inches.

    """
    # The same data give the same SVG: no date, no random names.
    with mpl.rc_context({"svg.hashsalt": "fdglung", "font.size": 9, "axes.titlesize": 10}):
        height = rows * size_in[1] + 0.9
        layout = ConstrainedLayoutEngine(rect=(0, 0.3 / height, 1, 1 - 0.3 / height), w_pad=0.1, h_pad=0.08)
        figure = Figure(figsize=(columns * size_in[0], height), dpi=150, layout=layout)
        axes = figure.subplots(rows, columns, squeeze=False)
        for one in axes.flat:
            one.spines[["top", "right"]].set_visible(False)
        yield list(axes.flat)
        figure.suptitle(title, fontsize=11)
        figure.text(0.5, 0.1 / height, RESEARCH_NOTICE, ha="center", fontsize=8, color=RED)
        # Laid out once, and each file drawn once: `savefig` draws twice, to find the layout.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        FigureCanvasAgg(figure).print_png(path.with_suffix(".png"))
        FigureCanvasSVG(figure).print_svg(path.with_suffix(".svg"), metadata={"Date": None})


def literal(text: str) -> str:
    """Return text that matplotlib shows as it is: names from a table may hold the marks of formulas."""
    return text.replace("$", r"\$")
