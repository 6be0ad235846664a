"""A PACS as MONAI Label's datastore: studies fetched when they are opened, labels kept here and sent there."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fdglung.annotation.pacs import Pacs, Service
from fdglung.annotation.pacs_exchange import Exchange
from fdglung.annotation.pacs_studies import DEFAULT_CACHE_GB, Listing, PacsStudies
from fdglung.annotation.studies import StudyEntry
from fdglung.annotation.versions import LabelVersion
from fdglung.errors import FdglungError, UnknownStudyError
from labelapp.configuration import CACHE_FOLDER
from labelapp.datastore import FolderStore
from labelapp.open_studies import OpenStudies, OpenStudy

logger = logging.getLogger("labelapp")

POLL_SECONDS = 10.0
"""How often the PACS is asked for new studies and segmentations."""


class PacsStore(FolderStore):
    """Studies of a DICOMweb service; an image id is the SeriesInstanceUID of the PET, as OHIF sends it."""

    def __init__(
        self,
        service: Service,
        labels: Path | str,
        opened: OpenStudies,
        *,
        cache: Path | str | None = None,
        cache_gb: float = DEFAULT_CACHE_GB,
    ) -> None:
        self.pacs = Pacs(service)
        folder = Path(cache) if cache is not None else Path(labels) / CACHE_FOLDER
        self.remote = PacsStudies(self.pacs, folder, labels=labels, cache_gb=cache_gb)
        self.exchange = Exchange(self.pacs, Path(labels))
        self._listing = Listing()
        super().__init__(folder, labels, opened)

    @property
    def source(self) -> PacsStudies:
        """The studies of the PACS, fetched when they are read."""
        return self.remote

    def name(self) -> str:
        """Return the service's address."""
        return self.pacs.service.url

    def entry(self, image_id: str) -> StudyEntry:
        """Return the study of a PET's SeriesInstanceUID.

        Raises
        ------
        NotQuantitativePetError, NoCtError, UnknownStudyError
            It is that of a CT, of a PET without CT, or of nothing.

        """
        try:
            study = self._listing.study(str(image_id))
        except UnknownStudyError:
            # It may have been stored a moment ago.
            self.refresh()
            study = self._listing.study(str(image_id))
        return self.remote.entry(study)

    def open(self, image_id: str) -> OpenStudy:
        """Return the opened study, fetched where it is not in memory.

        Raises
        ------
        PacsError
            The PACS does not answer.
        InputError
            What it sent is no quantitative PET.

        """
        entry = self.entry(image_id)
        opened = self.opened.get(entry)
        if not opened.has("study"):
            with self.remote.fetched(self._listing.study(entry.name)):
                # Read as long as the files are there.
                _ = opened.study
        return opened

    def refresh(self) -> None:
        """List the PACS anew.

        Raises
        ------
        PacsError
            It does not answer; the list stays what it was.

        """
        self._listing = self.remote.listing()

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        """Return what is known of an image without opening it, with the UIDs by which OHIF opens it."""
        info = super().get_image_info(image_id)
        pet = self._listing.study(info["name"]).pet
        return {
            "Modality": pet.modality,
            "StudyDate": pet.study_date,
            "StudyInstanceUID": pet.study,
            "SeriesInstanceUID": pet.uid,
            **info,
        }

    def save_label(
        self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any] | None = None
    ) -> str:
        """Keep a label as the study's next version, and send it to the PACS.

        A PACS that does not take it is asked again until it does; `delivery` tells.
        """
        label_id = super().save_label(image_id, label_filename, label_tag, label_info)
        self.exchange.send(self.version(label_id, label_tag))
        return label_id

    def delivery(self, version: LabelVersion) -> dict[str, Any]:
        """Tell whether the PACS has a version."""
        return {"pacs": self.exchange.state(version)}

    def synchronise(self) -> None:
        """List the PACS anew, take up its segmentations as labels, and send labels that it has not got.

        Raises
        ------
        PacsError
            It does not answer; nothing is lost, and the next call does what is left.

        """
        self.refresh()
        self.exchange.send_all()
        self.exchange.take_up(self._listing, lambda name: self.open(name).pet)

    def start(self) -> None:
        """Synchronise every `POLL_SECONDS`, in a thread that ends with the server."""
        threading.Thread(target=self._poll, name="PACS", daemon=True).start()

    def _poll(self) -> None:
        waiting = threading.Event()
        while True:
            try:
                self.synchronise()
            except FdglungError as error:
                logger.warning("The PACS could not be asked: %s", error)
            except Exception:
                logger.exception("Synchronising with the PACS failed")
            waiting.wait(POLL_SECONDS)

    def _nifti_folder(self, entry: StudyEntry) -> Path:
        return self.remote.cache / entry.name / "nifti"

    def _entries(self) -> Mapping[str, Any]:
        # The thread keeps the list; who asks for it does not wait for the PACS.
        return self._listing.studies
