"""How a study is acquired: the scanner, the dose, the times and the CT's technique, drawn where they are not given."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import numpy as np

from fdglung.errors import ParameterError
from fdglung.phantom.ct_numbers import Contrast
from fdglung.phantom.scanner.catalogue import SCANNERS, Reconstruction, Scanner, Vendor
from fdglung.phantom.scanner.ct import Kernel
from fdglung.phantom.study import Acquisition
from fdglung.phantom.subject import Subject
from fdglung.phantom.tracers import TRACERS

_BED_SECONDS = (90.0, 120.0, 150.0, 180.0)
_CT_MAS = (20.0, 30.0, 50.0, 80.0, 120.0)
_CT_SLICES_MM: dict[Vendor, dict[float, float]] = {
    "siemens": {3.0: 0.75, 5.0: 0.25},
    "ge": {2.5: 0.2, 3.27: 0.4, 3.75: 0.3, 5.0: 0.1},
    "philips": {3.0: 0.6, 4.0: 0.2, 5.0: 0.2},
    "united": {3.0: 0.8, 5.0: 0.2},
}
"""Slice thicknesses that go with PET, and how often: round figures, 3 mm the commonest over all."""


def draw_scanner(
    rng: np.random.Generator, scanner: str | None = None, reconstruction: str | None = None
) -> tuple[Scanner, Reconstruction]:
    """Draw a scanner and one of its reconstructions, all alike likely, where they are not named.

    Raises
    ------
    ParameterError
        A scanner that is not in `SCANNERS`, or a reconstruction that it does not have.

    """
    if scanner is not None and scanner not in SCANNERS:
        raise ParameterError(
            f"there is no scanner {scanner!r}", attribute="scanner", remedy=f"Give one of {', '.join(SCANNERS)}"
        )
    drawn = list(SCANNERS)[int(rng.integers(len(SCANNERS)))]
    machine = SCANNERS[scanner or drawn]
    methods = {method.name: method for method in machine.reconstructions}
    if reconstruction is not None and reconstruction not in methods:
        raise ParameterError(
            f"{machine.key} has no reconstruction {reconstruction!r}",
            attribute="reconstruction",
            remedy=f"Give one of {', '.join(methods)}",
        )
    names = list(methods)
    return machine, methods[reconstruction or names[int(rng.integers(len(names)))]]


def draw_acquisition(
    rng: np.random.Generator,
    subject: Subject,
    scanner: Scanner,
    reconstruction: Reconstruction,
    *,
    tracer: str = "fdg",
    dose_factor: float = 1.0,
    uptake_s: float | None = None,
    ct_mas: float | None = None,
    ct_kernel: Kernel | None = None,
    ct_contrast: Contrast | None = None,
    ct_slice_mm: float | None = None,
) -> Acquisition:
    """Draw what is not given: dose by body weight, uptake time about the tracer's own, time a bed, the CT's technique.

    Parameters
    ----------
    rng
        Source of chance; what is given changes nothing in what is drawn.
    subject
        Whose weight sets the dose.
    scanner, reconstruction
        Of the PET.
    tracer
        Key of `TRACERS`.
    dose_factor
        1 to 1000: what the counts are divided by.
    uptake_s
        Seconds from injection to scan, 1,200 to 14,400; to the nearest whole one.
    ct_mas, ct_kernel, ct_contrast, ct_slice_mm
        10 to 1000 mAs, "soft" or "lung", "none" or "portal", 1 to 10 mm.

    Raises
    ------
    ParameterError
        An unknown name, or a figure outside its range.

    """
    if tracer not in TRACERS:
        raise ParameterError(
            f"there is no tracer {tracer!r}", attribute="tracer", remedy=f"Give one of {', '.join(TRACERS)}"
        )
    for name, figure, low, high in (
        ("dose_factor", dose_factor, 1, 1000),
        ("uptake_s", uptake_s, 1200, 14400),
        ("ct_mas", ct_mas, 10, 1000),
        ("ct_slice_mm", ct_slice_mm, 1, 10),
    ):
        if figure is not None:
            _check_range(name, figure, low, high)
    for name, value, choices in (
        ("ct_kernel", ct_kernel, ("soft", "lung")),
        ("ct_contrast", ct_contrast, ("none", "portal")),
    ):
        if value is not None and value not in choices:
            raise ParameterError(f"{name} is {value!r}", attribute=name, remedy=f"Give one of {', '.join(choices)}")
    agent = TRACERS[tracer]
    dose = agent.dose_mbq_per_kg * subject.weight_kg * float(np.clip(rng.normal(1, 0.08), 0.7, 1.3))
    drawn_s = round(agent.uptake_s * float(np.clip(rng.normal(1, 0.12), 0.75, 1.4)))
    day = datetime(2024, 1, 8) + timedelta(days=int(rng.integers(0, 600)), seconds=int(rng.integers(9, 17) * 3600))
    started = day + timedelta(seconds=int(rng.integers(0, 3600)))
    drawn_mas = float(_CT_MAS[int(rng.integers(len(_CT_MAS)))])
    drawn_kernel: Kernel = "soft" if rng.random() < 0.85 else "lung"
    drawn_contrast: Contrast = "none" if rng.random() < 0.85 else "portal"
    bed_seconds = _BED_SECONDS[int(rng.integers(len(_BED_SECONDS)))]
    slices = _CT_SLICES_MM[scanner.vendor]
    drawn_slice = float(rng.choice(list(slices), p=list(slices.values())))
    return Acquisition(
        scanner=scanner.key,
        reconstruction=reconstruction.name,
        tracer=tracer,
        injected_dose_bq=round(dose, 1) * 1e6,
        injected=started - timedelta(seconds=drawn_s if uptake_s is None else round(uptake_s)),
        started=started,
        bed_seconds=bed_seconds,
        dose_factor=float(dose_factor),
        ct_mas=drawn_mas if ct_mas is None else float(ct_mas),
        ct_kernel=ct_kernel or drawn_kernel,
        ct_contrast=ct_contrast or drawn_contrast,
        ct_slice_mm=drawn_slice if ct_slice_mm is None else float(ct_slice_mm),
    )


def _check_range(name: str, value: float, low: float, high: float) -> None:
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not low <= value <= high:
        raise ParameterError(
            f"{name} is {value!r}, outside its range", attribute=name, remedy=f"Give a number from {low} to {high}"
        )
