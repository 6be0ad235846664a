from __future__ import annotations

from fdglung.experiment.study_warnings import counted_warnings

NOISY = "SUV varies by {}% within the {}."


def test_warnings_that_differ_in_percentages_are_one_with_their_range():
    given = [[NOISY.format(26, "liver")], [NOISY.format(9, "liver")], [NOISY.format(103, "liver")], []]
    assert counted_warnings(given) == ["SUV varies by 9% to 103% within the liver. (3 of 4 studies)"]


def test_other_differences_stay_apart_and_an_examination_counts_once():
    given = [[NOISY.format(26, "liver"), NOISY.format(26, "liver")], [NOISY.format(30, "blood pool")]]
    assert counted_warnings(given) == [
        "SUV varies by 26% within the liver. (1 of 2 studies)",
        "SUV varies by 30% within the blood pool. (1 of 2 studies)",
    ]


def test_each_percentage_has_its_own_range_and_other_numbers_and_signs_stay():
    given = [["Lesion #1: 5% of 20%."], ["Lesion #1: 7% of 12.5%."], ["Lesion #2: 7% of 20%."]]
    assert counted_warnings(given) == [
        "Lesion #1: 5% to 7% of 12.5% to 20%. (2 of 3 studies)",
        "Lesion #2: 7% of 20%. (1 of 3 studies)",
    ]
