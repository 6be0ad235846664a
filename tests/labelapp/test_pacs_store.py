"""The store of a PACS against a tiny DICOMweb server; `test_orthanc` has it against a real one."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import generate_uid

pytest.importorskip("monailabel")

from fdglung import study
from fdglung.annotation.measured import annotated_seg
from fdglung.annotation.pacs import Service
from fdglung.annotation.versions import LABEL_FILE, versions
from fdglung.errors import LabelGridError, NotAttenuationCorrectedError, NotQuantitativePetError, PacsError
from fdglung.pipeline import Settings
from labelapp.open_studies import OpenStudies
from labelapp.pacs_store import PacsStore
from tests.dicomweb_server import DicomWebServer
from tests.simple_thorax import simple_thorax, write_dicom


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    phantom = simple_thorax(ct_matrix=32, pet_matrix=48, slice_spacing_mm=15.0, seed=3)
    folder = write_dicom(phantom, tmp_path_factory.mktemp("study"))
    return study.load(folder), sorted(folder.rglob("*.dcm"))


@pytest.fixture
def server(case):
    with DicomWebServer(case[1]) as running:
        yield running


@pytest.fixture
def store(server, tmp_path):
    return store_of(server, tmp_path)


@pytest.fixture
def name(case):
    return str(case[0].pet_headers[0].SeriesInstanceUID)


@pytest.fixture
def planted(case):
    label = np.zeros(case[0].pet.GetSize()[::-1], np.uint16)
    label[3:6, 20:24, 10:15] = 1
    label[8:10, 25:27, 30:34] = 2
    image = sitk.GetImageFromArray(label)
    image.CopyInformation(case[0].pet)
    return image


def store_of(server, labels):
    return PacsStore(Service(server.url), labels / "labels", OpenStudies(Settings()), cache=labels / "cache")


def bytes_of(data):
    stream = io.BytesIO()
    data.save_as(stream)
    return stream.getvalue()


def save(store, name, label, tmp_path, who="anna"):
    path = tmp_path / "sent.nii.gz"
    sitk.WriteImage(label, str(path))
    return store.save_label(name, str(path), "final", {"annotator": who})


def same_parts(version, label):
    """Whether a version has the planted lesions, whatever their numbers."""
    one = sitk.GetArrayFromImage(sitk.ReadImage(str(version.path)))
    other = sitk.GetArrayFromImage(label)
    pairs = set(zip(one.ravel().tolist(), other.ravel().tolist(), strict=True))
    return len(pairs) == len(np.unique(one)) == len(np.unique(other)) and (0, 0) in pairs


def test_an_image_is_called_by_its_pets_series_uid_as_ohif_asks_for_it(store, name, case):
    assert store.list_images() == [name]
    assert store.get_unlabeled_images() == [name]
    image = sitk.ReadImage(store.get_image_uri(name))
    np.testing.assert_allclose(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(case[0].pet), rtol=1e-6)
    info = store.get_image_info(name)
    assert info["StudyInstanceUID"] == str(case[0].pet_headers[0].StudyInstanceUID)
    assert info["SeriesInstanceUID"] == name
    assert "PatientName" not in info
    assert store.open(name).study.ct is not None


def test_a_ct_and_a_pet_without_attenuation_correction_are_refused_by_their_uids(case, tmp_path):
    with DicomWebServer() as server:
        for path in case[1]:
            header = pydicom.dcmread(path)
            if header.Modality == "PT":
                header.CorrectedImage = ["DECY"]
                header.AttenuationCorrectionMethod = "NONE"
            server.add(bytes_of(header))
        store = store_of(server, tmp_path)
        (name,) = store.list_images()
        with pytest.raises(NotAttenuationCorrectedError, match=name):
            store.get_image_uri(name)
        ct = str(case[0].ct_headers[0].SeriesInstanceUID)
        with pytest.raises(NotQuantitativePetError, match=ct):
            store.open(ct)


def test_a_saved_label_is_a_version_here_and_a_seg_in_the_pacs(store, server, name, planted, tmp_path):
    label_id = save(store, name, planted, tmp_path)
    version = store.version(label_id, "final")
    assert same_parts(version, planted)
    assert store.delivery(version) == {"pacs": "stored"}
    (seg,) = (header for header in server.headers.values() if header.Modality == "SEG")
    assert str(seg.ReferencedSeriesSequence[0].SeriesInstanceUID) == name
    assert server.objects[str(seg.SOPInstanceUID)] == version.seg.read_bytes()
    # What was sent is not taken up as another version.
    store.synchronise()
    assert len(versions(store.labels, name)) == 1


@pytest.mark.parametrize("fault", ["down", "full", "page"])
def test_a_label_is_kept_when_the_pacs_does_not_take_it_and_sent_later(store, server, name, planted, tmp_path, fault):
    store.open(name)
    server.faults.add(fault)
    version = store.version(save(store, name, planted, tmp_path), "final")
    assert same_parts(version, planted)
    assert "saved here and not yet in the PACS" in store.delivery(version)["pacs"]
    server.faults.clear()
    store.synchronise()
    assert store.delivery(version) == {"pacs": "stored"}
    assert sum(header.Modality == "SEG" for header in server.headers.values()) == 1


def test_a_label_that_was_not_sent_is_sent_after_a_new_start(store, server, name, planted, tmp_path):
    server.faults.add("full")
    save(store, name, planted, tmp_path)
    server.faults.clear()
    store_of(server, tmp_path).synchronise()
    assert sum(header.Modality == "SEG" for header in server.headers.values()) == 1


def test_a_seg_of_someone_else_becomes_a_version_once(store, server, case, name, planted):
    seg = annotated_seg(case[0], planted, annotator="Bela", version=7)
    server.add(bytes_of(seg))
    for _ in range(2):
        store.synchronise()
    (version,) = versions(store.labels, name)
    assert version.annotator == "Bela"
    assert same_parts(version, planted)
    assert version.info["taken_from"] == str(seg.SOPInstanceUID)
    assert store.get_labeled_images() == [name]
    # It is in the PACS already.
    assert store.delivery(version) == {"pacs": "stored"}
    assert sum("POST" in asked for asked in server.asked) == 0


def test_a_new_start_takes_nothing_up_twice(store, server, case, name, planted, tmp_path):
    server.add(bytes_of(annotated_seg(case[0], planted, annotator="Bela", version=7)))
    store.synchronise()
    store_of(server, tmp_path).synchronise()
    assert len(versions(store.labels, name)) == 1


def test_labels_come_back_from_the_pacs_when_their_folder_is_lost(store, server, name, planted, tmp_path):
    save(store, name, planted, tmp_path, who="anna")
    shutil.rmtree(store.labels)
    store.synchronise()
    (version,) = versions(store.labels, name)
    assert version.annotator == "anna"
    assert same_parts(version, planted)


def test_what_a_program_made_alone_is_no_submitted_label(store, server, case, name, planted):
    seg = annotated_seg(case[0], planted, annotator="x", version=1)
    for segment in seg.SegmentSequence:
        segment.SegmentAlgorithmType = "AUTOMATIC"
    server.add(bytes_of(seg))
    store.synchronise()
    assert versions(store.labels, name) == ()
    assert len(versions(store.labels, name, "original")) == 1
    assert store.get_unlabeled_images() == [name]


def test_a_seg_of_another_grid_or_series_is_left_and_the_next_one_taken(store, server, case, name, planted):
    moved = annotated_seg(case[0], planted, annotator="Moved", version=1)
    moved.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = [1.0, 1.0]
    moved.SOPInstanceUID = generate_uid()
    of_ct = annotated_seg(case[0], planted, annotator="CT", version=1)
    of_ct.ReferencedSeriesSequence[0].SeriesInstanceUID = generate_uid()
    of_ct.SOPInstanceUID = generate_uid()
    good = annotated_seg(case[0], planted, annotator="Good", version=1)
    for number, seg in enumerate((moved, of_ct, good)):
        seg.SeriesInstanceUID = generate_uid()
        seg.file_meta.MediaStorageSOPInstanceUID = seg.SOPInstanceUID
        seg.ContentTime = f"10000{number}"
        server.add(bytes_of(seg))
    store.synchronise()
    assert [version.annotator for version in versions(store.labels, name)] == ["Good"]
    assert store.exchange.refused == {str(moved.SOPInstanceUID): LabelGridError.__name__}


def test_while_the_pacs_is_gone_what_is_open_stays_and_the_rest_says_so(store, server, name, planted, tmp_path):
    store.open(name)
    server.faults.add("down")
    assert store.list_images() == [name]
    assert store.open(name).pet is not None
    with pytest.raises(PacsError, match="does not answer"):
        store.synchronise()
    shutil.rmtree(tmp_path / "cache")
    other = PacsStore.__new__(PacsStore)
    other.__dict__.update(store.__dict__ | {"opened": OpenStudies(Settings())})
    with pytest.raises(PacsError, match=name):
        other.open(name)


def test_two_savers_at_once_get_a_version_each_and_the_pacs_both(store, server, name, planted, tmp_path):
    import concurrent.futures

    for who in ("anna", "bela"):
        (tmp_path / who).mkdir()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda who: save(store, name, planted, tmp_path / who, who), ("anna", "bela")))
    found = versions(store.labels, name)
    assert {version.annotator for version in found} == {"anna", "bela"}
    assert all((version.folder / LABEL_FILE).is_file() for version in found)
    assert sum(header.Modality == "SEG" for header in server.headers.values()) == 2
