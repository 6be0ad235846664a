"""Labels between the folder of versions and a PACS: sent by STOW-RS, taken up as new versions."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import SimpleITK as sitk
from pydicom import Dataset

from fdglung.annotation import versions
from fdglung.annotation.label_image import as_lesions
from fdglung.annotation.pacs import Pacs, RemoteSeries
from fdglung.annotation.pacs_studies import Listing
from fdglung.annotation.seg_label import label_of_seg
from fdglung.annotation.versions import FINAL, LabelVersion, annotator_name
from fdglung.errors import InputError, OutputError, PacsError

logger = logging.getLogger(__name__)

ORIGINAL = "original"
"""Tag of what a program made alone, as MONAI Label calls it."""

STORED_FILE = "stored"
"""In a version's folder: the PACS has taken it."""

_TAKEN_FROM = "taken_from"


class Exchange:
    """What goes to a PACS and what comes from it; each object once."""

    def __init__(self, pacs: Pacs, labels: Path) -> None:
        self.pacs = pacs
        self.labels = labels
        self.refused: dict[str, str] = {}
        """SOPInstanceUID to the kind of error, of segmentations that are no label of their PET."""
        self._failed: dict[Path, str] = {}
        self._seen: dict[str, int | None] = {}
        self._sending = threading.Lock()

    def send(self, version: LabelVersion) -> None:
        """Store a version in the PACS; a failure is kept for `state` and for the next `send_all`."""
        with self._sending:
            if not _is_due(version) or version.seg is None:
                return
            try:
                self.pacs.store([pydicom.dcmread(version.seg)])
                (version.folder / STORED_FILE).touch()
            except (PacsError, OSError) as error:
                self._failed[version.folder] = str(error)
                logger.warning("A label is saved here, but the PACS has not taken it: %s", error)
            else:
                self._failed.pop(version.folder, None)

    def send_all(self) -> None:
        """Store every submitted version that the PACS has not got."""
        for study in sorted(self.labels.iterdir()) if self.labels.is_dir() else ():
            for version in versions.versions(self.labels, study.name) if study.is_dir() else ():
                self.send(version)

    def state(self, version: LabelVersion) -> str:
        """Tell in words whether the PACS has a version."""
        if not _is_due(version):
            return "stored"
        reason = self._failed.get(version.folder, "it was not asked")
        return f"saved here and not yet in the PACS ({reason}); it is sent again until the PACS takes it"

    def take_up(self, listing: Listing, pet_of: Callable[[str], sitk.Image]) -> None:
        """Save each segmentation of a listed PET that is no version yet as one: `FINAL`, or `ORIGINAL` if automatic.

        Parameters
        ----------
        listing
            What the PACS listed.
        pet_of
            Returns the PET of a SeriesInstanceUID, SUVbw in g/ml.

        Raises
        ------
        PacsError
            The PACS does not answer; what was not taken up is taken up by the next call.

        """
        studies = {study.pet.study for study in listing.studies.values()}
        for series in self.pacs.series("SEG"):
            if series.study not in studies or (series.uid in self._seen and self._seen[series.uid] == series.instances):
                continue
            done = True
            for pet, header in self._new(series, listing):
                done &= self._take(pet, series, header, pet_of)
            if done:
                self._seen[series.uid] = series.instances

    def _new(self, series: RemoteSeries, listing: Listing) -> Iterator[tuple[str, Dataset]]:
        """Yield the PETs and headers of a series' segmentations that nothing is known of, in the order of writing."""
        headers = self.pacs.headers(series)
        for header in sorted(headers, key=lambda one: (str(one.get("ContentDate")), str(one.get("ContentTime")))):
            pets = {
                str(one.SeriesInstanceUID) for one in header.get("ReferencedSeriesSequence") or () if one
            } & listing.studies.keys()
            uid = str(header.get("SOPInstanceUID"))
            if len(pets) == 1 and uid not in self.refused:
                (pet,) = pets
                if uid not in self._known(pet):
                    yield pet, header

    def _known(self, pet: str) -> set[str]:
        found = (
            version for tag in versions.tags(self.labels, pet) for version in versions.versions(self.labels, pet, tag)
        )
        return {str(version.info.get(key)) for version in found for key in ("sop_instance_uid", _TAKEN_FROM)}

    def _take(self, pet: str, series: RemoteSeries, header: Dataset, pet_of: Callable[[str], sitk.Image]) -> bool:
        uid = str(header.SOPInstanceUID)
        try:
            image = pet_of(pet)
            found = self.pacs.object(series, uid)
            label, lesions = as_lesions(label_of_seg(found, image), image)
            versions.save_version(
                self.labels,
                pet,
                label,
                annotator=_author(found),
                tag=ORIGINAL if _is_automatic(found) else FINAL,
                seg=found,
                info={"lesions": len(lesions), _TAKEN_FROM: uid},
            )
        except InputError as error:
            self.refused[uid] = error.kind
            logger.warning("A segmentation of the PACS is no label of its PET: %s", error)
        except OutputError as error:
            logger.warning("A segmentation of the PACS could not be saved, and will be tried again: %s", error)
            return False
        return True


def _is_due(version: LabelVersion) -> bool:
    """Whether the PACS shall get a version and has not."""
    own = version.tag == FINAL and version.seg is not None and not version.info.get(_TAKEN_FROM)
    return own and not (version.folder / STORED_FILE).exists()


def _is_automatic(seg: Dataset) -> bool:
    return all(str(one.get("SegmentAlgorithmType")) == "AUTOMATIC" for one in seg.get("SegmentSequence") or ())


def _author(seg: Dataset) -> str:
    """Return who made a segmentation: Content Creator's Name, given name first."""
    name = seg.get("ContentCreatorName")
    if not name:
        return annotator_name("")
    return annotator_name(f"{name.given_name} {name.family_name}")
