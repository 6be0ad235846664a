from __future__ import annotations

from dataclasses import replace

import pytest

from fdglung.errors import ChecklistError
from fdglung.experiment import claim, metrics_score
from fdglung.experiment.checklist import Answer, with_answers
from fdglung.experiment.facts import Facts
from fdglung.experiment.metrics_score import band, score

CLINICAL = Facts(
    synthetic=False,
    phantom=False,
    cohort=False,
    centres={"training": frozenset("AB"), "internal_test": frozenset("A"), "external": frozenset("C")},
    modalities=("PET", "CT"),
    method="network",
    radiomics=("radiomics",),
    conventional=(),
    networks=(),
    given=(),
    classical=("radiomics",),
    protocol=False,
    missing=False,
    clinical=("age",),
    resamples=2000,
    seed=0,
)
CATEGORY_WEIGHTS = {
    # Sums of the items' weights by category, added by hand from table 1 of the publication.
    "Study design": 0.2022,
    "Imaging data": 0.1460,
    "Segmentation": 0.0674,
    "Image processing and feature extraction": 0.1348,
    "Feature processing": 0.0900,
    "Preparation for modelling": 0.0899,
    "Metrics and comparison": 0.1348,
    "Testing": 0.1124,
    "Open science": 0.0225,
}


def answered(facts, answers):
    """Items of METRICS where each has the answer that is given by its number, else no."""
    items = metrics_score.filled(facts)
    return tuple(replace(item, answer=answers.get(item.number, Answer.NO)) for item in items)


def by_number(items):
    return {item.number: item.answer for item in items}


def test_metrics_has_the_published_weights_of_100_percent():
    items = metrics_score.filled(CLINICAL)
    assert [item.number for item in items] == list(range(1, 31))
    assert sum(item.weight for item in items) == pytest.approx(1, abs=1e-9)
    for part, weight in CATEGORY_WEIGHTS.items():
        assert sum(item.weight for item in items if item.part == part) == pytest.approx(weight, abs=1e-9)


def test_the_score_is_the_weight_of_yes_over_the_weight_of_what_applies():
    everything = score(answered(CLINICAL, dict.fromkeys(range(1, 31), Answer.YES)))
    assert everything.percent == pytest.approx(100)
    assert score(answered(CLINICAL, {})).percent == 0
    # 3 (0.0919), 18 (0.0599) and 27 (0.0749) of all.
    assert score(answered(CLINICAL, dict.fromkeys((3, 18, 27), Answer.YES))).percent == pytest.approx(22.67)
    # Without segmentation (0.0674), and end-to-end learning (0.0200), 0.9126 apply.
    left = dict.fromkeys((8, 9, 10, 17), Answer.NOT_APPLICABLE) | dict.fromkeys((3, 18, 27), Answer.YES)
    assert score(answered(CLINICAL, left)).percent == pytest.approx(100 * 0.2267 / 0.9126)


def test_open_items_are_left_out_of_the_score_and_bound_it():
    given = dict.fromkeys((3, 18), Answer.YES) | dict.fromkeys((2, 28), Answer.OPEN)
    found = score(answered(CLINICAL, given))
    assert found.percent == pytest.approx(100 * (0.0919 + 0.0599) / (1 - 0.0735 - 0.0075))
    assert found.lowest == pytest.approx(15.18)
    assert found.highest == pytest.approx(15.18 + 8.10)
    assert (found.answered, found.applicable) == (28, 30)


@pytest.mark.parametrize(
    ("percent", "name"), [(19.9, "very low"), (20, "low"), (59.9, "moderate"), (60, "good"), (80, "excellent")]
)
def test_bands_are_those_of_the_publication(percent, name):
    assert band(percent) == name


def test_answers_follow_what_was_run():
    found = by_number(metrics_score.filled(CLINICAL))
    assert [found[n] for n in (4, 26, 27)] == [Answer.YES] * 3
    assert [found[n] for n in (2, 3, 7, 28)] == [Answer.OPEN] * 4
    assert [found[n] for n in (23, 24)] == [Answer.NO] * 2
    assert found[17] is Answer.NOT_APPLICABLE
    inside = {"training": frozenset("A"), "internal_test": frozenset("A"), "external": frozenset("A")}
    one_centre = by_number(metrics_score.filled(replace(CLINICAL, centres=inside)))
    assert [one_centre[n] for n in (4, 26, 27)] == [Answer.NO, Answer.YES, Answer.NO]
    unknown = {name: frozenset({""}) for name in inside}
    assert by_number(metrics_score.filled(replace(CLINICAL, centres=unknown)))[27] is Answer.OPEN
    compared = by_number(metrics_score.filled(replace(CLINICAL, conventional=("conventional",), modalities=("PET",))))
    assert [compared[n] for n in (23, 24)] == [Answer.YES] * 2


def test_a_network_that_was_trained_is_asked_for_its_robustness():
    trained, given = (replace(CLINICAL, **{name: ("image",)}) for name in ("networks", "given"))
    assert by_number(metrics_score.filled(trained))[17] is Answer.NO
    assert by_number(metrics_score.filled(given))[17] is Answer.OPEN
    compared = replace(CLINICAL, radiomics=(), classical=("radiomics",), networks=("image",), given=("other",))
    assert by_number(metrics_score.filled(compared))[25] is Answer.YES


def test_synthetic_images_earn_no_clinical_item():
    found = by_number(metrics_score.filled(replace(CLINICAL, synthetic=True)))
    assert {found[n] for n in (2, 3, 4, 5, 7, 9, 27)} == {Answer.NO}
    assert found[18] is Answer.OPEN
    assert by_number(metrics_score.filled(replace(CLINICAL, synthetic=True, cohort=True)))[18] is Answer.YES


def test_claim_has_44_items_in_the_published_order():
    items = claim.filled(CLINICAL)
    assert [item.number for item in items] == list(range(1, 45))
    text = {item.number: item.text for item in items}
    assert (text[1][:2], text[20], text[33]) == (
        "AI",
        "Level at which partitions are disjoint",
        "Test on external data",
    )
    assert text[44].startswith("Funding")
    parts = [item.part for item in items]
    assert [parts.count(part) for part in ("Data", "Reference standard", "Evaluation")] == [7, 5, 7]


def test_an_item_that_the_run_leaves_open_may_be_answered_by_the_authors_and_no_other():
    items = metrics_score.filled(CLINICAL)
    filled = with_answers(items, {2: ("yes", "Adults, see Methods")}, name="metrics")
    assert (filled[1].answer, filled[1].evidence, filled[1].by_authors) == (Answer.YES, "Adults, see Methods", True)
    with pytest.raises(ChecklistError, match=r"answers\.metrics\.20: The run answers this item itself: yes"):
        with_answers(items, {20: ("no", "x")}, name="metrics")
    with pytest.raises(ChecklistError, match=r"answers\.metrics\.31: There is no such item"):
        with_answers(items, {31: ("no", "x")}, name="metrics")
