"""How well and how fast the networks that ship outline lesions, beside a threshold of SUV 2.5 in the same run.

`python -m benchmarks.segmentation sts FOLDER` takes the soft-tissue sarcoma crops (by default those that FDGLUNG_DATA
names), cuts new crops at random around each tumour (`--crops`), since the crops as they come tell where the tumour
lies, and compares the network of the fold that never saw the patient with the outline (gtv), and what of the network's
mask has an SUV of 2.5 or more with what of the outline has (avid). Of a patient's crops the mean is taken.

`python -m benchmarks.segmentation phantoms COHORT` takes the internal and external test sets of a synthetic cohort
(`fdglung phantom COHORT --format nifti`). Avid lesions are those whose SUVmax in the image is 2.5 or more. A finding
is what has a probability of 0.05 or more on 0.2 ml or more and is not set apart as brown fat; its score is its highest
probability. It is false where it touches no lesion at all, avid or not. Dice is of a study's avid
lesions; findings that touch other lesions only are left out of it.

`python -m benchmarks.segmentation study FOLDER` outlines the lesions of a DICOM study and tells where they lie.

`python -m benchmarks.segmentation speed COHORT` times the lungs' crop of a synthetic study at 3 mm by OpenVINO and ONNX
Runtime against the same network and windows in eager torch.

`--models DIR` takes other networks than those of `bundle/models`; `--out DIR` keeps masks and tables.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from tqdm import tqdm

from fdglung.evaluation.bootstrap import Bootstrap, Estimate
from fdglung.evaluation.case import evaluate_case
from fdglung.evaluation.cases import Case
from fdglung.evaluation.froc import RATES, froc
from fdglung.evaluation.overlap import dice
from fdglung.evaluation.results import CaseResult
from fdglung.evaluation.settings import EvaluationSettings
from fdglung.files import write_nifti_image
from fdglung.network.backends import Predictor, open_predictor
from fdglung.network.checkpoint import read_checkpoint
from fdglung.network.volume import Box
from fdglung.nifti import read_study
from fdglung.pipeline import Settings, find_lesions, find_lungs
from fdglung.segmentation import SegmentationSettings
from fdglung.segmentation_network import NetworkResult, lesions_of, predict, without_brown_fat

MODELS = Path(__file__).parents[1] / "bundle" / "models"
AVID_SUV = 2.5
FOLDS = 4
LOWEST_PROBABILITY, SMALLEST_ML = 0.05, 0.2
"""Findings are kept from here on for the curve of detection against false ones; see the card on how they were set."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("what", choices=("sts", "phantoms", "study", "speed"))
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--flips", action="store_true", help="each place mirrored left to right too")
    parser.add_argument("--crops", type=int, default=5, help="sts: random crops of each patient, whose mean is taken")
    parser.add_argument("--limit", type=int, help="cases of each set")
    options = parser.parse_args()
    tables = {"sts": sts, "phantoms": phantoms, "study": study, "speed": speed}
    tables[options.what](options)
    return 0


# Sarcomas


def sts(options: argparse.Namespace) -> None:
    """Print Dice by cross-validation for both targets, with that of a threshold."""
    from bundle.scripts.sts_datalist import make_datalist

    folder = options.folder or data_folder("sts_petct")
    lists = make_datalist(folder, FOLDS)
    names = ("gtv", "avid", "SUV 2.5 for gtv", "SUV 2.5 for avid")
    found: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in names}
    for fold in range(FOLDS):
        network = _open(options, f"sts/gtv_{fold}.onnx")
        for entry in tqdm(lists[f"test_{fold}"][: options.limit], desc=f"fold {fold}"):
            whole = [sitk.ReadImage(str(folder / entry[key])) for key in ("pet", "ct", "label")]
            for seed in range(options.crops):
                box = crop_around(whole[2], (seed, entry["name"]))
                pet, ct, label = (cut_box(image, box) for image in whole)
                suv = sitk.GetArrayFromImage(pet)
                truth = {"gtv": sitk.GetArrayFromImage(label) > 0}
                truth["avid"] = truth["gtv"] & (suv >= AVID_SUV)
                result = predict(pet, sitk.Cast(ct, sitk.sitkFloat32), [network], flips=options.flips)
                for target, least in (("gtv", 0.0), ("avid", AVID_SUV)):
                    mask = sitk.GetArrayFromImage(lesions_of(pet, result, SegmentationSettings(min_suv=least))[0]) > 0
                    found[target][entry["name"]].append(dice(truth[target], mask))
                    found[f"SUV 2.5 for {target}"][entry["name"]].append(dice(truth[target], suv >= AVID_SUV))
    print("\n| target | mean Dice | median | lowest | of single crops |\n| --- | --- | --- | --- | --- |")
    for name, values in found.items():
        table = np.array(list(values.values()))
        column, crops = np.nanmean(table, axis=1), np.nanmean(table, axis=0)
        mean = Bootstrap().mean(column, list(values))
        print(
            f"| {name} | {interval(mean)} | {np.nanmedian(column):.3f} | {np.nanmin(column):.3f} | "
            f"{crops.min():.3f} to {crops.max():.3f} |"
        )
    print(f"\n{len(found['gtv'])} patients, {options.crops} crops of each, tested by a network that never saw them")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "sts.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def crop_around(label: sitk.Image, seed: tuple[int, str]) -> Box:
    """Return a box (LPS, mm) that holds a label with a random margin of 5 to 50 mm on each side."""
    random = np.random.default_rng([seed[0], *seed[1].encode()])
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(label != 0)
    start, size = np.split(np.array(shape.GetBoundingBox(1)), 2)
    ends = [label.TransformContinuousIndexToPhysicalPoint((index - 0.5).tolist()) for index in (start, start + size)]
    low, high = np.min(ends, axis=0) - random.uniform(5, 50, 3), np.max(ends, axis=0) + random.uniform(5, 50, 3)
    return tuple(low.tolist()), tuple(high.tolist())


# Synthetic studies


def phantoms(options: argparse.Namespace) -> None:
    """Print detection and Dice on the internal and external test sets."""
    lists = json.loads((options.folder / "datalist.json").read_text(encoding="utf-8"))
    network = _open(options, "model.onnx")
    print(
        "| set | studies | avid lesions | found at 1 false a study | found at p 0.5 | false a study at p 0.5 | ", end=""
    )
    print("median Dice | mean Dice |\n| --- | --- | --- | --- | --- | --- | --- | --- |")
    for name in ("test", "external"):
        with _kept(options.out, name) as folder:
            entries = lists[name][: options.limit]
            results = [
                _phantom(options.folder, entry, network, folder, flips=options.flips)
                for entry in tqdm(entries, desc=name)
            ]
        curve = froc([result for result, _ in results], Bootstrap())
        if curve is None:
            raise SystemExit(f"no avid lesion in {name}")
        lesions = [row for result, _ in results for row in result.lesions]
        bootstrap = Bootstrap()
        hits = bootstrap.mean([row.score >= 0.5 for row in lesions], [row.patient for row in lesions])
        false = [sum(row.false and row.score >= 0.5 for row in result.predicted) for result, _ in results]
        values, cases = [value for _, value in results], [result.row.case for result, _ in results]
        print(
            f"| {name} | {len(results)} | {len(lesions)} | {interval(curve.at_rates[RATES.index(1.0)])} | "
            f"{interval(hits)} | {interval(bootstrap.mean(false, cases))} | "
            f"{interval(bootstrap.median(values, cases))} | {interval(bootstrap.mean(values, cases))} |",
            flush=True,
        )


def _phantom(
    cohort: Path, entry: dict[str, Any], network: Predictor, folder: Path, *, flips: bool
) -> tuple[CaseResult, float]:
    """Return the rows of avid lesions and all findings, and the Dice of avid lesions."""
    loaded = read_study(cohort / entry["pet"], cohort / entry["ct"])
    lungs = find_lungs(loaded, Settings())
    pet, ct = loaded.pet, loaded.ct
    assert pet is not None
    assert ct is not None
    result = predict(pet, ct, [network], box_mm=None if lungs is None else lungs.box_mm, flips=flips)
    reference = sitk.ReadImage(str(cohort / entry["label"]))
    truth = sitk.GetArrayFromImage(reference)
    suv = sitk.GetArrayViewFromImage(pet)
    avid = np.isin(truth, [label for label in np.unique(truth[truth > 0]) if suv[truth == label].max() >= AVID_SUV])
    loose = SegmentationSettings(probability=LOWEST_PROBABILITY, min_volume_ml=SMALLEST_ML)
    name = Path(entry["pet"]).parent.name
    files = {key: folder / f"{name}_{key}.nii.gz" for key in ("reference", "prediction", "scores", "pet")}
    write_nifti_image(reference, files["reference"])
    write_nifti_image(without_brown_fat(pet, ct, *lesions_of(pet, result, loose))[0], files["prediction"])
    write_nifti_image(result.probability, files["scores"])
    write_nifti_image(pet, files["pet"])
    rows = evaluate_case(Case(name, **files, patient=name), EvaluationSettings())
    rows = replace(rows, lesions=tuple(row for row in rows.lesions if row.suv_max >= AVID_SUV))
    strict = sitk.GetArrayFromImage(without_brown_fat(pet, ct, *lesions_of(pet, result, SegmentationSettings()))[0])
    touching = set(np.unique(strict[avid])) | (set(np.unique(strict)) - set(np.unique(strict[truth > 0])))
    return rows, dice(avid & (truth > 0), np.isin(strict, list(touching - {0})))


# A study


def study(options: argparse.Namespace) -> None:
    """Print where the lesions of a DICOM study lie."""
    from fdglung import study as studies

    loaded = studies.load(options.folder or data_folder("acrin_nsclc_042"))
    assert loaded.pet is not None
    for region in ("lungs", "all"):
        chosen = SegmentationSettings(
            method="network", region=region, checkpoints=(str(options.models / "model.onnx"),), backend=options.backend
        )
        settings = Settings(chosen)
        started = time.perf_counter()
        found = find_lesions(loaded, find_lungs(loaded, settings), settings)
        labels, suv = (sitk.GetArrayFromImage(image) for image in (found.labels, loaded.pet))
        print(f"\nregion {region}, {time.perf_counter() - started:.1f} s\n")
        print("| lesion | SUVmax | at (x, y, z) | ml | probability |\n| --- | --- | --- | --- | --- |")
        for lesion in found.lesions:
            inside = np.where(labels == lesion.label, suv, -1)
            place = np.unravel_index(inside.argmax(), inside.shape)[::-1]
            volume = (labels == lesion.label).sum() * np.prod(loaded.pet.GetSpacing()) / 1000
            at = ", ".join(str(int(i)) for i in place)
            print(f"| {lesion.label} | {inside.max():.1f} | {at} | {volume:.1f} | {lesion.confidence:.2f} |")


# Speed


def speed(options: argparse.Namespace) -> None:
    """Print the time of a lung crop by each backend, and its ratio to eager torch."""
    lists = json.loads((options.folder / "datalist.json").read_text(encoding="utf-8"))
    entry = lists["test"][0]
    loaded = read_study(options.folder / entry["pet"], options.folder / entry["ct"])
    lungs = find_lungs(loaded, Settings())
    assert lungs is not None
    assert loaded.pet is not None
    seconds = {}
    for backend in ("torch", "onnxruntime", "openvino"):
        network = open_predictor(read_checkpoint(options.models / "model.onnx"), backend)
        run: Callable[[], NetworkResult] = lambda network=network: predict(  # noqa: E731
            loaded.pet, loaded.ct, [network], box_mm=lungs.box_mm
        )
        run()
        times = []
        for _ in range(5):
            started = time.perf_counter()
            run()
            times.append(time.perf_counter() - started)
        seconds[backend] = statistics.median(times)
    size = [round((high - low) / 3) for low, high in zip(*lungs.box_mm, strict=True)]
    print(f"crop of {size[0]} x {size[1]} x {size[2]} voxels of 3 mm, median of 5 runs\n")
    print("| backend | seconds | eager torch takes so many times as long |\n| --- | --- | --- |")
    for backend, value in seconds.items():
        print(f"| {backend} | {value:.2f} | {seconds['torch'] / value:.2f} |")


# Helpers


def _open(options: argparse.Namespace, name: str) -> Predictor:
    return open_predictor(read_checkpoint(options.models / name), options.backend)


def cut_box(image: sitk.Image, box: Box) -> sitk.Image:
    """Return the voxels whose centres lie in a box, of an image along the patient's axes."""
    ends = np.sort([image.TransformPhysicalPointToContinuousIndex(corner) for corner in box], axis=0)
    first = np.clip(np.ceil(ends[0]), 0, None).astype(int)
    last = np.minimum(np.floor(ends[1]), np.array(image.GetSize()) - 1).astype(int)
    return sitk.RegionOfInterest(image, (last - first + 1).tolist(), first.tolist())


def interval(found: Estimate) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def data_folder(name: str) -> Path:
    return Path(os.environ.get("FDGLUNG_DATA") or Path(__file__).parents[2] / "shared" / "data") / name


@contextmanager
def _kept(out: Path | None, name: str) -> Iterator[Path]:
    if out is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
    else:
        (out / name).mkdir(parents=True, exist_ok=True)
        yield out / name


if __name__ == "__main__":
    raise SystemExit(main())
