import dataclasses
import math

import numpy as np
import pytest
import torch

from fdglung.phantom.scanner.catalogue import SCANNERS
from fdglung.phantom.scanner.projector import Projector, tof_mm

SIZE, PIXEL = 63, 4.0


def disc(radius_mm, centre=(0.0, 0.0)):
    fine = (torch.arange(8 * SIZE) - (8 * SIZE - 1) / 2) * PIXEL / 8
    inside = (fine[None, :] - centre[0]) ** 2 + (fine[:, None] - centre[1]) ** 2 <= radius_mm**2
    return inside.float().reshape(SIZE, 8, SIZE, 8).mean(dim=(1, 3))[None]


@pytest.mark.parametrize("tof", [None, 60.0])
def test_a_disc_projects_to_its_chords(tof):
    lines = Projector(SIZE, PIXEL, 30, tof).forward(disc(80)).sum(dim=2)[:, 0]
    bins = (np.arange(SIZE) - (SIZE - 1) / 2) * PIXEL
    inner = np.abs(bins) < 70
    chords = 2 * np.sqrt(80**2 - bins[inner] ** 2) / 10
    assert lines[:, inner].numpy() == pytest.approx(np.broadcast_to(chords, (30, inner.sum())), rel=0.02)


def test_every_view_holds_the_whole_activity():
    image = disc(30, (40, -25))
    sums = Projector(SIZE, PIXEL, 24).forward(image).sum(dim=(1, 2, 3))
    assert sums.numpy() == pytest.approx(float(image.sum()) * PIXEL / 10, rel=2e-3)


def test_back_projection_is_the_transpose_of_projection():
    generator = torch.Generator().manual_seed(1)
    projector = Projector(SIZE, PIXEL, 40, 50.0)
    image = disc(100) * torch.rand(1, SIZE, SIZE, generator=generator)
    data = torch.rand(40, 1, projector.tof_bins, SIZE, generator=generator)
    forward = float((projector.forward(image) * data).sum())
    backward = float((image * projector.back(data)).sum())
    assert backward == pytest.approx(forward, rel=2e-3)


def test_time_of_flight_finds_a_point_along_the_line():
    projector = Projector(SIZE, PIXEL, 2, 40.0)
    image = torch.zeros(1, SIZE, SIZE)
    image[0, SIZE // 2 + 20, SIZE // 2] = 1
    line = projector.forward(image)[0, 0, :, SIZE // 2].double()
    middles = (torch.arange(projector.tof_bins) - (projector.tof_bins - 1) / 2) * projector.bin_length_mm
    mean = float((line * middles).sum() / line.sum())
    spread = math.sqrt(float((line * (middles - mean) ** 2).sum() / line.sum()))
    assert mean == pytest.approx(80, abs=2)
    assert spread * 2.3548 == pytest.approx(40, rel=0.05)


def test_a_subset_holds_the_same_lines_as_the_whole():
    projector = Projector(SIZE, PIXEL, 12)
    image = disc(40, (30, 10))
    whole = projector.forward(image)
    assert torch.equal(projector.forward(image, range(1, 12, 3)), whole[1::3])


def test_555_ps_are_83_mm_and_a_reconstruction_without_time_of_flight_has_none():
    scanner = SCANNERS["siemens_mct"]
    with_tof, without = (dataclasses.replace(scanner.reconstructions[0], tof=tof) for tof in (True, False))
    assert tof_mm(scanner, with_tof) == pytest.approx(83.2, abs=0.1)
    assert tof_mm(scanner, without) is None
    assert tof_mm(SCANNERS["ge_st"], with_tof) is None
