from __future__ import annotations

import base64
import errno
import io
import json
import shutil

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import generate_uid

pytest.importorskip("dicomweb_client")

from fdglung import study
from fdglung.annotation.pacs import Pacs, Service
from fdglung.annotation.pacs_studies import PacsStudies
from fdglung.annotation.studies import open_study
from fdglung.errors import (
    InputError,
    NoCtError,
    NotQuantitativePetError,
    OutputWriteError,
    PacsError,
    ParameterError,
    UnknownStudyError,
)
from tests.dicomweb_server import DicomWebServer
from tests.simple_thorax import simple_thorax, write_dicom


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    phantom = simple_thorax(ct_matrix=32, pet_matrix=32, slice_spacing_mm=20.0, seed=3)
    return write_dicom(phantom, tmp_path_factory.mktemp("study"))


@pytest.fixture
def files(written):
    return sorted(written.rglob("*.dcm"))


@pytest.fixture
def server(files):
    with DicomWebServer(files) as running:
        yield running


def studies_of(server, tmp_path, **options):
    return PacsStudies(Pacs(Service(server.url)), tmp_path / "cache", labels=tmp_path, **options)


def uid_of(files, modality, keyword="SeriesInstanceUID"):
    headers = (pydicom.dcmread(path, stop_before_pixels=True) for path in files)
    return str(next(header for header in headers if header.Modality == modality)[keyword].value)


def changed(path, **attributes):
    """Return a file's bytes with other attributes."""
    data = pydicom.dcmread(path)
    for keyword, value in attributes.items():
        setattr(data, keyword, value)
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    stream = io.BytesIO()
    data.save_as(stream)
    return stream.getvalue()


def test_a_pet_with_the_cts_of_its_study_is_listed_by_its_series_uid(server, files, tmp_path):
    listing = studies_of(server, tmp_path).listing()
    (name,) = listing.studies
    assert name == uid_of(files, "PT")
    found = listing.study(name)
    assert [ct.uid for ct in found.cts] == [uid_of(files, "CT")]
    assert found.pet.instances == sum(pydicom.dcmread(path).Modality == "PT" for path in files)


def test_what_is_fetched_is_what_a_folder_of_the_same_files_gives(server, written, tmp_path):
    studies = studies_of(server, tmp_path)
    (remote,) = studies.listing().studies.values()
    with studies.fetched(remote) as entry:
        found = open_study(entry)
    expected = study.load(written)
    for name in ("pet", "ct"):
        one, other = getattr(found, name), getattr(expected, name)
        assert (sitk.GetArrayFromImage(one) == sitk.GetArrayFromImage(other)).all()
        assert one.GetOrigin() == other.GetOrigin()
    assert found.suv == expected.suv


def test_a_study_is_fetched_once_and_anew_when_it_has_changed(server, files, tmp_path):
    studies = studies_of(server, tmp_path)

    def fetch():
        before = len(server.asked)
        (remote,) = studies.listing().studies.values()
        with studies.fetched(remote) as entry:
            count = len(list(entry.source.rglob("*.dcm")))
        return count, [path for path in server.asked[before:] if "/series/" in path]

    assert fetch()[0] == len(files)
    assert fetch() == (len(files), [])
    pet = next(path for path in files if pydicom.dcmread(path).Modality == "PT")
    server.add(changed(pet, SOPInstanceUID=generate_uid()))
    assert fetch()[0] == len(files) + 1


def test_only_cts_of_the_frame_of_reference_are_fetched_unless_one_is_named(server, files, tmp_path):
    other, frame = generate_uid(), generate_uid()
    ct = [path for path in files if pydicom.dcmread(path).Modality == "CT"]
    for path in ct:
        fields = {"SeriesInstanceUID": other, "FrameOfReferenceUID": frame, "SOPInstanceUID": generate_uid()}
        server.add(changed(path, **fields))
    studies = studies_of(server, tmp_path)
    (remote,) = studies.listing().studies.values()

    def fetched():
        with studies.fetched(remote) as entry:
            headers = [pydicom.dcmread(path) for path in entry.source.rglob("*.dcm")]
        return {str(header.SeriesInstanceUID) for header in headers if header.Modality == "CT"}

    assert fetched() == {uid_of(files, "CT")}
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "companions.json").write_text(json.dumps({remote.pet.uid: {"ct_series": other}}))
    assert fetched() == {other}
    (tmp_path / "companions.json").write_text(json.dumps({remote.pet.uid: {"ct_series": "1.2.3"}}))
    with pytest.raises(ParameterError, match="CT of the same study"):
        fetched()


def test_a_pet_whose_ct_lies_elsewhere_is_refused_by_its_uid(files, tmp_path):
    with DicomWebServer() as server:
        frame = generate_uid()
        for path in files:
            moved = pydicom.dcmread(path).Modality == "CT"
            server.add(changed(path, **({"FrameOfReferenceUID": frame} if moved else {})))
        studies = studies_of(server, tmp_path)
        (remote,) = studies.listing().studies.values()
        with pytest.raises(NoCtError, match=remote.pet.uid), studies.fetched(remote):
            pass


def test_a_ct_a_pet_alone_and_what_is_not_there_are_told_apart(files, tmp_path):
    with DicomWebServer(files) as server:
        alone = {"SeriesInstanceUID": generate_uid(), "StudyInstanceUID": generate_uid()}
        pet = next(path for path in files if pydicom.dcmread(path).Modality == "PT")
        server.add(changed(pet, SOPInstanceUID=generate_uid(), **alone))
        listing = studies_of(server, tmp_path).listing()
    with pytest.raises(NotQuantitativePetError, match=uid_of(files, "CT")):
        listing.study(uid_of(files, "CT"))
    with pytest.raises(NoCtError, match=alone["SeriesInstanceUID"]):
        listing.study(alone["SeriesInstanceUID"])
    with pytest.raises(UnknownStudyError):
        listing.study("1.2.3")


@pytest.mark.parametrize(
    ("fault", "told"),
    [("down", "does not answer"), ("page", "no answer that can be read"), ("short", "sent [0-9]+ of")],
)
def test_a_pacs_that_vanishes_or_sends_less_is_named_and_leaves_nothing_behind(server, tmp_path, fault, told):
    studies = studies_of(server, tmp_path)
    (remote,) = studies.listing().studies.values()
    server.faults.add(fault)
    with pytest.raises(PacsError, match=told) as caught, studies.fetched(remote):
        pass
    assert remote.pet.uid in str(caught.value)
    assert not list((tmp_path).rglob("*.dcm"))
    server.faults.clear()
    with studies.fetched(remote) as entry:
        assert open_study(entry).pet is not None


def test_a_disk_that_fills_while_a_study_is_fetched_is_told_and_nothing_half_is_kept(server, tmp_path, monkeypatch):
    studies = studies_of(server, tmp_path)
    (remote,) = studies.listing().studies.values()
    fetch = Pacs.fetch

    def full(pacs, series, folder):
        fetch(pacs, series, folder)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Pacs, "fetch", full)
    with pytest.raises(OutputWriteError, match="Free space"), studies.fetched(remote):
        pass
    assert not list(tmp_path.rglob("*.dcm"))
    monkeypatch.undo()
    with studies.fetched(remote) as entry:
        assert open_study(entry).pet is not None


@pytest.mark.parametrize("fault", ["garbage", "cut"])
def test_a_corrupt_series_is_refused_with_its_name(server, tmp_path, fault):
    studies = studies_of(server, tmp_path)
    (remote,) = studies.listing().studies.values()
    server.faults.add(fault)
    with pytest.raises((PacsError, InputError), match=remote.pet.uid), studies.fetched(remote) as entry:
        open_study(entry)


def test_the_cache_keeps_its_size_and_what_is_in_use(files, tmp_path):
    with DicomWebServer() as server:
        for _ in range(3):
            fresh = {keyword: generate_uid() for keyword in ("StudyInstanceUID", "FrameOfReferenceUID")}
            series = {modality: generate_uid() for modality in ("PT", "CT")}
            for path in files:
                modality = pydicom.dcmread(path, stop_before_pixels=True).Modality
                uids = {"SeriesInstanceUID": series[modality], "SOPInstanceUID": generate_uid()}
                server.add(changed(path, **fresh, **uids))
        one = sum(path.stat().st_size for path in files) / 1e9
        studies = studies_of(server, tmp_path, cache_gb=1.5 * one)
        first, second, third = studies.listing().studies.values()
        with studies.fetched(first) as held:
            with studies.fetched(second):
                pass
            with studies.fetched(third):
                pass
            assert held.source.is_dir()
        assert {path.name for path in (tmp_path / "cache").iterdir()} == {first.pet.uid, third.pet.uid}


@pytest.mark.parametrize(
    ("options", "authorization"),
    [
        ({"user": "anna", "password": "p:w"}, "Basic " + base64.b64encode(b"anna:p:w").decode()),
        ({"token": "abc"}, "Bearer abc"),
    ],
)
def test_a_pacs_is_entered_with_a_password_or_a_token(files, options, authorization):
    with DicomWebServer(files, authorization=authorization) as server:
        assert len(Pacs(Service(server.url, **options)).series("PT")) == 1
        with pytest.raises(PacsError, match=r"HTTP status 401.*user and password"):
            Pacs(Service(server.url)).series("PT")
    assert "abc" not in repr(Service(server.url, **options))


@pytest.mark.parametrize("url", ["ftp://x/y", "http://", "http://anna:pw@host/dicom-web", "http://host/dicom-web?x=1"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(ParameterError, match="address"):
        Service(url)


def test_a_user_without_a_password_is_refused():
    with pytest.raises(ParameterError, match="password"):
        Service("http://127.0.0.1/dicom-web", user="anna")


def test_what_is_stored_is_there_and_a_refusal_is_told_with_its_reason(server, files):
    pacs = Pacs(Service(server.url))
    uid = generate_uid()
    new = pydicom.dcmread(io.BytesIO(changed(files[0], SOPInstanceUID=uid)))
    pacs.store([new])
    stored = pydicom.dcmread(io.BytesIO(server.objects[uid]))
    assert np.array_equal(stored.pixel_array, new.pixel_array)
    server.faults.add("full")
    with pytest.raises(PacsError, match="A700"):
        pacs.store([new])
