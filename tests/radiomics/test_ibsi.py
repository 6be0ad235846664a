from __future__ import annotations

import pytest
import SimpleITK as sitk

from benchmarks import ibsi
from fdglung.radiomics.codes import FEATURES, split
from tests.cases import case

CASES = {
    "phantom": ("digital", "dig_phantom"),
    "A": ("ct", "chest_config_a"),
    "C": ("ct", "chest_config_c"),
    "D": ("ct", "chest_config_d"),
}


@pytest.mark.parametrize("configuration", CASES)
def test_every_reference_value_of_ibsi_is_met(configuration):
    name, table = CASES[configuration]
    image = ibsi.read(case(f"ibsi/{name}_phantom_image.nii.gz"), whole_numbers=configuration != "phantom")
    mask = sitk.ReadImage(str(case(f"ibsi/{name}_phantom_mask.nii.gz")))
    found = ibsi.features_of(image, mask, ibsi.CONFIGURATIONS[configuration])
    matched, total, misses = ibsi.compare(found, case(f"ibsi/reference_values/ibsi_1_{table}.csv"))
    assert misses == []
    assert matched == total > 250
    assert {split(tag)[0] for tag in found} >= set(FEATURES)


def test_two_dimensional_interpolation_keeps_slices():
    settings = ibsi.CONFIGURATIONS["B"]
    image = ibsi.read(case("ibsi/ct_phantom_image.nii.gz"), whole_numbers=True)
    mask = sitk.ReadImage(str(case("ibsi/ct_phantom_mask.nii.gz")))
    found = ibsi.diagnostics(image, mask, settings)
    assert [found[f"img_dim_{axis}_interp_img"] for axis in "xyz"] == [100, 99, 60]
    assert [found[f"vox_dim_{axis}_interp_img"] for axis in "xyz"] == [2, 2, 3]
    assert found["int_mask_min_int_reseg_roi"] >= -500
    assert found["int_mask_max_int_reseg_roi"] <= 400


@pytest.mark.parametrize(
    ("value", "text", "tolerance", "met"),
    [
        (0.97656, "0.977", 0, True),
        (0.9774, "0.977", 0, True),
        (0.97756, "0.977", 0, False),
        (125256.0, "125256", 0, True),
        (125257.0, "125256", 0, False),
        (1204.0, "1200", 0, True),
        (1209.0, "1200", 0, False),
        (2.596, "2.6", 0, True),
        (-18400000, "-18000000", 400000, True),
        (0.00009, "9E-05", 0.000415, True),
        (float("nan"), "1", 10, False),
    ],
)
def test_a_match_is_told_at_the_digits_of_the_reference(value, text, tolerance, met):
    assert ibsi.matches(value, text, tolerance) is met


def test_a_feature_that_we_lack_is_a_miss(tmp_path):
    table = tmp_path / "values.csv"
    table.write_text("reference value;tolerance;tag\n1;0;stat_mean\n2;0;stat_new\n;;stat_none\n", encoding="utf-8")
    matched, total, misses = ibsi.compare({"stat_mean": 1.0}, table)
    assert (matched, total) == (1, 2)
    assert misses == [ibsi.Miss("stat_new", None, 2.0, 0.0)]
