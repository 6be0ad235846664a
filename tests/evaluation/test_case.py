from __future__ import annotations

import math

import numpy as np
import pytest

from fdglung.errors import ParameterError, UnreadableImageError
from fdglung.evaluation.case import equivalent_diameter_mm, evaluate_case
from fdglung.evaluation.cases import Case
from fdglung.evaluation.settings import EvaluationSettings
from tests.evaluation.shapes import box, write

GRID = {"spacing": (1.0, 2.0, 4.0), "origin": (10.0, -20.0, 5.0)}
VOXEL_ML = 0.008
FOUND, SMALL, FALSE = box((5, 5, 5), (4, 8, 8)), box((20, 5, 5), (2, 2, 2)), box((5, 20, 20), (3, 3, 3))
REFERENCE = FOUND | SMALL
PREDICTION = box((5, 5, 9), (4, 8, 8)) | FALSE


@pytest.fixture
def case(tmp_path):
    suv = np.ones(REFERENCE.shape, np.float32)
    suv[FOUND], suv[6, 6, 6] = 4, 10
    scores = np.zeros(REFERENCE.shape, np.float32)
    scores[PREDICTION], scores[6, 6, 9] = 0.5, 0.9
    return Case(
        "a",
        write(REFERENCE, tmp_path / "reference.nii.gz", **GRID),
        write(PREDICTION, tmp_path / "prediction.nii.gz", **GRID),
        write(suv, tmp_path / "pet.nii.gz", **GRID),
        write(scores, tmp_path / "scores.nii.gz", **GRID),
        "p",
        "c",
    )


def test_the_row_of_a_case_holds_what_follows_from_its_boxes(case):
    row = evaluate_case(case, EvaluationSettings()).row
    assert row.reference_ml == pytest.approx((256 + 8) * VOXEL_ML)
    assert row.predicted_ml == pytest.approx((256 + 27) * VOXEL_ML)
    assert row.dice == pytest.approx(2 * 128 / (264 + 283))
    assert row.false_positive_ml == pytest.approx(27 * VOXEL_ML)
    assert row.false_negative_ml == pytest.approx(8 * VOXEL_ML)
    assert (row.lesions_true, row.lesions_predicted, row.lesions_found, row.lesions_false) == (2, 2, 1, 1)
    assert (row.lesions_found_iou_01, row.lesions_found_iou_05) == (1, 0)
    assert (row.lesions_false_iou_01, row.lesions_false_iou_05) == (1, 2)
    assert row.sensitivity == 0.5
    assert row.pq == 0
    assert row.reference_suv_max == 10
    assert row.reference_tlg_g == pytest.approx((255 * 4 + 10 + 8) * VOXEL_ML)


def test_the_rows_of_lesions_tell_size_place_and_match(case):
    big, small = evaluate_case(case, EvaluationSettings()).lesions
    assert (big.detected, big.detected_iou_01, big.detected_iou_05) == (True, True, False)
    assert big.iou == pytest.approx(1 / 3)
    assert big.dice == pytest.approx(0.5)
    assert (big.x_mm, big.y_mm, big.z_mm) == pytest.approx((10 + 8.5, -20 + 2 * 8.5, 5 + 4 * 6.5))
    assert (big.suv_max, big.suv_mean) == pytest.approx((10, (255 * 4 + 10) / 256))
    assert big.equivalent_diameter_mm == pytest.approx((6 * 2048 / math.pi) ** (1 / 3))
    assert big.size_class == ">10 to 20 mm"
    assert big.score == pytest.approx(0.9)
    assert not small.detected
    assert math.isnan(small.dice)
    assert small.size_class == "up to 10 mm"


def test_the_rows_of_predictions_tell_which_are_false(case):
    rows = {row.false: row for row in evaluate_case(case, EvaluationSettings()).predicted}
    assert rows[True].volume_ml == pytest.approx(27 * VOXEL_ML)
    assert rows[True].matched_lesion is None
    assert rows[False].matched_lesion == 1


def test_the_mean_score_is_lower_than_the_highest(case):
    rows = evaluate_case(case, EvaluationSettings(score="mean")).predicted
    assert rows[0].score == pytest.approx((255 * 0.5 + 0.9) / 256)


def test_neither_place_nor_room_around_lesions_changes_a_measure(case, tmp_path):
    """What touches the edge of the image is measured as if it lay inside."""
    tight = (slice(5, 22), slice(5, 23), slice(5, 23))
    cut = Case(
        "a",
        write(REFERENCE[tight], tmp_path / "cut_r.nii.gz", **GRID),
        write(PREDICTION[tight], tmp_path / "cut_p.nii.gz", **GRID),
    )
    whole, edge = (evaluate_case(one, EvaluationSettings()).row for one in (case, cut))
    for name in ("dice", "surface_dice", "hd95_mm", "mean_surface_distance_mm", "false_positive_ml", "reference_ml"):
        assert getattr(edge, name) == pytest.approx(getattr(whole, name))


def test_an_empty_reference_defines_neither_dice_nor_misses(case, tmp_path):
    none = write(np.zeros(REFERENCE.shape, bool), tmp_path / "none.nii.gz", **GRID)
    row = evaluate_case(Case("a", none, case.prediction), EvaluationSettings()).row
    for name in ("dice", "surface_dice", "hd95_mm", "false_negative_ml", "sensitivity"):
        assert math.isnan(getattr(row, name))
    assert row.false_positive_ml == pytest.approx(283 * VOXEL_ML)
    assert row.pq == 0
    both = evaluate_case(Case("a", none, none), EvaluationSettings()).row
    assert math.isnan(both.pq)
    assert both.lesions_false == 0
    missed = evaluate_case(Case("a", case.reference, none), EvaluationSettings()).row
    assert (missed.dice, missed.surface_dice, missed.lesions_found) == (0, 0, 0)


def test_numbers_that_are_none_within_lesions_are_refused(case, tmp_path):
    suv = np.where(FALSE, np.nan, 1).astype(np.float32)
    broken = Case("a", case.reference, case.prediction, write(suv, tmp_path / "nan.nrrd", **GRID))
    with pytest.raises(UnreadableImageError, match=r"nan\.nrrd"):
        evaluate_case(broken, EvaluationSettings())


def test_the_diameter_is_that_of_the_sphere():
    assert equivalent_diameter_mm(4 / 3 * math.pi) == pytest.approx(20)


def test_a_size_on_the_edge_belongs_to_the_class_below():
    settings = EvaluationSettings(size_edges_mm=(10, 20))
    assert settings.size_classes == ("up to 10 mm", ">10 to 20 mm", ">20 mm")
    assert [settings.size_class(size) for size in (10, 10.1, 20, 99)] == [
        settings.size_classes[n] for n in (0, 1, 1, 2)
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"tolerance_mm": -1},
        {"tolerance_mm": math.nan},
        {"labels": (0, 1)},
        {"size_edges_mm": ()},
        {"size_edges_mm": (20, 10)},
        {"score": "median"},
        {"resamples": 5},
        {"seed": -1},
        {"confidence": 95},
    ],
)
def test_parameters_outside_their_range_are_refused(wrong):
    with pytest.raises(ParameterError, match="outside its range"):
        EvaluationSettings(**wrong)


@pytest.mark.parametrize(("axis", "spacing"), [(0, 4.0), (1, 2.0), (2, 1.0)])
def test_a_box_moved_by_two_voxels_lies_away_by_twice_the_spacing_of_that_axis(tmp_path, axis, spacing):
    moved = np.roll(FOUND, 2, axis=axis)
    files = [write(mask, tmp_path / f"{name}.nii.gz", **GRID) for name, mask in (("r", FOUND), ("p", moved))]
    exact, tight = (
        evaluate_case(Case("a", *files), EvaluationSettings(tolerance_mm=t)).row for t in (2 * spacing, 1.9 * spacing)
    )
    assert exact.hd95_mm == pytest.approx(2 * spacing)
    assert exact.surface_dice == 1
    assert tight.surface_dice < 1
