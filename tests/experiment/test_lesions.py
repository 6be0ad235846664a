from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from fdglung.experiment.config import ReferenceSettings
from fdglung.experiment.lesions import FoundStatus, ReferenceStatus, match_lesions, voi_of


def image(array):
    return sitk.GetImageFromArray(array)


def bars(*spans, values=None):
    """Label image of 4 x 4 x 60 voxels with a bar for each span along x."""
    array = np.zeros((4, 4, 60), np.uint16)
    for number, (start, stop) in enumerate(spans, start=1):
        array[:, :, start:stop] = number if values is None else values[number - 1]
    return array


PET = np.full((4, 4, 60), 1.0, np.float32)
PET[:, :, 0:10], PET[:, :, 20:30], PET[:, :, 40:50] = 10.0, 6.0, 2.0


def matched(found, reference, **rules):
    classes = {n: f"class {n}" for n in range(1, 10)}
    return match_lesions(
        image(PET), image(found), image(reference), classes, fraction=0.4, rules=ReferenceSettings(**rules)
    )


def test_each_found_lesion_gets_the_class_of_the_lesion_that_it_is():
    done = matched(bars((20, 30), (0, 9), (52, 58)), bars((0, 10), (20, 30)))
    assert [(one.label, one.reference, one.lesion_class) for one in done.found] == [
        (1, 2, "class 2"),
        (2, 1, "class 1"),
        (3, None, ""),
    ]
    assert [one.status for one in done.found] == [FoundStatus.MATCHED, FoundStatus.MATCHED, FoundStatus.FALSE]
    assert [one.suv_max for one in done.found] == [6, 10, 1]
    assert {one.status for one in done.true} == {ReferenceStatus.FOUND}


def test_the_smaller_part_of_a_parted_lesion_is_not_classified():
    done = matched(bars((0, 3), (3, 10)), bars((0, 10)))
    assert [one.status for one in done.found] == [FoundStatus.PART, FoundStatus.MATCHED]
    assert done.found[1].reference == 1


def test_lesions_that_the_study_leaves_out_are_neither_right_nor_false():
    done = matched(bars((0, 10), (40, 50)), bars((0, 10), (20, 30), (40, 50)), min_suv_max=2.5)
    assert [one.status for one in done.true] == [ReferenceStatus.FOUND, ReferenceStatus.MISSED, ReferenceStatus.FAINT]
    assert [one.status for one in done.found] == [FoundStatus.MATCHED, FoundStatus.LEFT_OUT]
    assert np.unique(sitk.GetArrayFromImage(done.prediction)).tolist() == [0, 1]
    assert np.unique(sitk.GetArrayFromImage(done.reference)).tolist() == [0, 1, 2]


def test_a_lesion_of_two_pieces_is_one_lesion():
    reference = bars((0, 5), (20, 30), values=(4, 4))
    done = matched(bars((20, 30)), reference)
    assert [(one.label, one.status) for one in done.true] == [(4, ReferenceStatus.FOUND)]
    assert done.found[0].reference == 4


def test_a_study_without_any_lesion_has_none():
    empty = matched(bars(), bars())
    assert empty.found == ()
    assert empty.true == ()


def test_a_voi_holds_the_outlines_voxels_of_the_fraction_of_its_own_maximum_and_stays_when_made_again():
    suv = np.linspace(1, 10, 60, dtype=np.float32).reshape(1, 1, 60)
    outline = np.zeros((1, 1, 60), np.int32)
    outline[..., 5:60], outline[..., 0:5] = 1, 2
    voi = voi_of(suv, outline, 0.4)
    np.testing.assert_array_equal(voi == 1, (outline == 1) & (suv >= 4))
    np.testing.assert_array_equal(voi == 2, outline == 2)
    np.testing.assert_array_equal(voi_of(suv, voi, 0.4), voi)
