"""The command `fdglung`. Imports of each command come with the command, so that --help answers at once."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from fdglung import RESEARCH_NOTICE, __version__
from fdglung.cli_classify import add_classify, add_train_classifier
from fdglung.cli_delta import add_delta
from fdglung.cli_evaluate import add_evaluate
from fdglung.cli_harmonise import add_harmonise
from fdglung.cli_image_classifier import add_train_image_classifier
from fdglung.cli_label import add_label, add_label_export
from fdglung.cli_lungs import add_train_lungs
from fdglung.cli_progress import ProgressBar, part
from fdglung.cli_radiomics import add_radiomics
from fdglung.cli_segment import add_lung_weights, add_network, add_segment, network_settings
from fdglung.cli_statistics import add_statistics
from fdglung.cli_study import add_study
from fdglung.cli_weights import add_weights
from fdglung.errors import FdglungError

if TYPE_CHECKING:
    from fdglung.dicom.suv import SuvRecord
    from fdglung.findings import Findings
    from fdglung.pipeline import Settings

EXIT_BAD_INPUT = 2
"""Exit code when input or output cannot be used; the reason is on standard error."""

EXIT_INTERRUPTED = 130
"""Exit code after Ctrl-C or SIGTERM; nothing half-written is left."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done, 2 unusable input or output, 130 interrupted."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        result = options.run(options)
    except FdglungError as error:
        if options.json:
            print(json.dumps({"error": error.kind, "message": str(error), "remedy": error.remedy}))
        print(f"fdglung: {error.kind}: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("fdglung: interrupted; nothing half-written was left", file=sys.stderr)
        return EXIT_INTERRUPTED
    if options.json:
        print(json.dumps(result, indent=2))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fdglung", description=f"FDG-avid lung lesions in PET/CT, from DICOM to a report. {RESEARCH_NOTICE}"
    )
    parser.add_argument("--version", action="version", version=f"fdglung {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_analyze(commands)
    add_segment(commands)
    _add_suv(commands)
    _add_convert(commands)
    _add_phantom(commands)
    add_radiomics(commands)
    add_delta(commands)
    add_harmonise(commands)
    add_evaluate(commands)
    add_train_classifier(commands)
    add_train_image_classifier(commands)
    add_classify(commands)
    add_statistics(commands)
    add_study(commands)
    add_label(commands)
    add_label_export(commands)
    add_weights(commands)
    add_train_lungs(commands)
    return parser


def _add_analyze(commands: Any) -> None:
    command = commands.add_parser(
        "analyze",
        help="find, measure and report the avid lung lesions of a study",
        description=f"Read a PET/CT study and write SEG, SR, PDF, CSV, JSON and pictures. {RESEARCH_NOTICE}",
    )
    _add_study(command)
    _add_output(command)
    command.add_argument(
        "--region",
        choices=("lungs", "all"),
        default="lungs",
        help="lesions at the lungs, or all avid uptake of the PET without a CT (default: lungs)",
    )
    command.add_argument(
        "--method", choices=("threshold", "network"), default="threshold", help="what finds them (default: threshold)"
    )
    add_network(command)
    command.add_argument(
        "--classifier",
        type=Path,
        metavar="MODEL",
        help="model of train-classifier or train-image-classifier: adds a class to each lesion; or phantom for the one "
        "that comes along, trained on synthetic lesions",
    )
    command.add_argument("--seed-suv", type=float, default=2.5, metavar="SUV", help="lowest SUVmax (default: 2.5 g/ml)")
    command.add_argument(
        "--reference-factor",
        type=float,
        default=1.5,
        metavar="N",
        help="a seed has also N times the liver's or blood pool's SUVmean (default: 1.5)",
    )
    command.add_argument(
        "--voi-fraction",
        type=float,
        default=0.4,
        metavar="F",
        help="fraction of SUVmax that bounds a VOI (default: 0.4)",
    )
    command.add_argument(
        "--min-volume-ml", type=float, default=0.3, metavar="ML", help="smallest VOI reported (default: 0.3 ml)"
    )
    add_lung_weights(command)
    command.add_argument(
        "--segmentation-type",
        choices=("BINARY", "LABELMAP"),
        default="BINARY",
        help="kind of DICOM SEG (default: BINARY, which every viewer reads)",
    )
    command.set_defaults(run=_analyze)


def _add_suv(commands: Any) -> None:
    command = commands.add_parser(
        "suv",
        help="print the SUV factors of a study's PET and where each number came from",
        description=f"Print how a PET becomes SUV. {RESEARCH_NOTICE}",
    )
    _add_study(command)
    command.set_defaults(run=_suv)


def _add_convert(commands: Any) -> None:
    command = commands.add_parser(
        "convert",
        help="write PET as SUVbw and CT as HU to NIfTI",
        description=f"Write pet_suvbw.nii.gz (g/ml), ct_hu.nii.gz (HU) and study.json. {RESEARCH_NOTICE}",
    )
    _add_study(command)
    _add_output(command)
    command.set_defaults(run=_convert)


def _add_phantom(commands: Any) -> None:
    command = commands.add_parser(
        "phantom",
        help="make synthetic PET/CT studies with known truth",
        description="Make synthetic PET/CT studies whose lesions and organs are known. No person is scanned. The same "
        f"command takes up a run that was interrupted. {RESEARCH_NOTICE}",
    )
    command.add_argument("out", type=Path, metavar="OUT", help="output folder; new, empty, or the same cohort begun")
    command.add_argument("--studies", type=int, metavar="N", help="how many studies (default: 1)")
    command.add_argument("--seed", type=int, metavar="S", help="of everything (default: 0)")
    command.add_argument("--format", choices=("dicom", "nifti"), help="kind of files (default: dicom)")
    command.add_argument(
        "--region", choices=("thorax", "trunk"), help="thorax, or trunk from neck to upper thigh (default: thorax)"
    )
    command.add_argument("--cohort", type=Path, metavar="YAML", help="shares of classes, scanners, tracers and so on")
    command.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default: 1)")
    command.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    command.add_argument("--example-cohort", action=_ExampleCohort, help="print a commented YAML for --cohort and end")
    command.set_defaults(run=_phantom)


class _ExampleCohort(argparse.Action):
    """Prints the example and ends, as --version does."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *values: object) -> None:
        from fdglung.phantom.cohort_plan import EXAMPLE

        print(EXAMPLE, end="")
        parser.exit()


def _add_study(command: argparse.ArgumentParser) -> None:
    command.add_argument("study", type=Path, metavar="STUDY", help="folder, zip or file of DICOM")
    command.add_argument("--pet-series", metavar="UID", help="SeriesInstanceUID of the PET to take")
    command.add_argument("--ct-series", metavar="UID", help="SeriesInstanceUID of the CT to take")
    command.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def _add_output(command: argparse.ArgumentParser) -> None:
    command.add_argument("out", type=Path, metavar="OUT", help="output folder; must not exist or be empty")
    command.add_argument("--overwrite", action="store_true", help="replace an earlier output in OUT")


def _analyze(options: argparse.Namespace) -> dict[str, object]:
    settings = _settings(options)
    with ProgressBar() as tell:
        tell("starting", 0.0)
        from fdglung import study
        from fdglung.files import check_free
        from fdglung.pipeline import analyze
        from fdglung.reporting import write_report

        check_free(options.out, overwrite=options.overwrite)
        loaded = study.load(
            options.study,
            pet_series_uid=options.pet_series,
            ct_series_uid=options.ct_series,
            progress=part(tell, 0.0, 0.35),
        )
        analysis = analyze(loaded, settings, progress=part(tell, 0.35, 0.75))
        files = write_report(
            analysis,
            options.out,
            overwrite=options.overwrite,
            segmentation_type=options.segmentation_type,
            progress=part(tell, 0.75, 1.0),
        )
    found = analysis.findings
    if not options.json:
        print(f"{len(found.lesions)} avid lung lesion{'' if len(found.lesions) == 1 else 's'}", end="")
        print(f", MTV {found.total_mtv_ml:.1f} ml, TLG {found.total_tlg_g:.1f} g")
        for lesion in found.lesions:
            print(
                f"  {lesion.label}: SUVmax {lesion.suv_max:.2f}, SUVpeak {lesion.suv_peak:.2f}, "
                f"MTV {lesion.mtv_ml:.2f} ml, {lesion.side.value}{_class_of(found, lesion.label)}"
            )
        if found.classification is not None:
            print(found.classification.notice)
        for warning in found.warnings:
            print(f"warning: {warning}")
        print(f"written to {options.out}. {RESEARCH_NOTICE}")
    from fdglung.findings import to_json

    return {
        "notice": RESEARCH_NOTICE,
        "files": {name: str(path) for name, path in files.items()},
        "findings": json.loads(to_json(found)),
    }


def _class_of(findings: Findings, label: int) -> str:
    said = findings.classification.of(label) if findings.classification is not None else None
    if said is None:
        return ""
    likeliest = max(said.probabilities, key=lambda name: said.probabilities[name])
    left = ", ".join(said.prediction_set)
    return f", {said.name} ({likeliest} {said.probabilities[likeliest]:.0%}; not ruled out: {left})"


def _suv(options: argparse.Namespace) -> dict[str, object]:
    import dataclasses

    from fdglung import study
    from fdglung.errors import NoPetError

    with ProgressBar() as tell:
        record = study.load_suv(
            options.study, pet_series_uid=options.pet_series, ct_series_uid=options.ct_series, progress=tell
        )
    if record is None:
        raise NoPetError("the study holds no PET", remedy="Give the folder that holds the attenuation-corrected PET")
    if not options.json:
        low, high = min(record.slice_factors), max(record.slice_factors)
        print(f"rule: {record.rule}")
        span = f"{low:.9g}" if low == high else f"{low:.9g} to {high:.9g} (by slice)"
        print(f"SUVbw in g/ml = {record.units} x {span}")
        for name, factor in record.conversions.items():
            print(f"{name} = SUVbw x {'not known' if factor is None else format(factor, '.9g')}")
        for used in record.attributes:
            print(f"  {used.name} {used.tag} = {used.value}  ({used.role})")
        for warning in record.warnings:
            print(f"warning: {warning}")
        print(RESEARCH_NOTICE)
    return {"notice": RESEARCH_NOTICE, "factors": _factors(record), "record": dataclasses.asdict(record)}


def _factors(record: SuvRecord) -> dict[str, float | list[float] | None]:
    """Return what a rescaled value is multiplied by, for each normalisation: one number, or one a slice."""
    ratios: dict[str, float | None] = {"suvbw": 1.0, **record.conversions}
    factors: dict[str, float | list[float] | None] = {}
    for name, ratio in ratios.items():
        by_slice = None if ratio is None else [factor * ratio for factor in record.slice_factors]
        factors[name] = by_slice[0] if by_slice and len(set(by_slice)) == 1 else by_slice
    return factors


def _convert(options: argparse.Namespace) -> dict[str, object]:
    with ProgressBar() as tell:
        from fdglung import study
        from fdglung.files import check_free

        check_free(options.out, overwrite=options.overwrite)
        loaded = study.load(
            options.study,
            pet_series_uid=options.pet_series,
            ct_series_uid=options.ct_series,
            progress=part(tell, 0.0, 0.7),
        )
        tell("writing", 0.7)
        files = study.write_nifti(loaded, options.out, overwrite=options.overwrite)
    if not options.json:
        for path in files.values():
            print(path)
        for warning in loaded.warnings:
            print(f"warning: {warning}")
    return {"notice": RESEARCH_NOTICE, "files": {name: str(path) for name, path in files.items()}}


def _phantom(options: argparse.Namespace) -> dict[str, object]:
    with ProgressBar() as tell:
        tell("starting", 0.0)
        from fdglung.phantom.cohort import Cohort, make_cohort, plan, read_cohort

        chosen = {key: getattr(options, key) for key in ("studies", "seed", "format", "region")}
        given = {key: value for key, value in chosen.items() if value is not None}
        cohort = read_cohort(options.cohort, **given) if options.cohort else Cohort(**given)
        out = make_cohort(cohort, options.out, workers=options.workers, progress=tell)
        recipes = plan(cohort)
    names = ["cohort.json", "cohort.csv", "lesions.csv", *(["datalist.json"] if cohort.format == "nifti" else [])]
    if not options.json:
        print(f"{len(recipes)} synthetic {'study' if len(recipes) == 1 else 'studies'} in {out}: no person was scanned")
        for recipe in recipes[:20]:
            kind = recipe.lesion_class.value.replace("_", " ")
            print(f"  {recipe.name}: {kind}, {recipe.scanner}, {recipe.tracer}, {recipe.split.replace('_', ' ')}")
        if len(recipes) > 20:
            print(f"  ... and {len(recipes) - 20} more: see {out / 'cohort.csv'}")
        print(RESEARCH_NOTICE)
    return {
        "notice": f"Synthetic: no person was scanned. {RESEARCH_NOTICE}",
        "files": {name: str(out / name) for name in names},
        "studies": [
            {
                "folder": str(out / recipe.name),
                "seed": recipe.seed,
                "split": recipe.split,
                "lesion_class": recipe.lesion_class.value,
                "scanner": recipe.scanner,
                "tracer": recipe.tracer,
                "dose_factor": recipe.dose_factor,
            }
            for recipe in recipes
        ],
    }


def _settings(options: argparse.Namespace) -> Settings:
    from fdglung.pipeline import Settings
    from fdglung.segmentation import SegmentationSettings

    return Settings(
        segmentation=SegmentationSettings(
            method=options.method,
            region=options.region,
            **network_settings(options),
            seed_suv=options.seed_suv,
            reference_factor=options.reference_factor,
            voi_fraction=options.voi_fraction,
            min_volume_ml=options.min_volume_ml,
        ),
        lung_weights=options.lung_weights,
        classifier=options.classifier,
    )


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
