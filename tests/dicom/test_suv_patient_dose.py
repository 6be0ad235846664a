import pytest
from pydicom import Dataset

from fdglung.dicom.radionuclide import HALF_LIVES, named_radionuclide
from fdglung.dicom.suv import convert
from fdglung.errors import InconsistentSeriesError, SuvError
from tests.dicom.suv_headers import DOSE, factor, header


def warned(dataset, words):
    record = convert([dataset])
    assert [w for w in record.warnings if words in w], record.warnings
    return record


def item_of(dataset):
    return dataset.RadiopharmaceuticalInformationSequence[0]


@pytest.mark.parametrize("weight", [None, "", "0", "-70"])
def test_a_weight_that_is_missing_or_impossible_is_refused(weight):
    with pytest.raises(SuvError, match=r"PatientWeight \(0010,1030\)"):
        convert([header(PatientWeight=weight)])


def test_a_missing_weight_that_may_stand_in_the_size_is_pointed_at():
    with pytest.raises(SuvError, match=r"PatientWeight .*may stand in PatientSize"):
        convert([header(PatientWeight=None, PatientSize="82")])


def test_weight_and_size_that_were_exchanged_are_put_right():
    record = warned(header(PatientWeight="1.75", PatientSize="70"), "exchanged")
    assert (record.weight_kg, record.height_m) == (70, 1.75)
    assert record.slice_factors == pytest.approx([factor(3600)])


def test_a_weight_above_1000_is_taken_as_grams():
    assert warned(header(PatientWeight="70000"), "grams").slice_factors == pytest.approx([factor(3600)])


@pytest.mark.parametrize(("size", "unit"), [("175", "centimetres"), ("1750", "millimetres")])
def test_a_height_above_3_is_scaled(size, unit):
    assert warned(header(PatientSize=size), unit).height_m == pytest.approx(1.75)


@pytest.mark.parametrize(
    ("changes", "attribute"),
    [
        ({"PatientSize": None}, "PatientSize"),
        ({"PatientSize": "0"}, "PatientSize"),
        ({"PatientSex": None}, "PatientSex"),
        ({"PatientSex": "X"}, "PatientSex"),
        ({"PatientWeight": None}, "PatientWeight"),
    ],
)
@pytest.mark.parametrize("suv_type", ["LBM", "LBMJAMES128", "LBMJANMA", "IBW"])
def test_suv_by_lean_or_ideal_mass_names_what_is_missing(changes, attribute, suv_type):
    with pytest.raises(SuvError, match=attribute):
        convert([header(Units="GML", SUVType=suv_type, **changes)])


def test_suv_by_surface_needs_the_height_but_no_sex():
    assert convert([header(Units="CM2ML", PatientSex=None)]).slice_factors[0] > 0
    with pytest.raises(SuvError, match="PatientSize"):
        convert([header(Units="CM2ML", PatientSize=None)])


def test_a_lean_mass_outside_its_formula_is_refused_and_not_converted_to():
    # James: 1.07 x 200 - 148 x (200 / 150)^2 = -49.1 kg
    heavy = {"PatientWeight": "200", "PatientSize": "1.5", "PatientSex": "F"}
    assert convert([header(**heavy)]).conversions["suvlbm_james128"] is None
    assert convert([header(**heavy)]).conversions["suvlbm_janma"] > 0
    with pytest.raises(SuvError, match="no positive mass"):
        convert([header(Units="GML", SUVType="LBMJAMES128", **heavy)])


@pytest.mark.parametrize("dose", [None, "", "0", "-368080000"])
def test_a_dose_that_is_missing_or_impossible_is_refused(dose):
    with pytest.raises(SuvError, match=r"RadionuclideTotalDose \(0018,1074\)"):
        convert([header(RadionuclideTotalDose=dose)])


def test_a_dose_in_megabecquerel_is_scaled():
    record = warned(header(RadionuclideTotalDose="368.08"), "MBq")
    assert record.injected_dose_bq == pytest.approx(DOSE)
    assert record.slice_factors == pytest.approx([factor(3600)])


def test_a_dose_that_is_neither_becquerel_nor_megabecquerel_is_refused():
    with pytest.raises(SuvError, match="too small for Bq and too large for MBq"):
        convert([header(RadionuclideTotalDose="368080")])


def test_a_missing_half_life_is_refused_even_where_the_radionuclide_is_named():
    with pytest.raises(SuvError, match=r"RadionuclideHalfLife \(0018,1075\)"):
        convert([header(RadionuclideHalfLife=None)])


def test_a_half_life_of_zero_is_refused():
    with pytest.raises(SuvError, match="RadionuclideHalfLife"):
        convert([header(RadionuclideHalfLife="0")])


def test_a_half_life_of_another_radionuclide_is_used_and_reported():
    record = warned(header(RadionuclideHalfLife="4057.7"), "is not that of F-18")
    assert record.slice_factors == pytest.approx([factor(3600, half_life=4057.7)])


def test_the_two_customary_half_lives_of_fluorine_are_not_reported():
    assert convert([header(RadionuclideHalfLife="6588")]).warnings == ()


@pytest.mark.parametrize(
    ("code", "meaning", "tracer", "name"),
    [
        ("77004003", "", "", "F-18"),
        ("C-131A1", "^68^Gallium", "", "Ga-68"),
        ("", "18F", "", "F-18"),
        ("", "F^18^", "", "F-18"),
        ("", "Zirconium-89", "", "Zr-89"),
        ("", "", "Ga68-PSMA", "Ga-68"),
        ("", "", "[18F]FDG", "F-18"),
        ("", "", "FDG -- fluorodeoxyglucose", "F-18"),
        ("", "", "Tc-99m MIBI", None),
    ],
)
def test_radionuclides_are_known_by_code_meaning_or_tracer(code, meaning, tracer, name):
    item, entry = Dataset(), Dataset()
    entry.CodeValue, entry.CodeMeaning, item.Radiopharmaceutical = code, meaning, tracer
    item.RadionuclideCodeSequence = [entry]
    assert named_radionuclide(item)[0] == name
    assert name is None or name in HALF_LIVES


def test_the_same_injection_described_twice_counts_once():
    dataset = header()
    dataset.RadiopharmaceuticalInformationSequence = [item_of(dataset), item_of(header())]
    assert warned(dataset, "several times").slice_factors == pytest.approx([factor(3600)])


def test_two_half_lives_are_refused():
    dataset = header()
    dataset.RadiopharmaceuticalInformationSequence = [item_of(dataset), item_of(header(RadionuclideHalfLife="4057.7"))]
    with pytest.raises(SuvError, match="2 different injections or half-lives"):
        convert([dataset])


def test_a_series_without_an_injection_is_refused():
    dataset = header()
    del dataset.RadiopharmaceuticalInformationSequence
    with pytest.raises(SuvError, match=r"RadiopharmaceuticalInformationSequence \(0054,0016\)"):
        convert([dataset])
    with pytest.raises(InconsistentSeriesError):
        convert([header(), dataset])
