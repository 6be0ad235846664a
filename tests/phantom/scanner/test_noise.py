import dataclasses

import numpy as np
import pytest
import torch

from fdglung.errors import ParameterError
from fdglung.phantom.scanner.catalogue import SCANNERS
from fdglung.phantom.scanner.noise import F18_HALF_LIFE_S, Noise, axial_sensitivity, background
from fdglung.phantom.tracers import TRACERS

SCANNER = SCANNERS["siemens_mct"]


def test_an_suv_of_one_is_the_decayed_dose_over_the_weight():
    noise = Noise(300e6, uptake_s=F18_HALF_LIFE_S, weight_kg=75)
    assert noise.bq_per_ml == pytest.approx(2000)
    assert dataclasses.replace(noise, dose_factor=20).bq_per_ml == pytest.approx(100)


def test_the_default_nuclide_is_that_of_fdg():
    noise, tracer = Noise(300e6), TRACERS["fdg"]
    assert (noise.half_life_s, noise.positron_fraction) == (tracer.half_life_s, tracer.positron_fraction)


def test_counts_go_as_dose_and_time_over_mass():
    noise = Noise(300e6, weight_kg=75, bed_seconds=120)
    counts = noise.counts_per_suv_ml(SCANNER)
    double = dataclasses.replace(noise, weight_kg=150, bed_seconds=480, dose_factor=4)
    assert double.counts_per_suv_ml(SCANNER) == pytest.approx(counts / 2)


def test_the_line_source_counts_as_its_sensitivity_says():
    # a 70 cm line of 1 kBq/ml through beds without overlap, each seen for a second, is counted once along its length
    noise = Noise(75e6, uptake_s=0, bed_seconds=1, sensitivity_cps_per_kbq=10)
    assert noise.counts_per_suv_ml(SCANNER) * SCANNER.bed_mm / 700 == pytest.approx(10)


def test_sensitivity_is_a_triangle_over_one_bed_with_a_mean_of_one():
    z = np.linspace(-SCANNER.bed_mm / 2, SCANNER.bed_mm / 2, 201)
    values = axial_sensitivity(z, SCANNER)
    assert values[100] == pytest.approx(2)
    assert values[50] == pytest.approx(1)
    assert values[0] == pytest.approx(0.1)
    assert values.mean() == pytest.approx(1, rel=0.02)


def test_overlapping_beds_add_up_and_dip_between():
    z = np.arange(0, 900, 3.0)
    values = axial_sensitivity(z, SCANNER)
    inner = values[(z > 250) & (z < 650)]
    assert inner.mean() == pytest.approx(1 / (1 - SCANNER.bed_overlap), rel=0.05)
    assert inner.min() < 0.95 * inner.max()
    assert values[0] < 0.5 * inner.min()


def test_scatter_and_randoms_have_their_shares():
    trues = torch.zeros(4, 2, 1, 50)
    trues[:, 0, :, 15:35] = 7
    extra = background(trues, scatter_fraction=0.4, randoms_ratio=0, bin_mm=4, length_mm=200)
    assert float(extra[:, 0].sum() / (extra[:, 0].sum() + trues[:, 0].sum())) == pytest.approx(0.4)
    assert float(extra[:, 1].abs().max()) == 0
    more = background(trues, scatter_fraction=0.4, randoms_ratio=0.5, bin_mm=4, length_mm=200) - extra
    assert float(more[:, 0].sum()) == pytest.approx(0.5 * float((extra + trues)[:, 0].sum()))
    assert float(more[:, 0].std()) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "value"),
    [("injected_dose_bq", 0), ("weight_kg", -1), ("bed_seconds", float("nan")), ("dose_factor", 0.5), ("uptake_s", -1)],
)
def test_impossible_figures_are_named(name, value):
    with pytest.raises(ParameterError, match=name):
        Noise(**{"injected_dose_bq": 3e8, name: value})
