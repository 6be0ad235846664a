from __future__ import annotations

import numpy as np
import pytest

from fdglung.evaluation.corrections import benjamini_hochberg, holm

P = np.random.default_rng(0).beta(0.5, 3, 30)


@pytest.mark.parametrize(("ours", "method"), [(holm, "holm"), (benjamini_hochberg, "fdr_bh")])
def test_corrected_p_values_are_those_of_statsmodels(ours, method):
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    for p in (P, np.repeat(P[:5], 3), P[:1]):
        assert ours(p) == pytest.approx(multitest.multipletests(p, method=method)[1])


def test_benjamini_and_hochbergs_example_calls_four_of_fifteen():
    """J R Stat Soc B 1995;57:289, section 3.2: at 0.05 theirs rejects four; Holm's three by hand."""
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1,
    ]
    assert (benjamini_hochberg(p) <= 0.05).sum() == 4
    assert (holm(p) <= 0.05).sum() == 3


def test_tests_that_were_not_done_do_not_count():
    p = np.array([0.01, np.nan, 0.04, np.nan])
    assert holm(p) == pytest.approx([0.02, np.nan, 0.04, np.nan], nan_ok=True)
    assert benjamini_hochberg(p) == pytest.approx([0.02, np.nan, 0.04, np.nan], nan_ok=True)
    assert np.isnan(holm([np.nan])).all()
    assert np.isnan(benjamini_hochberg([np.nan])).all()
    assert len(holm([])) == 0
