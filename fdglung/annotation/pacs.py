"""A PACS by DICOMweb: series listed by QIDO-RS, fetched by WADO-RS, objects stored by STOW-RS."""

from __future__ import annotations

import ipaddress
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydicom import Dataset

from fdglung.errors import PacsError, ParameterError

_UID = re.compile(r"[0-9][0-9.]{0,63}")
_AS_STORED = (("application/dicom", "*"),)
_CONNECT_SECONDS = 5.0


def is_address(studies: object) -> bool:
    """Whether studies are named by the address of a DICOMweb service instead of a folder."""
    return str(studies).lower().startswith(("http://", "https://"))


@dataclass(frozen=True)
class Service:
    """A DICOMweb service.

    Attributes
    ----------
    url
        Its root, which QIDO-RS, WADO-RS and STOW-RS share, such as ``http://127.0.0.1:8042/dicom-web``.
    user, password
        For basic authentication; None for none.
    token
        Bearer token; None for none.
    timeout_s
        How long it may send nothing, in seconds.

    Raises
    ------
    ParameterError
        The address is none, or holds a password; or there is a user without a password.

    """

    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if not is_address(self.url) or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise ParameterError(
                "that is no address of a DICOMweb service",
                attribute="STUDIES",
                remedy="Name its root, such as http://127.0.0.1:8042/dicom-web, and the user apart from it",
            )
        if bool(self.user) != bool(self.password) or (self.user and self.token):
            raise ParameterError(
                "a DICOMweb service is entered with a user and a password, or with a token",
                attribute="dicomweb_user, dicomweb_password, dicomweb_token",
                remedy="Give both of the first, or the last alone",
            )

    @classmethod
    def of(cls, url: str, given: Mapping[str, str] | None = None) -> Service:
        """Return a service that is entered as a mapping says, else as MONAI Label's environment variables say.

        Parameters
        ----------
        url
            Its root.
        given
            Any of ``dicomweb_user``, ``dicomweb_password`` and ``dicomweb_token``; where it has none,
            ``MONAI_LABEL_DICOMWEB_USERNAME``, ``MONAI_LABEL_DICOMWEB_PASSWORD`` and ``MONAI_LABEL_DICOMWEB_TOKEN``
            count.

        """
        wanted = [(given or {}).get(f"dicomweb_{name}") for name in ("user", "password", "token")]
        if not any(wanted):
            names = ("USERNAME", "PASSWORD", "TOKEN")
            wanted = [os.environ.get(f"MONAI_LABEL_DICOMWEB_{name}") for name in names]
        user, password, token = (value or None for value in wanted)
        return cls(url, user=user, password=password, token=token)

    def session(self) -> Any:
        """Return a `requests.Session` that the service lets in; of one thread only."""
        import requests

        session = requests.Session()
        # What a proxy of the network would be asked for is on this machine.
        session.trust_env = not _is_loopback(urlsplit(self.url).hostname or "")
        if self.user and self.password:
            session.auth = (self.user, self.password)
        elif self.token:
            # As a header of the session it would lose against a password in the user's .netrc.
            session.auth = self._with_token
        return session

    def _with_token(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


@dataclass(frozen=True)
class RemoteSeries:
    """A series as QIDO-RS lists it.

    Attributes
    ----------
    study
        StudyInstanceUID.
    uid
        SeriesInstanceUID.
    modality
        Modality (0008,0060).
    instances
        Number of its objects; None where the service does not tell.
    study_date
        StudyDate (0008,0020), ``YYYYMMDD``; empty where it does not tell.

    """

    study: str
    uid: str
    modality: str
    instances: int | None = None
    study_date: str = ""

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"{self.modality} series {self.uid}"


class Pacs:
    """A DICOMweb service, asked by any thread.

    Every method raises `fdglung.errors.PacsError` where the service does not answer, refuses, or answers nonsense.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self._local = threading.local()

    def series(self, modality: str) -> tuple[RemoteSeries, ...]:
        """Return all series of a modality, those of ill-formed UIDs left out."""
        with self._asked("its list of series"):
            found = self._client.search_for_series(
                search_filters={"Modality": modality},
                fields=["StudyDate", "NumberOfSeriesRelatedInstances"],
                get_remaining=True,
            )
            listed = (_listed(Dataset.from_json(one), modality) for one in found)
            return tuple(one for one in listed if _UID.fullmatch(one.study) and _UID.fullmatch(one.uid))

    def headers(self, series: RemoteSeries) -> tuple[Dataset, ...]:
        """Return the attributes of a series' objects, without pixels."""
        with self._asked("the attributes of a series", series):
            found = self._client.retrieve_series_metadata(series.study, series.uid)
            return tuple(Dataset.from_json(one, _no_bulk_data) for one in found)

    def first_header(self, series: RemoteSeries) -> Dataset:
        """Return the attributes of one object of a series, without pixels."""
        with self._asked("the attributes of a series", series):
            found = self._client.search_for_instances(series.study, series.uid, limit=1)
            instance = str(Dataset.from_json(found[0]).SOPInstanceUID)
            header = self._client.retrieve_instance_metadata(series.study, series.uid, instance)
            return Dataset.from_json(header, _no_bulk_data)

    def fetch(self, series: RemoteSeries, folder: Path) -> None:
        """Write a series' objects into a folder that is there, one file each, in the coding in which they are stored.

        Raises
        ------
        PacsError
            It names the series; also where fewer objects came than were announced.
        OSError
            The folder cannot be written.

        """
        count = 0
        for count, one in enumerate(self._objects(series), start=1):
            # Numbered, since UIDs from outside shall name no files.
            one.save_as(folder / f"{count:05d}.dcm", enforce_file_format=False)
        if not count or (series.instances or 0) > count:
            raise PacsError(
                f"the PACS sent {count} of {series.instances or 'some'} objects",
                series=series.name,
                remedy="Ask again, and look at the series in the PACS if it happens again",
            )

    def object(self, series: RemoteSeries, instance: str) -> Dataset:
        """Return one object with its pixels."""
        with self._asked("an object", series):
            return self._client.retrieve_instance(series.study, series.uid, instance, media_types=_AS_STORED)

    def store(self, objects: Sequence[Dataset]) -> None:
        """Store objects by STOW-RS; each must be confirmed by its SOPInstanceUID."""
        with self._asked("whether it stored an object"):
            answer = self._client.store_instances(objects)
            failed = answer.get("FailedSOPSequence") or ()
            reasons = sorted({f"{int(one.get('FailureReason', 0)):04X}" for one in failed})
            confirmed = {str(one.ReferencedSOPInstanceUID) for one in answer.get("ReferencedSOPSequence") or ()}
        if failed or not {str(one.SOPInstanceUID) for one in objects} <= confirmed:
            raise PacsError(
                f"the PACS did not confirm an object as stored (failure reason {', '.join(reasons) or 'not given'})",
                attribute="Failed SOP Sequence (0008,1198)",
                remedy="See the log of the PACS for the reason",
            )

    def _objects(self, series: RemoteSeries) -> Iterator[Dataset]:
        with self._asked("the objects of a series", series):
            objects = self._client.iter_series(series.study, series.uid, media_types=_AS_STORED)
        while True:
            with self._asked("the objects of a series", series):
                one = next(objects, None)
            if one is None:
                return
            yield one

    @property
    def _client(self) -> Any:
        """The client of this thread: sessions are not made for several."""
        if not hasattr(self._local, "client"):
            from dicomweb_client import DICOMwebClient

            client = DICOMwebClient(
                self.service.url.rstrip("/"),
                session=self.service.session(),
                timeout=(_CONNECT_SECONDS, self.service.timeout_s),
            )
            # Who asks waits for the answer, and can ask again.
            client.set_http_retry_params(retry=False)
            self._local.client = client
        return self._local.client

    @contextmanager
    def _asked(self, what: str, series: RemoteSeries | None = None) -> Iterator[None]:
        import requests

        name = series.name if series else None
        try:
            yield
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else "?"
            raise PacsError(
                f"the PACS refused to tell {what} (HTTP status {status})", series=name, remedy=_remedy(status)
            ) from error
        except (requests.ConnectionError, requests.Timeout) as error:
            raise PacsError(
                f"the PACS does not answer when asked for {what} ({type(error).__name__})",
                series=name,
                attribute="STUDIES",
                remedy="Check that it runs and that its address is right, and ask again",
            ) from error
        except Exception as error:
            # Whatever a service sends that is neither JSON nor DICOM makes the parsers raise almost anything.
            raise PacsError(
                f"the PACS gave no answer that can be read when asked for {what} ({type(error).__name__})",
                series=name,
                remedy="Check that the address is that of a DICOMweb service, and look at the series in the PACS",
            ) from error


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listed(found: Dataset, modality: str) -> RemoteSeries:
    count = found.get("NumberOfSeriesRelatedInstances")
    return RemoteSeries(
        str(found.get("StudyInstanceUID", "")),
        str(found.get("SeriesInstanceUID", "")),
        str(found.get("Modality") or modality),
        instances=None if count in (None, "") else int(count),
        study_date=str(found.get("StudyDate") or ""),
    )


def _no_bulk_data(tag: str, vr: str, uri: str) -> bytes:
    """Leave bulk data where they are."""
    return b""


def _remedy(status: object) -> str:
    if status in (401, 403):
        return "Give a user and password, or a token, that may read and store there"
    if status == 404:
        return "Check the address, and whether the series is still in the PACS"
    return "See the log of the PACS for the reason"
