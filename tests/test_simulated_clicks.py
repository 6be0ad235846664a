from __future__ import annotations

import numpy as np

from fdglung.simulated_clicks import next_click

Z, Y, X = np.indices((30, 40, 50))


def ball(z, y, x, radius):
    return (Z - z) ** 2 + (Y - y) ** 2 + (X - x) ** 2 <= radius**2


NOTHING = np.zeros(Z.shape, bool)


def test_the_first_click_is_the_middle_of_the_largest_lesion():
    click = next_click(ball(15, 20, 12, 8) | ball(15, 20, 38, 5), NOTHING)
    assert click.voxel == (15, 20, 12)
    assert click.foreground


def test_the_next_click_is_in_what_is_most_wrong_missing_or_too_much():
    truth = ball(15, 20, 12, 8) | ball(15, 20, 38, 5)
    missing = next_click(truth, ball(15, 20, 12, 8))
    assert (missing.voxel, missing.foreground) == ((15, 20, 38), True)
    surplus = next_click(ball(15, 20, 12, 8), truth | ball(15, 20, 38, 5))
    assert (surplus.voxel, surplus.foreground) == ((15, 20, 38), False)


def test_nothing_wrong_or_nothing_that_counts_is_not_clicked():
    truth = ball(15, 20, 12, 8)
    assert next_click(truth, truth) is None
    assert next_click(truth, NOTHING, counted=X > 30) is None


def test_the_middle_is_one_in_mm():
    """A part of 3 x 21 x 7 voxels is thinnest along x when its voxels are 10 mm long along z."""
    part = (abs(Z - 15) <= 1) & (abs(Y - 20) <= 10) & (abs(X - 25) <= 3)
    click = next_click(part, NOTHING, spacing=(10.0, 1.0, 1.0))
    assert click.voxel[2] == 25
    assert abs(click.voxel[1] - 20) <= 7


def test_by_chance_clicks_vary_inside_the_part_and_repeat_with_the_seed():
    truth = ball(15, 20, 12, 8)
    found = [next_click(truth, NOTHING, random=np.random.default_rng(seed)).voxel for seed in (0, 0, *range(1, 9))]
    assert found[0] == found[1]
    assert len(set(found)) > 4
    assert all(truth[voxel] for voxel in found)
