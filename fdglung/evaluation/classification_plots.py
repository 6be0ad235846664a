"""Plots of an evaluation of class probabilities: a figure a level and kind, a panel a set."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from fdglung.evaluation.bootstrap import Estimate
from fdglung.evaluation.calibration import TOP
from fdglung.evaluation.class_measures import ALL, MACRO, roc_points
from fdglung.evaluation.class_parts import Part
from fdglung.evaluation.decision_curve import THRESHOLDS
from fdglung.evaluation.figures import COLOURS, GREY, literal, panels

Floats = NDArray[np.float64]

_EQUAL_IN = (4.8, 4.6)
_WIDE_IN = (3.9, 3.3)
_SMALL_IN = (3.3, 3.3)


def write_plots(folder: Path, parts: Sequence[Part]) -> dict[str, str]:
    """Write ``LEVEL_roc``, ``LEVEL_confusion``, ``LEVEL_calibration`` and ``LEVEL_decision_curve``, as PNG and SVG.

    Returns
    -------
    dict
        Why a figure was not drawn, by its name without an ending.

    """
    absent: dict[str, str] = {}
    for level in dict.fromkeys(part.level for part in parts):
        sets = [part for part in parts if part.level == level and not part.centre]
        several = [part for part in sets if len(part.predictions.present) > 1]
        kinds: tuple[tuple[str, str, Callable[[Axes, Part], None], list[Part]], ...] = (
            ("roc", "ROC, each class against the rest", _roc, several),
            ("confusion", "Confusion matrix: counts, and share of the true class", _confusion, sets),
        )
        for kind, title, paint, shown in kinds:
            if not shown:
                absent[f"{level}_{kind}"] = "no set has rows of two classes"
                continue
            columns = min(len(shown), 2) if len(shown) != 3 else 3
            rows = math.ceil(len(shown) / columns)
            with panels(folder / f"{level}_{kind}", rows, columns, title=title, size_in=_EQUAL_IN) as axes:
                for place, part in itertools.zip_longest(axes, shown):
                    if part is None:
                        place.set_visible(False)
                    else:
                        paint(place, part)
                        place.set_title(literal(f"{part.set_name or 'all'}: {_rows(part)}"))
        _write_calibration(folder / f"{level}_calibration", sets)
        _write_decision(folder / f"{level}_decision_curve", sets)
    return absent


def _roc(axes: Axes, part: Part) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":")
    for place in part.predictions.present:
        name = part.predictions.classes[place]
        points = roc_points(part.predictions, place)
        found = part.measures.estimate(("auc", f"class {name}"))
        axes.plot(*_curve(points), color=_colour(place), lw=1.6, label=f"{literal(name)}: {_text(found)}")
        if part.other is not None:
            axes.plot(*_curve(roc_points(part.other, place)), color=_colour(place), lw=1.1, ls="--")
    axes.plot([], [], " ", label=f"macro: {_text(part.measures.estimate(('auc', MACRO)))}")
    if part.other is not None:
        compared = part.comparison["auc", MACRO]
        axes.plot([], [], color=GREY, lw=1.1, ls="--", label=f"second model, macro: {_text(compared.second)}")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    axes.legend(fontsize=7.5, loc="lower right", framealpha=0.9, title="AUC (interval)", title_fontsize=7.5)


def _curve(points: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    return points["false_positive_rate"], points["true_positive_rate"]


def _confusion(axes: Axes, part: Part) -> None:
    counts, classes = part.confusion, part.predictions.classes
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        share = f"\n{100 * shares[row, column]:.0f} %" if totals[row] else ""
        ink = "white" if shares[row, column] > 0.55 else "black"
        axes.text(column, row, f"{count}{share}", ha="center", va="center", color=ink, fontsize=8)
    names = [literal(name.replace("_", " ")) for name in classes]
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="predicted class", ylabel="true class")


def _write_calibration(path: Path, sets: Sequence[Part]) -> None:
    names = [TOP, *(f"class {name}" for name in sets[0].predictions.classes)]
    title = "Calibration: bins of probability, the larger the point the more rows"
    with panels(path, len(sets), len(names), title=title, size_in=_SMALL_IN) as axes:
        for place, (part, name) in zip(axes, itertools.product(sets, names), strict=True):
            colour = "black" if name == TOP else _colour(names.index(name) - 1)
            _calibration(place, part, name, colour)
            words = "highest probability" if name == TOP else name.removeprefix("class ")
            place.set_title(literal(f"{part.set_name or 'all'}: {words}"))


def _calibration(axes: Axes, part: Part, name: str, colour: str) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":")
    values = part.reliability.values
    bins = [key[1] for key in values if key[0] == name and key[2] == "n" and values[key] > 0]
    across = [values[name, place, "mean_probability"] for place in bins]
    found = [part.reliability.estimate((name, place, "observed")) for place in bins]
    heights = [one.value for one in found]
    counts = np.array([values[name, place, "n"] for place in bins])
    bounds = np.array([[one.value - one.low, one.high - one.value] for one in found]).T
    axes.errorbar(across, heights, np.nan_to_num(np.clip(bounds, 0, None)), color=colour, fmt="none", lw=0.8, alpha=0.6)
    axes.plot(across, heights, color=colour, lw=0.9)
    axes.scatter(across, heights, s=6 + 160 * counts / counts.sum(), color=colour, zorder=3)
    error = part.measures.estimate(("ece", ALL if name == TOP else name))
    axes.text(0.03, 0.97, f"ECE {_text(error)}", transform=axes.transAxes, va="top", fontsize=8)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.12), xlabel="mean probability", ylabel="observed share")


def _write_decision(path: Path, sets: Sequence[Part]) -> None:
    classes = sets[0].predictions.classes
    title = "Decision curves: net benefit of acting on a class"
    with panels(path, len(sets), len(classes), title=title, size_in=_WIDE_IN) as axes:
        for place, (part, name) in zip(axes, itertools.product(sets, classes), strict=True):
            _decision(place, part, f"class {name}", _colour(classes.index(name)))
            place.set_title(literal(f"{part.set_name or 'all'}: {name}"))


def _decision(axes: Axes, part: Part, name: str, colour: str) -> None:
    found = [part.decision.estimate((name, str(t), "model")) for t in THRESHOLDS]
    everyone = [part.decision.values[name, str(t), "everyone"] for t in THRESHOLDS]
    axes.fill_between(
        THRESHOLDS, [one.low for one in found], [one.high for one in found], color=colour, alpha=0.15, lw=0
    )
    axes.plot(THRESHOLDS, [one.value for one in found], color=colour, lw=1.6, label="by the model")
    axes.plot(THRESHOLDS, everyone, color=GREY, lw=1.0, ls="--", label="everyone")
    axes.axhline(0, color="black", lw=0.8, label="nobody")
    top = max(0.05, everyone[0], *(one.high for one in found if math.isfinite(one.high)))
    axes.set(xlim=(0, 1), ylim=(-0.25 * top, 1.1 * top), xlabel="threshold of probability", ylabel="net benefit")
    axes.legend(fontsize=7, loc="upper right", framealpha=0.9)


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _rows(part: Part) -> str:
    count = f"{part.measures.n} {part.level}{'' if part.measures.n == 1 else 's'}"
    return f"{count} of {part.measures.patients} patients" if part.level == "lesion" else count


def _text(found: Estimate) -> str:
    if not math.isfinite(found.value):
        return "not defined"
    interval = f" ({found.low:.2f} to {found.high:.2f})" if math.isfinite(found.low) else ""
    return f"{found.value:.2f}{interval}"
