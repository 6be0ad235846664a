import dataclasses
import math

import numpy as np
import pytest
import torch

from fdglung.phantom.scanner.catalogue import SCANNERS
from fdglung.phantom.scanner.information import information
from fdglung.phantom.scanner.noise import Noise
from fdglung.phantom.scanner.resolution import Response
from fdglung.phantom.shapes import Grid

SCANNER = SCANNERS["siemens_mct"]
PLAIN = dataclasses.replace(SCANNER.reconstructions[1], tof=False)
RADIUS_MM = 150.0


def disc(value=1.0):
    grid = Grid((-178.0, -178.0, -14.0), (4.0, 4.0, 4.0), (90, 90, 8))
    x, y, z = grid.coordinates((slice(0, 8), slice(0, 90), slice(0, 90)))
    inside = np.clip(0.5 + (RADIUS_MM - np.sqrt(x**2 + y**2)) / 4, 0, 1) + 0 * z
    return torch.from_numpy((value * inside).astype(np.float32)), grid


def known(*, reconstruction=PLAIN, mu_value=0.0, value=1.0, noise=None):
    activity, grid = disc(value)
    mu, _ = disc(mu_value)
    return information(activity, grid, mu, mu, grid, scanner=SCANNER, reconstruction=reconstruction, noise=noise)


def at_centre(values):
    middle = values.shape[1] // 2
    return float(values[values.shape[0] // 2, middle, middle])


def test_a_line_through_a_disc_tells_as_much_as_it_has_counts():
    # of one count per SUV ml an angle has 1/pi per radian: W = f^2 / y = 1 / (pi chord)
    assert at_centre(known().weight) == pytest.approx(1 / (math.pi * 30), rel=0.02)


def test_attenuation_takes_its_share_at_the_centre():
    ratio = at_centre(known(mu_value=0.096).weight) / at_centre(known().weight)
    assert ratio == pytest.approx(math.exp(-0.096 * 30), rel=0.05)


def test_a_disc_converges_at_the_pace_of_its_diameter():
    found = known()
    assert at_centre(found.rate) == pytest.approx(1 / (math.pi * 300), rel=0.03)
    # the same whatever the activity
    paces = [known(value=value).typical_pace() for value in (1.0, 3.0)]
    assert paces[1] == pytest.approx(paces[0], rel=0.01)


def test_time_of_flight_tells_as_much_more_as_its_kernel_is_shorter():
    # 555 ps: 83.2 mm FWHM, whose kernel has the length 2 sqrt(pi) sigma
    gain = at_centre(known(reconstruction=dataclasses.replace(PLAIN, tof=True)).weight) / at_centre(known().weight)
    assert gain == pytest.approx(300 / (2 * math.sqrt(math.pi) * 83.2 / 2.3548), rel=0.05)


def test_scatter_and_randoms_take_information_away():
    noise = Noise(277.5e6)
    with_extra = at_centre(known(mu_value=0.096, noise=noise).weight) / noise.counts_per_suv_ml(SCANNER)
    assert with_extra < 0.7 * at_centre(known(mu_value=0.096).weight)


def test_noise_that_has_converged_is_filtered_ramp_noise():
    # many updates, no model of the point spread: the power is 10 f times the filter's, whose integral is closed
    reconstruction = dataclasses.replace(PLAIN, iterations=10**6, filter_fwhm_mm=12.0)
    spacing = (2.0, 2.0, 3.0)
    scanner = dataclasses.replace(SCANNER, fwhm_mm=(4.33, 1e-3))
    rates, variances = Response(scanner, reconstruction, spacing).variances()
    sigma = 1.2 / 2.3548
    pixel = 0.2 / 2.3548
    # integral over the plane of f exp(-4 pi^2 s^2 f^2), the pixel's own width taken out
    width = 4 * math.pi**2 * (sigma**2 - pixel**2)
    across = 2 * math.pi * math.sqrt(math.pi) / (4 * width**1.5)
    along = 0.3 / (2 * math.sqrt(math.pi) * sigma)
    assert variances[-1] == pytest.approx(across * along, rel=0.05)
    assert np.all(np.diff(variances) >= 0)
    assert len(rates) == len(variances)
