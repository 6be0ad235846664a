import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdglung.dicom.suv import convert
from fdglung.errors import (
    DecayCorrectionError,
    InconsistentSeriesError,
    NotAttenuationCorrectedError,
    RescaleError,
    SuvError,
    UnknownUnitsError,
)
from tests.dicom.suv_headers import DOSE, WEIGHT, add_private, factor, header

SUV_SCALE, ACTIVITY_SCALE = 0x70531000, 0x70531009
PHILIPS = {"Manufacturer": "Philips Medical Systems", "Units": "CNTS"}


def only_factor(dataset):
    (result,) = convert([dataset]).slice_factors
    return result


def test_becquerels_become_suv_by_weight_over_decayed_dose():
    # 70 000 g / (368.08 MBq x 2^(-3600 / 6586.2)) = 2.77777e-4 g/Bq
    record = convert([header()])
    assert record.slice_factors == pytest.approx([2.77777e-4], rel=1e-4)
    assert record.slice_factors == pytest.approx([factor(3600)], rel=1e-12)
    assert record.decayed_dose_bq == pytest.approx(252.0e6, rel=1e-4)
    assert (record.injected_dose_bq, record.uptake_seconds, record.half_life_seconds) == (DOSE, 3600, 6586.2)
    assert (record.weight_kg, record.height_m, record.sex) == (70, 1.75, "O")


def test_record_names_every_number_used():
    names = {a.name for a in convert([header(RescaleSlope="1.0"), header(RescaleSlope="0.5")]).attributes}
    assert {"Units", "DecayCorrection", "CorrectedImage", "RescaleSlope", "PatientWeight", "SeriesTime"} <= names
    assert {"RadionuclideTotalDose", "RadionuclideHalfLife", "RadiopharmaceuticalStartDateTime"} <= names


def test_record_shows_the_range_of_slopes():
    record = convert([header(RescaleSlope=str(s)) for s in (2, 10, 0.5)])
    assert next(a.value for a in record.attributes if a.name == "RescaleSlope") == "0.5..10"


@given(slopes=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=4))
def test_factors_do_not_depend_on_the_slopes(slopes):
    record = convert([header(RescaleSlope=f"{s:.6g}") for s in slopes])
    assert record.slice_factors == pytest.approx([factor(3600)] * len(slopes))


@given(scale=st.floats(0.1, 10))
def test_suv_is_proportional_to_weight_and_inverse_to_dose(scale):
    both = header(PatientWeight=f"{WEIGHT * scale:.8g}", RadionuclideTotalDose=f"{DOSE * scale:.12g}")
    assert only_factor(both) == pytest.approx(factor(3600), rel=1e-6)


@pytest.mark.parametrize("suv_type", [None, "BW"])
def test_gml_without_a_type_is_suvbw_and_needs_nothing_of_the_patient(suv_type):
    record = convert([header(Units="GML", SUVType=suv_type, PatientWeight=None, PatientSize=None, PatientSex=None)])
    assert record.slice_factors == (1.0,)
    assert set(record.conversions.values()) == {None}
    assert record.decayed_dose_bq is None


# By hand for 70 kg and 175 cm: (W/H)^2 = 0.16; BMI = 22.85714
BODY = {
    ("LBM", "M"): 77 - 120 * 0.16,
    ("LBM", "F"): 74.9 - 148 * 0.16,
    ("LBMJAMES128", "M"): 77 - 128 * 0.16,
    ("LBMJAMES128", "F"): 74.9 - 148 * 0.16,
    ("LBMJAMES128", "O"): (56.52 + 51.22) / 2,
    ("LBMJANMA", "M"): 648900 / (6680 + 216 * 22.857142857),
    ("LBMJANMA", "F"): 648900 / (8780 + 244 * 22.857142857),
    ("LBMJANMA", "O"): (648900 / 11617.142857143 + 648900 / 14357.142857143) / 2,
    ("IBW", "M"): 48.0 + 1.06 * 23,
    ("IBW", "F"): 45.5 + 0.91 * 23,
    ("IBW", "O"): (72.38 + 66.43) / 2,
}


@pytest.mark.parametrize(("suv_type", "sex"), BODY)
def test_gml_of_another_type_is_turned_back_into_suvbw(suv_type, sex):
    record = convert([header(Units="GML", SUVType=suv_type, PatientSex=sex)])
    assert record.slice_factors == pytest.approx([70 / BODY[suv_type, sex]], rel=1e-6)
    assert record.rule == f"GML, back from SUVType {suv_type}"
    assert bool([w for w in record.warnings if "PatientSex is O" in w]) == (sex == "O")


@pytest.mark.parametrize("suv_type", [None, "BSA"])
def test_cm2ml_is_turned_back_by_body_surface_area(suv_type):
    # Du Bois: 0.007184 x 175^0.725 x 70^0.425 = 1.848087 m2; 70 000 g / 18480.87 cm2 = 3.78770 g/cm2
    assert only_factor(header(Units="CM2ML", SUVType=suv_type)) == pytest.approx(3.78770, rel=1e-4)


def test_conversions_are_the_inverse_of_turning_back():
    record = convert([header(PatientSex="F")])
    for name, suv_type in (
        ("suvlbm_james128", "LBMJAMES128"),
        ("suvlbm_janma", "LBMJANMA"),
        ("suvlbm_morgan", "LBM"),
        ("suvibw", "IBW"),
    ):
        back = only_factor(header(Units="GML", SUVType=suv_type, PatientSex="F"))
        assert record.conversions[name] * back == pytest.approx(1)
    assert record.conversions["suvbsa"] * only_factor(header(Units="CM2ML")) == pytest.approx(1)


@pytest.mark.parametrize(
    ("vr", "value"),
    [("DS", "0.0005"), ("UN", b"0.0005"), ("UN", b"0.0005 "), ("FD", 0.0005), ("UN", b"\xfc\xa9\xf1\xd2Mb@?")],
)
@pytest.mark.parametrize("creator", [None, "Philips PET Private Group"])
def test_philips_counts_take_the_suv_scale_factor_however_it_is_written(vr, value, creator):
    assert only_factor(add_private(header(**PHILIPS), SUV_SCALE, vr, value, creator)) == pytest.approx(0.0005)


def test_philips_elements_are_found_in_another_block_of_their_creator():
    dataset = add_private(header(**PHILIPS), 0x70531000, "DS", "9", "Somebody else")
    add_private(dataset, 0x70531100, "DS", "0.0005", "Philips PET Private Group")
    assert only_factor(dataset) == 0.0005


@pytest.mark.parametrize("unset", [None, "0"])
def test_philips_counts_without_suv_scale_take_the_activity_scale(unset):
    dataset = add_private(header(**PHILIPS), ACTIVITY_SCALE, "DS", "2.5")
    if unset is not None:
        add_private(dataset, SUV_SCALE, "DS", unset)
    record = convert([dataset])
    assert record.slice_factors == pytest.approx([2.5 * factor(3600)])
    assert record.rule == "CNTS, Philips activity concentration scale factor, START, series DateTime"


def test_philips_scale_factors_that_contradict_each_other_are_reported():
    dataset = add_private(header(**PHILIPS), SUV_SCALE, "DS", "0.0005")
    add_private(dataset, ACTIVITY_SCALE, "DS", f"{0.0005 / factor(3600) * 1.2:.10g}")
    record = convert([dataset])
    assert record.slice_factors == (0.0005,)
    assert [w for w in record.warnings if "differs by 20.0 %" in w]


def test_undecayed_philips_counts_are_decayed_slice_by_slice():
    slices = [
        add_private(
            add_private(header(**PHILIPS, DecayCorrection="NONE", AcquisitionTime=t), ACTIVITY_SCALE, "DS", "2"),
            SUV_SCALE,
            "DS",
            "0.0005",
        )
        for t in ("110000", "112000")
    ]
    first, second = convert(slices).slice_factors
    assert second / first == pytest.approx(2 ** (1200 / 6586.2))


@pytest.mark.parametrize("changes", [PHILIPS, PHILIPS | {"Manufacturer": "Synthetic"}])
def test_counts_without_scale_factors_are_refused(changes):
    dataset = header(**changes)
    if changes["Manufacturer"] == "Synthetic":
        add_private(dataset, SUV_SCALE, "DS", "0.0005", "Somebody else")
    with pytest.raises(UnknownUnitsError, match=r"PT series 4 .*CNTS.*\(7053,1000\)"):
        convert([dataset])


@pytest.mark.parametrize("units", ["CPS", "PROPCNTS", "PROPCPS", "1CM", "MGMINML", "PCNT", ""])
def test_other_units_are_refused_by_name(units):
    with pytest.raises(UnknownUnitsError, match=f"Units '{units}'"):
        convert([header(Units=units)])


@pytest.mark.parametrize(("units", "suv_type"), [("GML", "BSA"), ("GML", "XYZ"), ("CM2ML", "LBM")])
def test_suv_types_that_do_not_go_with_the_units_are_refused(units, suv_type):
    with pytest.raises(UnknownUnitsError, match=rf"SUVType \(0054,1006\).*{suv_type}"):
        convert([header(Units=units, SUVType=suv_type)])


@pytest.mark.parametrize("applied", [["DECY", "SCAT"], None])
def test_pet_without_attenuation_correction_is_refused(applied):
    with pytest.raises(NotAttenuationCorrectedError, match="CorrectedImage"):
        convert([header(CorrectedImage=applied)])


def test_attenuation_correction_method_none_is_refused_although_attn_is_listed():
    with pytest.raises(NotAttenuationCorrectedError, match="AttenuationCorrectionMethod"):
        convert([header(AttenuationCorrectionMethod="NONE")])


@pytest.mark.parametrize("units", ["BQML", "GML"])
def test_missing_decay_correction_is_refused(units):
    with pytest.raises(DecayCorrectionError, match="lacks DECY"):
        convert([header(CorrectedImage=["ATTN", "SCAT"], Units=units)])


@pytest.mark.parametrize("value", [None, "LATER"])
def test_unknown_decay_correction_is_refused(value):
    with pytest.raises(DecayCorrectionError, match="unknown"):
        convert([header(DecayCorrection=value)])


@pytest.mark.parametrize("intercept", ["-1024", "0.5", "nan"])
def test_an_intercept_is_refused(intercept):
    dataset = header()
    dataset["RescaleIntercept"]._value = float(intercept)
    with pytest.raises(RescaleError, match=r"RescaleIntercept \(0028,1052\)"):
        convert([dataset])


@pytest.mark.parametrize("slope", [0.0, -1.0, math.nan, math.inf, None])
def test_a_slope_that_is_no_positive_number_is_refused(slope):
    dataset = header()
    if slope is None:
        del dataset.RescaleSlope
    else:
        dataset["RescaleSlope"]._value = slope
    with pytest.raises(RescaleError, match=r"RescaleSlope \(0028,1053\)"):
        convert([header(), dataset])


def test_no_headers_are_refused():
    with pytest.raises(SuvError, match="without images"):
        convert([])


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("Units", "GML"),
        ("DecayCorrection", "ADMIN"),
        ("PatientWeight", "71"),
        ("RadionuclideTotalDose", "2e8"),
        ("RadionuclideHalfLife", "6588"),
        ("RadiopharmaceuticalStartDateTime", "20250101101000"),
    ],
)
def test_slices_that_differ_are_refused(keyword, value):
    with pytest.raises(InconsistentSeriesError, match=r"PT series 4 \(SeriesInstanceUID 1.2.3\)"):
        convert([header(), header(**{keyword: value})])


def test_a_series_without_scatter_correction_is_reported():
    record = convert([header(CorrectedImage=["ATTN", "DECY"])])
    assert record.warnings == ("The PET is not listed as scatter corrected: SUV may be too high.",)


def test_suv_said_not_to_be_decay_corrected_is_reported():
    record = convert([header(Units="GML", DecayCorrection="NONE", CorrectedImage=["ATTN", "SCAT"])])
    assert [w for w in record.warnings if "not to be decay corrected" in w]


def test_errors_do_not_say_whose_series_it_is():
    with pytest.raises(SuvError) as error:
        convert([header(PatientName="Doe^Jane", PatientID="id77", PatientBirthDate="19500102", PatientWeight=None)])
    assert not any(secret in str(error.value) for secret in ("Doe", "id77", "19500102"))
