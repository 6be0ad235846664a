"""Speed and equality of `fdglung.radiomics` beside PyRadiomics' own `featureextractor`, same settings, same run.

`python -m benchmarks.radiomics [--cases FOLDER] [--spacing MM] [--workers N] [--json]` extracts 1,130 features a
modality (original, Laplacian of Gaussian of 1, 3 and 5 mm, eight bands of coif1) of PET and CT with both: for a
synthetic patient of 10 lesions, and for up to 10 cases of FOLDER (sub-folders with PET_image, PET_mask, CT_image,
CT_mask as .nii.gz; by default the real cases that FDGLUNG_DATA names). PyRadiomics runs as its users run it: one call a
lesion and image, SimpleITK with all cores. Both are warmed up first (our processes are started), and its provenance is
off. Times are wall-clock. The peak memory is that of a process of its own that extracts the synthetic patient, and of
its workers. With `--json` the last line holds ``ratio_patient`` (all lesions of the synthetic patient),
``ratio_lesion`` (the median over its lesions, each alone), ``common`` and ``disagreeing`` (features at 1e-6, of all
lesions).
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from fdglung.radiomics import FeatureTable, RadiomicsSettings, Workers, extract, from_pyradiomics

PHANTOM_SEED = 53
"""Of a synthetic patient with lymphoma that has 10 lesions of 14 to 64 mm."""

CLASSES = ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm", "shape")
BIN_WIDTHS = {"PET": 0.25, "CT": 25.0}


@dataclass
class Patient:
    """Images and masks by modality."""

    name: str
    images: dict[str, sitk.Image]
    masks: dict[str, sitk.Image]


@dataclass
class Counts:
    """Features that both have, and those that differ."""

    common: int = 0
    disagreeing: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    data = os.environ.get("FDGLUNG_DATA")
    parser.add_argument("--cases", type=Path, default=Path(data) / "sts_petct" if data else None)
    parser.add_argument("--most-cases", type=int, default=10)
    parser.add_argument("--no-phantom", action="store_true", help="leave the synthetic patient out")
    parser.add_argument("--spacing", type=float, help="resample to cubes of so many mm (default: native voxels)")
    parser.add_argument("--pad", type=int, default=5, help="PyRadiomics' padDistance, with --spacing (default: 5)")
    parser.add_argument("--workers", type=int, help="processes (default: as many as cores)")
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    options = parser.parse_args()
    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    # The loggers of its classes have a level of their own.
    logging.disable(logging.WARNING)
    parameters = {modality: parameters_of(width, options) for modality, width in BIN_WIDTHS.items()}
    settings = from_pyradiomics(parameters["PET"], ct=parameters["CT"])
    if options.memory_of:
        return print_memory(next(real_cases(options.memory_of, 1)), settings, options.workers)
    with Workers(options.workers) as workers:
        warm_up(parameters, settings, workers)
        result, counts = measured(options, parameters, settings, workers)
    for name in counts.disagreeing[:20]:
        print(f"differs: {name}")
    print(f"{counts.common} common values, {len(counts.disagreeing)} differ by more than 1e-6")
    result |= {"common": counts.common, "disagreeing": len(counts.disagreeing)}
    if options.json:
        print(json.dumps(result))
    return 1 if counts.disagreeing else 0


def measured(
    options: argparse.Namespace, parameters: Mapping[str, Any], settings: RadiomicsSettings, workers: Workers
) -> tuple[dict[str, Any], Counts]:
    """Ratios, times and memory, and how many features agree."""
    result: dict[str, Any] = {}
    counts = Counts()
    if not options.no_phantom:
        patient = phantom()
        ours, theirs = compare(patient, parameters, settings, workers, counts)
        alone = [one_lesion(patient, label, settings, workers) for label in labels_of(patient)]
        ratios = [a / b for a, b in zip(theirs, alone, strict=True)]
        memory = memory_of(patient, options)
        result |= {
            "ratio_patient": round(sum(theirs) / ours, 2),
            "ratio_lesion": round(statistics.median(ratios), 2),
            "lowest_ratio_lesion": round(min(ratios), 2),
            "seconds_patient": round(ours, 2),
            "seconds_patient_pyradiomics": round(sum(theirs), 2),
            "peak_memory_mb": round(memory),
        }
        print(
            f"one lesion: {min(ratios):.1f} to {max(ratios):.1f} times faster, median {statistics.median(ratios):.1f}"
        )
        print(f"peak memory {memory:.0f} MB")
    if options.cases and options.cases.is_dir():
        ours_cases: list[float] = []
        theirs_cases: list[float] = []
        for patient in real_cases(options.cases, options.most_cases):
            ours, theirs = compare(patient, parameters, settings, workers, counts)
            ours_cases.append(ours)
            theirs_cases.append(sum(theirs))
        if ours_cases:
            ratios = [a / b for a, b in zip(theirs_cases, ours_cases, strict=True)]
            result |= {
                "cases": len(ratios),
                "ratio_cases": round(sum(theirs_cases) / sum(ours_cases), 2),
                "lowest_ratio_case": round(min(ratios), 2),
            }
            print(f"{len(ratios)} cases: {sum(theirs_cases) / sum(ours_cases):.1f} times faster")
    return result, counts


def parameters_of(bin_width: float, options: argparse.Namespace) -> dict[str, Any]:
    """A PyRadiomics parameter file: all classes of 12 images."""
    setting: dict[str, Any] = {"binWidth": bin_width, "additionalInfo": False}
    if options.spacing:
        setting |= {"resampledPixelSpacing": [options.spacing] * 3, "padDistance": options.pad}
    return {
        "setting": setting,
        "imageType": {"Original": {}, "LoG": {"sigma": [1.0, 3.0, 5.0]}, "Wavelet": {}},
        "featureClass": dict.fromkeys(CLASSES),
    }


def compare(
    patient: Patient,
    parameters: Mapping[str, Any],
    settings: RadiomicsSettings,
    workers: Workers,
    counts: Counts,
) -> tuple[float, list[float]]:
    """Our seconds for a patient, and PyRadiomics' for each lesion."""
    started = time.perf_counter()
    table = extract(patient.images, patient.masks, settings, workers=workers)
    ours = time.perf_counter() - started
    theirs = []
    for label in labels_of(patient):
        started = time.perf_counter()
        truth = by_pyradiomics(patient, label, parameters)
        theirs.append(time.perf_counter() - started)
        count(table, label, truth, counts, patient.name)
    print(
        f"{patient.name}: {len(theirs)} lesions, {ours:.2f} s, PyRadiomics {sum(theirs):.2f} s: "
        f"{sum(theirs) / ours:.1f} times faster",
        flush=True,
    )
    return ours, theirs


def by_pyradiomics(patient: Patient, label: int, parameters: Mapping[str, Any]) -> dict[str, float]:
    """All features of one lesion; none of a modality that PyRadiomics refuses."""
    from radiomics import featureextractor

    found = {}
    for modality, image in patient.images.items():
        try:
            values = featureextractor.RadiomicsFeatureExtractor(parameters[modality]).execute(
                image, patient.masks[modality], label=label
            )
        except ValueError:
            continue
        found |= {f"{modality}_{name}": float(value) for name, value in values.items()}
    return found


def count(table: FeatureTable, label: int, truth: Mapping[str, float], counts: Counts, name: str) -> None:
    """Add a lesion's common and differing features; one that only PyRadiomics has differs."""
    found = next(lesion.features for lesion in table.lesions if lesion.label == label)
    for feature, value in truth.items():
        own = found.get(feature)
        counts.common += own is not None
        if own is None or not (
            math.isclose(own, value, rel_tol=1e-6, abs_tol=1e-12) or (math.isnan(own) and math.isnan(value))
        ):
            counts.disagreeing.append(f"{name} lesion {label} {feature}: {own} not {value}")


def one_lesion(patient: Patient, label: int, settings: RadiomicsSettings, workers: Workers) -> float:
    """Our seconds for one lesion by itself."""
    started = time.perf_counter()
    extract(patient.images, patient.masks, settings, labels=[label], workers=workers)
    return time.perf_counter() - started


def memory_of(patient: Patient, options: argparse.Namespace) -> float:
    """Our peak memory in MB in a process that does nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "case"
        case.mkdir()
        for modality in ("PET", "CT"):
            sitk.WriteImage(patient.images[modality], str(case / f"{modality}_image.nii.gz"))
            sitk.WriteImage(patient.masks[modality], str(case / f"{modality}_mask.nii.gz"))
        command = [sys.executable, "-m", "benchmarks.radiomics", "--memory-of", folder, "--pad", str(options.pad)]
        command += ["--spacing", str(options.spacing)] if options.spacing else []
        command += ["--workers", str(options.workers)] if options.workers else []
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_memory(patient: Patient, settings: RadiomicsSettings, count: int | None) -> int:
    """Extract a patient and print the peak memory in MB of this process and its workers, summed."""
    with Workers(count) as workers:
        extract(patient.images, patient.masks, settings, workers=workers)
        # Resource usage would count what the parent of this process held when it started it.
        pids = ["self", *(str(child.pid) for child in multiprocessing.active_children())]
        statuses = [Path(f"/proc/{pid}/status").read_text(encoding="utf-8") for pid in pids]
    print(sum(int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]) for status in statuses) / 1024)
    return 0


def labels_of(patient: Patient) -> list[int]:
    """The lesions of a patient."""
    found: set[int] = set()
    for mask in patient.masks.values():
        found |= set(np.unique(sitk.GetArrayViewFromImage(mask)).tolist()) - {0}
    return sorted(found)


def phantom() -> Patient:
    """A synthetic thorax with 10 lesions, PET and CT on their own grids."""
    from fdglung.phantom import LesionClass, make_study

    made = make_study(seed=PHANTOM_SEED, lesion_class=LesionClass.LYMPHOMA)
    return Patient(
        "synthetic patient",
        {"PET": made.pet, "CT": made.ct},
        {"PET": made.lesion_mask, "CT": made.ct_lesion_mask},
    )


def real_cases(folder: Path, most: int) -> Iterator[Patient]:
    """Cases with both modalities."""
    for case in sorted(path for path in folder.iterdir() if path.is_dir())[:most]:
        read = {
            (modality, kind): sitk.ReadImage(str(case / f"{modality}_{kind}.nii.gz"))
            for modality in ("PET", "CT")
            for kind in ("image", "mask")
        }
        yield Patient(
            case.name,
            {modality: read[modality, "image"] for modality in ("PET", "CT")},
            {modality: read[modality, "mask"] for modality in ("PET", "CT")},
        )


def warm_up(parameters: Mapping[str, Any], settings: RadiomicsSettings, workers: Workers) -> None:
    """Let both import what they need."""
    rng = np.random.default_rng(0)
    image = sitk.GetImageFromArray(rng.normal(size=(20, 20, 20)).astype(np.float32))
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[5:12, 5:12, 5:12] = 1
    mask = sitk.GetImageFromArray(labels)
    patient = Patient("warm-up", {"PET": image, "CT": image}, {"PET": mask, "CT": mask})
    by_pyradiomics(patient, 1, parameters)
    extract(patient.images, patient.masks, settings, workers=workers)


if __name__ == "__main__":
    sys.exit(main())
