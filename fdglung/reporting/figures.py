"""Pictures of a study: the PET projected with numbered outlines, and each lesion in three planes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import SimpleITK as sitk
from matplotlib import colormaps, patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from fdglung.pipeline import Analysis
from fdglung.reporting.dicom_common import pet_headers
from fdglung.reporting.display import PLANE_LETTERS, Projection, View, projections, views
from fdglung.reporting.palette import display_colors

MIP_SUV = 7.0
"""Upper end of the grey scale of the projections in g/ml: fixed, so that two studies can be compared."""

LEAST_VIEW_SUV = 5.0
"""Least upper end of a lesion view's scale in g/ml; otherwise it is the lesion's own SUVmax, where its VOI shows."""

LUNG_WINDOW = (-1350.0, 150.0)
"""Lower and upper HU of the CT's lung window (level -600, width 1500)."""

LEAST_FALL = 0.05
"""Least end of a class map's scale, in units of probability: noise does not fill the scale."""

CONTOUR = "#00e5ff"
"""Outline of the VOI: seen on grey and on the hot scale."""


def mip(analysis: Analysis) -> Figure:
    """Draw the PET's maximum intensity projections, front and left, with numbered lesion outlines.

    Parameters
    ----------
    analysis
        A study with its findings.

    Returns
    -------
    matplotlib.figure.Figure
        Inverted grey from 0 to `MIP_SUV` g/ml with a bar, orientation letters and a scale of 10 cm.

    Raises
    ------
    NoPetError
        The study has no PET.

    """
    pet_headers(analysis)
    pictures = projections(analysis)
    height = max(picture.height_mm for picture in pictures)
    widths = [picture.width_mm for picture in pictures]
    inches = 7.2 / (sum(widths) + 0.16 * sum(widths))
    tall = float(np.clip(height * inches, 2.0, 5.6))
    figure = Figure(figsize=(7.2, tall + 0.25), dpi=130)
    FigureCanvasAgg(figure)
    axes = figure.subplots(
        1, 3, gridspec_kw={"width_ratios": [*widths, 0.03 * sum(widths)], "wspace": 0.04, "left": 0.01, "right": 0.93}
    )
    figure.subplots_adjust(top=1 - 0.22 / (tall + 0.25), bottom=0.01)
    for axis, picture in zip(axes, pictures, strict=False):
        _draw_projection(axis, picture)
    _bar(figure, axes[2], "gray_r", 0.0, MIP_SUV, "SUVbw (g/ml)")
    return figure


def triplane(analysis: Analysis, label: int) -> Figure:
    """Draw a lesion in three planes through its hottest point: PET in colour over the CT, or PET alone.

    Parameters
    ----------
    analysis
        A study with its findings.
    label
        The lesion's number.

    Returns
    -------
    matplotlib.figure.Figure
        Axial, coronal and sagittal with VOI outline, orientation letters and a scale of 5 or 2 cm; with CT the lung
        window in grey under the PET, without CT the PET in inverted grey; from 0 to the lesion's SUVmax.

    Raises
    ------
    NoPetError
        The study has no PET.

    """
    pet_headers(analysis)
    figure, axes = _three_planes_and_bar()
    lesion = next(item for item in analysis.findings.lesions if item.label == label)
    top = max(LEAST_VIEW_SUV, lesion.suv_max)
    for axis, view in zip(axes, views(analysis, label), strict=False):
        _draw_view(axis, view, top)
    fused = analysis.study.ct is not None
    _bar(figure, axes[3], "hot" if fused else "gray_r", 0.0, top, "SUVbw (g/ml)").set_box_aspect(17)
    return figure


def class_map(analysis: Analysis, label: int) -> Figure:
    """Draw where an image classifier looks for a lesion's class, in the three planes of `triplane`.

    Parameters
    ----------
    analysis
        A study with its findings and a map of this lesion.
    label
        The lesion's number.

    Returns
    -------
    matplotlib.figure.Figure
        In colour by how much the probability of the class falls when a place is covered (red) or rises (blue), over the
        CT's lung window, or the PET without a CT, in grey; with the VOI outline.

    Raises
    ------
    NoPetError
        The study has no PET.

    """
    pet_headers(analysis)
    figure, axes = _three_planes_and_bar()
    falls = sitk.GetArrayViewFromImage(analysis.class_maps[label])
    top = max(LEAST_FALL, float(np.abs(falls).max()))
    lesion = next(item for item in analysis.findings.lesions if item.label == label)
    for axis, view in zip(axes, views(analysis, label), strict=False):
        assert view.class_map is not None
        low, high = LUNG_WINDOW if view.ct is not None else (0.0, max(LEAST_VIEW_SUV, lesion.suv_max))
        grey = np.clip(((view.pet if view.ct is None else view.ct) - low) / (high - low), 0, 1)[..., None]
        color = colormaps["coolwarm"](np.clip(0.5 + 0.5 * view.class_map / top, 0, 1))[..., :3]
        weight = 0.75 * np.clip(np.abs(view.class_map) / top, 0, 1)[..., None]
        axis.imshow(grey * (1 - weight) + color * weight, extent=_extent(view), interpolation="nearest")
        _mark_plane(axis, view, contour="black", dark=True)
    _bar(figure, axes[3], "coolwarm", -top, top, "Fall of the probability").set_box_aspect(17)
    return figure


def _three_planes_and_bar() -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(7.2, 2.42), dpi=150)
    FigureCanvasAgg(figure)
    grid = {"width_ratios": [1, 1, 1, 0.05], "wspace": 0.04, "left": 0.005, "right": 0.93, "top": 0.91, "bottom": 0.01}
    return figure, list(figure.subplots(1, 4, gridspec_kw=grid))


def png(figure: Figure) -> bytes:
    """Encode a figure; the same picture gives the same bytes.

    Parameters
    ----------
    figure
        Any figure with an Agg canvas.

    Returns
    -------
    bytes
        A PNG file.

    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 4})
    return buffer.getvalue()


def _draw_projection(axis: Axes, picture: Projection) -> None:
    colors = display_colors(max(picture.lesions, default=0))
    extent = (0.0, picture.width_mm, picture.height_mm, 0.0)
    axis.imshow(picture.pet, cmap="gray_r", vmin=0, vmax=MIP_SUV, extent=extent, interpolation="bilinear")
    many = len(picture.lesions) > 12
    step_x, step_y = picture.width_mm / picture.pet.shape[1], picture.height_mm / picture.pet.shape[0]
    for label, shadow in picture.lesions.items():
        padded = np.pad(shadow.astype(float), 1)
        x = (np.arange(padded.shape[1]) - 0.5) * step_x
        y = (np.arange(padded.shape[0]) - 0.5) * step_y
        axis.contour(x, y, padded, levels=[0.5], colors=[colors[label - 1]], linewidths=0.7 if many else 1.1)
        rows, columns = np.nonzero(shadow)
        right = columns.max() < 0.85 * shadow.shape[1]
        place = ((columns.max() + 1.5) * step_x if right else (columns.min() - 0.5) * step_x, rows.min() * step_y)
        axis.annotate(
            str(label),
            place,
            color=colors[label - 1],
            fontsize=6 if many else 9,
            fontweight="bold",
            ha="left" if right else "right",
            va="center",
            path_effects=[patheffects.withStroke(linewidth=2, foreground="white")],
        )
    axis.set(xlim=(0, picture.width_mm), ylim=(picture.height_mm, 0), xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set_color("0.75")
    axis.set_title(f"{picture.plane.capitalize()} MIP", fontsize=8, pad=3)
    _letters(axis, PLANE_LETTERS[picture.plane], color="0.25", halo="white")
    _scale(axis, 100.0, picture.width_mm, color="0.1", halo="white")


def _draw_view(axis: Axes, view: View, top: float) -> None:
    if view.ct is None:
        axis.imshow(view.pet, cmap="gray_r", vmin=0, vmax=top, extent=_extent(view), interpolation="nearest")
        _mark_plane(axis, view, contour="#d0006f", dark=False)
    else:
        axis.imshow(_fuse(view.pet, view.ct, top), extent=_extent(view), interpolation="nearest")
        _mark_plane(axis, view, contour=CONTOUR, dark=True)


def _extent(view: View) -> tuple[float, float, float, float]:
    return (0.0, view.width_mm, view.width_mm, 0.0)


def _mark_plane(axis: Axes, view: View, *, contour: str, dark: bool) -> None:
    """Draw what stands on the picture of a view: the outline of its VOI, its place, letters and scale."""
    step = view.width_mm / view.voi.shape[0]
    centres = (np.arange(view.voi.shape[0]) + 0.5) * step
    if view.voi.min() < 0.5 < view.voi.max():
        axis.contour(centres, centres, view.voi, levels=[0.5], colors=[contour], linewidths=1.0)
    axis.set(xlim=(0, view.width_mm), ylim=(view.width_mm, 0), xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set_visible(False)
    coordinate = {"axial": "z", "coronal": "y", "sagittal": "x"}[view.plane]
    axis.set_title(f"{view.plane.capitalize()}, {coordinate} = {view.position_mm:.0f} mm", fontsize=8, pad=3)
    _letters(axis, PLANE_LETTERS[view.plane], color="white" if dark else "0.1", halo="black" if dark else "white")
    length = 50.0 if view.width_mm > 150 else 20.0
    _scale(axis, length, view.width_mm, color="white" if dark else "0.1", halo="black" if dark else "white")


def _fuse(pet: NDArray[Any], ct: NDArray[Any], top: float) -> NDArray[Any]:
    """Blend arrays (down, across) of SUV and HU to RGB from 0 to 1: no colour below SUV 0.5, full above 3."""
    low, high = LUNG_WINDOW
    grey = np.clip((ct - low) / (high - low), 0, 1)[..., None]
    hot = colormaps["hot"](np.clip(pet / top, 0, 1))[..., :3]
    weight = 0.65 * np.clip((pet - 0.5) / 2.5, 0, 1)[..., None]
    # Rounded, what is white may be a hair above 1, which matplotlib warns of.
    return np.minimum(grey * (1 - weight) + hot * weight, 1.0)


def _letters(axis: Axes, letters: tuple[str, str, str, str], *, color: str, halo: str) -> None:
    places = (
        *((0.02, 0.5, "left", "center"), (0.98, 0.5, "right", "center")),
        *((0.5, 0.98, "center", "top"), (0.5, 0.02, "center", "bottom")),
    )
    for letter, (x, y, ha, va) in zip(letters, places, strict=True):
        stroke = [patheffects.withStroke(linewidth=1.5, foreground=halo)]
        axis.text(x, y, letter, transform=axis.transAxes, ha=ha, va=va, color=color, fontsize=8, path_effects=stroke)


def _scale(axis: Axes, length: float, width: float, *, color: str, halo: str) -> None:
    """Draw a bar of `length` mm into the lower left corner; data coordinates are mm and run downwards."""
    stroke = [patheffects.withStroke(linewidth=2.5, foreground=halo)]
    bottom, top = axis.get_ylim()
    y = bottom - 0.035 * (bottom - top)
    x = 0.04 * width
    axis.plot([x, x + length], [y, y], color=color, linewidth=1.6, solid_capstyle="butt", path_effects=stroke)
    up = 0.015 * (bottom - top)
    label = f"{length / 10:.0f} cm"
    axis.text(x, y - up, label, ha="left", va="bottom", color=color, fontsize=7, path_effects=stroke)


def _bar(figure: Figure, axis: Axes, cmap: str, low: float, high: float, text: str) -> Axes:
    bar = figure.colorbar(ScalarMappable(Normalize(low, high), cmap), cax=axis)
    bar.set_label(text, fontsize=7, labelpad=2)
    bar.ax.tick_params(labelsize=7, length=2, pad=1.5)
    bar.outline.set_linewidth(0.4)
    return axis
