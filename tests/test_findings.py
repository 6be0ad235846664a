from __future__ import annotations

import csv
import dataclasses
import io
import json
import math

import pytest

from fdglung.errors import InputError
from fdglung.findings import COLUMNS, by_reason, from_json, rounded, to_csv, to_json, units_csv
from tests.reporting.studies import analysis, classified


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("lesions", [0, 1, 3, 60])
def test_findings_come_back_from_json_exactly(lesions):
    findings = analysis(lesions).findings
    assert from_json(to_json(findings)) == findings


def test_names_and_text_of_any_script_survive_json():
    findings = dataclasses.replace(analysis(1).findings, warnings=('Größe \u2013 肺 \\ "quoted"\n',))
    assert from_json(to_json(findings)) == findings


def test_a_number_that_is_not_finite_is_refused_by_json():
    with pytest.raises(ValueError, match="JSON"):
        to_json(dataclasses.replace(analysis(1).findings, total_mtv_ml=math.nan))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "no JSON"),
        ("[]", "holds no findings"),
        ('{"format": "something else"}', "holds no findings"),
        ('{"format": "fdglung findings", "format_version": 99}', "version 99"),
        ('{"format": "fdglung findings", "format_version": 1}', "lack a field"),
    ],
)
def test_a_document_that_holds_no_findings_is_refused(text, problem):
    with pytest.raises(InputError, match=problem):
        from_json(text)


def test_a_document_with_an_unknown_side_is_refused():
    document = json.loads(to_json(analysis(1).findings))
    document["lesions"][0]["side"] = "above"
    with pytest.raises(InputError, match="above"):
        from_json(json.dumps(document))


def test_csv_has_a_row_a_lesion_with_its_numbers():
    findings = analysis(3).findings
    rows = table(to_csv(findings))
    assert next(iter(rows[0])) == "lesion"
    assert [int(row["lesion"]) for row in rows] == [1, 2, 3]
    for row, lesion in zip(rows, findings.lesions, strict=True):
        for name in ("suv_max", "suv_mean", "suv_peak", "mtv_ml", "tlg_g", "longest_diameter_mm", "voi_fraction"):
            assert float(row[name]) == rounded(getattr(lesion, name))
        for n, axis in enumerate("xyz"):
            assert float(row[f"centroid_{axis}_mm"]) == rounded(lesion.centroid_mm[n])
        assert row["tracking_uid"] == lesion.tracking_uid
        assert row["side"] == lesion.side.value
    assert [row["lung_distance_mm"] for row in rows] == ["-12.3", "", "4.5"]


def test_csv_without_a_lesion_is_a_header_alone():
    assert to_csv(analysis(0).findings) == ",".join(column.name for column in COLUMNS) + "\n"


def test_every_column_has_a_unit_and_a_description():
    units = table(units_csv(analysis(1).findings))
    assert [row["column"] for row in units] == next(csv.reader(io.StringIO(to_csv(analysis(1).findings))))
    assert {row["column"]: row["unit"] for row in units}["tlg_g"] == "g"
    assert all(row["description"].endswith(".") for row in units)


def test_rounding_keeps_six_digits():
    assert [rounded(v) for v in (42.2174149, 0.000123456789, -12.3, 0.0)] == [42.2174, 0.000123457, -12.3, 0.0]


def test_excluded_uptake_is_grouped_hottest_reason_first():
    heart = analysis(0).findings.excluded[0]
    bone = dataclasses.replace(heart, reason="bone", suv_max=9.0)
    faint = dataclasses.replace(heart, suv_max=3.0)
    assert by_reason((faint, heart, bone)) == {"bone": (bone,), "heart": (heart, faint)}


def test_classes_come_back_from_json_and_stand_in_the_table_with_their_meaning():
    findings = classified(analysis(3)).findings
    assert from_json(to_json(findings)) == findings
    rows, units = table(to_csv(findings)), table(units_csv(findings))
    assert [row["class"] for row in rows] == ["lymphoma", "undetermined", "metastasis"]
    assert [row["probability_lung_cancer"] for row in rows] == ["0.125", "0.3", "0.05"]
    assert [row["column"] for row in units] == list(rows[0])
    assert "trained on 12 synthetic lesions" in next(r["description"] for r in units if r["column"] == "class")


def test_findings_written_before_there_were_classes_are_read():
    document = json.loads(to_json(analysis(2).findings))
    del document["classification"]
    assert from_json(json.dumps(document)) == analysis(2).findings
