"""The command `fdglung radiomics`: features of lesions of a study, or of images and a mask, to a table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fdglung import RESEARCH_NOTICE
from fdglung.cli_progress import ProgressBar, part
from fdglung.errors import InputError, ParameterError

if TYPE_CHECKING:
    from collections.abc import Callable

    import SimpleITK as sitk

    from fdglung.radiomics import FeatureTable, RadiomicsSettings
    from fdglung.study import Study


def add_radiomics(commands: Any) -> None:
    """Add the command to a parser's commands."""
    command = commands.add_parser(
        "radiomics",
        help="compute radiomics features of lesions",
        description="Compute radiomics features of each lesion of a PET/CT study, by IBSI's workflow or with "
        f"PyRadiomics' own values, and write a table with its settings beside it. {RESEARCH_NOTICE}",
    )
    command.add_argument(
        "study", type=Path, nargs="?", metavar="STUDY", help="folder, zip or file of DICOM; instead of --pet and --ct"
    )
    command.add_argument("--pet", type=Path, metavar="P", help="PET in SUVbw (g/ml), NIfTI, NRRD or MetaImage")
    command.add_argument("--ct", type=Path, metavar="C", help="CT in HU")
    command.add_argument(
        "--mask",
        type=Path,
        metavar="M",
        help="label image of the lesions, on any grid; with STUDY the lesions are found as by `fdglung analyze` "
        "where it is left out",
    )
    command.add_argument("--out", type=Path, required=True, metavar="OUT", help="features.csv or features.parquet")
    settings = command.add_mutually_exclusive_group()
    settings.add_argument("--settings", type=Path, metavar="S", help="YAML of an earlier run, or part of one")
    settings.add_argument("--pyradiomics", type=Path, metavar="FILE", help="PyRadiomics parameter file, for its values")
    command.add_argument(
        "--pyradiomics-ct", type=Path, metavar="FILE", help="PyRadiomics parameter file for the CT (default: the same)"
    )
    command.add_argument("--workers", type=int, metavar="N", help="processes (default: all cores where it pays)")
    command.add_argument("--cache", type=Path, metavar="FOLDER", help="keep results there, and find them again")
    command.add_argument("--overwrite", action="store_true", help="replace an earlier table")
    command.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    command.set_defaults(run=_radiomics)


def _radiomics(options: argparse.Namespace) -> dict[str, object]:
    _check(options)
    with ProgressBar() as tell:
        tell("starting", 0.0)
        from fdglung.radiomics import extract, write_table
        from fdglung.radiomics.tables import OK, check_table_path

        check_table_path(options.out, overwrite=options.overwrite)
        settings = _settings(options)
        images, lesions, uids = _input(options, part(tell, 0.0, 0.5 if options.study else 0.1))
        table = extract(
            images,
            lesions,
            settings,
            tracking_uids=uids,
            workers=options.workers,
            cache=options.cache,
            progress=part(tell, 0.5 if options.study else 0.1, 0.98),
        )
        files = write_table(table, options.out, overwrite=options.overwrite)
    if not options.json:
        _print(table, options.out)
    return {
        "notice": RESEARCH_NOTICE,
        "files": {name: str(path) for name, path in files.items()},
        "features": len(table.names),
        "lesions": [
            {
                "lesion": lesion.label,
                "tracking_uid": lesion.tracking_uid,
                "ok": lesion.status == OK,
                "status": lesion.status,
                "warnings": list(lesion.warnings),
            }
            for lesion in table.lesions
        ],
    }


def _check(options: argparse.Namespace) -> None:
    files = options.pet or options.ct
    if bool(options.study) == bool(files):
        raise ParameterError(
            "There are both a study and images" if files else "There is neither a study nor an image",
            attribute="STUDY, --pet, --ct",
            remedy="Give STUDY, or --pet and --ct with --mask",
        )
    if files and not options.mask:
        raise ParameterError("There is no mask", attribute="--mask", remedy="Give the label image of the lesions")
    if options.pyradiomics_ct and not options.pyradiomics:
        raise ParameterError(
            "There are parameters for the CT alone", attribute="--pyradiomics-ct", remedy="Give --pyradiomics too"
        )


def _settings(options: argparse.Namespace) -> RadiomicsSettings:
    from fdglung.radiomics import RadiomicsSettings, from_pyradiomics, from_yaml

    try:
        if options.pyradiomics:
            return from_pyradiomics(options.pyradiomics, ct=options.pyradiomics_ct)
        return from_yaml(options.settings) if options.settings else RadiomicsSettings()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The settings cannot be read ({error})", attribute="--settings, --pyradiomics", remedy="Give a YAML file"
        ) from error


def _input(
    options: argparse.Namespace, tell: Callable[[str, float], None]
) -> tuple[Study | dict[str, sitk.Image], sitk.Image, dict[int, str]]:
    if not options.study:
        given = {"PET": options.pet, "CT": options.ct}
        images = {modality: _read(path) for modality, path in given.items() if path}
        return images, _read(options.mask), {}
    from fdglung import study

    loaded = study.load(options.study, progress=part(tell, 0.0, 0.5))
    if options.mask:
        return loaded, _read(options.mask), {}
    from fdglung.pipeline import analyze

    analysis = analyze(loaded, progress=part(tell, 0.5, 1.0))
    if not analysis.findings.lesions:
        raise InputError("No avid lung lesion was found", attribute="STUDY", remedy="Give the lesions with --mask")
    return loaded, analysis.lesions, {lesion.label: lesion.tracking_uid for lesion in analysis.findings.lesions}


def _read(path: Path) -> sitk.Image:
    import SimpleITK as sitk

    try:
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(
            f"The image {path} cannot be read",
            attribute="--pet, --ct, --mask",
            remedy="Give a NIfTI, NRRD or MetaImage",
        ) from error


def _print(table: FeatureTable, out: Path) -> None:
    print(f"{len(table.lesions)} lesion{'' if len(table.lesions) == 1 else 's'}, {len(table.names)} features each")
    for lesion in table.lesions:
        print(f"  {lesion.label}: {lesion.status}")
        for warning in lesion.warnings:
            print(f"     {warning}")
    print(f"written to {out}. {RESEARCH_NOTICE}")
