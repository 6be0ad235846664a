from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from fdglung.evaluation.surface import _areas, surface_distances
from tests.evaluation.shapes import ball, blobs, box

SPACING = (3.0, 2.0, 1.5)


def deepmind():
    metrics = pytest.importorskip("surface_distance.metrics")
    return metrics


def test_a_box_moved_along_an_axis_has_the_move_as_its_largest_distance():
    for axis, spacing in enumerate(SPACING):
        moved = [8, 8, 8]
        moved[axis] += 3
        found = surface_distances(box((8, 8, 8), (10, 10, 10)), box(moved, (10, 10, 10)), SPACING)
        assert found.hausdorff(100) == pytest.approx(3 * spacing)
        assert found.hausdorff(95) == pytest.approx(3 * spacing)
        assert found.dice(3 * spacing) == 1
        assert found.dice(2.9 * spacing) < 1


def test_equal_masks_have_no_distance():
    mask = box((3, 4, 5), (7, 6, 5))
    found = surface_distances(mask, mask, SPACING)
    assert (found.hausdorff(), found.mean(), found.dice(0)) == (0, 0, 1)


@pytest.mark.parametrize("step", [0.6, 1.2])
def test_concentric_balls_lie_apart_by_the_difference_of_their_radii(step):
    """To less than a voxel: surface elements lie on corners of voxels, and the nearest corner on the near side."""
    spacing, shape = (step,) * 3, (int(48 / step),) * 3
    centre = (23.9, 23.8, 23.7)
    found = surface_distances(ball(centre, 12, shape, spacing), ball(centre, 18, shape, spacing), spacing)
    assert 0 < 6 - found.mean() < 0.7 * step
    assert found.hausdorff() == pytest.approx(6, abs=step)
    assert found.dice(5 - step) == 0
    assert found.dice(6 + step) == 1


def test_the_mean_weighs_surfaces_by_area_and_not_by_the_number_of_elements():
    """Of two boxes that differ at one face only, that face counts by its area: closed form by areas of faces."""
    spacing = (1.0, 1.0, 4.0)
    thick, thin = box((5, 5, 5), (12, 12, 4)), box((5, 5, 5), (12, 12, 3))
    found = surface_distances(thick, thin, spacing)
    # The far face (144 mm2) of each lies 4 mm from the other; its edge is bevelled by marching cubes.
    faces = 2 * 144 + 4 * 12 * 16, 2 * 144 + 4 * 12 * 12
    expected = 2 * 144 * 4 / sum(faces)
    assert found.mean() == pytest.approx(expected, rel=0.12)
    by_count = (found.from_reference.sum() + found.from_prediction.sum()) / (
        found.from_reference.size + found.from_prediction.size
    )
    assert abs(found.mean() - expected) < abs(by_count - expected)


def test_the_area_of_a_ball_exceeds_the_true_one_by_what_steps_add():
    """Lindblad, Image Vis Comput 2005;23:111: triangles of binary voxels overestimate area by about a tenth."""
    mask = ball((20, 20, 20), 15, (41, 41, 41), (1, 1, 1))
    area = surface_distances(mask, mask, (1.0, 1.0, 1.0)).reference_areas.sum()
    assert 1.05 < area / (4 * math.pi * 15**2) < 1.12


def test_a_mask_at_the_edge_of_the_image_has_a_closed_surface():
    inside = surface_distances(box((5, 5, 5), (6, 6, 6)), box((5, 5, 7), (6, 6, 6)), SPACING)
    edge_shape = (6, 6, 8)
    edge = surface_distances(box((0, 0, 0), (6, 6, 6), edge_shape), box((0, 0, 2), (6, 6, 6), edge_shape), SPACING)
    assert edge.reference_areas.sum() == pytest.approx(inside.reference_areas.sum())
    assert edge.hausdorff(100) == pytest.approx(inside.hausdorff(100))
    assert edge.mean() == pytest.approx(inside.mean())


def test_an_empty_mask_shares_no_surface_and_has_no_distance():
    none, some = np.zeros((9, 9, 9), bool), box((2, 2, 2), (3, 3, 3), (9, 9, 9))
    for pair in ((none, some), (some, none)):
        found = surface_distances(*pair, SPACING)
        assert found.dice(100) == 0
        assert math.isnan(found.hausdorff())
        assert math.isnan(found.mean())
    assert math.isnan(surface_distances(none, none, SPACING).dice(1))


def test_areas_of_elements_are_those_of_deepminds_table():
    tables = pytest.importorskip("surface_distance.lookup_tables")
    theirs = tables.create_table_neighbour_code_to_surface_area(SPACING)
    kernel = tables.ENCODE_NEIGHBOURHOOD_3D_KERNEL.ravel()
    ours = _areas(SPACING)
    for code in range(256):
        voxels = [code >> bit & 1 for bit in range(8)]
        assert ours[code] == pytest.approx(theirs[int(np.dot(voxels, kernel))], abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_distances_are_those_of_deepminds_code(seed):
    metrics = deepmind()
    reference, prediction = blobs(seed), blobs(seed + 100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = metrics.compute_surface_distances(reference, prediction, SPACING)
    ours = surface_distances(reference, prediction, SPACING)
    for tolerance in (0.5, 2.0, 5.0):
        expected = metrics.compute_surface_dice_at_tolerance(theirs, tolerance)
        assert ours.dice(tolerance) == pytest.approx(expected, abs=1e-9)
    # The percentile lies on one element: sums of areas in another order may pick its neighbour in the ranking.
    assert ours.hausdorff(95) == pytest.approx(metrics.compute_robust_hausdorff(theirs, 95), abs=0.05)
    there, back = metrics.compute_average_surface_distance(theirs)
    areas = theirs["surfel_areas_gt"].sum(), theirs["surfel_areas_pred"].sum()
    assert ours.mean() == pytest.approx((there * areas[0] + back * areas[1]) / sum(areas), abs=1e-9)
