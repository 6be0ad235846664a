"""Shares of voxels that tubes take, against their volumes in closed form."""

import numpy as np
import pytest

from fdglung.phantom.shapes import Grid
from fdglung.phantom.tubes import tubes_coverage


def _lines(rng, count, length):
    starts = rng.uniform(-30, 30, (count, 3))
    way = rng.standard_normal((count, 3))
    return starts, starts + length * way / np.linalg.norm(way, axis=1, keepdims=True)


def _grid(across, along):
    n, m = int(120 / across), int(120 / along)
    return Grid((-60 + across / 2, -60 + across / 2, -60 + along / 2), (across, across, along), (n, n, m))


def _total_mm3(grid, voxels, shares):
    volume = np.zeros(int(np.prod(grid.size)))
    volume[voxels] = shares
    return volume.sum() * float(np.prod(grid.spacing_mm))


@pytest.mark.parametrize(("across", "along"), [(0.7, 3.0), (1.0, 1.0), (3.0, 3.0), (4.0, 4.0)])
@pytest.mark.parametrize("radius", [0.5, 0.9, 1.6, 4.0])
def test_a_tube_takes_its_volume_on_any_grid(across, along, radius):
    rng = np.random.default_rng(0)
    grid = _grid(across, along)
    totals = []
    for _ in range(40):
        start, stop = _lines(rng, 1, 24.0)
        totals.append(_total_mm3(grid, *tubes_coverage(start, stop, np.array([radius]), np.array([radius]), grid)))
    plain = np.pi * radius**2 * 24
    # round ends hold a ball; thin tubes are painted without them
    assert 0.97 * plain < np.mean(totals) < 1.05 * (plain + 4 / 3 * np.pi * radius**3)


def test_a_long_thin_tube_keeps_its_volume_exactly():
    grid = _grid(4.0, 4.0)
    start, stop = np.array([[-20.3, 3.1, 7.7]]), np.array([[25.0, -11.0, 2.0]])
    voxels, shares = tubes_coverage(start, stop, np.array([0.8]), np.array([0.4]), grid)
    length = float(np.linalg.norm(stop - start))
    assert _total_mm3(grid, voxels, shares) == pytest.approx(np.pi * length * (0.64 + 0.32 + 0.16) / 3, rel=1e-3)


def test_a_wide_tube_along_an_axis_is_full_inside_and_empty_outside():
    grid = _grid(1.0, 2.0)
    volume = np.zeros(grid.shape, np.float32)
    voxels, shares = tubes_coverage(
        np.array([[0.0, 0, -80]]), np.array([[0.0, 0, 80]]), np.array([8.0]), np.array([8.0]), grid
    )
    volume.reshape(-1)[voxels] = shares
    x, y, _ = grid.coordinates((slice(0, 60), slice(0, 120), slice(0, 120)))
    away = np.broadcast_to(np.hypot(x, y), volume.shape)
    assert (volume[away < 7.2] == 1).all()
    assert (volume[away > 8.8] == 0).all()


def test_pieces_of_a_line_paint_what_the_line_does():
    grid = _grid(1.0, 1.0)
    ends = np.linspace((-25.0, -4, 3), (25, 8, -6), 11)
    whole, parts = np.zeros((2, *grid.shape), np.float32)
    for volume, starts, stops in ((whole, ends[:1], ends[-1:]), (parts, ends[:-1], ends[1:])):
        size = np.full(len(starts), 3.0)
        voxels, shares = tubes_coverage(starts, stops, size, size, grid)
        volume.reshape(-1)[voxels] = shares
    np.testing.assert_allclose(parts, whole, atol=2e-3)


def test_tubes_outside_the_grid_take_nothing():
    grid = _grid(2.0, 2.0)
    far = np.array([[500.0, 0, 0]])
    for radius in (0.2, 5.0):
        voxels, shares = tubes_coverage(far, far + 10, np.array([radius]), np.array([radius]), grid)
        assert shares.sum() == 0
        assert len(voxels) == len(shares)


def test_a_tube_between_two_thick_slices_shows_in_both():
    grid = Grid((-20, -20, -9), (0.8, 0.8, 3.0), (51, 51, 7))
    line = np.array([[-10.0, 0, 1.2]]), np.array([[10.0, 0, 1.2]])
    voxels, shares = tubes_coverage(*line, np.array([1.0]), np.array([1.0]), grid)
    volume = np.zeros(grid.shape, np.float32)
    volume.reshape(-1)[voxels] = shares
    assert volume[3].sum() > 0.2 * volume.sum()
    assert volume[4].sum() > 0.2 * volume.sum()
