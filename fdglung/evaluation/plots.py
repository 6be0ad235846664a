"""Plots of an evaluation, each marked as research."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fdglung import RESEARCH_NOTICE
from fdglung.evaluation.bootstrap import Estimate
from fdglung.evaluation.froc import RATES, Froc
from fdglung.evaluation.results import CaseResult, CaseRow
from fdglung.evaluation.settings import EvaluationSettings
from fdglung.evaluation.summary import Summary

_BLUE, _RED, _GREY = "#1f5a94", "#b2182b", "#666666"
_SPREAD = 50.0


def write_plots(
    folder: Path, results: Sequence[CaseResult], summary: Summary, settings: EvaluationSettings
) -> dict[str, str]:
    """Write ``bland_altman.png``, ``volumes.png``, ``froc.png``, ``dice_by_size.png`` and ``dice_by_centre.png``.

    Returns
    -------
    dict
        Why a plot was not drawn, by its file's name.

    """
    filled = [result.row for result in results if result.row.reference_ml or result.row.predicted_ml]
    sizes = {
        level: [lesion.dice for result in results for lesion in result.lesions if lesion.size_class == level]
        for level in settings.size_classes
    }
    centres = {
        centre or "unknown": [result.row.dice for result in results if result.row.centre == centre]
        for centre in sorted({result.row.centre for result in results})
    }
    absent: dict[str, str] = {}
    empty = "no scan holds a lesion"
    _draw(
        folder / "bland_altman.png", absent, lambda axes: _bland_altman(axes, filled, summary), "" if filled else empty
    )
    _draw(folder / "volumes.png", absent, lambda axes: _scatter(axes, filled, summary), "" if filled else empty)
    curve = summary.froc
    if curve is None:
        absent["froc.png"] = summary.absent["froc"]
    else:
        drawn = curve
        _draw(folder / "froc.png", absent, lambda axes: _froc(axes, drawn), "")
    _draw(
        folder / "dice_by_size.png",
        absent,
        lambda axes: _boxes(axes, sizes, "Dice of matched lesions", "equivalent diameter of the lesion", "matched"),
        "" if any(sizes.values()) else "the references hold no lesion",
    )
    _draw(
        folder / "dice_by_centre.png",
        absent,
        lambda axes: _boxes(axes, centres, "Dice of scans with lesions", "centre", "with lesions"),
        summary.absent.get("centres", ""),
    )
    return absent


def _draw(path: Path, absent: dict[str, str], paint: Callable[[Axes], None], why_not: str) -> None:
    if why_not:
        absent[path.name] = why_not
        return
    figure = Figure(figsize=(7, 5.2), dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.12, 0.19, 0.84, 0.72))
    paint(axes)
    axes.spines[["top", "right"]].set_visible(False)
    figure.text(0.5, 0.02, RESEARCH_NOTICE, ha="center", fontsize=8, color=_RED)
    figure.savefig(path)


def _bland_altman(axes: Axes, cases: Sequence[CaseRow], summary: Summary) -> None:
    reference, prediction = (np.array([getattr(row, name) for row in cases]) for name in _VOLUMES)
    means = (reference + prediction) / 2
    axes.scatter(means, prediction - reference, s=22, color=_BLUE, alpha=0.7, edgecolors="none", zorder=3)
    axes.axhline(0, color="black", lw=0.8)
    for measure, label, style in (
        ("volume_upper_limit_ml", "+1.96 SD", "--"),
        ("volume_bias_ml", "bias", "-"),
        ("volume_lower_limit_ml", "\N{MINUS SIGN}1.96 SD", "--"),
    ):
        found = summary.find(measure)
        if np.isfinite(found.value):
            axes.axhline(found.value, color=_RED, ls=style, lw=1.2, label=f"{label}: {_text(found, ' ml')}")
            if np.isfinite(found.low):
                axes.axhspan(found.low, found.high, color=_RED, alpha=0.08, lw=0)
    if _wide(means):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda tick, place: f"{tick:g}")
    axes.set_xlabel("mean of reference and predicted volume (ml)")
    axes.set_ylabel("predicted less reference volume (ml)")
    axes.set_title(f"Agreement of lesion volume, {_count(len(cases), 'scan')}", fontsize=11)
    axes.legend(fontsize=8, loc="best", framealpha=0.9)


_VOLUMES = ("reference_ml", "predicted_ml")


def _scatter(axes: Axes, cases: Sequence[CaseRow], summary: Summary) -> None:
    reference, prediction = (np.array([getattr(row, name) for row in cases]) for name in _VOLUMES)
    both = np.concatenate([reference, prediction])
    top = 1.1 * both.max()
    bottom = 0.0
    if _wide(both[both > 0]):
        # A volume of 0 has no place on a logarithmic axis: linear below the smallest volume.
        least = float(both[both > 0].min())
        axes.set_xscale("symlog", linthresh=least)
        axes.set_yscale("symlog", linthresh=least)
        ticks = [0.0, *(10.0**n for n in range(math.ceil(math.log10(least)), math.ceil(math.log10(top))))]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        bottom, top = -0.1 * least, 1.5 * top
    else:
        bottom = -0.03 * top
    axes.plot([0, top], [0, top], color=_GREY, lw=0.9, label="identity")
    axes.scatter(reference, prediction, s=22, color=_BLUE, alpha=0.7, edgecolors="none", zorder=3)
    for measure, name in (("volume_pearson", "Pearson r"), ("volume_concordance", "Lin's concordance")):
        found = summary.find(measure)
        if np.isfinite(found.value):
            axes.plot([], [], " ", label=f"{name}: {_text(found)}")
    axes.set_xlim(bottom, top)
    axes.set_ylim(bottom, top)
    axes.set_xlabel("reference volume (ml)")
    axes.set_ylabel("predicted volume (ml)")
    axes.set_title(f"Lesion volume, {_count(len(cases), 'scan')}", fontsize=11)
    axes.legend(fontsize=8, loc="upper left", framealpha=0.9)


def _froc(axes: Axes, curve: Froc) -> None:
    limit = max(RATES[-1] if curve.false_per_scan.max(initial=0) > 2 else 2.0, 0.0)
    rates = np.concatenate([[0.0], curve.false_per_scan, [max(limit, curve.false_per_scan.max(initial=0))]])
    found = np.concatenate([[0.0], curve.sensitivity, curve.sensitivity[-1:] if len(curve.sensitivity) else [0.0]])
    axes.step(rates, found, where="post", color=_GREY, lw=1.0, ls=":")
    axes.step(rates[:-1], found[:-1], where="post", color=_BLUE, lw=1.8, label="all predicted lesions, by score")
    for number, (rate, estimate) in enumerate(zip(RATES, curve.at_rates, strict=True)):
        if rate > limit:
            continue
        bounds = [[estimate.value - estimate.low], [estimate.high - estimate.value]]
        drawn = np.nan_to_num(np.clip(bounds, 0, None))
        label = "sensitivity at a rate, with interval over patients" if not number else None
        axes.errorbar(rate, estimate.value, drawn, fmt="o", ms=4, color=_RED, capsize=3, lw=1, label=label)
    axes.set_xlim(0, limit * 1.03)
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("false positives a scan")
    axes.set_ylabel("sensitivity (lesions, any overlap)")
    first = curve.mean
    axes.set_title(f"FROC, {_count(first.n, 'lesion')} of {_count(first.patients, 'patient')}", fontsize=11)
    axes.legend(fontsize=8, loc="lower right", framealpha=0.9)


def _boxes(axes: Axes, groups: dict[str, list[float]], title: str, label: str, counted: str) -> None:
    """Draw a box for each group, and every value beside it."""
    finite = {name: np.array([value for value in values if np.isfinite(value)]) for name, values in groups.items()}
    axes.boxplot(
        list(finite.values()),
        positions=range(len(finite)),
        widths=0.5,
        showfliers=False,
        medianprops={"color": _RED, "lw": 1.6},
    )
    random = np.random.default_rng(0)
    for place, values in enumerate(finite.values()):
        across = place + random.uniform(-0.16, 0.16, len(values))
        axes.scatter(across, values, s=14, color=_BLUE, alpha=0.5, edgecolors="none", zorder=3)
    ticks = [f"{name}\n{len(finite[name])} of {len(values)} {counted}" for name, values in groups.items()]
    axes.set_xticks(range(len(ticks)), ticks, fontsize=8 if len(ticks) <= 6 else 6)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("Dice")
    axes.set_xlabel(label)
    axes.set_title(title, fontsize=11)


def _text(found: Estimate, unit: str = "") -> str:
    interval = f" ({found.low:.3g} to {found.high:.3g})" if np.isfinite(found.low) else ""
    return f"{found.value:.3g}{unit}{interval}".replace("-", "\N{MINUS SIGN}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _wide(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bool:
    """Tell whether values spread so far that a linear axis would hide the small ones."""
    return bool(values.size > 1 and values.max() > _SPREAD * values.min())
