from __future__ import annotations

import shutil
import subprocess
from datetime import datetime

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from fdglung import study as studies_read
from fdglung.errors import OutputExistsError, OutputWriteError, ParameterError
from fdglung.phantom.scanner.catalogue import SCANNERS
from fdglung.phantom.subject import Subject
from fdglung.phantom.tracers import TRACERS
from fdglung.phantom.writer import BROKEN_RULES, Quirk, fitting_quirks, write_dicom_study
from tests.phantom.writer.studies import LESIONS, contents, of, study

BY_VENDOR = {"siemens": "siemens_mct", "ge": "ge_690", "philips": "philips_ingenuity", "united": "united_umi780"}
GRID = {"pet_size": (12, 10, 16), "ct_size": (12, 10, 5)}
QUIRKS = [
    (vendor, (quirk,))
    for vendor in BY_VENDOR
    for quirk in fitting_quirks(vendor)
    if (vendor, quirk) != ("philips", Quirk.NO_PRIVATE)
] + [
    ("ge", (Quirk.GE_FROZEN_ACQUISITION_TIME, Quirk.REPROCESSED, Quirk.NO_PRIVATE)),
    ("ge", (Quirk.GE_CONSTANT_DECAY_FACTOR, Quirk.NO_PRIVATE)),
    ("siemens", (Quirk.REPROCESSED, Quirk.NO_PRIVATE)),
    ("siemens", (Quirk.PAST_MIDNIGHT, Quirk.NO_START_DATETIME)),
    ("philips", (Quirk.PHILIPS_BQML, Quirk.NO_PRIVATE, Quirk.REPROCESSED)),
    ("philips", (Quirk.PHILIPS_EARLY_REFERENCE, Quirk.NO_START_DATETIME, Quirk.PAST_MIDNIGHT)),
    ("united", (Quirk.BEDS_PAST_MIDNIGHT, Quirk.REPROCESSED, Quirk.ONE_SLOPE)),
]


def array(image):
    return sitk.GetArrayFromImage(image)


def images(folder):
    """Images of a series from the feet's end."""
    found = [pydicom.dcmread(path) for path in folder.glob("*.dcm")]
    return sorted(found, key=lambda dataset: float(dataset.ImagePositionPatient[2]))


def assert_suv_reads_back(made, folder):
    """SUVbw by the library's own reader is the study's within half a stored count, and rounding in single precision."""
    read = studies_read.load(folder)
    expected = array(made.pet).astype(np.float64)
    for dataset, factor, found, plane in zip(
        images(folder / "pet"), read.suv.slice_factors, array(read.pet), expected, strict=True
    ):
        half_count = 0.5 * float(dataset.RescaleSlope) * factor
        assert np.abs(found - plane).max() <= half_count * (1 + 1e-3) + 2e-7 * plane.max()
        assert dataset.pixel_array.max() <= 32767
    return read


@pytest.mark.parametrize("scanner", SCANNERS)
def test_every_scanners_pet_and_ct_read_back_as_they_were(scanner, tmp_path):
    made = study(scanner, with_nac=True, **GRID)
    read = assert_suv_reads_back(made, write_dicom_study(made, tmp_path / "out"))
    np.testing.assert_array_equal(array(read.ct), array(made.ct))
    assert read.warnings == ()
    assert read.suv.warnings == ()
    for found, true in ((read.pet, made.pet), (read.ct, made.ct)):
        np.testing.assert_allclose(found.GetOrigin(), true.GetOrigin(), atol=1e-5)
        np.testing.assert_allclose(found.GetSpacing(), true.GetSpacing(), atol=1e-5)


@pytest.mark.parametrize(("vendor", "quirks"), QUIRKS, ids=lambda value: value if isinstance(value, str) else None)
def test_no_departure_from_a_vendors_habits_changes_the_suv(vendor, quirks, tmp_path):
    made = study(BY_VENDOR[vendor], **GRID)
    assert_suv_reads_back(made, write_dicom_study(made, tmp_path / "out", quirks=quirks))


@pytest.mark.parametrize("vendor", BY_VENDOR)
@pytest.mark.parametrize(
    "changes",
    [
        {"tracer": "psma_11"},
        {"tracer": "dotatate", "dose_factor": 10.0},
        {"tracer": "fapi"},
        {"tracer": "psma_1007"},
        {"dose_factor": 100.0},
        {"injected": datetime(2025, 12, 31, 23, 20), "started": datetime(2026, 1, 1, 0, 25, 7)},
        {"started": datetime(2026, 3, 4, 10, 14, 5, 678_901), "bed_seconds": 90.5},
    ],
    ids=["psma_11", "dotatate", "fapi", "psma_1007", "low dose", "midnight", "fractions"],
)
def test_tracer_dose_and_times_of_every_vendor_read_back(vendor, changes, tmp_path):
    made = study(BY_VENDOR[vendor], **GRID, **changes)
    read = assert_suv_reads_back(made, write_dicom_study(made, tmp_path / "out"))
    assert read.suv.warnings == ()


def test_what_each_vendor_writes_stands_in_its_headers(tmp_path):
    found = {}
    for vendor, scanner in BY_VENDOR.items():
        folder = write_dicom_study(study(scanner, **GRID), tmp_path / vendor)
        found[vendor] = images(folder / "pet")[0], images(folder / "ct")[0]
    assert {vendor: (pet.Manufacturer, pet.Units) for vendor, (pet, _) in found.items()} == {
        "siemens": ("SIEMENS", "BQML"),
        "ge": ("GE MEDICAL SYSTEMS", "BQML"),
        "philips": ("Philips Medical Systems", "CNTS"),
        "united": ("UIH", "BQML"),
    }
    assert {vendor: ct.ConvolutionKernel for vendor, (_, ct) in found.items()} == {
        "siemens": "B31f",
        "ge": "STANDARD",
        "philips": "B",
        "united": "B_SOFT_B",
    }
    siemens, ge, philips = (found[vendor][0] for vendor in ("siemens", "ge", "philips"))
    assert (siemens.SeriesTime, siemens.AcquisitionTime) == ("101405.000000", "101404.999995")
    assert siemens[0x0071, 0x0010].value == "SIEMENS MED PT"
    assert siemens[0x0071, 0x1022].value == "20260304101405.000000"
    # as a Siemens scanner writes it for a first bed of 120 s
    assert float(siemens.FrameReferenceTime) == pytest.approx(59_936.85, abs=0.01)
    assert ge[0x0009, 0x0010].value == "GEMS_PETD_01"
    assert ge[0x0009, 0x100D].value == "20260304101405.00"
    assert (float(ge.FrameReferenceTime), ge.PatientPosition) == (0.0, "HFS")
    held = ge[0x0009, 0x1038].value * 2 ** (-600 / 6586.2)
    left = ge[0x0009, 0x103C].value * 2 ** (60 / 6586.2)
    assert held - left == pytest.approx(285.3, rel=1e-5)
    assert philips[0x7053, 0x0010].value == "Philips PET Private Group"
    assert float(philips.FrameReferenceTime) == 60_000
    # counts times the factors: SUV and activity must tell one story
    dose_left = 2.853e8 * 2 ** (-(61 * 60 + 34) / 6588)
    assert philips[0x7053, 0x1009].value / philips[0x7053, 0x1000].value == pytest.approx(dose_left / 58_700, rel=1e-8)


@pytest.mark.parametrize("vendor", BY_VENDOR)
@pytest.mark.parametrize("tracer", TRACERS.values(), ids=list(TRACERS))
def test_the_header_names_the_tracer_that_the_image_was_made_with(vendor, tracer, tmp_path):
    made = study(BY_VENDOR[vendor], pet_size=(6, 6, 3), ct_size=(6, 6, 3), tracer=tracer.key)
    (item,) = images(write_dicom_study(made, tmp_path / "out") / "pet")[0].RadiopharmaceuticalInformationSequence
    for found, expected in (
        (item.RadiopharmaceuticalCodeSequence[0], tracer.radiopharmaceutical),
        (item.RadionuclideCodeSequence[0], tracer.radionuclide),
    ):
        assert (found.CodeValue, found.CodingSchemeDesignator) == (expected.value, expected.scheme_designator)
    # Philips rounds that of F-18 up to 109.8 min
    assert float(item.RadionuclideHalfLife) == pytest.approx(tracer.half_life_s, rel=3e-4)
    assert float(item.RadionuclidePositronFraction) == tracer.positron_fraction


def test_beds_run_from_the_feet_and_tell_one_story_of_decay(tmp_path):
    made = study("united_umi550", **GRID)
    datasets = images(write_dicom_study(made, tmp_path / "out") / "pet")
    started = pydicom.valuerep.DT(datasets[0].SeriesDate + datasets[0].SeriesTime)
    decay = np.log(2) / float(datasets[0].RadiopharmaceuticalInformationSequence[0].RadionuclideHalfLife)
    offsets = []
    for dataset in datasets:
        acquired = pydicom.valuerep.DT(dataset.AcquisitionDate + dataset.AcquisitionTime)
        offsets.append((acquired - started).total_seconds())
        # activity at the start over its mean in the frame
        expected = np.exp(decay * offsets[-1]) * decay * 120 / (1 - np.exp(-decay * 120))
        assert float(dataset.DecayFactor) == pytest.approx(expected, rel=1e-5)
        assert np.exp(decay * float(dataset.FrameReferenceTime) / 1000) == pytest.approx(expected, rel=1e-7)
    # 330 mm of slices take two beds of 240 mm that share 40 %: 240 + 144 mm
    assert offsets == sorted(offsets)
    assert set(offsets) == {0.0, 122.0}


def test_instances_run_as_the_vendor_orders_them(tmp_path):
    orders = {}
    for vendor, scanner in BY_VENDOR.items():
        first, *_, last = images(write_dicom_study(study(scanner, **GRID), tmp_path / vendor) / "pet")
        orders[vendor] = first.InstanceNumber, first.ImageIndex, last.InstanceNumber, last.ImageIndex
    assert orders["ge"] == (16, 1, 1, 16)
    assert orders["philips"] == (1, 1, 16, 16)
    assert orders["siemens"] == (16, 16, 1, 1)


def test_slopes_follow_the_slices_unless_one_is_asked_for(tmp_path):
    made = study(**GRID)
    usual = images(write_dicom_study(made, tmp_path / "usual") / "pet")
    one = images(write_dicom_study(made, tmp_path / "one", quirks=["one_slope"]) / "pet")
    assert len({float(dataset.RescaleSlope) for dataset in usual}) == 16
    assert len({float(dataset.RescaleSlope) for dataset in one}) == 1
    assert min(dataset.pixel_array.max() for dataset in usual) >= 32766


def test_the_pet_without_attenuation_correction_is_refused_as_quantitative_and_alone(tmp_path):
    for vendor, scanner in BY_VENDOR.items():
        folder = write_dicom_study(study(scanner, with_nac=True, **GRID), tmp_path / vendor)
        read = studies_read.load(folder)
        left = [verdict for verdict in read.series if verdict.modality == "PT" and not verdict.taken]
        assert len(left) == 1
        assert "attenuation" in left[0].reason.lower()
        shutil.rmtree(folder / "pet")
        with pytest.raises(ParameterError.__mro__[1], match="attenuation"):
            studies_read.load(folder)


def test_the_image_without_attenuation_correction_keeps_its_ratios(tmp_path):
    made = study(with_nac=True, **GRID)
    folder = write_dicom_study(made, tmp_path / "out")
    for dataset, plane in zip(images(folder / "pet_nac"), array(made.pet_nac), strict=True):
        found = dataset.pixel_array * float(dataset.RescaleSlope)
        np.testing.assert_allclose(found / found.max(), plane / plane.max(), atol=1 / 32767)


def test_every_file_says_that_it_is_synthetic(tmp_path):
    folder = write_dicom_study(study(with_nac=True, **GRID), tmp_path / "out")
    for path in folder.rglob("*.dcm"):
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        assert str(dataset.PatientName).startswith("SYNTHETIC")
        assert dataset.PatientID.startswith("SYNTHETIC")
        assert "synthetic" in dataset.SeriesDescription
        assert "synthetic" in dataset.StudyDescription
        equipment = dataset.ContributingEquipmentSequence[0]
        assert equipment.Manufacturer == "fdglung"
        assert equipment.PurposeOfReferenceCodeSequence[0].CodeMeaning == "Synthesizing Equipment"
    assert (
        "1/10" in images(write_dicom_study(study(dose_factor=10.0, **GRID), tmp_path / "low") / "pet")[0].ImageComments
    )


def test_a_study_has_one_patient_and_frame_of_reference_and_no_uid_twice(tmp_path):
    folder = write_dicom_study(study(with_nac=True, **GRID), tmp_path / "out")
    found = [pydicom.dcmread(path, stop_before_pixels=True) for path in folder.rglob("*.dcm")]
    for keyword in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID", "PatientBirthDate", "StudyDate"):
        assert len({dataset[keyword].value for dataset in found}) == 1
    assert len({dataset.SeriesInstanceUID for dataset in found}) == 5
    assert len({dataset.SOPInstanceUID for dataset in found}) == len(found)


def test_the_subject_stands_in_the_header(tmp_path):
    subject = Subject("M", 71.9, 178.4, 91.3)
    dataset = images(write_dicom_study(study(subject=subject, **GRID), tmp_path / "out") / "ct")[0]
    assert (dataset.PatientSex, dataset.PatientAge) == ("M", "071Y")
    assert (float(dataset.PatientSize), float(dataset.PatientWeight)) == (1.784, 91.3)


def test_metal_makes_the_ct_wider_and_nothing_is_cut(tmp_path):
    made = study(highest_hu=9000, **GRID)
    folder = write_dicom_study(made, tmp_path / "out")
    assert {dataset.BitsStored for dataset in images(folder / "ct")} == {16}
    np.testing.assert_array_equal(array(studies_read.load(folder).ct), array(made.ct))
    plain = write_dicom_study(study(**GRID), tmp_path / "plain")
    assert {dataset.BitsStored for dataset in images(plain / "ct")} == {12}


def test_kernel_current_and_contrast_stand_in_the_ct(tmp_path):
    made = study("siemens_vision", ct_kernel="lung", ct_mas=20.0, ct_contrast="portal", **GRID)
    dataset = images(write_dicom_study(made, tmp_path / "out") / "ct")[0]
    assert (dataset.ConvolutionKernel, dataset.ExposureTime, dataset.XRayTubeCurrent) == ("Bl64f", 500, 40)
    assert dataset.Exposure == 20
    assert dataset.ContrastBolusAgent


@pytest.mark.parametrize("changed", ["pet", "ct", "organs"])
def test_one_voxel_more_makes_other_uids(changed, tmp_path):
    made = study(**GRID)
    voxels = array(getattr(made, changed))
    voxels[3, 3, 3] += 1
    other = type(made)(**{**vars(made), changed: of(voxels, getattr(made, changed))})
    uids = [
        {pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in folder.rglob("*.dcm")}
        for folder in (write_dicom_study(made, tmp_path / "one"), write_dicom_study(other, tmp_path / "other"))
    ]
    assert not uids[0] & uids[1]


def test_the_same_study_gives_the_same_bytes(tmp_path):
    made = [study("ge_mi", with_nac=True, **GRID) for _ in range(2)]
    folders = [write_dicom_study(one, tmp_path / str(i)).parent for i, one in enumerate(made)]
    assert contents(folders[0]) == contents(folders[1])
    assert {"truth.json", "dicom/seg_lesions.dcm", "dicom/seg_organs.dcm"} <= set(contents(folders[0]))


@pytest.mark.parametrize(
    ("changes", "quirks", "named"),
    [
        ({"reconstruction": "FBP"}, (), "reconstruction"),
        ({"tracer": "water"}, (), "tracer"),
        ({"injected": datetime(2026, 3, 4, 11)}, (), "injected"),
        ({"injected_dose_bq": 0.0}, (), "injected_dose_bq"),
        ({"bed_seconds": 0.0}, (), "bed_seconds"),
        ({}, ("ge_frozen_acquisition_time",), "quirks"),
        ({}, ("upside_down",), "quirks"),
        ({}, ("past_midnight", "beds_past_midnight"), "quirks"),
        ({"scanner": "philips_ingenuity", "reconstruction": "BLOB-OS-TF"}, ("no_private",), "quirks"),
    ],
)
def test_what_cannot_be_written_is_an_error_that_names_the_parameter(changes, quirks, named, tmp_path):
    with pytest.raises(ParameterError) as caught:
        write_dicom_study(study(**GRID, **{"scanner": "siemens_mct", **changes}), tmp_path / "out", quirks=quirks)
    assert caught.value.attribute == named
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_scanner_and_a_turned_image_are_refused(tmp_path):
    made = study(**GRID)
    acquisition = type(made.acquisition)(**{**vars(made.acquisition), "scanner": "gamma"})
    with pytest.raises(ParameterError, match="scanner"):
        write_dicom_study(type(made)(**{**vars(made), "acquisition": acquisition}), tmp_path / "out")
    turned = sitk.Image(made.pet)
    turned.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    with pytest.raises(ParameterError, match="not axial"):
        write_dicom_study(type(made)(**{**vars(made), "pet": turned}), tmp_path / "out")


def test_a_folder_in_use_is_left_alone_and_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    made = study(**GRID)
    folder = write_dicom_study(made, tmp_path / "out").parent
    with pytest.raises(OutputExistsError):
        write_dicom_study(made, folder)
    write_dicom_study(made, folder, overwrite=True)
    before = contents(tmp_path)
    saved = []

    def save(dataset, path, **options):
        saved.append(path)
        if len(saved) == 12:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(pydicom.Dataset, "save_as", save)
    with pytest.raises(OutputWriteError, match="No space left"):
        write_dicom_study(made, tmp_path / "other")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("lesions", [LESIONS, LESIONS[:1], ()], ids=["two", "one", "none"])
def test_the_lesion_segmentation_is_the_mask_on_the_pets_images(lesions, tmp_path):
    made = study("philips_vereos", lesions=lesions)
    folder = write_dicom_study(made, tmp_path / "out")
    seg = hd.seg.segread(folder / "seg_lesions.dcm")
    stored = seg.get_pixels_by_source_instance(
        [dataset.SOPInstanceUID for dataset in images(folder / "pet")],
        combine_segments=True,
        assert_missing_frames_are_empty=True,
        ignore_spatial_locations=True,
    )
    np.testing.assert_array_equal(stored, array(made.lesion_mask))
    assert stored.any() == bool(lesions)
    if lesions:
        described = [seg.get_segment_description(label) for label in seg.segment_numbers]
        assert [one.tracking_uid for one in described] == [lesion.tracking_uid for lesion in made.lesions]
        assert [one.anatomic_regions[0].meaning for one in described] == ["Lung", "Lymph Node"][: len(lesions)]
        assert {one.algorithm_type.value for one in described} == {"AUTOMATIC"}


def test_a_lesion_too_small_for_the_grid_keeps_its_segment(tmp_path):
    tiny = (*LESIONS[0][:4], (500.0, 0.0, 0.0), 1.0, 4.0)
    made = study(lesions=(tiny, LESIONS[1]))
    seg = hd.seg.segread(write_dicom_study(made, tmp_path / "out") / "seg_lesions.dcm")
    assert seg.get_segment_description(1).tracking_uid == made.lesions[0].tracking_uid
    assert list(seg.segment_numbers) == [1, 2]


def test_the_organ_segmentation_is_the_label_map_by_the_organs_names(tmp_path):
    made = study("united_umi780")
    seg = hd.seg.segread(write_dicom_study(made, tmp_path / "out") / "seg_organs.dcm")
    names = {number: seg.get_segment_description(number).SegmentLabel for number in seg.segment_numbers}
    assert list(names.values()) == ["right upper lobe", "left lower lobe", "liver", "muscle"]
    volume = seg.get_volume(combine_segments=True)
    by_name = {"right upper lobe": 7, "left lower lobe": 11, "liver": 19, "muscle": 45}
    for number, name in names.items():
        points = np.argwhere(volume.array == number) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
        inside = np.argwhere(array(made.organs) == by_name[name])[:, ::-1]
        expected = inside * made.organs.GetSpacing() + made.organs.GetOrigin()
        np.testing.assert_allclose(
            points[np.lexsort(points.round(2).T)], expected[np.lexsort(expected.round(2).T)], atol=1e-4
        )


@pytest.mark.validator
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize("scanner", SCANNERS)
def test_dciodvfy_finds_no_error_but_what_the_vendor_writes_wrong(scanner, tmp_path):
    made = study(scanner, with_nac=True, pet_size=(12, 10, 3), ct_size=(12, 10, 3))
    folder = write_dicom_study(made, tmp_path / "out")
    allowed = set(BROKEN_RULES.get(SCANNERS[scanner].vendor, ()))
    seen = set()
    for path in sorted(folder.rglob("*.dcm")):
        ended = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
        kind = {"ct": "CTImage", "pet": "PETImage", "pet_nac": "PETImage"}.get(path.parent.name, "Segmentation")
        assert kind in ended.stderr
        errors = {line for line in ended.stderr.splitlines() if "Error" in line}
        assert errors <= (allowed if kind == "PETImage" else set()), path.name
        seen |= errors
    assert seen == allowed


@pytest.mark.validator
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (dicom3tools) is not installed")
@pytest.mark.parametrize(("vendor", "quirks"), QUIRKS, ids=lambda value: value if isinstance(value, str) else None)
def test_departures_break_no_further_rule(vendor, quirks, tmp_path):
    made = study(BY_VENDOR[vendor], pet_size=(12, 10, 3), ct_size=(12, 10, 3), highest_hu=9000, tracer="fapi")
    folder = write_dicom_study(made, tmp_path / "out", quirks=quirks)
    for path in [*(folder / "pet").iterdir(), *(folder / "ct").iterdir()]:
        ended = subprocess.run(["dciodvfy", path], capture_output=True, text=True, check=False)
        errors = {line for line in ended.stderr.splitlines() if "Error" in line}
        assert errors <= set(BROKEN_RULES.get(vendor, ()) if path.parent.name == "pet" else ())


@pytest.mark.validator
@pytest.mark.skipif(shutil.which("dcmdump") is None, reason="dcmdump (dcmtk) is not installed")
@pytest.mark.parametrize("vendor", ["siemens", "ge", "philips"])
def test_dcmtk_reads_the_private_elements_in_explicit_vr(vendor, tmp_path):
    folder = write_dicom_study(study(BY_VENDOR[vendor], pet_size=(8, 8, 3), ct_size=(8, 8, 3)), tmp_path / "out")
    path = next((folder / "pet").iterdir())
    printed = subprocess.run(["dcmdump", path], capture_output=True, text=True, check=True).stdout
    assert "LittleEndianExplicit" in printed
    tag, vr = {"siemens": ("(0071,1022)", "DT"), "ge": ("(0009,100d)", "DT"), "philips": ("(7053,1000)", "DS")}[vendor]
    assert f"{tag} {vr} " in printed
