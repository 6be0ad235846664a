from __future__ import annotations

import numpy as np
import pytest

from fdglung.errors import ParameterError
from fdglung.network.normalisation import check_table, normalised, outside

TABLE = ((0.0, 0.0), (2.5, 1.0), (10.0, 2.0), (40.0, 3.0))


def test_values_between_points_lie_on_the_lines_between_them_and_stay_beyond_the_ends():
    values = np.array([-5, 0, 1.25, 2.5, 6.25, 10, 25, 40, 400], np.float32)
    assert normalised(values, TABLE) == pytest.approx([0, 0, 0.5, 1, 1.5, 2, 2.5, 3, 3])


def test_it_agrees_with_numpys_interpolation_and_is_the_same_for_torch():
    torch = pytest.importorskip("torch")
    table = ((-1000.0, -1.0), (-150.0, -0.5), (250.0, 0.5), (1000.0, 1.0))
    values = np.random.default_rng(0).uniform(-1200, 1500, (4, 5, 6)).astype(np.float32)
    expected = np.interp(values, *zip(*table, strict=True))
    assert normalised(values, table) == pytest.approx(expected, abs=1e-6)
    assert (normalised(torch.from_numpy(values), table).numpy() == normalised(values, table)).all()


def test_outside_is_no_uptake_and_air():
    assert outside("PET", TABLE) == 0
    assert outside("CT", ((-1000.0, -1.0), (1000.0, 1.0))) == -1
    assert outside("CT", ((-2000.0, 0.0), (0.0, 1.0))) == 0.5


@pytest.mark.parametrize("table", [((0.0, 0.0),), ((0.0, 0.0), (0.0, 1.0)), ((0.0, 1.0), (1.0, 0.0))])
def test_a_table_that_does_not_rise_is_refused(table):
    with pytest.raises(ParameterError, match="PET"):
        check_table("PET", table)
