import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from fdglung.dicom.suv import convert
from fdglung.errors import UnknownUnitsError
from tests.cases import case
from tests.dicom.suv_headers import read_series

REFERENCE_OBJECTS = {
    "DRO_0_0": "BQML, START, series DateTime",
    "DRO_1_0": "BQML, START, series DateTime",
    "DRO_2_0": "GML, SUVbw",
    "DRO_2_1": "GML, back from SUVType LBMJAMES128",
    "DRO_2_4": "CNTS, Philips SUV scale factor",
    "DRO_3_1": "BQML, ADMIN",
    "DRO_3_3": "BQML, START, GE scan DateTime",
    "DRO_4_0": "BQML, START, series DateTime",
    "DRO_5_0": "BQML, START, series DateTime",
}


@pytest.mark.parametrize("name", REFERENCE_OBJECTS)
def test_reference_object_has_its_known_suv(name):
    series = read_series(f"suv_dro/{name}/PT")
    record = convert(series)
    counts = [float(d.RescaleSlope) * f for d, f in zip(series, record.slice_factors, strict=True)]
    suv = np.stack([d.pixel_array * count for d, count in zip(series, counts, strict=True)])
    mask = sitk.GetArrayFromImage(sitk.ReadImage(case("suv_dro") / name / "mask" / "DRO_mask.nii.gz")) > 0
    found = suv[mask].min(), np.median(suv[mask]), suv[mask].max()
    for value, truth in zip(found, (0.20, 1.00, 4.00), strict=True):
        assert value == pytest.approx(truth, rel=1e-3, abs=max(counts))
    assert record.rule == REFERENCE_OBJECTS[name]
    assert record.warnings == ()


def test_factors_of_a_real_ge_study_are_those_of_an_independent_tool():
    series = read_series("acrin_nsclc_042/pet_ac", pixels=False)
    mapping = pydicom.dcmread(next((case("acrin_nsclc_042/suv_factors")).glob("*.dcm")))
    slopes = {}
    for reference in mapping.ReferencedImageRealWorldValueMappingSequence:
        for item in reference.RealWorldValueMappingSequence:
            slopes[item.MeasurementUnitsCodeSequence[0].CodeValue] = item.RealWorldValueSlope
    record = convert(series)
    (ours,) = set(record.slice_factors)
    # That object normalises by kg and m2, ours by g and cm2.
    assert ours / 1e3 == pytest.approx(slopes["{SUVbw}g/ml"], rel=1e-4)
    assert ours / 1e3 * record.conversions["suvlbm_james128"] == pytest.approx(slopes["{SUVlbm}g/ml"], rel=1e-4)
    assert ours / 1e3 * record.conversions["suvibw"] == pytest.approx(slopes["{SUVibw}g/ml"], rel=1e-4)
    assert ours / 1e4 * record.conversions["suvbsa"] == pytest.approx(slopes["{SUVbsa}cm2/ml"], rel=1e-4)


def test_private_dates_shifted_otherwise_than_the_public_ones_give_the_uptake_time():
    record = convert(read_series("acrin_nsclc_042/pet_ac", pixels=False))
    assert record.uptake_seconds == 9 * 3600 + 59 * 60 + 47 - (7 * 3600 + 21 * 60)
    assert record.rule == "BQML, START, GE scan DateTime"
    assert [w for w in record.warnings if "-23 days" in w]
    assert {"GE scan DateTime", "GE administration DateTime"} <= {a.name for a in record.attributes}


def test_series_without_attenuation_correction_is_refused_for_its_units():
    with pytest.raises(UnknownUnitsError, match=r"PT series 2 .*Units .*PROPCNTS.*attenuation"):
        convert(read_series("acrin_nsclc_042/pet_nac", pixels=False))


def test_raw_ge_series_equals_its_published_suv_crop():
    series = read_series("sts_001_raw_pet")
    crop = sitk.ReadImage(case("sts_petct/STS_001/PET_image.nii.gz"))
    record = convert(series)
    counts = [float(d.RescaleSlope) * f for d, f in zip(series, record.slice_factors, strict=True)]
    whole = sitk.GetImageFromArray(np.stack([d.pixel_array * c for d, c in zip(series, counts, strict=True)]))
    whole.SetOrigin([float(v) for v in series[0].ImagePositionPatient])
    whole.SetSpacing(crop.GetSpacing())
    start = np.array(whole.TransformPhysicalPointToContinuousIndex(crop.GetOrigin()))
    assert np.allclose(start, np.round(start), atol=1e-3)
    x, y, z = (int(i) for i in np.round(start))
    ours = sitk.GetArrayFromImage(sitk.RegionOfInterest(whole, crop.GetSize(), (x, y, z)))
    theirs = sitk.GetArrayFromImage(crop)
    # The crop's integers are one count lower in some slices, and its slopes rounded.
    one_count = np.array(counts[z : z + len(theirs)])[:, None, None]
    assert (np.abs(ours - theirs) <= one_count + 1e-4 * theirs).all()
    assert np.median(ours[theirs > 0.5] / theirs[theirs > 0.5]) == pytest.approx(1, abs=1e-5)
    assert record.uptake_seconds == 2711
    assert record.warnings == ()
