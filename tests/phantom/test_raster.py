from __future__ import annotations

import math

import numpy as np
import pytest

from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part, Tubes, rasterise
from fdglung.phantom.shapes import Grid, Solid, ellipsoid
from fdglung.phantom.subject import Subject

NUMBERS = dict.fromkeys(Tissue, 0.0) | {Tissue.LIVER: 1.0, Tissue.SPLEEN: 3.0}


class Straight(BodyFrame):
    """Patient space as it is: for closed forms."""

    def __init__(self):
        super().__init__(Subject("M", 60, 176, 75, breath=0.6), 0.6)

    def coordinates(self, grid):
        whole = tuple(slice(0, n) for n in grid.shape)
        return tuple(np.array(np.broadcast_to(axis, grid.shape)) for axis in grid.coordinates(whole))

    def to_patient(self, points):
        return np.asarray(points, float)


def box_grid(across, along, half=40.0):
    count, layers = (int(2 * half / s) + 1 for s in (across, along))
    return Grid((-half, -half, -half), (across, across, along), (count, count, layers))


@pytest.mark.parametrize(("across", "along"), [(0.98, 3.0), (2.0, 2.0), (4.07, 3.0), (0.98, 5.0)])
@pytest.mark.parametrize("radius", [25.0, 14.0])
def test_a_painted_ball_holds_its_volume(across, along, radius):
    grid = box_grid(across, along)
    ball = Part(Tissue.LIVER, ellipsoid((1.3, -0.7, 0.4), (radius,) * 3), fine=radius < 20)
    volumes = rasterise([ball], Straight(), grid, suv=NUMBERS)
    volume = volumes.suv.sum(dtype=float) * math.prod(grid.spacing_mm)
    assert volume == pytest.approx(4 / 3 * math.pi * radius**3, rel=0.02)


def test_a_fine_part_and_a_lattice_part_agree_to_a_tenth_of_a_voxel_at_the_edge():
    grid = box_grid(0.98, 3.0)
    solid = ellipsoid((0, 3, 0), (22, 15, 18))
    coarse, fine = (
        rasterise([Part(Tissue.LIVER, solid, fine=f)], Straight(), grid, suv=NUMBERS).suv for f in (False, True)
    )
    assert np.abs(coarse - fine).mean() * grid.size[0] < 0.1
    assert np.abs(coarse - fine).max() < 0.25


def test_later_parts_take_the_place_and_the_label_of_earlier_ones():
    grid = box_grid(2.0, 2.0)
    parts = [
        Part(Tissue.LIVER, ellipsoid((0, 0, 0), (30, 30, 30)), Organ.LIVER),
        Part(Tissue.SPLEEN, ellipsoid((0, 0, 0), (12, 12, 12)), Organ.SPLEEN),
        Part(Tissue.FAT, ellipsoid((0, 0, 0), (5, 5, 5))),
    ]
    volumes = rasterise(parts, Straight(), grid, suv=NUMBERS, organs=True)
    middle = grid.shape[0] // 2
    assert volumes.organs[middle, middle, middle] == Organ.SPLEEN
    assert volumes.suv[middle, middle, middle] == 0
    assert volumes.organs[middle, middle, middle + 10] == Organ.LIVER
    assert volumes.suv[middle, middle, middle + 10] == 1
    assert (volumes.organs == Organ.SPLEEN).sum() * 8 == pytest.approx(4 / 3 * math.pi * 12**3, rel=0.03)


def test_offsets_and_factors_are_taken_at_canonical_coordinates():
    grid = box_grid(1.0, 2.0)
    everywhere = Solid(lambda x, y, z: np.full(np.broadcast(x, y, z).shape, -50, np.float32), ((-99, 99),) * 3)
    part = Part(Tissue.LIVER, everywhere, hu_offset=lambda x, y, z: 2 * y, suv_factor=lambda x, y, z: x / 10)
    volumes = rasterise([part], Straight(), grid, hu=NUMBERS, suv=NUMBERS)
    _, y, _ = grid.coordinates(tuple(slice(0, n) for n in grid.shape))
    np.testing.assert_allclose(volumes.hu, np.broadcast_to(1 + 2 * y, grid.shape), atol=1e-3)
    np.testing.assert_allclose(volumes.suv[0, 0], np.linspace(-4, 4, 81), atol=1e-4)


@pytest.mark.parametrize("radius", [0.3, 0.8, 3.0])
@pytest.mark.parametrize("direction", [(1, 0, 0), (0, 0, 1), (0.6, 0.64, 0.48)])
def test_a_tube_keeps_its_cross_section_however_thin(radius, direction):
    grid = box_grid(0.98, 1.5)
    along = np.array([direction]) * 40
    bore = np.array([radius])
    tube = Tubes(Tissue.LIVER, -along / 2, along / 2, bore, bore)
    volume = rasterise([tube], Straight(), grid, suv=NUMBERS).suv.sum(dtype=float) * math.prod(grid.spacing_mm)
    ends = 4 / 3 * math.pi * radius**3
    assert volume == pytest.approx(math.pi * radius**2 * 40 + ends, rel=0.12)


def test_tubes_off_the_grid_change_nothing():
    far = np.array([[500.0, 0, 0]])
    tubes = Tubes(Tissue.LIVER, far, far + 5, np.array([2.0]), np.array([2.0]))
    assert not rasterise([tubes], Straight(), box_grid(2.0, 2.0), suv=NUMBERS).suv.any()
