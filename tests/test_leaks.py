from __future__ import annotations

import numpy as np
import pytest

from fdglung.errors import DuplicatedPatientError, ParameterError, PatientInTwoSetsError, TooFewFeaturesError
from fdglung.leaks import check_leaks, find_duplicates

ROWS = 200
PATIENTS = [f"p{n // 2}" for n in range(ROWS)]
SETS = ["train" if n < 120 else "test" for n in range(ROWS)]


def features(seed=0, columns=40):
    """Lesions of patients: long-tailed features that hang together, lesions of a patient more alike than others."""
    random = np.random.default_rng(seed)
    hidden = np.repeat(random.normal(size=(ROWS // 2, 10)), 2, axis=0) + 0.5 * random.normal(size=(ROWS, 10))
    mixed = hidden @ random.normal(size=(10, columns)) + 0.3 * random.normal(size=(ROWS, columns))
    return np.exp(mixed) * 10.0 ** random.integers(-3, 4, columns)


def pairs(found):
    return [(one.first, one.second) for one in found]


@pytest.mark.parametrize("seed", range(20))
def test_a_cohort_without_duplicates_has_none(seed):
    assert find_duplicates(features(seed), PATIENTS) == ()


def test_a_patient_copied_under_another_id_is_found_in_every_lesion():
    table = features()
    table[150:152] = table[10:12]
    found = find_duplicates(table, PATIENTS)
    assert pairs(found) == [(10, 150), (11, 151)]
    assert all(one.identical for one in found)


def test_a_copy_that_was_rounded_is_identical_and_one_with_small_noise_is_near():
    table = features()
    table[150] = [float(f"{value:.8g}") for value in table[10]]
    table[160] = table[20] * (1 + 0.003 * np.random.default_rng(1).normal(size=table.shape[1]))
    found = find_duplicates(table, PATIENTS)
    assert [(one.first, one.second, one.identical) for one in found] == [(10, 150, True), (20, 160, False)]
    assert 0 < found[1].distance < 0.1


def test_neither_units_nor_missing_values_nor_other_rows_hide_a_copy():
    table = features()
    table[5, 3] = table[150, 3] = np.nan
    table[150] = table[5]
    table[:, 0] *= 1e12
    table[77] = np.nan
    assert (5, 150) in pairs(find_duplicates(table, PATIENTS))


def test_lesions_of_one_patient_may_be_alike():
    table = features()
    table[1] = table[0]
    assert find_duplicates(table, PATIENTS) == ()


def test_near_copies_are_left_alone_where_only_identical_ones_are_asked_for():
    table = features()
    table[160] = table[20] * (1 + 1e-4)
    assert pairs(find_duplicates(table, PATIENTS)) == [(20, 160)]
    assert find_duplicates(table, PATIENTS, near=0) == ()


def test_more_copies_than_originals_are_found_too():
    table = features()
    table[100:] = table[:100]
    assert len(find_duplicates(table, PATIENTS)) == 100


def test_codes_do_not_make_duplicates_and_too_few_features_are_refused():
    codes = np.random.default_rng(0).integers(0, 3, (ROWS, 8)).astype(float)
    with pytest.raises(TooFewFeaturesError, match="0 features"):
        find_duplicates(codes, PATIENTS)
    with pytest.raises(TooFewFeaturesError, match="4 features"):
        find_duplicates(np.column_stack([codes, features(columns=4)]), PATIENTS)


def test_a_patient_in_two_sets_is_named_by_rows_and_not_by_id():
    patients = ["anna", "berta", "anna"]
    with pytest.raises(PatientInTwoSetsError, match=r"rows 2 \(train\) and 9 \(test\)") as caught:
        check_leaks(patients, ["train", "test", "test"], lines=[2, 5, 9])
    assert "anna" not in str(caught.value)
    assert "Put all rows of a patient into one set" in caught.value.remedy


def test_a_planted_leak_is_named_by_rows_and_counted_across_sets():
    table = features()
    table[150] = table[10]
    with pytest.raises(DuplicatedPatientError, match=r"rows 11 and 151 \(identical\); 1 of 1 such pairs"):
        check_leaks(PATIENTS, SETS, table)
    check_leaks(PATIENTS, SETS, features())


def test_two_ids_within_one_set_are_refused_as_well():
    table = features()
    table[50] = table[10]
    with pytest.raises(DuplicatedPatientError, match="0 of 1 such pairs"):
        check_leaks(PATIENTS, SETS, table)


def test_a_fraction_out_of_range_is_refused():
    with pytest.raises(ParameterError):
        find_duplicates(features(), PATIENTS, near=1)
