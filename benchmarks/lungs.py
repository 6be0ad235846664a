"""Lungs: fdglung against stock lungmask with the same weights on the same CT, Dice against truth, containment.

`python -m benchmarks.lungs speed CT... [--weights FILE] [--slices N]` runs each CT (a folder of DICOM or a NIfTI file)
by `lungmask.LMInferer` with the weights put into the only width that it loads, and by fdglung with the weights as they
are, each in a process of its own; wall time is from the CT in memory to the mask, the opening of the network included.
`dice CT MASK...` and `dice --cohort FOLDER` compare the mask with a truth (1 right, 2 left, or a synthetic study's
organ map). `containment` counts the voxels of true lesions that lie in the region: of a cohort of synthetic studies
(`--cohort FOLDER`), of studies made for it with a pleural lesion, a hilar one or a white lung in turn (`--phantoms N`,
on 4 mm, not written), or of a CT and masks of lesions on its grid, without a PET (`--ct CT --lesions MASK...`).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from fdglung import lungs
from fdglung.errors import NoCtError, NoThoraxError
from fdglung.image_files import read_image
from fdglung.lungs.training.slices import PHANTOM_LOBES
from fdglung.lungs.weights import default_weights

RIGHT_LOBES = [value for value, lobe in PHANTOM_LOBES.items() if lobe >= 3]
LEFT_LOBES = [value for value, lobe in PHANTOM_LOBES.items() if lobe < 3]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("speed")
    command.add_argument("cts", type=Path, nargs="+", metavar="CT")
    command.add_argument("--slices", type=int, help="the middle N slices alone")
    command.set_defaults(run=speed)
    command = commands.add_parser("dice")
    command.add_argument("files", type=Path, nargs="*", metavar="CT MASK")
    command.add_argument("--cohort", type=Path, help="synthetic studies in NIfTI")
    command.add_argument("--split", default="external")
    command.set_defaults(run=dice)
    command = commands.add_parser("containment")
    command.add_argument("--cohort", type=Path, help="synthetic studies in NIfTI")
    command.add_argument("--phantoms", type=int, default=0, metavar="N", help="studies to make")
    command.add_argument("--seed", type=int, default=0, help="of the first of them")
    command.add_argument("--workers", type=int, default=1, help="processes")
    command.add_argument("--ct", type=Path)
    command.add_argument("--lesions", type=Path, nargs="+", default=[], metavar="MASK")
    command.set_defaults(run=containment)
    command = commands.add_parser("one")
    command.add_argument("method", choices=("stock", "fast"))
    command.add_argument("ct", type=Path)
    command.add_argument("out", type=Path)
    command.set_defaults(run=one)
    for each in commands.choices.values():
        each.add_argument("--weights", type=Path, help="default: what fdglung takes itself")
    options = parser.parse_args()
    options.run(options)
    return 0


def speed(options: argparse.Namespace) -> None:
    weights = options.weights or default_weights()
    print(f"weights {'none' if weights is None else weights.name}\n")
    print(
        "| CT | slices | lungmask, s | fdglung, s | times faster | lungmask, MiB | fdglung, MiB | IoU of boxes | Dice |"
    )
    print("| --- " * 9 + "|")
    for path in options.cts:
        ct = ct_of(path)
        if options.slices:
            first = max(0, (ct.GetSize()[2] - options.slices) // 2)
            ct = ct[:, :, first : first + options.slices]
        with tempfile.TemporaryDirectory() as folder:
            image = Path(folder) / "ct.nii"
            sitk.WriteImage(ct, str(image))
            stock, fast = (measured(method, image, weights) for method in ("stock", "fast"))
        masks = [one_run.pop("mask") for one_run in (stock, fast)]
        overlap = "" if not all((mask > 0).any() for mask in masks) else f"{box_iou(*masks):.4f}"
        print(
            f"| {path.name} | {ct.GetSize()[2]} | {stock['wall_s']:.1f} | {fast['wall_s']:.1f} "
            f"| {stock['wall_s'] / fast['wall_s']:.1f} | {stock['peak_mib']:.0f} | {fast['peak_mib']:.0f} "
            f"| {overlap} | {overlap_of(masks[0] > 0, masks[1] > 0):.4f} |",
            flush=True,
        )


def dice(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    pairs = list(zip(options.files[::2], options.files[1::2], strict=True))
    if options.cohort:
        pairs += [(study / "ct.nii.gz", study / "ct_organs.nii.gz") for study in studies(options.cohort, options.split)]
    rows = []
    for ct_path, truth_path in tqdm(pairs):
        region = lungs.segment(ct_of(ct_path), weights=options.weights)
        found = sitk.GetArrayViewFromImage(region.mask)
        truth = sitk.GetArrayFromImage(read_image(truth_path))
        is_map = truth.max() > 2
        sides = [np.isin(truth, values if is_map else [side]) for side, values in ((1, RIGHT_LOBES), (2, LEFT_LOBES))]
        scores = [overlap_of(found == side, mask) for side, mask in enumerate(sides, start=1)]
        scores.append(overlap_of(found > 0, sides[0] | sides[1]))
        rows.append((f"{ct_path.parent.name}/{ct_path.name}", region.method, *scores))
    print("| CT | method | right | left | both |\n| --- | --- | --- | --- | --- |")
    for row in rows:
        print("| {} | {} | {:.4f} | {:.4f} | {:.4f} |".format(*row))
    if rows:
        print("| mean | | {:.4f} | {:.4f} | {:.4f} |".format(*np.mean([row[2:] for row in rows], axis=0)))


def containment(options: argparse.Namespace) -> None:
    """Print lesions that are cut, as a whole and by the box without what avid tissue adds to it."""
    from tqdm import tqdm

    jobs: list[Callable[[], list[Contained]]] = []
    if options.cohort:
        jobs += [partial(in_stored_study, study, options.weights) for study in studies(options.cohort)]
    seeds = range(options.seed, options.seed + options.phantoms)
    jobs += [partial(in_made_study, seed, options.weights) for seed in seeds]
    if options.ct:
        jobs.append(partial(in_ct, options.ct, options.lesions, options.weights))
    rows: list[Contained] = []
    with ProcessPoolExecutor(options.workers, mp_context=get_context("spawn")) as pool:
        for done in tqdm(as_completed([pool.submit(job) for job in jobs]), total=len(jobs)):
            for row in done.result():
                rows.append(row)
                if row.inside < row.voxels:
                    tqdm.write(f"{row.name}: {row.voxels - row.inside} of {row.voxels} voxels outside, {row.method}")
    print("| lesions | of them whole | voxels | in the region | in it without avid tissue |\n" + "| --- " * 5 + "|")
    for kind in sorted({row.kind for row in rows}):
        some = [row for row in rows if row.kind == kind]
        total, inside, plain = (sum(getattr(row, name) for row in some) for name in ("voxels", "inside", "plain"))
        whole = sum(row.inside == row.voxels for row in some)
        print(f"| {len(some)} {kind} | {whole} | {total} | {inside} | {plain} |")


@dataclass(frozen=True)
class Contained:
    """Voxels of one lesion, those in the region, and those in the box without what avid tissue adds to it."""

    name: str
    kind: str
    voxels: int
    inside: int
    plain: int
    method: str


def in_stored_study(study: Path, weights: Path | None) -> list[Contained]:
    ct, pet, truth = (read_image(study / name) for name in ("ct.nii.gz", "pet.nii.gz", "lesions.nii.gz"))
    return contained(study.name, "of the cohort", ct, pet, truth, weights)


def in_made_study(seed: int, weights: Path | None) -> list[Contained]:
    from benchmarks.lungs_lesions import KINDS, make

    kind = KINDS[seed % len(KINDS)]
    study = make(kind, seed)
    return contained(f"seed {seed}, {kind}", kind, study.ct, study.pet, study.lesion_mask, weights)


def in_ct(ct: Path, masks: list[Path], weights: Path | None) -> list[Contained]:
    return [
        row for mask in masks for row in contained(mask.name, mask.name, ct_of(ct), None, read_image(mask) > 0, weights)
    ]


def contained(
    name: str, kind: str, ct: sitk.Image, pet: sitk.Image | None, truth: sitk.Image, weights: Path | None
) -> list[Contained]:
    try:
        region = lungs.segment(ct, weights=weights)
    except NoThoraxError:
        print(f"{name}: no lungs", flush=True)
        box, plain_box, method = None, None, "no lungs"
    else:
        plain_box, method = region.box_mm, region.method
        box = plain_box if pet is None else lungs.holding_avid_tissue(region, pet).box_mm
    labels = sitk.GetArrayViewFromImage(truth)
    rows = []
    for label in np.unique(labels[labels > 0]):
        voxels = np.argwhere(labels == label)[:, ::-1]
        points = np.array([truth.TransformIndexToPhysicalPoint(voxel.tolist()) for voxel in voxels])
        counts = [0 if one is None else int(within(points, one).sum()) for one in (box, plain_box)]
        rows.append(Contained(f"{name}, lesion {label}", kind, len(points), counts[0], counts[1], method))
    return rows


def one(options: argparse.Namespace) -> None:
    """Run one method in this process; print its time and memory as JSON and write its mask."""
    ct = sitk.ReadImage(str(options.ct))
    with tempfile.TemporaryDirectory() as folder:
        if options.method == "stock":
            weights = widened(options.weights, Path(folder))
            run = partial(stock_mask, ct, weights)
        else:
            run = partial(own_mask, ct, options.weights)
        started = time.perf_counter()
        mask = run()
        wall = time.perf_counter() - started
    np.save(options.out, mask)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall_s": wall, "peak_mib": peak}))


def widened(weights: Path, folder: Path) -> Path:
    """Write the weights, or those of the state dict beside an ONNX file, in the only width that lungmask itself has."""
    import torch

    from fdglung.lungs.unet import expanded
    from fdglung.lungs.weights import read_weights

    wide = folder / "wide.pth"
    torch.save(expanded(read_weights(weights.with_suffix(".pth")).state), wide)
    return wide


def stock_mask(ct: sitk.Image, weights: Path) -> Any:
    from lungmask import LMInferer

    return LMInferer(modelpath=str(weights), tqdm_disable=True).apply(ct)


def own_mask(ct: sitk.Image, weights: Path) -> Any:
    return sitk.GetArrayFromImage(lungs.segment(ct, weights=weights).mask)


def measured(method: str, image: Path, weights: Path | None) -> dict[str, Any]:
    if weights is None:
        raise SystemExit("there are no weights to compare with: give --weights")
    out = image.with_name(f"{method}.npy")
    command = [sys.executable, "-m", "benchmarks.lungs", "one", method, str(image), str(out), "--weights", str(weights)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]) | {"mask": np.load(out)}


def ct_of(path: Path) -> sitk.Image:
    if path.is_file():
        return read_image(path)
    from fdglung import study

    ct = study.load(path).ct
    if ct is None:
        raise NoCtError(f"{path} holds no CT", remedy="Name a folder with a CT")
    return ct


def studies(cohort: Path, split: str | None = None) -> list[Path]:
    import csv

    with (cohort / "cohort.csv").open(encoding="utf-8", newline="") as stream:
        return [cohort / row["study"] for row in csv.DictReader(stream) if split in (None, row["split"])]


def within(points: Any, box: Any) -> Any:
    return ((points >= box[0]) & (points <= box[1])).all(axis=1)


def box_iou(one_mask: Any, other: Any) -> float:
    boxes = []
    for mask in (one_mask, other):
        indices = np.argwhere(mask > 0)
        boxes.append((indices.min(axis=0), indices.max(axis=0) + 1))
    low, high = np.maximum(boxes[0][0], boxes[1][0]), np.minimum(boxes[0][1], boxes[1][1])
    both = float(np.prod(np.clip(high - low, 0, None)))
    return both / (sum(float(np.prod(b - a)) for a, b in boxes) - both)


def overlap_of(a: Any, b: Any) -> float:
    return 2 * float((a & b).sum()) / max(1, int(a.sum()) + int(b.sum()))


if __name__ == "__main__":
    raise SystemExit(main())
