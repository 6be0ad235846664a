"""The command `fdglung delta`: how features of a patient's lesions changed from one study to the next."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdglung import RESEARCH_NOTICE
from fdglung.cli_progress import Progress, ProgressBar, part
from fdglung.cli_radiomics import (
    WithLesions,
    add_output,
    add_settings,
    chosen_settings,
    load_with_lesions,
    print_warnings,
    read_image,
)
from fdglung.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fdglung.radiomics.delta import DeltaTable


def add_delta(commands: Any) -> None:
    """Add the command to a parser's commands."""
    command = commands.add_parser(
        "delta",
        help="compute how radiomics features changed between two studies of a patient",
        description="Register the CTs of two studies of one patient, match their lesions, and write the features of "
        f"both, their differences and ratios, a row a match. {RESEARCH_NOTICE}",
    )
    command.add_argument(
        "studies",
        type=Path,
        nargs="*",
        metavar="STUDY",
        help="baseline and follow-up: folders, zips or files of DICOM; instead of --pet and --ct",
    )
    both = ("BASELINE", "FOLLOWUP")
    command.add_argument("--pet", type=Path, nargs=2, metavar=both, help="PETs in SUVbw (g/ml)")
    command.add_argument("--ct", type=Path, nargs=2, metavar=both, help="CTs in HU")
    command.add_argument(
        "--mask",
        type=Path,
        nargs=2,
        metavar=both,
        help="label images of the lesions; with studies the lesions are found where they are left out",
    )
    command.add_argument("--out", type=Path, required=True, metavar="OUT", help="delta.csv")
    add_settings(command)
    command.add_argument(
        "--several",
        choices=("union", "largest"),
        default="union",
        help="what stands for merged or split lesions (default: union)",
    )
    command.add_argument(
        "--reach-mm",
        type=float,
        metavar="MM",
        help="gap across which lesions without overlap are still matched one to one (default: 15 mm)",
    )
    command.add_argument(
        "--allow-patient-mismatch", action="store_true", help="go on with a warning where headers name two patients"
    )
    add_output(command)
    command.set_defaults(run=_delta)


def _delta(options: argparse.Namespace) -> dict[str, object]:
    _check(options)
    with ProgressBar() as tell:
        tell("starting", 0.0)
        from fdglung.radiomics.delta import check_delta_path, delta_features, write_delta
        from fdglung.radiomics.matching import REACH_MM

        check_delta_path(options.out, overwrite=options.overwrite)
        settings = chosen_settings(options)
        ready = 0.6 if options.studies else 0.1
        before, after = (
            _side(options, index, part(tell, ready / 2 * index, ready / 2 * (index + 1))) for index in range(2)
        )
        table = delta_features(
            before.images,
            after.images,
            before.lesions,
            after.lesions,
            settings,
            several=options.several,
            reach_mm=REACH_MM if options.reach_mm is None else options.reach_mm,
            allow_patient_mismatch=options.allow_patient_mismatch,
            workers=options.workers,
            cache=options.cache,
            progress=part(tell, ready, 0.98),
        )
        files = write_delta(table, options.out, overwrite=options.overwrite)
    named = (("Baseline", before), ("Follow-up", after))
    warnings = [*table.warnings, *(f"{name}: {warning}" for name, side in named for warning in side.warnings)]
    if not options.json:
        _print(table, warnings, options.out)
    registration = table.registration
    return {
        "notice": RESEARCH_NOTICE,
        "files": {name: str(path) for name, path in files.items()},
        "warnings": warnings,
        "registration": None
        if registration is None
        else {
            "correlation": registration.correlation,
            "overlap": registration.overlap,
            "rotation_deg": registration.rotation_deg,
            "shift_mm": registration.shift_mm,
        },
        "matches": [
            {
                "status": change.match.status,
                "baseline": list(change.match.baseline),
                "followup": list(change.match.followup),
                "overlap": change.match.overlap,
                "distance_mm": change.match.distance_mm,
            }
            for change in table.changes
        ],
    }


def _check(options: argparse.Namespace) -> None:
    files = options.pet or options.ct
    if bool(options.studies) == bool(files) or len(options.studies) not in (0, 2):
        raise ParameterError(
            "There are not just two studies or images of two",
            attribute="STUDY, --pet, --ct",
            remedy="Give the baseline and the follow-up study, or --pet and --ct with --mask",
        )
    if files and not options.mask:
        raise ParameterError("There are no masks", attribute="--mask", remedy="Give the label images of the lesions")


def _side(options: argparse.Namespace, index: int, tell: Progress) -> WithLesions:
    mask = options.mask[index] if options.mask else None
    if options.studies:
        return load_with_lesions(options.studies[index], mask, tell, none_allowed=True)
    given = {"PET": options.pet, "CT": options.ct}
    images = {name: read_image(paths[index]) for name, paths in given.items() if paths}
    return WithLesions(images, read_image(options.mask[index]), {}, ())


def _print(table: DeltaTable, warnings: Sequence[str], out: Path) -> None:
    for change in table.changes:
        match = change.match
        sides = (" ".join(map(str, labels)) or "none" for labels in (match.baseline, match.followup))
        print(f"  {match.status}: {' -> '.join(sides)}")
    print_warnings(warnings)
    print(f"written to {out}. {RESEARCH_NOTICE}")
