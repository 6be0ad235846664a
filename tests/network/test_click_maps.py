from __future__ import annotations

import numpy as np
import pytest

from fdglung.network.click_maps import SIGMA_MM, click_maps


def test_a_click_is_one_at_its_voxel_and_falls_as_a_gaussian_of_the_distance_in_mm():
    foreground, background = click_maps((20, 24, 28), [(10, 12, 14)], [], spacing_mm=2.0)
    assert foreground[10, 12, 14] == 1
    for step in (1, 3, 6):
        assert foreground[10, 12 + step, 14] == pytest.approx(np.exp(-0.5 * (step * 2.0 / SIGMA_MM) ** 2), rel=1e-5)
    assert not background.any()


def test_of_two_clicks_the_nearer_one_counts_and_kinds_stay_apart():
    both = click_maps((16, 16, 16), [(8, 8, 4), (8, 8, 8)], [(8, 8, 12)], spacing_mm=3.0)
    alone = click_maps((16, 16, 16), [(8, 8, 8)], [], spacing_mm=3.0)
    assert both.max() == 1
    assert (both[0][:, :, 7:] == alone[0][:, :, 7:]).all()
    assert both[1].argmax() == np.ravel_multi_index((8, 8, 12), (16, 16, 16))


def test_a_click_beyond_the_grid_reaches_into_it_or_is_not_there():
    near, far = (click_maps((16, 16, 16), [(8, 8, x)], [], spacing_mm=3.0)[0] for x in (-2, -30))
    assert near[8, 8, 0] == pytest.approx(np.exp(-0.5), rel=1e-5)
    assert not far.any()
