from __future__ import annotations

import csv

import pytest
from pydicom.sr._concepts_dict import concepts

from fdglung.radiomics import codes
from tests.cases import case

TABLES = ["dig_phantom", "chest_config_a", "chest_config_c", "chest_config_d"]


def reference_tags(table):
    path = case(f"ibsi/reference_values/ibsi_1_{table}.csv")
    with path.open(encoding="utf-8") as file:
        return [row["tag"] for row in csv.DictReader(file, delimiter=";")]


def test_there_is_a_code_for_each_of_the_174_features():
    assert len(codes.FEATURES) == codes.IBSI_FEATURES
    assert {one.family for one in codes.FEATURES.values()} == set(codes.FAMILY_CODES)


@pytest.mark.parametrize("table", TABLES)
def test_every_feature_of_a_reference_table_has_a_code(table):
    diagnostic = ("img_", "vox_", "int_mask_", "morph_mask_", "mean_int_", "min_int_", "max_int_")
    tags = [tag for tag in reference_tags(table) if not tag.startswith(diagnostic)]
    assert [tag for tag in tags if codes.code_of(tag) is None] == []
    assert {codes.split(tag)[0] for tag in tags} == set(codes.FEATURES)


def test_no_code_is_given_twice_except_within_the_intensity_volume_histogram():
    given = [one.code for one in codes.FEATURES.values() if one.family != "ivh"]
    assert len(given) == len(set(given))
    assert {len(one.code) for one in codes.FEATURES.values()} == {4}


def test_codes_are_those_of_dicom_where_dicom_has_them():
    dicom = {code for entry in concepts["IBSI"].values() for code in entry}
    ours = {one.code for one in codes.FEATURES.values()}
    assert dicom - ours - set(codes.FAMILY_CODES.values()) - set(codes.AGGREGATION_CODES.values()) == set()


def test_pyradiomics_names_are_its_own():
    radiomics = pytest.importorskip("radiomics")
    theirs = {
        f"{family}_{feature}"
        for family, kind in radiomics.getFeatureClasses().items()
        for feature in kind.getFeatureNames()
    }
    assert set(codes.BY_PYRADIOMICS) <= theirs
    assert len(codes.BY_PYRADIOMICS) == len([one for one in codes.FEATURES.values() if one.pyradiomics])


def test_a_column_is_split_into_name_and_aggregation():
    assert codes.split("cm_joint_max_2_5D_avg") == ("cm_joint_max", "2_5D_avg")
    assert codes.split("szm_sze_2_5D") == ("szm_sze", "2_5D")
    assert codes.split("stat_mean") == ("stat_mean", None)
    assert codes.code_of("nothing_3D") is None
