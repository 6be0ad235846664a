"""The PET/CT studies of a PACS: what there is, and their series in a cache of bounded size."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fdglung.annotation.pacs import Pacs, RemoteSeries
from fdglung.annotation.studies import OVERRIDES_FILE, StudyEntry, read_overrides
from fdglung.errors import NoCtError, NotQuantitativePetError, ParameterError, UnknownStudyError
from fdglung.files import written_together

DEFAULT_CACHE_GB = 10.0
"""Size that fetched studies may have together."""


@dataclass(frozen=True)
class RemoteStudy:
    """A PET series with the CTs of its study.

    Attributes
    ----------
    pet
        The PET.
    cts
        CT series of the same study, in the order of their UIDs; at least one.

    """

    pet: RemoteSeries
    cts: tuple[RemoteSeries, ...]

    @property
    def state(self) -> str:
        """Which series it has with how many objects: another one says that what was fetched is out of date."""
        content = "\n".join(f"{one.uid} {one.instances}" for one in (self.pet, *self.cts))
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Listing:
    """What a PACS listed.

    Attributes
    ----------
    studies
        Name, which is the SeriesInstanceUID of the PET, to the study, in the order of the names.
    refused
        SeriesInstanceUID of what is listed and is none: a CT, or a PET without a CT in its study.

    """

    studies: Mapping[str, RemoteStudy] = field(default_factory=dict)
    refused: Mapping[str, RemoteSeries] = field(default_factory=dict)

    def study(self, name: str) -> RemoteStudy:
        """Return the study of a name.

        Raises
        ------
        NotQuantitativePetError
            It names a CT.
        NoCtError
            It names a PET without a CT.
        UnknownStudyError
            There is no such series.

        """
        if name in self.studies:
            return self.studies[name]
        series = self.refused.get(name)
        if series is None:
            raise UnknownStudyError(
                "the PACS has no PET series of this UID", attribute="image", remedy="Ask for one that is listed"
            )
        if series.modality != "PT":
            raise NotQuantitativePetError(
                f"the image asked for is a {series.modality}, and labels lie on a PET",
                series=series.name,
                attribute="image",
                remedy="Open the PET of the study in the viewport first",
            )
        raise NoCtError(
            "the study of the PET has no CT", series=series.name, remedy="Store the CT of the same examination there"
        )


class PacsStudies:
    """PET/CT studies of a PACS.

    Parameters
    ----------
    pacs
        Where they are.
    cache
        Folder for what is fetched. It may be emptied while nothing runs.
    labels
        Folder of labels, read for `fdglung.annotation.studies.OVERRIDES_FILE`.
    cache_gb
        Size of the cache, in GB; what was used longest ago goes first, what is being used never.

    """

    def __init__(
        self, pacs: Pacs, cache: Path | str, *, labels: Path | str, cache_gb: float = DEFAULT_CACHE_GB
    ) -> None:
        self.pacs = pacs
        self.cache = Path(cache)
        self.labels = Path(labels)
        self.cache_gb = cache_gb
        self._in_use: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._fetching: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def listing(self) -> Listing:
        """Ask the PACS what there is.

        Raises
        ------
        PacsError
            It does not answer.

        """
        cts: dict[str, list[RemoteSeries]] = defaultdict(list)
        for series in self.pacs.series("CT"):
            cts[series.study].append(series)
        refused = {series.uid: series for found in cts.values() for series in found}
        studies = {}
        for pet in sorted(self.pacs.series("PT"), key=lambda series: series.uid):
            found = tuple(sorted(cts.get(pet.study, ()), key=lambda series: series.uid))
            if found:
                studies[pet.uid] = RemoteStudy(pet, found)
            else:
                refused[pet.uid] = pet
        return Listing(studies, refused)

    def entry(self, study: RemoteStudy) -> StudyEntry:
        """Return a study as one of a folder, which holds nothing before it was fetched.

        Raises
        ------
        ParameterError
            The overrides name what this study does not have.

        """
        name = study.pet.uid
        changes = read_overrides(self.labels).get(name, {})
        ct = changes.get("ct_series")
        if set(changes) - {"ct_series"} or (ct and ct not in {series.uid for series in study.cts}):
            raise ParameterError(
                f"{OVERRIDES_FILE} names what the study does not have",
                attribute=OVERRIDES_FILE,
                remedy="Give ct_series, the SeriesInstanceUID of a CT of the same study",
            )
        return StudyEntry(name, source=self.cache / name / study.state, pet_series=name, ct_series=ct)

    @contextmanager
    def fetched(self, study: RemoteStudy) -> Iterator[StudyEntry]:
        """Give a study's entry, whose files are there as long as the block runs.

        The PET is fetched, and each CT of its study and frame of reference (or the one that the overrides name).

        Raises
        ------
        PacsError
            The PACS does not answer; nothing half-fetched is left.
        NoCtError
            No CT of the study has the PET's frame of reference.
        OutputWriteError
            The disk is full.

        """
        entry = self.entry(study)
        folder = self.cache / entry.name / study.state
        with self._lock:
            self._in_use[entry.name] += 1
            fetching = self._fetching[entry.name]
        try:
            with fetching:
                if not folder.is_dir():
                    self._fetch(study, entry, folder)
                folder.parent.touch()
            yield entry
        finally:
            with self._lock:
                self._in_use[entry.name] -= 1

    def _fetch(self, study: RemoteStudy, entry: StudyEntry, folder: Path) -> None:
        cts = self._companions(study, entry)
        with written_together(folder) as temporary:
            for number, series in enumerate((study.pet, *cts)):
                place = temporary / f"{number}_{series.modality.lower()}"
                place.mkdir()
                self.pacs.fetch(series, place)
        for old in folder.parent.iterdir():
            if old != folder:
                # The study has changed in the PACS since.
                shutil.rmtree(old, ignore_errors=True)
        self._trim()

    def _companions(self, study: RemoteStudy, entry: StudyEntry) -> tuple[RemoteSeries, ...]:
        if entry.ct_series is not None:
            return tuple(series for series in study.cts if series.uid == entry.ct_series)
        frame = self.pacs.first_header(study.pet).get("FrameOfReferenceUID")
        same = [ct for ct in study.cts if self.pacs.first_header(ct).get("FrameOfReferenceUID") == frame]
        if not same:
            raise NoCtError(
                "no CT of the study has the frame of reference of the PET",
                series=study.pet.name,
                attribute="Frame of Reference UID (0020,0052)",
                remedy=f"Name the CT to take in {OVERRIDES_FILE}, if it shows the same position",
            )
        return tuple(same)

    def _trim(self) -> None:
        """Remove what was used longest ago until the rest is small enough."""
        with self._lock:
            idle = [path for path in self.cache.iterdir() if path.is_dir() and not self._in_use[path.name]]
            total = sum(_bytes(path) for path in self.cache.iterdir())
            for path in sorted(idle, key=lambda path: path.stat().st_mtime):
                if total <= self.cache_gb * 1e9:
                    return
                total -= _bytes(path)
                # Renamed first, so that what is half removed is never taken for a study.
                gone = path.with_name(f".{path.name}.{time.monotonic_ns()}.old")
                path.rename(gone)
                shutil.rmtree(gone, ignore_errors=True)


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
