"""The labels of a folder of studies as a datalist for training."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from fdglung import RESEARCH_NOTICE
from fdglung.annotation.agreement import LabelAgreement, label_agreement
from fdglung.annotation.pacs import Pacs, Service, is_address
from fdglung.annotation.pacs_exchange import Exchange
from fdglung.annotation.pacs_studies import Listing, PacsStudies
from fdglung.annotation.studies import LABELS_FOLDER, StudyEntry, find_studies, open_study
from fdglung.annotation.versions import FINAL, LabelVersion, latest_by_annotator, versions
from fdglung.errors import NoLabelImagesError, OutputExistsError, ParameterError
from fdglung.files import write_files, write_nifti_image, written_together

IMAGES_FOLDER = "images"
"""Beside the datalist: PET and CT of DICOM studies as NIfTI, which training reads."""


@dataclass(frozen=True)
class Disagreement:
    """Two annotators' latest labels of one study.

    Attributes
    ----------
    study
        Name of the study.
    annotators
        Who.
    agreement
        How well they agree.

    """

    study: str
    annotators: tuple[str, str]
    agreement: LabelAgreement


def agreements(folder: Path | str, study: str, tag: str = FINAL) -> tuple[Disagreement, ...]:
    """Compare the latest labels of every two annotators of a study.

    Parameters
    ----------
    folder
        Of all labels.
    study
        Name of the study.
    tag
        Kind of label.

    """
    latest = latest_by_annotator(versions(folder, study, tag))
    images = {name: sitk.ReadImage(str(version.path)) for name, version in latest.items()}
    return tuple(
        Disagreement(study, (first, second), label_agreement(images[first], images[second]))
        for first, second in itertools.combinations(latest, 2)
    )


def export_datalist(
    studies: Path | str | PacsStudies,
    out: Path | str,
    *,
    labels: Path | str | None = None,
    annotator: str | None = None,
    key: str = "training",
    overwrite: bool = False,
    progress: Callable[[str, float], None] = lambda text, fraction: None,
) -> dict[str, Any]:
    """Write the latest submitted labels as a datalist that the bundle's training reads.

    Parameters
    ----------
    studies
        Folder of studies; or the address of a DICOMweb service, whose segmentations are first taken up as label
        versions; or the studies of a PACS, whose labels are taken as they are.
    out
        The datalist, ``.json``. PET and CT of DICOM studies are written as NIfTI beside it, in `IMAGES_FOLDER`; all
        paths are relative to its folder.
    labels
        Folder of labels; None for the subfolder of the studies, or for ``labels`` in the working folder where a PACS
        has them.
    annotator
        Whose labels to take; None for the latest of each study, whoever made it.
    key
        Name of the list.
    overwrite
        Whether an earlier datalist may be replaced.
    progress
        Called with what is being done and how much of it is done.

    Returns
    -------
    dict
        The datalist: `key` to entries with ``name``, ``pet``, ``ct``, ``label``, ``annotator`` and ``version``;
        ``agreement`` to what `agreements` found, one entry a study and two annotators.

    Raises
    ------
    NoLabelImagesError
        No study has a label.
    OutputExistsError
        The datalist is there and may not be replaced.
    InputError
        A labelled study cannot be read any more.
    PacsError
        The PACS does not answer.

    """
    out = Path(out)
    if out.suffix != ".json":
        raise ParameterError(f"{out.name} does not end in .json", attribute="out", remedy="Name a .json file")
    if out.exists() and not overwrite:
        raise OutputExistsError(
            f"the output {out} exists", attribute="out", remedy="Name another file, or pass --overwrite"
        )
    home = _labels_folder(studies, labels)
    with ExitStack() as stack:
        listed = _studies(studies, home, stack)
        chosen = [(name, version) for name in listed if (version := _chosen(home, name, annotator)) is not None]
        if not chosen:
            raise NoLabelImagesError(
                "no study has a submitted label" + (" by this annotator" if annotator else ""),
                attribute="STUDIES",
                remedy="Annotate a study first, or name the folder of labels with --labels",
            )
        entries = []
        for number, (name, version) in enumerate(chosen):
            progress("Writing labelled studies", number / len(chosen))
            with listed[name]() as entry:
                entries.append(_entry(entry, version, out.parent, overwrite=overwrite))
    progress("Writing labelled studies", 1.0)
    document: dict[str, Any] = {
        "notice": RESEARCH_NOTICE,
        key: entries,
        "agreement": [
            {"study": found.study, "annotators": list(found.annotators), **asdict(found.agreement)}
            for found in _all_agreements(home, (name for name, _ in chosen))
        ],
    }
    write_files({out: (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()})
    return document


Opener = Callable[[], AbstractContextManager[StudyEntry]]
"""Gives a study whose files are there as long as the block runs."""


def _labels_folder(studies: Path | str | PacsStudies, labels: Path | str | None) -> Path:
    if labels is not None:
        return Path(labels)
    if isinstance(studies, PacsStudies):
        return studies.labels
    return Path(LABELS_FOLDER) if is_address(studies) else Path(studies) / LABELS_FOLDER


def _studies(studies: Path | str | PacsStudies, home: Path, stack: ExitStack) -> Mapping[str, Opener]:
    if isinstance(studies, PacsStudies):
        return _of_pacs(studies, studies.listing())
    if is_address(studies):
        return _of_address(str(studies), home, stack)

    def of(entry: StudyEntry) -> Opener:
        return lambda: nullcontext(entry)

    return {entry.name: of(entry) for entry in find_studies(studies, labels=home)}


def _of_pacs(remote: PacsStudies, listing: Listing) -> Mapping[str, Opener]:
    return {name: partial(remote.fetched, study) for name, study in listing.studies.items()}


def _of_address(url: str, home: Path, stack: ExitStack) -> Mapping[str, Opener]:
    """Take up the PACS' segmentations; list its studies, for a cache of their own that holds one at a time."""
    cache = stack.enter_context(tempfile.TemporaryDirectory(prefix="fdglung_export_"))
    remote = PacsStudies(Pacs(Service.of(url)), cache, labels=home, cache_gb=0.0)
    listing = remote.listing()

    def pet_of(name: str) -> sitk.Image:
        with remote.fetched(listing.study(name)) as entry:
            return open_study(entry).pet

    Exchange(remote.pacs, home).take_up(listing, pet_of)
    return _of_pacs(remote, listing)


def _chosen(home: Path, study: str, annotator: str | None) -> LabelVersion | None:
    found = [version for version in versions(home, study) if annotator in (None, version.annotator)]
    return found[-1] if found else None


def _all_agreements(home: Path, studies: Iterable[str]) -> Iterable[Disagreement]:
    return itertools.chain.from_iterable(agreements(home, study) for study in studies)


def _entry(entry: StudyEntry, version: LabelVersion, folder: Path, *, overwrite: bool) -> dict[str, Any]:
    images = _written(entry, folder, overwrite=overwrite) if entry.is_dicom else {"pet": entry.pet, "ct": entry.ct}
    paths = {name: path for name, path in {**images, "label": version.path}.items() if path is not None}
    return {
        "name": entry.name,
        **{name: Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix() for name, path in paths.items()},
        "annotator": version.annotator,
        "version": version.number,
    }


def _written(entry: StudyEntry, folder: Path, *, overwrite: bool) -> dict[str, Path | None]:
    target = folder / IMAGES_FOLDER / entry.name
    study = open_study(entry)
    images = {"pet": study.pet, "ct": study.ct}
    with written_together(target, overwrite=overwrite) as temporary:
        for name, image in images.items():
            if image is not None:
                write_nifti_image(image, temporary / f"{name}.nii.gz")
    return {name: target / f"{name}.nii.gz" for name, image in images.items() if image is not None}
