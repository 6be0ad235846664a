from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fdglung.errors import ParameterError
from fdglung.phantom.lesions.drawing import draw_disease
from fdglung.phantom.lesions.other_tracers import UPTAKE_RATIOS
from fdglung.phantom.lesions.overlap import bayes_error
from fdglung.phantom.study import LesionClass
from fdglung.phantom.tracers import TRACERS
from tests.cases import ROOT


def test_every_tracer_has_a_ratio_for_every_class():
    assert set(UPTAKE_RATIOS) == set(TRACERS)
    assert all(set(ratios) == set(LesionClass) for ratios in UPTAKE_RATIOS.values())


@pytest.mark.parametrize(
    ("tracer", "lesion_class", "published"),
    [
        ("fapi", LesionClass.LUNG_CANCER, 9.1),  # 10.3389/fonc.2024.1373286: 9.1 +- 4.1
        ("fapi", LesionClass.METASTASIS, 6.1),  # same: 6.1 +- 4.1
        ("fapi", LesionClass.BENIGN, 5.3),  # same: 5.3 +- 5.8
        ("psma_11", LesionClass.LUNG_CANCER, 5.6),  # J Nucl Med 2016;57:367: 5.6 +- 1.6
        ("psma_11", LesionClass.METASTASIS, 4.4),  # same: 4.4 +- 3.9
        ("psma_1007", LesionClass.BENIGN, 2.4),  # 10.1186/s40644-018-0154-8: 2.4 +- 0.8
        ("dotatate", LesionClass.METASTASIS, 16.0),  # J Nucl Med 2011;52:1864: 16.0 +- 10.8
    ],
)
def test_lesions_have_the_published_mean_of_the_tracer(tracer, lesion_class, published):
    rng = np.random.default_rng(3)
    found = np.array([draw_disease(rng, lesion_class, overlap=0, tracer=tracer).plans[0].suv_max for _ in range(2500)])
    # ratios have two figures: 5 %
    assert abs(found.mean() - published) < 0.05 * published + 4 * found.std() / np.sqrt(len(found))


def test_a_tracer_changes_the_uptake_by_the_ratio_of_the_looks_and_nothing_else():
    for seed in range(40):
        one, other = (
            draw_disease(np.random.default_rng(seed), LesionClass.BENIGN, overlap=0.5, tracer=tracer)
            for tracer in ("fdg", "dotatate")
        )
        ratio = UPTAKE_RATIOS["dotatate"][one.looks_like]
        assert tuple(replace(plan, suv_max=ratio * plan.suv_max) for plan in one.plans) == other.plans


def test_the_posterior_is_calibrated_for_another_tracer():
    result = bayes_error(0.0, np.random.default_rng(6), 700, tracer="dotatate")
    shares = np.array([0.2, 0.4, 0.2, 0.2])
    missed = float(shares @ np.array(list(result.by_class.values())))
    assert missed == pytest.approx(result.error, abs=4 * np.sqrt(0.1 / 700))
    # metastases of neuroendocrine tumours stand out: fewer are missed than on FDG
    usual = bayes_error(0.0, np.random.default_rng(6), 700)
    assert result.error < usual.error


def test_an_unknown_tracer_names_the_parameter():
    with pytest.raises(ParameterError, match="tracer"):
        draw_disease(np.random.default_rng(0), LesionClass.BENIGN, tracer="psma")


def test_the_documentation_holds_the_ratios_of_the_code():
    text = (ROOT / "docs" / "phantom_lesions.md").read_text(encoding="utf-8")
    for name, tracer in (("PSMA-11, PSMA-1007", "psma_1007"), ("DOTATATE", "dotatate"), ("FAPI", "fapi")):
        assert f"| {name} | {' | '.join(f'{UPTAKE_RATIOS[tracer][one]:g}' for one in LesionClass)} |" in text
