import numpy as np
import pytest

from fdglung.phantom.scanner.attenuation import WATER_PER_CM, mu_map


def test_water_and_air_have_their_coefficients_at_511_kev():
    assert mu_map(np.array([-1000, -1200, 0])) == pytest.approx([0, 0, WATER_PER_CM])
    assert float(mu_map(0)) == pytest.approx(0.096)


def test_cortical_bone_lies_near_its_tabulated_coefficient():
    # NIST: cortical bone (ICRU 44), 1.92 g/cm3, mass attenuation 0.0895 cm2/g at 511 keV; about 1500 HU at 120 kV
    assert float(mu_map(1500.0)) == pytest.approx(1.92 * 0.0895, rel=0.04)


def test_the_two_lines_meet():
    below, above = mu_map(np.array([46.99, 47.01]))
    assert above - below == pytest.approx(0, abs=5e-5)


def test_the_map_keeps_shape_and_is_float32():
    result = mu_map(np.zeros((2, 3, 4), np.int16))
    assert result.shape == (2, 3, 4)
    assert result.dtype == np.float32
