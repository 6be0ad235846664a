from __future__ import annotations

import csv
import math
import os

import numpy as np
import pytest

from fdglung.errors import InputError, OutputExistsError, OutputWriteError, ParameterError
from fdglung.radiomics import FeatureTable, LesionFeatures, RadiomicsSettings, from_yaml, read_table, write_table

VALUES = {
    "PET_suv_max": 7.25,
    "PET_original_stat_mean_Q4LE": 0.1 + 0.2,
    "CT_log-sigma-3-0-mm-3D_stat_mean_Q4LE": -1e-300,
    "CT_original_cm_contrast_3D_avg_ACUI": math.nan,
    "CT_wavelet-LLH_glcm_Idmn": 0.5,
}


@pytest.fixture
def table():
    return FeatureTable(
        lesions=(
            LesionFeatures(1, "1.2.3", "ok", ("The lesion, it's said, touches.",), VALUES),
            LesionFeatures(4, None, "PET: The mask, as it is, holds nothing", (), {"CT_wavelet-LLH_glcm_Idmn": 2.0}),
        ),
        settings=RadiomicsSettings(),
        versions={"fdglung": "0.1.0", "numpy": "1.26.4"},
    )


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_read_back_is_the_table_written_to_the_last_bit(table, tmp_path, ending):
    files = write_table(table, tmp_path / "new" / f"features.{ending}")
    assert sorted(files) == ["features.columns.csv", f"features.{ending}", "features.settings.yaml"]
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(files)
    again = read_table(tmp_path / "new" / f"features.{ending}")
    assert [(x.label, x.tracking_uid, x.status, x.warnings) for x in again.lesions] == [
        (x.label, x.tracking_uid, x.status, x.warnings) for x in table.lesions
    ]
    assert again.names == table.names
    np.testing.assert_array_equal(again.values, table.values)
    assert again.settings == table.settings
    assert again.versions == table.versions


def test_a_parquet_table_has_numbers_and_carries_settings_and_versions(table, tmp_path):
    import pyarrow.parquet

    write_table(table, tmp_path / "features.parquet")
    found = pyarrow.parquet.read_table(tmp_path / "features.parquet")
    assert found.column("lesion").to_pylist() == [1, 4]
    assert str(found.schema.field("PET_suv_max").type) == "double"
    assert found.column("PET_suv_max").to_pylist() == [7.25, None]
    assert from_yaml(found.schema.metadata[b"fdglung_settings"].decode()) == table.settings
    assert b"1.26.4" in found.schema.metadata[b"fdglung_versions"]


def test_columns_are_told_with_code_unit_and_description(table, tmp_path):
    write_table(table, tmp_path / "features.csv")
    with (tmp_path / "features.columns.csv").open() as stream:
        rows = {row["column"]: row for row in csv.DictReader(stream)}
    assert list(rows) == list(VALUES)
    mean = rows["PET_original_stat_mean_Q4LE"]
    assert (mean["modality"], mean["image"], mean["feature"], mean["ibsi_code"], mean["unit"]) == (
        "PET",
        "original",
        "stat_mean",
        "Q4LE",
        "g/ml",
    )
    assert rows["CT_original_cm_contrast_3D_avg_ACUI"]["feature"] == "cm_contrast_3D_avg"
    assert rows["CT_log-sigma-3-0-mm-3D_stat_mean_Q4LE"]["unit"] != "HU"
    assert rows["PET_suv_max"]["unit"] == "g/ml"
    assert rows["CT_wavelet-LLH_glcm_Idmn"]["ibsi_code"] == ""


def test_an_earlier_table_is_kept_unless_it_may_be_replaced(table, tmp_path):
    path = tmp_path / "features.csv"
    write_table(table, path)
    before = path.read_bytes()
    with pytest.raises(OutputExistsError):
        write_table(table, path)
    assert path.read_bytes() == before
    write_table(FeatureTable((), table.settings, {}), path, overwrite=True)
    assert path.read_text() == "lesion,tracking_uid,status,warnings\n"


def test_a_write_that_fails_leaves_the_earlier_table_and_nothing_half_written(table, tmp_path, monkeypatch):
    path = tmp_path / "features.csv"
    write_table(table, path)
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}

    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputWriteError, match="No space"):
        write_table(table, path, overwrite=True)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


def test_other_endings_are_refused(table, tmp_path):
    with pytest.raises(ParameterError, match=r"neither \.csv nor \.parquet"):
        write_table(table, tmp_path / "features.xlsx")


def test_a_table_without_its_settings_is_refused(table, tmp_path):
    write_table(table, tmp_path / "features.csv")
    (tmp_path / "features.settings.yaml").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "features.csv")
