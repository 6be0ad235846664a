"""How fast and how well the tools of the label server outline lesions by clicks.

`python -m benchmarks.annotation sts FOLDER --models DIR` gives each sarcoma (by default those that FDGLUNG_DATA names,
each cropped anew at random as in `benchmarks.segmentation`) 0 to 10 simulated clicks, always in the middle of what is
most wrong (`fdglung.simulated_clicks`), by the network `sts/gtv_K.onnx` of the fold that never saw the patient;
`--stem clicks_` takes `clicks_K.pt` of `--models` instead.

`python -m benchmarks.annotation phantoms COHORT` does the same for the avid lesions (SUVmax in the image of 2.5 or
more) of a synthetic cohort's studies, in what lies 96 mm around each, by the network that ships.

`python -m benchmarks.annotation clicks COHORT` times the tools `suv_click` and `lesion_click` as the server runs them,
on one study after another, the files' writing included.

`python -m benchmarks.annotation server COHORT` times the server's start, and `/info/` while three inferences run.

`--out DIR` keeps every Dice as JSON; `--limit N` takes the first N cases.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.segmentation import AVID_SUV, FOLDS, MODELS, crop_around, cut_box, data_folder, interval
from fdglung.clicks_network import guided_probability
from fdglung.evaluation.bootstrap import Bootstrap
from fdglung.evaluation.overlap import dice
from fdglung.network.backends import Predictor, open_predictor
from fdglung.network.checkpoint import read_checkpoint
from fdglung.segmentation import SegmentationSettings
from fdglung.simulated_clicks import next_click

MOST_CLICKS = 10
AROUND_MM = 96.0

Mask = NDArray[np.bool_]
Outline = Callable[[list[list[int]], list[list[int]]], Mask]
"""From clicks inside and outside, indices (x, y, z), to a mask (z, y, x)."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("what", choices=("sts", "phantoms", "clicks", "server"))
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--models", type=Path, help="folder of the networks (default: the bundle's)")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--seed", type=int, default=0, help="of the crops")
    parser.add_argument("--limit", type=int, help="cases of each set")
    parser.add_argument("--fold", type=int, action="append", help="of the sarcomas (default: all)")
    parser.add_argument("--list", default="test", help="list of the cohort")
    parser.add_argument("--stem", default="sts/gtv_", help="what names of the folds' networks begin with")
    options = parser.parse_args()
    {"sts": sts, "phantoms": phantoms, "clicks": clicks, "server": server}[options.what](options)
    return 0


# Dice against clicks


def sts(options: argparse.Namespace) -> None:
    """Print Dice against the number of clicks by cross-validation."""
    from bundle.scripts.sts_datalist import make_datalist

    folder = options.folder or data_folder("sts_petct")
    lists = make_datalist(folder, FOLDS)
    curves: dict[str, list[float]] = {}
    for fold in options.fold or range(FOLDS):
        network = _open(options, f"{options.stem}{fold}")
        for entry in tqdm(lists[f"test_{fold}"][: options.limit], desc=f"fold {fold}"):
            pet, ct, label = (sitk.ReadImage(str(folder / entry[key])) for key in ("pet", "ct", "label"))
            box = crop_around(label, (options.seed, entry["name"]))
            pet, ct, label = (cut_box(image, box) for image in (pet, ct, label))
            truth = sitk.GetArrayFromImage(label) > 0
            curves[entry["name"]] = _curve(pet, truth, _guided(pet, sitk.Cast(ct, sitk.sitkFloat32), network))
    _print_curves(curves, f"{len(curves)} patients, each tested by a network that never saw them")
    _keep(options, "sts", curves)


def phantoms(options: argparse.Namespace) -> None:
    """Print Dice against the number of clicks for the avid lesions of synthetic studies."""
    network = _open(options, "model")
    curves: dict[str, list[float]] = {}
    for folder in tqdm(_studies(options)):
        pet, ct, label = (
            sitk.ReadImage(str(folder / f"{name}.nii.gz"), sitk.sitkFloat32) for name in ("pet", "ct", "lesions")
        )
        whole, suv = sitk.GetArrayFromImage(label).astype(int), sitk.GetArrayViewFromImage(pet)
        hot = [value for value in np.unique(whole[whole > 0]) if suv[whole == value].max() >= AVID_SUV]
        for value in hot[:5]:
            box = _around(label == int(value))
            near, near_ct, near_label = (cut_box(image, box) for image in (pet, ct, label))
            # Neighbours that are avid are to be outlined too; others are neither right nor wrong.
            truth = np.isin(sitk.GetArrayFromImage(near_label).astype(int), hot)
            counted = truth | (sitk.GetArrayFromImage(near_label) == 0)
            name = f"{folder.name} {value}"
            curves[name] = _curve(near, truth, _guided(near, near_ct, network), counted)
    patients = {name.split()[0] for name in curves}
    _print_curves(curves, f"around {len(curves)} avid lesions of {len(patients)} synthetic studies")
    _keep(options, "phantoms", curves)


def _curve(pet: sitk.Image, truth: Mask, outline: Outline, counted: Mask | None = None) -> list[float]:
    """Return Dice after 0, 1, … clicks; the last one stays where nothing is left to click."""
    given: dict[bool, list[list[int]]] = {True: [], False: []}
    values = []
    everywhere = np.ones_like(truth) if counted is None else counted
    for _ in range(MOST_CLICKS + 1):
        found = outline(given[True], given[False])
        values.append(dice(truth & everywhere, found & everywhere))
        click = next_click(truth, found, spacing=pet.GetSpacing()[::-1], counted=everywhere)
        if click is None:
            break
        given[click.foreground].append(list(click.voxel[::-1]))
    return values + values[-1:] * (MOST_CLICKS + 1 - len(values))


def _guided(pet: sitk.Image, ct: sitk.Image, network: Predictor) -> Outline:
    def outline(inside: list[list[int]], outside: list[list[int]]) -> Mask:
        probability = guided_probability(pet, ct, network, inside=inside, outside=outside)
        mask: Mask = sitk.GetArrayFromImage(probability) >= 0.5
        return mask

    return outline


def _around(mask: sitk.Image) -> Any:
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(sitk.Cast(mask, sitk.sitkUInt8))
    centre = np.array(shape.GetCentroid(1))
    return tuple((centre - AROUND_MM).tolist()), tuple((centre + AROUND_MM).tolist())


def _print_curves(curves: dict[str, list[float]], what: str) -> None:
    groups = [name.split()[0] for name in curves]
    print(f"\n{what}\n\n| clicks | mean Dice | lowest |\n| --- | --- | --- |")
    for number in range(MOST_CLICKS + 1):
        values = np.array([row[number] for row in curves.values()])
        print(f"| {number} | {interval(Bootstrap().mean(values, groups))} | {values.min():.3f} |")


# Time


def clicks(options: argparse.Namespace) -> None:
    """Print the seconds of a click, by tool, as the server runs it."""
    from fdglung.pipeline import Settings
    from labelapp.datastore import FolderStore
    from labelapp.open_studies import OpenStudies
    from labelapp.tools import LesionClick, SuvClick
    from labelapp.warm_up import open_networks, warm_up

    settings = Settings(SegmentationSettings(method="network"))
    opened = OpenStudies(settings, predictors=open_networks(settings))
    warm_up(opened)
    print("| tool | clicks timed | median s | 95th percentile s | longest s | median CPU s | 95th percentile CPU s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    folders = list(_studies(options))
    store = FolderStore(options.folder, options.folder.parent / "no_labels", opened)
    for tool in (SuvClick(store), LesionClick(store)):
        seconds, processor = [], []
        for folder in tqdm(folders, desc=type(tool).__name__):
            label = sitk.ReadImage(str(folder / "lesions.nii.gz"))
            points = _middles(label)[:MOST_CLICKS]
            request = {"image": folder.name, "start": "lesions", "result_extension": ".nrrd"}
            # Opening a study and proposing lesions is not the click's time.
            tool(request)
            for number in range(1, len(points) + 1):
                started, worked = time.perf_counter(), time.process_time()
                file, _ = tool({**request, "foreground": points[:number]})
                seconds.append(time.perf_counter() - started)
                processor.append(time.process_time() - worked)
                Path(file).unlink()
        row = [
            statistics.median(seconds),
            float(np.percentile(seconds, 95)),
            max(seconds),
            statistics.median(processor),
            float(np.percentile(processor, 95)),
        ]
        print(f"| {type(tool).__name__} | {len(seconds)} | " + " | ".join(f"{value:.2f}" for value in row) + " |")


def server(options: argparse.Namespace) -> None:
    """Print the time of the server's start, and of `/info/` while it runs three inferences at once."""
    from concurrent.futures import ThreadPoolExecutor

    from benchmarks.label_server import running_server

    with running_server(list(_studies(options))[:3]) as served:
        print(f"start to first answer: {served.start_s:.1f} s, {served.start_cpu_s:.1f} s of processor time")
        alone = [served.seconds_of("/info/") for _ in range(20)]
        with ThreadPoolExecutor(3) as pool:
            work = [pool.submit(served.infer, "lesions", name) for name in served.names]
            busy = []
            while not all(future.done() for future in work):
                busy.append(served.seconds_of("/info/"))
                time.sleep(0.02)
            for future in work:
                future.result()
        print("| /info/ | answers | median ms | 95th percentile ms | longest ms |\n| --- | --- | --- | --- | --- |")
        for name, values in (("alone", alone), ("with three inferences", busy)):
            row = [1000 * v for v in (statistics.median(values), float(np.percentile(values, 95)), max(values))]
            print(f"| {name} | {len(values)} | " + " | ".join(f"{value:.0f}" for value in row) + " |")


def _middles(label: sitk.Image) -> list[list[int]]:
    """Return the voxel (x, y, z) of each lesion that is farthest from its border."""
    whole = sitk.GetArrayFromImage(label)
    found = []
    for value in np.unique(whole[whole > 0]):
        click = next_click(whole == value, np.zeros(whole.shape, bool))
        if click is not None:
            found.append(list(click.voxel[::-1]))
    return found


# Helpers


def _studies(options: argparse.Namespace) -> Iterator[Path]:
    """Return the studies of a cohort's list, or all that there are yet of an unfinished cohort."""
    listed = options.folder / "datalist.json"
    if listed.is_file():
        entries = json.loads(listed.read_text(encoding="utf-8"))[options.list]
        folders = [(options.folder / entry["pet"]).parent for entry in entries]
    else:
        plan = json.loads((options.folder / "cohort.json").read_text(encoding="utf-8"))["studies"]
        split = {"test": "internal_test"}.get(options.list, options.list)
        folders = [options.folder / row["name"] for row in plan if row["split"] == split]
    yield from [folder for folder in folders if (folder / "lesions.nii.gz").is_file()][: options.limit]


def _open(options: argparse.Namespace, stem: str) -> Predictor:
    path = (options.models or MODELS) / f"{stem}.pt"
    return open_predictor(read_checkpoint(path if path.is_file() else path.with_suffix(".onnx")), options.backend)


def _keep(options: argparse.Namespace, name: str, values: object) -> None:
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / f"{name}.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
