"""The objects of a report on every vendor's images: validators, and readers that others use."""

from __future__ import annotations

import shutil

import highdicom as hd
import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread

from fdglung import study as studies_read
from fdglung.findings import rounded
from fdglung.phantom.scanner.catalogue import SCANNERS
from fdglung.phantom.writer import write_dicom_study
from fdglung.pipeline import Settings, analyze
from fdglung.reporting import write_report
from fdglung.segmentation import SegmentationSettings
from tests.phantom.writer.studies import study
from tests.reporting.test_writer import OBJECTS, errors_of, output_of

SETTINGS = Settings(segmentation=SegmentationSettings(region="all", reference_factor=0.0, min_volume_ml=0.0))
TOOLS = ("dciodvfy", "dcentvfy", "dsrdump")


@pytest.fixture(scope="module", params=SCANNERS)
def reported(request, tmp_path_factory):
    """Analysis, images and report of a small study as this scanner's vendor writes it."""
    out = tmp_path_factory.mktemp(request.param)
    images = write_dicom_study(study(request.param, pet_size=(24, 20, 16), ct_size=(24, 20, 16)), out / "images")
    made = analyze(studies_read.load(images), SETTINGS)
    return made, sorted([*(images / "pet").iterdir(), *(images / "ct").iterdir()]), write_report(made, out / "report")


def test_the_study_has_lesions_to_report(reported):
    assert reported[0].findings.lesions


@pytest.mark.validator
@pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="dicom3tools and dcmtk are not installed")
def test_validators_find_no_error_and_no_contradiction_to_the_images(reported):
    made, images, files = reported
    for name in OBJECTS:
        assert errors_of(output_of("dciodvfy", files[name])) == [], name
    objects = [files[name] for name in OBJECTS]
    assert errors_of(output_of("dcentvfy", *images, *objects)) == errors_of(output_of("dcentvfy", *images))
    dump = output_of("dsrdump", "+Pl", files["measurements.sr.dcm"])
    assert "error" not in dump.lower()
    assert all(lesion.tracking_uid in dump for lesion in made.findings.lesions)


def test_highdicom_reads_the_lesions_and_their_numbers_back(reported):
    made, _, files = reported
    volume = hd.seg.segread(files["lesions.seg.dcm"]).get_volume(combine_segments=True)
    labels = sitk.GetArrayFromImage(made.lesions)
    places = np.argwhere(np.asarray(volume.array)) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    expected = [
        made.lesions.TransformIndexToPhysicalPoint([int(v) for v in index[::-1]]) for index in np.argwhere(labels)
    ]
    assert np.allclose(sorted(map(tuple, places.round(3))), sorted(map(tuple, np.round(expected, 3))), atol=2e-3)
    report = hd.sr.srread(files["measurements.sr.dcm"])
    groups = report.content.get_volumetric_roi_measurement_groups()
    assert [str(group.tracking_uid) for group in groups] == [one.tracking_uid for one in made.findings.lesions]
    for group, lesion in zip(groups, made.findings.lesions, strict=True):
        values = {
            (one.name.value, one.derivation and one.derivation.value): one.value for one in group.get_measurements()
        }
        assert values["126401", "56851009"] == rounded(lesion.suv_max)
        assert values["126032", None] == rounded(lesion.mtv_ml)


def test_patient_study_and_space_are_the_pet_s(reported):
    _, images, files = reported
    pet = next(one for one in map(dcmread, images) if one.Modality == "PT")
    for name in OBJECTS:
        written = dcmread(files[name])
        for keyword in ("PatientID", "PatientName", "StudyInstanceUID"):
            assert written[keyword].value == pet[keyword].value
    assert dcmread(files["lesions.seg.dcm"]).FrameOfReferenceUID == pet.FrameOfReferenceUID
