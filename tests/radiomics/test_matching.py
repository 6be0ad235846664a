from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import InputError, ParameterError
from fdglung.radiomics.matching import match_lesions

SHAPE = (20, 30, 60)
STILL = sitk.TranslationTransform(3, (0.0, 0.0, 0.0))


def labels(*boxes, spacing=(2.0, 2.0, 2.0), shape=SHAPE):
    """Return boxes (start and stop along x, all alike along y and z) as labels 1, 2, ..., a box of None left out."""
    array = np.zeros(shape, np.uint16)
    for label, box in enumerate(boxes, start=1):
        if box is not None:
            array[5:9, 10:14, box[0] : box[1]] = label
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    return image


def found(before, after, transform=STILL, **options):
    return [(one.status, one.baseline, one.followup) for one in match_lesions(before, after, transform, **options)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([(10, 16)], [(11, 17)], [("matched", (1,), (1,))]),
        ([(10, 14), (16, 20)], [(10, 20)], [("merged", (1, 2), (1,))]),
        ([(10, 20)], [(10, 14), (16, 20)], [("split", (1,), (1, 2))]),
        ([(10, 14), (16, 24)], [(10, 18), (20, 24)], [("regrouped", (1, 2), (1, 2))]),
        ([(10, 14), (40, 44)], [(40, 44)], [("gone", (1,), ()), ("matched", (2,), (1,))]),
        ([(10, 14)], [(10, 14), (40, 44)], [("matched", (1,), (1,)), ("new", (), (2,))]),
        ([(10, 14)], [(40, 44)], [("gone", (1,), ()), ("new", (), (1,))]),
    ],
)
def test_what_became_of_each_lesion(before, after, expected):
    assert found(labels(*before), labels(*after)) == expected


def test_overlap_is_the_share_of_the_smaller_and_distance_that_of_centroids():
    (one,) = match_lesions(labels((10, 20)), labels((18, 22)), STILL)
    assert one.overlap == pytest.approx(0.5)
    assert one.distance_mm == pytest.approx(2.0 * 5)


def test_lesions_are_compared_where_the_transform_brings_them():
    moved = sitk.TranslationTransform(3, (40.0, 0.0, 0.0))
    before, after = labels((5, 9)), labels((5, 9), (25, 29))
    assert found(before, after, moved) == [("matched", (1,), (2,)), ("outside", (), (1,))]
    (one, _) = match_lesions(before, after, moved)
    assert one.overlap == 1.0
    assert one.distance_mm == pytest.approx(0, abs=1e-9)


def test_grids_may_differ():
    coarse = labels((10, 16))
    fine = sitk.Resample(coarse, (120, 60, 40), sitk.Transform(), sitk.sitkNearestNeighbor, (-0.5,) * 3, (1.0,) * 3)
    (one,) = match_lesions(coarse, fine, STILL)
    assert (one.status, one.overlap) == ("matched", 1.0)
    assert one.distance_mm == pytest.approx(0, abs=1e-6)


def test_a_gap_is_bridged_one_to_one_and_the_nearest_first():
    before, after = labels((10, 12), (30, 32)), labels((16, 18), (24, 26))
    assert found(before, after, reach_mm=0) == [
        *(("gone", (label,), ()) for label in (1, 2)),
        *(("new", (), (label,)) for label in (1, 2)),
    ]
    bridged = match_lesions(before, after, STILL, reach_mm=10.0)
    assert [(one.status, one.baseline, one.followup) for one in bridged] == [
        ("matched", (1,), (1,)),
        ("matched", (2,), (2,)),
    ]
    assert [one.overlap for one in bridged] == [0.0, 0.0]
    # 5 voxels of 2 mm lie between the nearest centres: 10 mm, and no less will do
    assert [one[0] for one in found(before, after, reach_mm=9.9)] == ["gone", "gone", "new", "new"]
    # the one in between has two within reach: the nearer, and the other is gone
    assert found(labels((10, 12), (30, 32)), labels((22, 24)), reach_mm=25.0) == [
        ("gone", (1,), ()),
        ("matched", (2,), (1,)),
    ]


def test_a_lesion_that_overlaps_is_not_taken_by_a_near_one_without_overlap():
    before, after = labels((10, 14), (15, 17)), labels((10, 14))
    assert found(before, after, reach_mm=15.0) == [("matched", (1,), (1,)), ("gone", (2,), ())]


def test_a_share_below_the_bound_is_no_link():
    before, after = labels((10, 20)), labels((19, 29))
    assert found(before, after, least_share=0.1, reach_mm=0)[0][0] == "matched"
    assert [one[0] for one in found(before, after, least_share=0.11, reach_mm=0)] == ["gone", "new"]


def test_absence_where_a_study_shows_nothing_is_not_called_gone():
    before, after = labels((10, 14), (50, 54)), labels((10, 14), shape=(20, 30, 40))
    assert found(before, after) == [("matched", (1,), (1,)), ("outside", (2,), ())]
    assert found(after, before) == [("matched", (1,), (1,)), ("outside", (), (2,))]
    assert found(before, after, followup_view=labels())[1] == ("gone", (2,), ())


def test_one_study_without_lesions_is_no_error_and_two_are():
    assert found(labels(), labels((10, 14))) == [("new", (), (1,))]
    assert found(labels((10, 14)), labels()) == [("gone", (1,), ())]
    with pytest.raises(InputError, match="Neither study has a lesion"):
        found(labels(), labels())


@pytest.mark.parametrize(
    ("options", "attribute"), [({"least_share": 0}, "least_share"), ({"reach_mm": -1}, "reach_mm")]
)
def test_bounds_that_cannot_be_are_refused_by_name(options, attribute):
    with pytest.raises(ParameterError, match=attribute):
        found(labels((1, 2)), labels((1, 2)), **options)
