"""Which strategy saves labels: labelled studies against Dice, simulated on synthetic studies.

`python -m benchmarks.strategies COHORT --out DIR` plays annotators who label the study that
`fdglung.annotation.sampling.choose_next` gives them, and a network that the bundle's training makes of the first
labels, from random weights, and trains further on all labels after each round. The same first studies, drawn by chance,
and the same first network begin the rounds of all strategies of a repetition, whose pool is drawn by chance too. The
avid lesions (SUVmax in the image of 2.5 or more) of the training list are what is labelled, those of the test list
judge. Networks are small and voxels large, so that a repetition takes a quarter of an hour on one core: what counts is
the order of the strategies, not the Dice.

Each round is kept in DIR as it ends, and a run that was stopped goes on; several processes may share DIR with
`--repetitions 0-2`, `--repetitions 3-5`. `--table` prints the table of what is there, with a plot `strategies.png`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import SimpleITK as sitk
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import ndimage
from tqdm import tqdm

from benchmarks.segmentation import AVID_SUV, interval
from fdglung import RESEARCH_NOTICE
from fdglung.annotation.disagreement import disagreement_ml
from fdglung.annotation.sampling import (
    Candidate,
    Signs,
    Strategy,
    choose_next,
    descriptor_of,
    expected_volume_error,
    uncertainty_of,
)
from fdglung.evaluation.bootstrap import Bootstrap, Estimate
from fdglung.evaluation.overlap import dice
from fdglung.files import write_files, write_nifti_image
from fdglung.network.backends import Predictor, open_predictor
from fdglung.network.checkpoint import read_checkpoint
from fdglung.segmentation import LesionSegmentation, SegmentationSettings
from fdglung.segmentation_network import segment_by_network
from fdglung.study import Study

BUNDLE = Path(__file__).resolve().parents[1] / "bundle"
SPACING_MM = 5.0
TO_LABEL, JUDGING = 80, 30
"""Studies of the cohort's lists, of which those without avid lesions are left out."""

POOL, FIRST, LABELLED = 48, 3, (3, 6, 10, 16, 24)
STRATEGIES = [name for name in get_args(Strategy) if name != "first"]
TRAINING: dict[str, Any] = {
    "features": [8, 16, 32],
    "residual_units": 1,
    "spacing_mm": SPACING_MM,
    "patch_size": [32, 32, 32],
    "batch_size": 2,
    "max_epochs": 1,
    "learning_rate": 0.003,
    "ema_decay": 0.99,
    "warmup_steps": 10,
    "region": "all",
    "threads": 1,
    "preprocess_workers": 0,
    "val_interval": 1000,
    "ct_dropout": 0.0,
    "augmentation#dose_probability": 0.1,
    "augmentation#crop_probability": 0.0,
    "augmentation#blur_probability": 0.0,
    "augmentation#low_resolution_probability": 0.0,
}
"""Of `bundle/configs/train.yaml`; the rest is as it stands there. With all of its changes to patches a small network
does not learn enough in so few steps for labels to matter."""

FIRST_STEPS, STEPS = 1000, 600
SAME_AS = 16
"""Labelled studies by chance that the others are compared with."""

FINDING = SegmentationSettings(method="network", region="all", backend="torch", overlap=0.25, min_volume_ml=0.3)

Dices = dict[tuple[str, int], dict[int, list[float]]]
"""Of the studies that judge, by strategy and number of labelled studies, then by repetition."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--repetitions", default="0-5", help="FIRST-LAST")
    parser.add_argument("--table", action="store_true", help="print what there is, and run nothing")
    options = parser.parse_args()
    if not options.table:
        pool, judging = small_studies(options.cohort, options.out / "studies")
        first, last = (int(part) for part in options.repetitions.split("-"))
        for repetition in range(first, last + 1):
            simulate(repetition, pool, judging, options.out)
    print_table(options.out)
    return 0


# Studies


def small_studies(cohort: Path, home: Path) -> tuple[list[str], list[str]]:
    """Bring the studies' lungs onto a coarse grid; return the names of those to label and of those that judge."""
    plan = json.loads((cohort / "cohort.json").read_text(encoding="utf-8"))["studies"]
    chosen = [
        [row["name"] for row in plan if row["split"] == split][:count]
        for split, count in (("train", TO_LABEL), ("internal_test", JUDGING))
    ]
    with_lesions = {
        name: _small_study(cohort / name, home / name) for name in tqdm([*chosen[0], *chosen[1]], desc="studies")
    }
    first, second = ([name for name in names if with_lesions[name]] for names in chosen)
    return first, second


def _small_study(source: Path, target: Path) -> bool:
    """Write a study's PET, CT and avid lesions; return whether it has any."""
    from bundle.scripts.cases import region_of
    from fdglung.network.volume import grid_over, mask_on, raw_on

    images = {name: target / f"{name}.nii.gz" for name in ("pet", "ct", "label")}
    if not images["label"].is_file():
        pet, ct, lesions = (
            sitk.ReadImage(str(source / f"{name}.nii.gz"), sitk.sitkFloat32) for name in ("pet", "ct", "lesions")
        )
        numbers, suv = sitk.GetArrayFromImage(lesions).astype(int), sitk.GetArrayViewFromImage(pet)
        hottest = np.atleast_1d(ndimage.maximum(suv, numbers, range(numbers.max() + 1)))
        avid = sitk.GetImageFromArray(((hottest >= AVID_SUV)[numbers] & (numbers > 0)).astype(np.uint8))
        avid.CopyInformation(pet)
        grid = grid_over(pet, SPACING_MM, region_of(pet, ct, {}, "auto"))
        arrays = dict(zip(("pet", "ct"), raw_on(grid, {"PET": pet, "CT": ct}, ["PET", "CT"]), strict=True))
        target.mkdir(parents=True, exist_ok=True)
        for name, array in (*arrays.items(), ("label", mask_on(grid, avid).astype(np.uint8))):
            image = sitk.GetImageFromArray(array)
            image.SetOrigin(grid.origin_mm)
            image.SetSpacing((grid.spacing_mm,) * 3)
            write_nifti_image(image, images[name])
    return bool(sitk.GetArrayFromImage(sitk.ReadImage(str(images["label"]))).any())


def _read(home: Path, name: str) -> tuple[Study, NDArray[np.bool_]]:
    pet, ct = (sitk.ReadImage(str(home / name / f"{kind}.nii.gz"), sitk.sitkFloat32) for kind in ("pet", "ct"))
    return Study(pet, ct), sitk.GetArrayFromImage(sitk.ReadImage(str(home / name / "label.nii.gz"))) > 0


# Rounds


def simulate(repetition: int, everything: Sequence[str], judging: Sequence[str], out: Path) -> None:
    """Run all strategies from the same first studies; keep each round's Dice, by study, in `out`."""
    chance = np.random.default_rng(repetition)
    pool = sorted(chance.choice(everything, min(POOL, len(everything)), replace=False).tolist())
    first = sorted(chance.choice(pool, FIRST, replace=False).tolist())
    rounds = len(LABELLED) * len(STRATEGIES)
    with tqdm(total=rounds, desc=f"repetition {repetition}") as bar:
        for strategy in STRATEGIES:
            labelled, network = list(first), None
            for count in LABELLED:
                shared = count == FIRST
                kept = out / "rounds" / f"{repetition}_{'first' if shared else strategy}_{count}.json"
                if not kept.is_file():
                    predictor = _trained(labelled, out / "studies", network, kept.with_suffix(".pt"), repetition)
                    # The first network is shared, so that its disagreement is asked for whichever strategy is played.
                    signs_of = _signs(pool, out / "studies", predictor, compared=shared or strategy == "disagreement")
                    result = {
                        "labelled": labelled,
                        "dice": _judged(judging, out / "studies", predictor),
                        "signs": signs_of,
                    }
                    write_files({kept: json.dumps(result).encode()})
                network = kept.with_suffix(".pt")
                result = json.loads(kept.read_text(encoding="utf-8"))
                signs = {
                    name: Signs(**{**row, "descriptor": tuple(row["descriptor"])})
                    for name, row in result["signs"].items()
                }
                wanted = next((n for n in LABELLED if n > count), count)
                while len(labelled) < wanted:
                    labelled.append(_next(strategy, pool, labelled, signs, seed=1000 * repetition + len(labelled)))
                bar.update()


def _next(
    strategy: Strategy, pool: Sequence[str], labelled: Sequence[str], signs: dict[str, Signs], *, seed: int
) -> str:
    candidates = [
        Candidate(name, mine=name in labelled, labelled=name in labelled, signs=signs.get(name)) for name in pool
    ]
    centres = [signs[name].descriptor for name in labelled]
    chosen = choose_next(candidates, strategy, centres=centres, seed=seed)
    assert chosen is not None  # the pool is larger than what is labelled
    return chosen.name


def _judged(judging: Sequence[str], home: Path, network: Predictor) -> dict[str, float]:
    found = {}
    for name in judging:
        study, truth = _read(home, name)
        found[name] = dice(truth, sitk.GetArrayFromImage(_found(study, network).labels) > 0)
    return found


def _signs(pool: Sequence[str], home: Path, network: Predictor, *, compared: bool) -> dict[str, dict[str, Any]]:
    signs = {}
    for name in pool:
        study, _ = _read(home, name)
        found = _found(study, network)
        signs[name] = {
            "uncertainty": uncertainty_of(found),
            "volume_error_ml": expected_volume_error(found),
            "disagreement_ml": disagreement_ml(study.pet, study.ct, [network]) if compared else None,
            "descriptor": descriptor_of(study.pet, found),
        }
    return signs


def _found(study: Study, network: Predictor) -> LesionSegmentation:
    return segment_by_network(study.pet, study.ct, None, FINDING, lambda text, fraction: None, predictors=[network])


def _trained(labelled: Sequence[str], home: Path, before: Path | None, after: Path, repetition: int) -> Predictor:
    if str(BUNDLE) not in sys.path:
        sys.path.insert(0, str(BUNDLE))
    from monai.bundle import ConfigWorkflow

    with tempfile.TemporaryDirectory(prefix="fdglung_strategies_") as run:
        entries = [{"name": n, **{k: f"{n}/{k}.nii.gz" for k in ("pet", "ct", "label")}} for n in labelled]
        datalist = Path(run) / "datalist.json"
        datalist.write_text(json.dumps({"training": entries, "validation": entries[:1]}), encoding="utf-8")
        workflow = ConfigWorkflow(
            str(BUNDLE / "configs" / "train.yaml"),
            meta_file=str(BUNDLE / "configs" / "metadata.json"),
            logging_file=False,
            workflow_type="train",
            dataset_dir=str(home.resolve()),
            datalist=str(datalist),
            output_dir=run,
            cache_dir=str(home.resolve() / "cache"),
            seed=100 * repetition + len(labelled),
            pretrained=str(before or ""),
            steps_per_epoch=STEPS if before else FIRST_STEPS,
            **TRAINING,
        )
        workflow.initialize()
        workflow.run()
        after.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(Path(run) / "checkpoints" / "model.pt", after)
    return open_predictor(read_checkpoint(after), "torch")


# What came out


def print_table(out: Path) -> None:
    """Print Dice by strategy and number of labelled studies, with what each gains over chance, and draw it."""
    dices = _kept_dice(out)
    complete = sorted(set.intersection(*(set(dices[name, count]) for name in STRATEGIES for count in LABELLED)))
    if not complete:
        print("no repetition has ended yet")
        return
    studies = len(dices["random", LABELLED[-1]][complete[0]])
    print(f"{len(complete)} repetitions, {studies} synthetic studies that judge; intervals over repetitions\n")
    heads = [f"Dice at {count}" for count in LABELLED]
    print(f"| strategy | {' | '.join(heads)} | more than by chance, mean of all rounds | {SAME_AS} by chance are |")
    print("| --- " * (len(heads) + 3) + "|")
    curves = {name: [_mean([dices[name, count][n] for n in complete]) for count in LABELLED] for name in STRATEGIES}
    for name in STRATEGIES:
        gained = [_over_rounds(dices, name, n) - _over_rounds(dices, "random", n) for n in complete]
        row = [interval(estimate) for estimate in curves[name]]
        gain = "" if name == "random" else interval(_mean([[value] for value in gained]))
        print(f"| `{name}` | {' | '.join(row)} | {gain} | {_as_many(curves[name], curves['random'])} |")
    _plot(curves, out / "strategies.png")


def _kept_dice(out: Path) -> Dices:
    found: Dices = defaultdict(dict)
    for path in sorted((out / "rounds").glob("*.json")):
        repetition, _, rest = path.stem.partition("_")
        name, _, count = rest.rpartition("_")
        values = list(json.loads(path.read_text(encoding="utf-8"))["dice"].values())
        for strategy in STRATEGIES if name == "first" else [name]:
            found[strategy, int(count)][int(repetition)] = values
    return found


def _over_rounds(dices: Dices, strategy: str, repetition: int) -> float:
    return float(np.mean([dices[strategy, count][repetition] for count in LABELLED if count != FIRST]))


def _mean(values: Sequence[Sequence[float]]) -> Estimate:
    return Bootstrap().mean([np.mean(row) for row in values], [str(n) for n in range(len(values))])


def _as_many(curve: Sequence[Estimate], by_chance: Sequence[Estimate]) -> str:
    """Return how many labelled studies reach the Dice of `SAME_AS` by chance, between rounds along straight lines."""
    wanted = by_chance[LABELLED.index(SAME_AS)].value
    best = np.maximum.accumulate([estimate.value for estimate in curve])
    return f"{np.interp(wanted, best, LABELLED):.1f}" if wanted <= best[-1] else f"more than {LABELLED[-1]}"


def _plot(curves: Mapping[str, Sequence[Estimate]], path: Path) -> None:
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = FigureCanvasAgg(figure).figure.subplots()
    for number, (name, curve) in enumerate(curves.items()):
        places = np.array(LABELLED) + 0.12 * (number - len(curves) / 2)
        middle = np.array([estimate.value for estimate in curve])
        ends = [[e.value - e.low for e in curve], [e.high - e.value for e in curve]]
        axes.errorbar(places, middle, ends, label=name, capsize=2, linewidth=2.5 if name == "random" else 1.2)
    axes.set(xlabel="labelled studies", ylabel="mean Dice", xticks=LABELLED)
    axes.set_title(f"Synthetic studies, small networks, intervals over repetitions\n{RESEARCH_NOTICE}", fontsize=8)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    raise SystemExit(main())
