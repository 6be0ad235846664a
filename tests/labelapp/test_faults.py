"""What goes wrong beside the server: it is told, and nothing that was saved is lost."""

from __future__ import annotations

import asyncio
import errno

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("monailabel")

from fastapi import HTTPException

from fdglung.annotation.sampling import Leases
from fdglung.annotation.versions import versions
from fdglung.errors import LabelGridError, OutputWriteError, PacsError, UnknownStudyError, UnreadableImageError
from fdglung.pipeline import Settings
from labelapp.datastore import FolderStore
from labelapp.open_studies import OpenStudies, Recent
from labelapp.results import write_result
from labelapp.server import _in_thread
from labelapp.strategies import NextStudy


def image(value=1.0, kind=np.float32):
    return sitk.GetImageFromArray(np.full((4, 5, 6), value, kind))


@pytest.fixture
def store(tmp_path):
    for name in ("broken", "good"):
        (tmp_path / name).mkdir()
        for part in ("pet", "ct"):
            sitk.WriteImage(image(), str(tmp_path / name / f"{part}.nii.gz"))
    pet = tmp_path / "broken" / "pet.nii.gz"
    pet.write_bytes(pet.read_bytes()[:60])
    return FolderStore(tmp_path, tmp_path / "labels", OpenStudies(Settings()))


@pytest.fixture
def label(tmp_path):
    path = tmp_path / "labels.nrrd"
    sitk.WriteImage(image(kind=np.uint8), str(path))
    return str(path)


@pytest.mark.parametrize(
    ("error", "status"),
    [(OutputWriteError, 507), (PacsError, 502), (UnknownStudyError, 404), (LabelGridError, 400), (OSError, 500)],
)
def test_an_error_is_answered_by_its_status_and_its_remedy_and_a_fault_by_its_kind_alone(error, status):
    async def endpoint():
        raise error("secret") if error is OSError else error("it is full", attribute="disk", remedy="Free space")

    with pytest.raises(HTTPException) as caught:
        _in_thread(endpoint)()
    assert caught.value.status_code == status
    assert ("Free space" in caught.value.detail) == (error is not OSError)
    assert "secret" not in caught.value.detail
    assert error.__name__ in caught.value.detail


def test_a_study_that_is_corrupt_is_told_passed_over_and_stops_nothing(store):
    with pytest.raises(UnreadableImageError):
        store.get_image_uri("broken")
    following = NextStudy("first", Leases(), lambda name: None)
    assert following({"client_id": "anna"}, store)["id"] == "good"
    assert following.refused == {"broken": "UnreadableImageError"}
    # Nobody holds it.
    assert following({"client_id": "bela"}, store) is None


def test_a_full_disk_while_a_label_is_saved_loses_no_earlier_one(store, label, monkeypatch):
    store.save_label("good", label, "final", {"client_id": "anna"})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fdglung.annotation.versions.write_nifti_image", full)
    with pytest.raises(OutputWriteError, match="Free space"):
        store.save_label("good", label, "final", {"client_id": "bela"})
    monkeypatch.undo()
    assert [version.annotator for version in versions(store.labels, "good")] == ["anna"]
    store.save_label("good", label, "final", {"client_id": "bela"})
    assert [version.annotator for version in versions(store.labels, "good")] == ["anna", "bela"]


def test_a_full_disk_while_a_result_is_written_is_told_and_leaves_no_file(tmp_path, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("itk: could not write")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("labelapp.results.sitk.WriteImage", full)
    with pytest.raises(OutputWriteError, match="Free space"):
        write_result(image(kind=np.uint8), {})
    assert not list(tmp_path.iterdir())


def test_a_saver_who_goes_away_in_the_middle_leaves_the_label_whole_or_not_at_all(store, label, monkeypatch):
    def gone(*_, **__):
        raise asyncio.CancelledError

    monkeypatch.setattr("fdglung.annotation.versions.json.dumps", gone)
    with pytest.raises(asyncio.CancelledError):
        store.save_label("good", label, "final", {"client_id": "anna"})
    assert versions(store.labels, "good") == ()
    assert list((store.labels / "good" / "final").iterdir()) == []


def test_what_is_remembered_of_a_study_stays_small():
    recent = Recent(most=3)
    for number in range(5):
        recent[number] = -number
    assert dict(recent) == {2: -2, 3: -3, 4: -4}
