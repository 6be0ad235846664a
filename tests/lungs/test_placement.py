from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.lungs import LEFT, RIGHT, LungRegion, bounding_box_mm
from fdglung.lungs.placement import LungPlaces, Placement, Side
from tests.lungs.boxes import STEP, axes, ball, drawn, region


def placed(voi, lungs, orientation=None):
    labels = drawn(voi.astype(np.uint8), orientation)
    inside = sitk.GetArrayFromImage(labels) > 0
    low, high = np.argwhere(inside).min(axis=0), np.argwhere(inside).max(axis=0) + 1
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return LungPlaces(labels, lungs, inside).place(inside[box], box)


@pytest.mark.parametrize("orientation", [None, "RAS", "LPI", "SAL"])
def test_distances_are_those_of_the_drawing_in_any_orientation_of_the_grid(orientation):
    found = placed(ball((60, 10, 70), 10), region(orientation=orientation), orientation)
    assert (found.side, found.lobe) == (Side.LEFT, "left upper lobe")
    # The ball reaches from x = 50 in a lung whose medial face is at 9: the mediastinum's last voxel is at 8.
    assert found.mediastinum_distance_mm == pytest.approx(50 - 8, abs=STEP)
    assert found.lung_distance_mm == pytest.approx(-20, abs=STEP)
    # The rod's middle is at 30 mm; the weighting may move it along the rod, not out of it.
    assert found.hilum_distance_mm == pytest.approx(np.hypot(60 - 30, 70 - 30) - 10, abs=8)


def test_a_ball_at_the_hilum_is_at_the_hilum_and_one_at_the_pleura_is_not():
    lungs = region()
    central, outer = placed(ball((-25, 10, 30), 12), lungs), placed(ball((-80, -70, 80), 8), lungs)
    assert central.hilum_distance_mm < STEP
    assert outer.hilum_distance_mm == pytest.approx(np.linalg.norm([50, 80, 50]) - 8, abs=12)
    assert (central.side, outer.side) == (Side.RIGHT, Side.RIGHT)


@pytest.mark.parametrize(
    ("centre", "lobe"),
    [
        ((-60, 0, 0), "right lower lobe"),
        ((-60, 0, 80), "right upper lobe"),
        ((60, 0, 0), "left lower lobe"),
        # Three quarters of it lie above the border at 30 mm.
        ((60, 0, 36), "left upper lobe"),
        # Beside the lung, nearest to its lower lobe.
        ((-98, 0, 10), "right lower lobe"),
    ],
)
def test_the_lobe_is_that_of_most_of_the_voxels(centre, lobe):
    assert placed(ball(centre, 9), region()).lobe == lobe


def test_between_the_lungs_is_the_mediastinum_and_no_lobe():
    x = axes()[2]
    wide = region()
    array = sitk.GetArrayFromImage(wide.mask)
    array[np.abs(x) < 40] = 0
    far = drawn(array)
    found = placed(ball((0, 0, 20), 9), LungRegion(far, bounding_box_mm(far, 15.0), "drawn", lobes=wide.lobes))
    assert (found.side, found.lobe, found.mediastinum_distance_mm) == (Side.MEDIASTINUM, None, 0.0)


def test_a_node_beside_a_lung_reaches_into_the_mediastinum():
    found = placed(ball((4, 60, 0), 4), region())
    assert (found.side, found.mediastinum_distance_mm) == (Side.LEFT, 0.0)


def test_with_one_lung_there_is_no_mediastinum_to_measure_to():
    found = placed(ball((-60, 10, 70), 10), region(sides=(RIGHT,)))
    assert (found.side, found.mediastinum_distance_mm, found.hilum_distance_mm) == (Side.RIGHT, None, None)
    assert found.lung_distance_mm == pytest.approx(-20, abs=STEP)


CUT_ABOVE = 60
"""First slice (z) that a CT which cuts these lungs at their upper end does not have: at 70 mm, of lungs up to 100."""


def cut_lungs(sides, orientation=None):
    """Return the lungs in a CT that ends at 70 mm; of the sides that are not cut, those of 40 mm of height less."""
    lungs = region()
    array = sitk.GetArrayFromImage(lungs.mask)
    for side, sign in ((RIGHT, -1), (LEFT, 1)):
        if side not in sides:
            array[(axes()[0] > 50) & (sign * axes()[2] > 0)] = 0
    image = drawn(array[:CUT_ABOVE], orientation)
    return LungRegion(image, bounding_box_mm(image, 15.0), "drawn")


@pytest.mark.parametrize("orientation", [None, "RAS", "LPI", "SAL"])
def test_a_lung_that_the_ct_cuts_has_no_hilum_and_the_other_one_has(orientation):
    lungs = cut_lungs({LEFT}, orientation)
    left, right = placed(ball((60, 10, 20), 8), lungs), placed(ball((-60, 10, 20), 8), lungs)
    assert (left.side, left.hilum_distance_mm) == (Side.LEFT, None)
    assert left.lung_distance_mm == pytest.approx(-22, abs=STEP)
    assert right.side is Side.RIGHT
    assert right.hilum_distance_mm == pytest.approx(np.hypot(60 - 30, 30 - 20) - 8, abs=8)


def test_which_hilum_is_nearer_to_the_mediastinum_is_unknown_where_one_lung_is_cut():
    x = axes()[2]
    found = {}
    for sides in ({LEFT}, set()):
        lungs = cut_lungs(sides)
        array = sitk.GetArrayFromImage(lungs.mask)
        array[np.abs(x[:CUT_ABOVE]) < 26] = 0
        far = drawn(array)
        found[len(sides)] = placed(ball((0, 10, 20), 6), LungRegion(far, bounding_box_mm(far, 15.0), "drawn"))
    assert {one.side for one in found.values()} == {Side.MEDIASTINUM}
    assert found[1].hilum_distance_mm is None
    assert found[0].hilum_distance_mm > 0


def test_lungs_that_the_pet_cuts_have_no_hilum():
    voi = ball((60, 10, 20), 8)[:CUT_ABOVE]
    assert placed(voi, region()).hilum_distance_mm is None
    assert placed(ball((60, 10, 20), 8), region()).hilum_distance_mm is not None


def test_without_lobes_the_lobe_is_unknown():
    lungs = region()
    assert placed(ball((60, 0, 0), 9), LungRegion(lungs.mask, lungs.box_mm, "drawn")).lobe is None
    assert Placement() == Placement(Side.UNKNOWN, None, None, None, None)
