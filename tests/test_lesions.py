from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.lesions import dmax_mm, longest_diameter_mm, measure, total_mtv_ml, total_tlg_g
from fdglung.lungs import LungRegion, bounding_box_mm
from fdglung.lungs.placement import Side
from fdglung.segmentation import SegmentedLesion

SPACING = (2.0, 2.0, 2.0)
ORIGIN = (-100.0, -100.0, -50.0)


def image_of(array, spacing=SPACING, origin=ORIGIN, direction=None):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    if direction:
        image.SetDirection(direction)
    return image


def sphere(shape, centre_mm, radius_mm, spacing=SPACING, origin=ORIGIN):
    """Return a mask (z, y, x) of the voxels whose centre lies in a sphere given in patient coordinates (x, y, z)."""
    axes = [origin[2 - i] + np.arange(n) * spacing[2 - i] for i, n in enumerate(shape)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return (x - centre_mm[0]) ** 2 + (y - centre_mm[1]) ** 2 + (z - centre_mm[2]) ** 2 <= radius_mm**2


def two_spheres(suv=(8.0, 5.0)):
    array, labels = np.full((80, 100, 100), 0.5, np.float32), np.zeros((80, 100, 100), np.uint16)
    for label, (centre, radius, value) in enumerate(
        zip([(-50.7, 0.6, 20.9), (40.6, 10.8, 30.7)], [17, 11], suv, strict=True), 1
    ):
        inside = sphere(array.shape, centre, radius)
        array[inside], labels[inside] = value, label
    return image_of(array), image_of(labels)


def lungs_of_two_boxes():
    """Right lung x -90..-10, left lung x 10..90, y -90..90, z -40..100 mm (LPS), without holes."""
    mask = np.zeros((80, 100, 100), np.uint8)
    x = ORIGIN[0] + np.arange(100) * SPACING[0]
    mask[5:76, 5:96, (x >= -90) & (x <= -10)] = 1
    mask[5:76, 5:96, (x >= 10) & (x <= 90)] = 2
    image = image_of(mask)
    return LungRegion(image, bounding_box_mm(image, 15.0), "drawn")


def test_spheres_of_known_volume_and_activity_have_their_closed_form_numbers():
    pet, labels = two_spheres()
    first, second = measure(pet, labels, [SegmentedLesion(1, 0.4), SegmentedLesion(2, 0.4)])
    for lesion, radius, suv in ((first, 17, 8.0), (second, 11, 5.0)):
        volume = 4 / 3 * np.pi * radius**3 / 1000
        assert lesion.mtv_ml == pytest.approx(volume, rel=0.02)
        assert lesion.tlg_g == pytest.approx(suv * lesion.mtv_ml, rel=1e-6)
        assert (lesion.suv_max, lesion.suv_mean) == pytest.approx((suv, suv))
        assert lesion.suv_peak == pytest.approx(suv, rel=1e-5)
        assert lesion.longest_diameter_mm == pytest.approx(2 * radius, abs=SPACING[0])
    assert first.centroid_mm == pytest.approx((-50.7, 0.6, 20.9), abs=0.1)
    assert second.centroid_mm == pytest.approx((40.6, 10.8, 30.7), abs=0.1)
    assert total_mtv_ml([first, second]) == pytest.approx(first.mtv_ml + second.mtv_ml)
    assert total_tlg_g([first, second]) == pytest.approx(first.tlg_g + second.tlg_g)
    assert dmax_mm([first, second]) == pytest.approx(np.sqrt(91.3**2 + 10.2**2 + 9.8**2), abs=0.2)


def test_dmax_needs_two_lesions():
    pet, labels = two_spheres()
    assert dmax_mm(measure(pet, labels, [SegmentedLesion(1, 0.4)])) is None
    assert dmax_mm([]) is None


def test_positions_follow_the_direction_of_the_grid():
    array, labels = np.zeros((20, 20, 20), np.float32), np.zeros((20, 20, 20), np.uint16)
    array[3, 5, 7], labels[3, 5, 7] = 4.0, 1
    direction = (0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    pet, mask = (image_of(a, (1.0, 2.0, 3.0), (10, 20, 30), direction) for a in (array, labels))
    (lesion,) = measure(pet, mask, [SegmentedLesion(1, 0.4)])
    # Axis i runs along patient y by 1 mm, j along z by 2 mm, k along x by 3 mm.
    assert lesion.suv_max_position_mm == pytest.approx((10 + 3 * 3, 20 + 7 * 1, 30 + 5 * 2))
    assert lesion.centroid_mm == pytest.approx(lesion.suv_max_position_mm)


def test_side_and_distance_to_the_lung_border_are_known_for_drawn_lungs():
    pet, labels = two_spheres()
    right, left = measure(pet, labels, [SegmentedLesion(1, 0.4), SegmentedLesion(2, 0.4)], lungs=lungs_of_two_boxes())
    assert (right.side, left.side) == (Side.RIGHT, Side.LEFT)
    # The right sphere reaches from x = -67 to -33 in a lung whose border is at -9: 24 mm, known to a voxel.
    assert right.lung_distance_mm == pytest.approx(-24, abs=SPACING[0])
    # The left one reaches from x = 29 in a lung whose border is at 9.
    assert left.lung_distance_mm == pytest.approx(-20, abs=SPACING[0])


@pytest.mark.parametrize(("x", "distance"), [(-90, 0.0), (-84, 0.0)])
def test_a_lesion_across_the_border_has_distance_zero(x, distance):
    array = np.full((80, 100, 100), 0.5, np.float32)
    inside = sphere(array.shape, (x, 0, 20), 8)
    array[inside] = 6
    (lesion,) = measure(
        image_of(array), image_of(inside.astype(np.uint16)), [SegmentedLesion(1, 0.4)], lungs=lungs_of_two_boxes()
    )
    assert lesion.lung_distance_mm == distance
    assert lesion.side is Side.RIGHT


def test_a_lesion_far_from_both_lungs_lies_in_the_mediastinum_outside_them():
    mask = np.zeros((80, 100, 100), np.uint8)
    x = ORIGIN[0] + np.arange(100) * SPACING[0]
    mask[5:76, 5:96, (x >= -90) & (x <= -40)] = 1
    mask[5:76, 5:96, (x >= 40) & (x <= 90)] = 2
    drawn = image_of(mask)
    array = np.full(mask.shape, 0.5, np.float32)
    inside = sphere(array.shape, (0, 0, 20), 9)
    array[inside] = 6
    lungs = LungRegion(drawn, bounding_box_mm(drawn, 15.0), "drawn")
    (lesion,) = measure(image_of(array), image_of(inside.astype(np.uint16)), [SegmentedLesion(1, 0.4)], lungs=lungs)
    assert lesion.side is Side.MEDIASTINUM
    # From 9 mm beside the middle to a lung whose border is at 39 mm.
    assert lesion.lung_distance_mm == pytest.approx(30, abs=SPACING[0])


def test_without_lungs_side_and_distance_are_unknown():
    pet, labels = two_spheres()
    lesion = measure(pet, labels, [SegmentedLesion(1, 0.4)])[0]
    assert lesion.side is Side.UNKNOWN
    assert lesion.lung_distance_mm is None


def test_a_lesion_at_the_edge_of_the_pet_says_so():
    array, labels = np.zeros((10, 10, 10), np.float32), np.zeros((10, 10, 10), np.uint16)
    array[0:3, 4:6, 4:6], labels[0:3, 4:6, 4:6] = 5, 1
    (lesion,) = measure(image_of(array), image_of(labels), [SegmentedLesion(1, 0.4)])
    assert "edge of the PET" in lesion.warnings[0]


def test_tracking_uids_are_the_same_for_the_same_lesion_and_differ_between_lesions():
    pet, labels = two_spheres()
    entries = [SegmentedLesion(1, 0.4), SegmentedLesion(2, 0.4)]
    once, again = (measure(pet, labels, entries, seed="1.2.3") for _ in range(2))
    other = measure(pet, labels, entries, seed="1.2.4")
    assert [a.tracking_uid for a in once] == [b.tracking_uid for b in again]
    assert len({lesion.tracking_uid for lesion in (*once, *other)}) == 4


def test_longest_diameter_of_a_bar_is_its_length():
    mask = np.zeros((5, 5, 30), bool)
    mask[2, 2, 5:25] = True
    # The mesh ends half-way to the next voxel centre: 20 voxels from face to face.
    assert longest_diameter_mm(mask, (1.0, 1.0, 2.0)) == pytest.approx(40.0)


def test_a_single_voxel_has_a_diameter():
    mask = np.zeros((3, 3, 3), bool)
    mask[1, 1, 1] = True
    assert longest_diameter_mm(mask, (3.0, 2.0, 2.0)) == pytest.approx(3.0)
