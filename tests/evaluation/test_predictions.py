from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fdglung.errors import (
    DuplicateRowError,
    MissingColumnError,
    MissingValueError,
    PatientInTwoSetsError,
    ProbabilityError,
    SingleClassError,
    UnknownClassError,
    UnpairedRowsError,
    UnreadableTableError,
)
from fdglung.evaluation.prediction_rows import by_patient, paired
from fdglung.evaluation.predictions import read_predictions
from tests.evaluation.probabilities import made, write_table

HEADER = "patient,lesion,set,truth,p_a,p_b"
GOOD = ("x,1,test,a,0.7,0.3", "x,2,test,a,0.4,0.6", "y,1,other,b,0.2,0.8")


def table(tmp_path, *rows, header=HEADER):
    path = tmp_path / "p.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_table_is_read_as_it_is_written(tmp_path):
    rows = made()
    found = read_predictions(write_table(tmp_path / "p.csv", rows, sets={p: "s" for p in rows.patients}))
    assert (found.classes, found.patients, found.lesions) == (rows.classes, rows.patients, rows.lesions)
    assert np.array_equal(found.truth, rows.truth)
    assert found.probabilities == pytest.approx(rows.probabilities, abs=1e-12)
    assert set(found.sets) == {"s"}
    assert found.warnings == ()


@pytest.mark.parametrize("prefix", ["probability_", "p_", ""])
def test_probability_columns_have_a_prefix_or_the_names_of_classes(tmp_path, prefix):
    rows = made()
    assert read_predictions(write_table(tmp_path / "p.csv", rows, prefix=prefix)).classes == rows.classes


def test_lesions_of_two_cases_may_have_one_number(tmp_path):
    rows = ("x,s1,1,a,1,0", "x,s2,1,a,1,0", "y,s1,1,b,0,1")
    found = read_predictions(table(tmp_path, *rows, header="patient,case,lesion,truth,p_a,p_b"))
    assert found.lesions == ("s1 1", "s2 1", "s1 1")


def test_sets_are_read_and_go_with_their_rows_and_classes(tmp_path):
    header = HEADER + ",prediction_set"
    rows = [f"{row},{text}" for row, text in zip(GOOD, ("a|b", "", "b"), strict=True)]
    found = read_predictions(table(tmp_path, *rows, header=header))
    assert found.prediction_sets.tolist() == [[True, True], [False, False], [False, True]]
    turned = read_predictions(table(tmp_path, *rows[::-1], header=header.replace("p_a,p_b", "p_b,p_a")))
    assert turned.classes == ("b", "a")
    mended = read_predictions(table(tmp_path, *rows, header=header))
    swapped = replace(turned, truth=1 - mended.truth[::-1])
    assert paired(mended, swapped).prediction_sets.tolist() == mended.prediction_sets.tolist()
    assert read_predictions(table(tmp_path, *GOOD)).prediction_sets is None
    with pytest.raises(UnknownClassError, match="line 3") as caught:
        read_predictions(table(tmp_path, rows[0], rows[1] + "c", rows[2], header=header))
    assert "prediction_set" in str(caught.value)


def test_without_lesions_a_row_is_a_patient(tmp_path):
    found = read_predictions(table(tmp_path, "x,a,1,0", "y,b,0,1", header="patient,truth,p_a,p_b"))
    assert not found.by_lesion
    assert read_predictions(table(tmp_path, *GOOD)).by_lesion


def test_rounded_probabilities_are_divided_by_their_sum_and_ties_are_warned_of(tmp_path):
    found = read_predictions(table(tmp_path, "x,1,test,a,0.5,0.5", "y,1,test,b,0.297,0.696"))
    assert found.probabilities.sum(axis=1) == pytest.approx([1, 1])
    assert "1 rows miss a sum of 1" in found.warnings[0]
    assert "1 rows have several classes" in found.warnings[1]
    assert found.predicted.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("rows", "kind", "words"),
    [
        ((*GOOD, "z,1,test,c,0.5,0.5"), UnknownClassError, "names c in line 5"),
        ((*GOOD, "z,1,test,a,0.5,0.4"), ProbabilityError, "line 5 .* sums to 0.9"),
        ((*GOOD, "z,1,test,a,70,30"), ProbabilityError, "column p_a: line 5"),
        ((*GOOD, "z,1,test,a,1.2,-0.2"), ProbabilityError, "line 5"),
        ((*GOOD, "z,1,test,a,0.5,many"), ProbabilityError, "column p_b: line 5"),
        ((*GOOD, "z,1,test,a,NaN,0.5"), MissingValueError, "column p_a: line 5"),
        ((*GOOD, "z,1,test,a,inf,0"), ProbabilityError, "column p_a: line 5"),
        ((*GOOD, ",1,test,a,1,0"), MissingValueError, "column patient: line 5"),
        ((*GOOD, "z,1,,a,1,0"), MissingValueError, "column set: line 5"),
        ((*GOOD, "z,1,test,,1,0"), MissingValueError, "column truth: line 5"),
        ((*GOOD, "x,1,test,a,1,0"), DuplicateRowError, "lines 2, 5"),
        ((*GOOD, "y,2,test,b,1,0"), PatientInTwoSetsError, "line 5"),
        (GOOD[:2], SingleClassError, "every row .* has the truth a"),
        ((*GOOD, "z,1,test,a,1"), UnreadableTableError, "other than 6 cells in line 5"),
        ((), UnreadableTableError, "no row"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(tmp_path, rows, kind, words):
    with pytest.raises(kind, match=words) as caught:
        read_predictions(table(tmp_path, *rows))
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("header", "kind", "words"),
    [
        ("patient,lesion,set,class,p_a,p_b", MissingColumnError, "no column truth"),
        ("case,lesion,set,truth,p_a,p_b", MissingColumnError, "no column patient"),
        ("patient,lesion,set,truth,p_a,other", MissingColumnError, "probabilities of 1 classes"),
        ("patient;lesion;set;truth;p_a;p_b", UnreadableTableError, "semicolons"),
        ("patient,lesion,set,truth,p_a,p_a", UnreadableTableError, "two columns of the name p_a"),
        ("patient,lesion,set,truth,p_a,", UnreadableTableError, "no name for the columns 6"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused(tmp_path, header, kind, words):
    with pytest.raises(kind, match=words):
        read_predictions(table(tmp_path, *GOOD, header=header))


def test_no_error_names_a_patient(tmp_path):
    for rows in ((*GOOD, "x,1,test,a,1,0"), (*GOOD, "yvonne,1,test,a,9,0"), (*GOOD, "y,2,test,b,1,0")):
        with pytest.raises((DuplicateRowError, ProbabilityError, PatientInTwoSetsError)) as caught:
            read_predictions(table(tmp_path, *rows))
        assert "yvonne" not in str(caught.value)
        assert " y " not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'patient,"truth\n'])
def test_a_file_that_is_no_table_is_refused(tmp_path, content):
    (tmp_path / "p.csv").write_bytes(content)
    with pytest.raises(UnreadableTableError):
        read_predictions(tmp_path / "p.csv")


def test_another_models_rows_and_classes_are_brought_into_order(tmp_path):
    first, second = made(noise=1), made(noise=2)
    order = (2, 0, 3, 1)
    turned = type(second)(
        tuple(second.classes[n] for n in order),
        second.patients,
        second.lesions,
        second.centres,
        second.sets,
        np.array([order.index(n) for n in second.truth]),
        second.probabilities[:, list(order)],
    )
    other = read_predictions(write_table(tmp_path / "q.csv", turned, shuffle=5))
    found = paired(read_predictions(write_table(tmp_path / "p.csv", first)), other)
    assert found.lesions == first.lesions
    assert np.array_equal(found.truth, first.truth)
    assert found.probabilities == pytest.approx(second.probabilities)


@pytest.mark.parametrize(
    ("rows", "header", "words"),
    [
        (GOOD[:1] + GOOD[2:], HEADER, "1 rows of the first table are not in the second, row 2 first"),
        ((*GOOD, "z,1,test,a,1,0"), HEADER, "1 only in the second"),
        ((GOOD[0], "x,2,test,b,0.4,0.6", GOOD[2]), HEADER, "truth differs in row 2"),
        ((GOOD[0], GOOD[1], "y,1,new,b,0.2,0.8"), HEADER, "set differs in row 3"),
        (GOOD, "patient,lesion,set,truth,p_a,p_c", "classes differ"),
    ],
)
def test_models_of_other_rows_are_not_compared(tmp_path, rows, header, words):
    first = read_predictions(table(tmp_path, *GOOD))
    rows = tuple(row.replace(",b,", ",c,") for row in rows) if "p_c" in header else rows
    with pytest.raises(UnpairedRowsError, match=words):
        paired(first, read_predictions(table(tmp_path, *rows, header=header)))


def test_a_patient_has_the_mean_of_the_lesions_and_needs_one_class(tmp_path):
    rows = (*GOOD, "z,1,test,a,0.1,0.9", "z,2,test,b,0.2,0.8")
    found, warning = by_patient(read_predictions(table(tmp_path, *rows)))
    assert found.patients == ("x", "y")
    assert found.probabilities == pytest.approx(np.array([[0.55, 0.45], [0.2, 0.8]]))
    assert (found.sets, found.truth.tolist()) == (("test", "other"), [0, 1])
    assert warning.startswith("1 patients have lesions of several classes")
