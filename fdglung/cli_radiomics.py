"""The command `fdglung radiomics`: features of lesions of a study, or of images and a mask, to a table."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fdglung import RESEARCH_NOTICE
from fdglung.cli_progress import Progress, ProgressBar, part
from fdglung.errors import InputError, OutputExistsError, ParameterError
from fdglung.files import write_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    import SimpleITK as sitk

    from fdglung.radiomics import FeatureTable, RadiomicsSettings
    from fdglung.radiomics.robustness import Reliability
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
    add_settings(command)
    command.add_argument(
        "--perturb",
        type=int,
        nargs="?",
        const=10,
        metavar="N",
        help="repeat the extraction under N random chains of rotation, shift, growth of the mask and noise (default: "
        "10), and write each feature's intraclass correlation to OUT's name with .icc.csv",
    )
    command.add_argument("--perturb-seed", type=int, default=0, metavar="S", help="of these chains (default: 0)")
    add_output(command)
    command.set_defaults(run=_radiomics)


def add_settings(command: argparse.ArgumentParser) -> None:
    """Add what decides features, and how they are worked out, to a command."""
    settings = command.add_mutually_exclusive_group()
    settings.add_argument("--settings", type=Path, metavar="S", help="YAML of an earlier run, or part of one")
    settings.add_argument("--pyradiomics", type=Path, metavar="FILE", help="PyRadiomics parameter file, for its values")
    command.add_argument(
        "--pyradiomics-ct", type=Path, metavar="FILE", help="PyRadiomics parameter file for the CT (default: the same)"
    )
    command.add_argument("--workers", type=int, metavar="N", help="processes (default: all cores where it pays)")
    command.add_argument("--cache", type=Path, metavar="FOLDER", help="keep results there, and find them again")


def add_output(command: argparse.ArgumentParser) -> None:
    """Add what every command that writes a table has."""
    command.add_argument("--overwrite", action="store_true", help="replace an earlier table")
    command.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def _radiomics(options: argparse.Namespace) -> dict[str, object]:
    _check(options)
    with ProgressBar() as tell:
        tell("starting", 0.0)
        from fdglung.radiomics import extract, write_table
        from fdglung.radiomics.tables import OK, check_table_path

        check_table_path(options.out, overwrite=options.overwrite)
        if options.perturb is not None and _icc_path(options.out).exists() and not options.overwrite:
            raise OutputExistsError(
                f"The output {_icc_path(options.out)} exists",
                attribute="output file",
                remedy="Name another file, or pass --overwrite",
            )
        settings = chosen_settings(options)
        ready = 0.4 if options.study else 0.1
        images, lesions, uids, warnings = _input(options, part(tell, 0.0, ready))
        once = 0.98 if options.perturb is None else ready + (0.98 - ready) / (options.perturb + 1)
        table = extract(
            images,
            lesions,
            settings,
            tracking_uids=uids,
            workers=options.workers,
            cache=options.cache,
            progress=part(tell, ready, once),
        )
        repeated = () if options.perturb is None else _repeated(options, images, lesions, table, part(tell, once, 0.98))
        files = write_table(table, options.out, overwrite=options.overwrite)
        if repeated:
            from fdglung.radiomics.robustness import reliability_csv

            icc = _icc_path(options.out)
            write_files({icc: reliability_csv(repeated).encode()})
            files[icc.name] = icc
    if not options.json:
        print_warnings(warnings)
        _print(table, repeated, options.out)
    return {
        "notice": RESEARCH_NOTICE,
        "files": {name: str(path) for name, path in files.items()},
        "warnings": list(warnings),
        "features": len(table.names),
        "reliability": _classes(repeated),
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
    if options.perturb is not None and options.perturb < 2:
        raise ParameterError(
            "There are fewer than 2 repetitions", attribute="--perturb", remedy="Give 10 or more for an ICC"
        )


def _repeated(
    options: argparse.Namespace,
    images: Study | dict[str, sitk.Image],
    lesions: sitk.Image,
    table: FeatureTable,
    tell: Progress,
) -> tuple[Reliability, ...]:
    """Return how well each feature repeats under random chains of changes."""
    from fdglung.radiomics.perturbation import random_chains
    from fdglung.radiomics.repetition import repeat, repeated_values
    from fdglung.radiomics.robustness import reliability

    if len(table.lesions) < 2:
        raise InputError(
            "An intraclass correlation needs 2 lesions or more, and there is one",
            attribute="--perturb",
            remedy="Leave --perturb out, or repeat several studies by fdglung.radiomics.repetition",
        )
    chains = random_chains(options.perturb, seed=options.perturb_seed)
    labels = [lesion.label for lesion in table.lesions]
    tables = repeat(images, lesions, chains, table.settings, labels=labels, workers=options.workers, progress=tell)
    return reliability(*repeated_values(tables))


def _icc_path(out: Path) -> Path:
    return out.with_name(out.stem + ".icc.csv")


def _classes(repeated: Sequence[Reliability]) -> dict[str, int]:
    """Return how many features each class has."""
    counts: dict[str, int] = {}
    for one in repeated:
        counts[one.reliability] = counts.get(one.reliability, 0) + 1
    return counts


def chosen_settings(options: argparse.Namespace) -> RadiomicsSettings:
    """Read the settings that the options of `add_settings` name."""
    from fdglung.radiomics import RadiomicsSettings, from_pyradiomics, from_yaml

    try:
        if options.pyradiomics:
            return from_pyradiomics(options.pyradiomics, ct=options.pyradiomics_ct)
        return from_yaml(options.settings) if options.settings else RadiomicsSettings()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The settings cannot be read ({error})", attribute="--settings, --pyradiomics", remedy="Give a YAML file"
        ) from error


class WithLesions(NamedTuple):
    """A study, or images by modality, the label image of their lesions, and what is known of both."""

    images: Study | dict[str, sitk.Image]
    lesions: sitk.Image
    tracking_uids: dict[int, str]
    warnings: tuple[str, ...]


def _input(options: argparse.Namespace, tell: Progress) -> WithLesions:
    if not options.study:
        given = {"PET": options.pet, "CT": options.ct}
        images = {modality: read_image(path) for modality, path in given.items() if path}
        return WithLesions(images, read_image(options.mask), {}, ())
    return load_with_lesions(options.study, options.mask, tell)


def load_with_lesions(source: Path, mask: Path | None, tell: Progress, *, none_allowed: bool = False) -> WithLesions:
    """Load a study and the mask of its lesions, or find them where there is none."""
    from fdglung import study

    loaded = study.load(source, progress=part(tell, 0.0, 0.5))
    if mask:
        return WithLesions(
            loaded, read_image(mask), {}, (*loaded.warnings, *(loaded.suv.warnings if loaded.suv else ()))
        )
    from fdglung.pipeline import analyze

    analysis = analyze(loaded, progress=part(tell, 0.5, 1.0))
    found = analysis.findings
    if not found.lesions and not none_allowed:
        raise InputError("No avid lung lesion was found", attribute="STUDY", remedy="Give the lesions with --mask")
    uids = {lesion.label: lesion.tracking_uid for lesion in found.lesions}
    return WithLesions(loaded, analysis.lesions, uids, found.warnings)


def print_warnings(warnings: Sequence[str]) -> None:
    """Print what the physician must know, a line each."""
    for warning in warnings:
        print(f"warning: {warning}")


def read_image(path: Path) -> sitk.Image:
    """Read an image in any format of ITK."""
    from fdglung import image_files

    return image_files.read_image(path, attribute="--pet, --ct, --mask")


def _print(table: FeatureTable, repeated: Sequence[Reliability], out: Path) -> None:
    print(f"{len(table.lesions)} lesion{'' if len(table.lesions) == 1 else 's'}, {len(table.names)} features each")
    for lesion in table.lesions:
        print(f"  {lesion.label}: {lesion.status}")
        for warning in lesion.warnings:
            print(f"     {warning}")
    if repeated:
        print("reliability: " + ", ".join(f"{count} {name}" for name, count in _classes(repeated).items()))
        if any(one.note for one in repeated):
            print("warning: the lesions are few for an intraclass correlation: judge by its interval")
    print(f"written to {out}. {RESEARCH_NOTICE}")
