"""What the PET model of the phantoms rests on: recovery, noise, texture and time of both tiers.

`python -m benchmarks.phantom_scanner [--tier bulk|reference|both] [--scanner KEY] [--json]` prints, for every
reconstruction of the catalogue: recovery (A50 and maximum) of the NEMA spheres at 10:1 under EARL's acquisition
(2 kBq/ml, 5 min), the mean of three positions and noises, where "!" lies outside of the bands; the noise of a uniform
ellipse of 34.5 x 26.5 cm at 3.7 MBq/kg, 60 min and 120 s: at its centre, centre over edge, the autocorrelation's width
across and along, the exponent of its rise with the dose factor from 1 to 10, and the mean SUV; and, of the bulk tier,
the seconds that a study of the reconstruction's matrix and 120 slices takes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from typing import Any

import numpy as np
import SimpleITK as sitk

from fdglung.phantom.scanner.catalogue import SCANNERS, Reconstruction, Scanner
from fdglung.phantom.scanner.nema import DIAMETERS_MM, EARL_BANDS, SpherePhantom, recovery, sphere_phantom
from fdglung.phantom.scanner.noise import Noise
from fdglung.phantom.scanner.pet import Tier, scan
from fdglung.phantom.scanner.texture import autocorrelation_fwhm
from fdglung.phantom.shapes import Grid

CLINICAL = Noise(277.5e6)
EARL = Noise(2000 * 75000, uptake_s=0, bed_seconds=300)
SHIFTS = ((0.0, 0.0, 0.0), (1.3, 0.7, 0.9), (-1.1, 1.9, -1.2))
SCALE = 1.15
REALISATIONS = 4


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", choices=("bulk", "reference", "both"), default="bulk")
    parser.add_argument("--scanner", choices=sorted(SCANNERS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    tiers: tuple[Tier, ...] = ("bulk", "reference") if options.tier == "both" else (options.tier,)
    rows = []
    for scanner in SCANNERS.values():
        if options.scanner in (None, scanner.key):
            for reconstruction in scanner.reconstructions:
                for tier in tiers:
                    rows.append(measure(scanner, reconstruction, tier))
                    if not options.json:
                        print_row(rows[-1])
    if options.json:
        print(json.dumps(rows, indent=1))


def measure(scanner: Scanner, reconstruction: Reconstruction, tier: Tier) -> dict[str, Any]:
    row: dict[str, Any] = {
        "scanner": scanner.key,
        "reconstruction": reconstruction.name,
        "voxel_mm": reconstruction.voxel_mm,
        "filter_mm": reconstruction.filter_fwhm_mm,
        "tier": tier,
        "earl": reconstruction.earl,
    }
    row |= spheres(scanner, reconstruction, tier)
    row |= uniform(scanner, reconstruction, tier)
    if tier == "bulk":
        row["study_s"] = round(study_seconds(scanner, reconstruction), 2)
    return row


def spheres(scanner: Scanner, reconstruction: Reconstruction, tier: Tier) -> dict[str, Any]:
    phantom = sphere_phantom(length_mm=80.0)
    found = []
    for seed, shift in enumerate(SHIFTS):
        grid = pet_grid(reconstruction, 320, 50, shift)
        found.append(recovery(image(phantom, scanner, reconstruction, tier, EARL, grid, seed), phantom))
    result: dict[str, Any] = {}
    for kind in ("mean", "max"):
        measured = np.mean([each[kind] for each in found], axis=0)
        result[kind] = [round(float(value), 2) for value in measured]
        bands = EARL_BANDS[reconstruction.earl or (2 if reconstruction.psf else 1)][kind]
        result[f"{kind}_in_band"] = [
            bool(low <= value <= high) for value, (low, high) in zip(measured, bands, strict=True)
        ]
    return result


def uniform(scanner: Scanner, reconstruction: Reconstruction, tier: Tier) -> dict[str, float]:
    phantom = sphere_phantom(contrast=1.0, spacing_mm=4.0, length_mm=80.0, scale=SCALE)
    grid = pet_grid(reconstruction, 372, 60, SHIFTS[0])
    x, y, z = grid.coordinates((slice(0, grid.size[2]), slice(0, grid.size[1]), slice(0, grid.size[0])))
    radius = np.sqrt((x / (150 * SCALE)) ** 2 + (y / (115 * SCALE)) ** 2) + 0 * z
    stack = np.stack(
        [
            sitk.GetArrayFromImage(image(phantom, scanner, reconstruction, tier, CLINICAL, grid, seed))
            for seed in range(REALISATIONS)
        ]
    )
    spread = stack.std(axis=0, ddof=1)
    centre, edge = (
        float(np.sqrt((spread[part] ** 2).mean())) for part in (radius < 0.3, (radius > 0.75) & (radius < 0.9))
    )
    middle, half = grid.size[0] // 2, int(55 / grid.spacing_mm[0])
    box = stack[:, :, middle - half : middle + half, middle - half : middle + half]
    across, along = autocorrelation_fwhm(box, grid.spacing_mm)
    factors = np.array([1.0, 3.0, 10.0])
    covs = []
    for factor in factors:
        noise = dataclasses.replace(CLINICAL, dose_factor=float(factor))
        values = sitk.GetArrayFromImage(image(phantom, scanner, reconstruction, tier, noise, grid, 11))[radius < 0.6]
        covs.append(values.std() / values.mean())
    return {
        "suv": round(float(stack.mean(axis=0)[radius < 0.85].mean()), 4),
        "cov": round(centre, 3),
        "centre_to_edge": round(centre / edge, 2),
        "acf_across_mm": round(across, 1),
        "acf_along_mm": round(along, 1),
        "dose_exponent": round(float(np.polyfit(np.log(factors), np.log(covs), 1)[0]), 3),
    }


def study_seconds(scanner: Scanner, reconstruction: Reconstruction) -> float:
    phantom = sphere_phantom(spacing_mm=3.0, length_mm=400.0, scale=SCALE)
    pixel, step = reconstruction.voxel_mm
    many = reconstruction.matrix
    origin = -(many - 1) / 2 * pixel
    grid = Grid((origin, origin, -59.5 * step), (pixel, pixel, step), (many, many, 120))
    image(phantom, scanner, reconstruction, "bulk", CLINICAL, grid, 0)
    start = time.perf_counter()
    image(phantom, scanner, reconstruction, "bulk", CLINICAL, grid, 1)
    return time.perf_counter() - start


def image(
    phantom: SpherePhantom,
    scanner: Scanner,
    reconstruction: Reconstruction,
    tier: Tier,
    noise: Noise,
    grid: Grid,
    seed: int,
) -> sitk.Image:
    return scan(
        phantom.activity,
        phantom.mu,
        scanner=scanner,
        reconstruction=reconstruction,
        grid=grid,
        noise=noise,
        rng=np.random.default_rng(seed),
        tier=tier,
    )


def pet_grid(
    reconstruction: Reconstruction, across_mm: float, along_mm: float, shift: tuple[float, float, float]
) -> Grid:
    pixel, step = reconstruction.voxel_mm
    many, slices = int(across_mm / pixel) | 1, int(along_mm / step) | 1
    origin = -(many - 1) / 2 * pixel
    return Grid(
        (origin + shift[0], origin + shift[1], -(slices - 1) / 2 * step + shift[2]),
        (pixel, pixel, step),
        (many, many, slices),
    )


def print_row(row: dict[str, Any]) -> None:
    claim = f"EARL{row['earl']}" if row["earl"] else "no claim"
    print(f"{row['scanner']} {row['reconstruction']} {row['tier']} (filter {row['filter_mm']} mm, {claim})")
    for kind in ("mean", "max"):
        marks = ("" if inside else "!" for inside in row[f"{kind}_in_band"])
        cells = (f"{d:g}: {v:.2f}{m}" for d, v, m in zip(DIAMETERS_MM, row[kind], marks, strict=True))
        print(f"  recovery {kind:4s}  {'  '.join(cells)}")
    study = f", {row['study_s']} s a study" if "study_s" in row else ""
    print(
        f"  SUV {row['suv']}, noise {row['cov']}, centre:edge {row['centre_to_edge']}, autocorrelation "
        f"{row['acf_across_mm']} and {row['acf_along_mm']} mm, dose^{row['dose_exponent']}{study}",
        flush=True,
    )


if __name__ == "__main__":
    main()
