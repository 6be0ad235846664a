from __future__ import annotations

import numpy as np
import pytest

from fdglung.errors import MissingColumnError, MixedColumnError, ParameterError, SmallGroupError
from fdglung.evaluation.data_table import in_order, read_table
from fdglung.evaluation.statistics_settings import StatisticsSettings

HEADER = "patient,group,age,sex,stage,smoker,note"
ROWS = (
    "p1,B,61.5,m,1,0,",
    "p2,A,70,f,2,1,",
    "p3,B,,m,3,1,",
    "p4,A,55,,4,NA,",
    "p5,,44,f,1,0,",
)


def read(tmp_path, *rows, header=HEADER, by="group", **settings):
    path = tmp_path / "t.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return read_table(path, by=by, settings=StatisticsSettings(**settings))


def test_numbers_categories_and_missing_values_are_told_apart(tmp_path):
    found = read(tmp_path, *ROWS)
    assert found.groups == ("A", "B")
    assert [rows.tolist() for rows in found.rows] == [[1, 3], [0, 2]]
    assert [one.name for one in found.variables] == ["age", "sex", "stage", "smoker"]
    assert found.variable("age").numbers == pytest.approx([61.5, 70, np.nan, 55, 44], nan_ok=True)
    assert found.variable("sex").texts == ("m", "f", "m", "", "f")
    assert found.variable("smoker").categories == ("0", "1")
    assert found.variable("stage").numbers is not None
    assert found.warnings == (
        "No group is given in line 6: these rows were left out.",
        "The column note was left out: every cell is empty.",
    )


def test_numbers_that_are_codes_are_categories_when_named_so(tmp_path):
    assert read(tmp_path, *ROWS, categorical=("stage",)).variable("stage").categories == ("1", "2", "3", "4")
    mixed = tuple(row.replace(",3,1,", ",3a,1,") for row in ROWS)
    assert read(tmp_path, *mixed, categorical=("stage",)).variable("stage").categories == ("1", "2", "4", "3a")


def test_text_among_numbers_is_named_by_line_and_column(tmp_path):
    for cell in ("<5", "12 %", "inf", "1_000"):
        rows = (*ROWS, f"p6,A,{cell},m,1,0,")
        with pytest.raises(MixedColumnError, match=r"column age .* line 7") as caught:
            read(tmp_path, *rows)
        assert "--categorical age" in caught.value.remedy


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"by": "arm"}, MissingColumnError, "no column arm"),
        ({"response": "resp"}, MissingColumnError, "no column resp"),
        ({"ignore": ("x", "y")}, MissingColumnError, "no column x, y"),
        ({"correlate": ("age", "sex")}, MixedColumnError, "sex of"),
        ({"by": "note"}, SmallGroupError, "names 0 groups"),
        ({"by": "patient"}, SmallGroupError, "lines 2, 3, 4, 5, 6 of .* is the only one"),
    ],
)
def test_columns_that_cannot_be_used_so_are_named(tmp_path, change, kind, words):
    with pytest.raises(kind, match=words):
        read(tmp_path, *ROWS, **change)


def test_a_group_of_one_row_is_named_by_its_line(tmp_path):
    with pytest.raises(SmallGroupError, match="line 7"):
        read(tmp_path, *ROWS, "p6,C,50,m,1,0,")


def test_several_rows_of_a_patient_are_warned_of(tmp_path):
    found = read(tmp_path, *ROWS, "p1,B,61.5,m,1,0,")
    assert any(text.startswith("1 rows are of a patient who has another row") for text in found.warnings)


def test_free_text_is_left_out_and_said_so(tmp_path):
    rows = [f"p{n},{'AB'[n % 2]},{n},m,1,0,remark {n}" for n in range(30)]
    found = read(tmp_path, *rows)
    assert found.variable("note") is None
    assert found.warnings == ("The column note was left out: it has 30 categories.",)


def test_categories_stand_in_order_numbers_first():
    assert in_order(["10", "9", "b", "a", "10"]) == ("9", "10", "a", "b")


@pytest.mark.parametrize(
    "given", [{"alpha": 0}, {"confidence": 1}, {"resamples": 10}, {"seed": -1}, {"variances": "x"}]
)
def test_settings_out_of_range_are_refused(given):
    with pytest.raises(ParameterError):
        StatisticsSettings(**given)
