"""The folder of studies as MONAI Label's datastore: images are only read, labels are only added."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from monailabel.interfaces.datastore import Datastore

from fdglung import RESEARCH_NOTICE
from fdglung.annotation import versions
from fdglung.annotation.label_image import as_lesions, read_label
from fdglung.annotation.measured import annotated_seg
from fdglung.annotation.pacs_studies import PacsStudies
from fdglung.annotation.studies import StudyEntry, find_studies, find_study
from fdglung.annotation.versions import FINAL, LabelVersion
from fdglung.errors import NotQuantitativePetError, ParameterError, UnknownStudyError
from fdglung.files import write_nifti_image, written_together
from labelapp.annotator import annotator_of
from labelapp.configuration import CACHE_FOLDER
from labelapp.open_studies import OpenStudies, OpenStudy

_PET_FILE = "pet_suvbw.nii.gz"
_RELIST_SECONDS = 5.0
_AT = "@"


class FolderStore(Datastore):  # type: ignore[misc]
    """Studies of a folder; an image id is the study's name, a label id the same or ``name@tag-version``."""

    def __init__(self, studies: Path | str, labels: Path | str, opened: OpenStudies) -> None:
        self.studies = Path(studies)
        self.labels = Path(labels)
        self.opened = opened
        self._listed: tuple[float, dict[str, StudyEntry]] = (-1e9, {})
        self._infos: dict[str, dict[str, Any]] = {}
        self._lock = threading.RLock()
        self.refresh()

    @property
    def source(self) -> Path | PacsStudies:
        """What `fdglung.annotation.export.export_datalist` reads the studies from."""
        return self.studies

    def name(self) -> str:
        """Return the folder's name."""
        return self.studies.name

    def set_name(self, name: str) -> None:
        """Refuse: the folder has its name."""
        raise _read_only("name")

    def description(self) -> str:
        """Say what it holds."""
        return f"PET in SUVbw with its CT; labels on the PET's grid. {RESEARCH_NOTICE}"

    def set_description(self, description: str) -> None:
        """Refuse."""
        raise _read_only("description")

    def entry(self, image_id: str) -> StudyEntry:
        """Return the study of an image id.

        Raises
        ------
        NotQuantitativePetError
            It names the CT of a pair.
        UnknownStudyError
            There is no such study.

        """
        if image_id not in self._listed[1]:
            self.refresh()
        entries = self._listed[1]
        # Its files or its overrides may have changed since; the other studies' do not matter to this request.
        entry = find_study(self.studies, image_id, labels=self.labels) if image_id in entries else None
        if entry is not None:
            return entry
        stem, _, kind = str(image_id).rpartition("_")
        if kind.lower() in ("ct", "hu", "ctres") and stem in entries:
            raise NotQuantitativePetError(
                "the image asked for is a CT, and labels lie on a PET",
                attribute="image",
                remedy="Ask for the study by its name, without _ct",
            )
        raise UnknownStudyError(
            "there is no study of this name", attribute="image", remedy="Ask for an image that /datastore/ lists"
        )

    def open(self, image_id: str) -> OpenStudy:
        """Return the opened study of an image id."""
        return self.opened.get(self.entry(image_id))

    def refresh(self) -> None:
        """List the folder anew."""
        with self._lock:
            found = {entry.name: entry for entry in find_studies(self.studies, labels=self.labels)}
            self._listed = (time.monotonic(), found)

    def start(self) -> None:
        """Begin what runs beside the requests: nothing here."""

    def list_images(self) -> list[str]:
        """Return the names of all studies."""
        return list(self._entries())

    def get_labeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Return the studies with a submitted label."""
        return [name for name in self._entries() if self._has_label(name, label_tag or FINAL)]

    def get_unlabeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Return the studies without one."""
        return [name for name in self._entries() if not self._has_label(name, label_tag or FINAL)]

    def get_image(self, image_id: str, params: Any = None) -> Any:
        """Return the PET's file, opened."""
        return Path(self.get_image_uri(image_id)).open("rb")

    def get_image_uri(self, image_id: str) -> str:
        """Return the path of the PET in SUVbw, made from DICOM where need be.

        Raises
        ------
        InputError
            The study has no quantitative PET.

        """
        opened = self.open(image_id)
        pet = opened.pet
        if opened.entry.pet is not None:
            return str(opened.entry.pet.resolve())
        folder = self._nifti_folder(opened.entry)
        with self._lock:
            if not (folder / _PET_FILE).is_file() or not _same_image(folder / _PET_FILE, pet):
                with written_together(folder, overwrite=True) as temporary:
                    write_nifti_image(pet, temporary / _PET_FILE)
        return str((folder / _PET_FILE).resolve())

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        """Return what is known of an image without opening it."""
        return {"name": self.entry(image_id).name, **self._infos.get(image_id, {})}

    def update_image_info(self, image_id: str, info: dict[str, Any]) -> None:
        """Keep something in memory, until the server stops."""
        with self._lock:
            self._infos.setdefault(self.entry(image_id).name, {}).update(info)

    def save_label(
        self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any] | None = None
    ) -> str:
        """Keep a label as the study's next version, as NIfTI and, of a DICOM study, as SEG.

        Raises
        ------
        LabelGridError
            It does not lie on the PET's grid.
        OutputWriteError
            The disk is full, say; nothing was lost.

        """
        opened = self.open(image_id)
        info = label_info or {}
        annotator = annotator_of(info)
        label, lesions = as_lesions(read_label(label_filename, opened.pet), opened.pet)
        seg: Callable[[int], Any] | None = None
        if opened.entry.is_dicom:
            lungs = opened.lungs if opened.has("lungs") else None

            def seg(number: int) -> Any:
                return annotated_seg(opened.study, label, annotator=annotator, version=number, lungs=lungs)

        with self._lock:
            version = versions.save_version(
                self.labels,
                opened.entry.name,
                label,
                annotator=annotator,
                tag=str(getattr(label_tag, "value", label_tag) or FINAL),
                seg=seg,
                info={"lesions": len(lesions), **({"model": str(info["model"])} if info.get("model") else {})},
            )
        return _label_id(version)

    def remove_label(self, label_id: str, label_tag: str) -> None:
        """Refuse: versions are kept."""
        raise _read_only("label")

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Refuse: a PET alone has no CT and no SUV record."""
        raise _read_only("image")

    def remove_image(self, image_id: str) -> None:
        """Refuse."""
        raise _read_only("image")

    def version(self, label_id: str, label_tag: str) -> LabelVersion:
        """Return the version of a label id."""
        name, at, rest = str(label_id).rpartition(_AT)
        tag, _, number = rest.rpartition("-")
        if not (at and tag and number.isdigit()):
            name, tag, number = str(label_id), str(getattr(label_tag, "value", label_tag)), ""
        entry = self.entry(name)
        return versions.version_of(self.labels, entry.name, tag, int(number) if number else None)

    def get_label(self, label_id: str, label_tag: str, params: Any = None) -> Any:
        """Return a label's file, opened."""
        return self.version(label_id, label_tag).path.open("rb")

    def get_label_uri(self, label_id: str, label_tag: str) -> str:
        """Return the path of a label."""
        return str(self.version(label_id, label_tag).path.resolve())

    def get_labels_by_image_id(self, image_id: str) -> dict[str, str]:
        """Return the latest label id by tag."""
        name = self.entry(image_id).name
        return {tag: _label_id(versions.version_of(self.labels, name, tag)) for tag in versions.tags(self.labels, name)}

    def get_label_by_image_id(self, image_id: str, tag: str) -> str:
        """Return the latest label id of a tag; empty without one."""
        return self.get_labels_by_image_id(image_id).get(tag, "")

    def get_label_info(self, label_id: str, label_tag: str) -> dict[str, Any]:
        """Return who made a label, when, and what with."""
        return dict(self.version(label_id, label_tag).info)

    def update_label_info(self, label_id: str, label_tag: str, info: dict[str, Any]) -> None:
        """Refuse: a version stays what it is."""
        raise _read_only("label info")

    def datalist(self) -> list[dict[str, Any]]:
        """Return pairs of image and latest submitted label."""
        pairs = []
        for name in self.get_labeled_images():
            label = versions.version_of(self.labels, name).path
            pairs.append({"image": self.get_image_uri(name), "label": str(label.resolve())})
        return pairs

    def get_dataset_archive(self, limit_cases: int | None) -> str:
        """Refuse: there is a command that does it without filling the server's disk."""
        raise ParameterError(
            "the server packs no archives", attribute="dataset", remedy="Run `fdglung label-export` beside the studies"
        )

    def status(self) -> dict[str, Any]:
        """Count studies and labels."""
        total = len(self._entries())
        done = len(self.get_labeled_images())
        return {"total": total, "completed": done, "label_tags": {FINAL: done} if done else {}, "train": []}

    def json(self) -> dict[str, Any]:
        """Return all studies with their labels, as MONAI Label's own folder store does."""
        objects = {}
        for name in self._entries():
            labels = {
                tag: {"ext": ".nii.gz", "info": dict(versions.version_of(self.labels, name, tag).info)}
                for tag in versions.tags(self.labels, name)
            }
            objects[name] = {"image": {"ext": ".nii.gz", "info": self.get_image_info(name)}, "labels": labels}
        return {"name": self.name(), "description": self.description(), "objects": objects}

    def delivery(self, version: LabelVersion) -> dict[str, Any]:
        """Tell where else a version was brought: nowhere."""
        return {}

    def _nifti_folder(self, entry: StudyEntry) -> Path:
        return self.labels / CACHE_FOLDER / entry.name

    def _entries(self) -> Mapping[str, Any]:
        """Return what there is by its name."""
        return self._listed_entries()

    def _listed_entries(self) -> dict[str, StudyEntry]:
        listed, entries = self._listed
        if time.monotonic() - listed > _RELIST_SECONDS:
            self.refresh()
            entries = self._listed[1]
        return entries

    def _has_label(self, name: str, tag: str) -> bool:
        folder = self.labels / name / versions.check_tag(tag)
        return folder.is_dir() and any((path / versions.INFO_FILE).is_file() for path in folder.glob("v*"))


def _label_id(version: LabelVersion) -> str:
    return f"{version.study}{_AT}{version.tag}-{version.number}"


def _same_image(path: Path, pet: sitk.Image) -> bool:
    """Whether a file made earlier has the grid of the PET and was not cut short."""
    try:
        other = sitk.ReadImage(str(path))
    except RuntimeError:
        return False
    same_grid = other.GetSize() == pet.GetSize() and other.GetPixelID() == pet.GetPixelID()
    return bool(same_grid and (sitk.GetArrayViewFromImage(other) == sitk.GetArrayViewFromImage(pet)).all())


def _read_only(what: str) -> ParameterError:
    return ParameterError(
        f"the {what} cannot be changed through the server",
        attribute=what,
        remedy="Change the folder of studies itself; saving a label adds a version and keeps the others",
    )
