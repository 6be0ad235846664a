import io
import os
import zipfile

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from fdglung import study
from fdglung.dicom.files import opened
from fdglung.errors import NotDicomError, TruncatedFileError
from tests.dicom.series_files import ct_series, pet_series, refusal, to_file, truth_pet, write


def pet_of(source):
    return sitk.GetArrayFromImage(study.load(source).pet)


def zipped(folder, target):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return target


def test_files_are_found_in_nested_folders_among_junk_which_is_counted(tmp_path):
    series = pet_series()
    write(tmp_path / "a" / "b", series[:3])
    write(tmp_path / "c", series[3:], name="IM")
    (tmp_path / "a" / "README.txt").write_text("no DICOM")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "c" / "noise.bin").write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / "zeros").write_bytes(bytes(1000))
    with opened(tmp_path) as found:
        assert (len(found.files), found.looked_at, found.skipped, found.unreadable) == (6, 10, 4, 0)
    loaded = study.load(tmp_path)
    assert loaded.skipped_files == 4
    np.testing.assert_allclose(sitk.GetArrayFromImage(loaded.pet), truth_pet(series), rtol=1e-6)


def test_names_and_order_of_files_change_nothing(tmp_path):
    series = pet_series()
    shuffled = [series[index] for index in (3, 0, 5, 1, 4, 2)]
    one, other = study.load(write(tmp_path / "a", series)), study.load(write(tmp_path / "b", shuffled))
    assert one.pet.GetOrigin() == other.pet.GetOrigin()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(one.pet), sitk.GetArrayFromImage(other.pet))
    for first, second in zip(one.pet_headers, other.pet_headers, strict=True):
        assert first.SOPInstanceUID == second.SOPInstanceUID


def test_a_zip_and_zips_within_zips_give_the_image_of_the_folder(tmp_path):
    series = pet_series()
    folder = write(tmp_path / "a", series)
    plain = zipped(folder, tmp_path / "plain.zip")
    inner = tmp_path / "inner"
    write(inner, series[2:])
    (inner / "notes.txt").write_text("no DICOM")
    outer = tmp_path / "outer"
    outer.mkdir()
    zipped(inner, outer / "inner.without_suffix")
    write(outer / "rest", series[:2])
    nested = zipped(outer, tmp_path / "nested.zip")
    np.testing.assert_array_equal(pet_of(plain), pet_of(folder))
    np.testing.assert_array_equal(pet_of(nested), pet_of(folder))
    assert study.load(nested).skipped_files == 1
    # A folder that holds a zip is searched as well.
    np.testing.assert_array_equal(pet_of(outer), pet_of(folder))


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_every_native_encoding_gives_the_same_image(tmp_path, syntax):
    series = pet_series()
    expected = truth_pet(series)
    if syntax == ExplicitVRBigEndian:
        for dataset in series:
            dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
    np.testing.assert_allclose(pet_of(write(tmp_path, series, syntax=syntax)), expected, rtol=1e-6)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("keep_meta", [True, False])
def test_files_without_preamble_or_meta_information_are_read(tmp_path, syntax, keep_meta):
    series = pet_series()
    for index, dataset in enumerate(series):
        stream = io.BytesIO()
        to_file(dataset, syntax).save_as(stream, enforce_file_format=True)
        data = stream.getvalue()[132:]
        if not keep_meta:
            stream.seek(0)
            data = data[dcmread(stream, stop_before_pixels=True).file_meta.FileMetaInformationGroupLength + 12 :]
        (tmp_path / f"IM{index}").write_bytes(data)
    np.testing.assert_allclose(pet_of(tmp_path), truth_pet(series), rtol=1e-6)


def test_a_dicomdir_is_ignored(tmp_path):
    series = write(tmp_path, pet_series())
    directory = to_file(pet_series(1)[0])
    directory.SOPClassUID = directory.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    directory.save_as(series / "DICOMDIR")
    with opened(series) as found:
        assert len(found.files) == 6
        assert found.skipped == 0


def test_a_link_to_a_folder_above_ends_the_search(tmp_path):
    write(tmp_path / "study", pet_series())
    os.symlink(tmp_path, tmp_path / "study" / "loop")
    with opened(tmp_path) as found:
        assert len(found.files) == 6


def test_a_folder_without_dicom_is_no_dicom(tmp_path):
    (tmp_path / "notes.txt").write_text("no DICOM")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n" + bytes(300))
    assert "None of 2 files is a DICOM" in refusal(NotDicomError, tmp_path)


@pytest.mark.parametrize("made", [False, True])
def test_an_empty_or_missing_folder_is_no_dicom(tmp_path, made):
    if made:
        (tmp_path / "study").mkdir()
    assert "STUDY" in refusal(NotDicomError, tmp_path / "study")


def test_a_zip_cut_short_is_refused(tmp_path):
    data = zipped(write(tmp_path / "a", pet_series()), tmp_path / "whole.zip").read_bytes()
    cut = tmp_path / "cut.zip"
    cut.write_bytes(data[: len(data) // 2])
    assert "zip is damaged or cut short" in refusal(TruncatedFileError, cut)


def test_a_damaged_member_of_a_zip_is_refused(tmp_path):
    path = zipped(write(tmp_path / "a", pet_series()), tmp_path / "whole.zip")
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 200] = bytes(200)
    path.write_bytes(data)
    assert "zip is damaged or cut short" in refusal(TruncatedFileError, path)


def test_an_encrypted_zip_is_refused_with_what_to_do(tmp_path):
    path = zipped(write(tmp_path / "a", pet_series()), tmp_path / "whole.zip")
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    path.write_bytes(data)
    assert "password" in refusal(NotDicomError, path)


def test_files_that_cannot_be_opened_are_said(tmp_path):
    write(tmp_path, pet_series())
    os.symlink(tmp_path / "gone.dcm", tmp_path / "dangling.dcm")
    assert study.load(tmp_path).warnings == ("1 of 7 files could not be opened; check the permissions of the study.",)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
@pytest.mark.parametrize("keep", [0.3, 0.7, 0.99])
def test_a_file_cut_anywhere_is_refused_and_never_a_traceback(tmp_path, syntax, keep):
    write(tmp_path, pet_series(), syntax=syntax)
    path = tmp_path / "PT002.dcm"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    message = refusal(TruncatedFileError, tmp_path)
    assert "file 3 of the input" in message.lower()
    assert "again" in message


def test_every_cut_of_a_header_is_refused(tmp_path):
    write(tmp_path, pet_series(4))
    path = tmp_path / "PT001.dcm"
    data = path.read_bytes()
    for keep in range(140, len(data) - 126, 37):
        path.write_bytes(data[:keep])
        message = refusal(TruncatedFileError, tmp_path)
        assert "file 2 of the input" in message.lower()


def test_a_cut_report_among_the_images_does_not_matter(tmp_path):
    write(tmp_path, pet_series())
    report = to_file(pet_series(1)[0])
    report.Modality, report.SOPClassUID = "SR", "1.2.840.10008.5.1.4.1.1.88.33"
    report.file_meta.MediaStorageSOPClassUID = report.SOPClassUID
    del report.SeriesInstanceUID, report.PixelData
    report.save_as(tmp_path / "SR.dcm")
    assert study.load(tmp_path).pet is not None


def test_progress_rises_from_nothing_to_all(tmp_path):
    write(tmp_path, pet_series())
    write(tmp_path, ct_series())
    told = []
    study.load(tmp_path, progress=lambda step, fraction: told.append((step, fraction)))
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert {step for step, _ in told} == {"reading headers", "reading PET", "reading CT"}
