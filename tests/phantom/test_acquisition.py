from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest

from fdglung.errors import ParameterError
from fdglung.phantom.acquisition import draw_acquisition, draw_scanner
from fdglung.phantom.scanner.catalogue import SCANNERS
from fdglung.phantom.subject import Subject
from fdglung.phantom.tracers import TRACERS

WOMAN = Subject("F", 60, 165, 60)


def drawn(*, seed=0, scanner="siemens_mct", **options):
    machine = SCANNERS[scanner]
    rng = np.random.default_rng(seed)
    return draw_acquisition(rng, WOMAN, machine, machine.reconstructions[0], **options)


def test_a_scanner_asked_for_is_taken_and_the_others_are_drawn_alike():
    rng = np.random.default_rng(1)
    found = Counter(draw_scanner(rng)[0].key for _ in range(1800))
    assert set(found) == set(SCANNERS)
    assert max(found.values()) < 1.4 * min(found.values())
    machine, method = draw_scanner(rng, "ge_690", "VPFXS")
    assert (machine.key, method.name) == ("ge_690", "VPFXS")


@pytest.mark.parametrize("tracer", TRACERS)
def test_dose_goes_with_the_weight_and_time_with_the_tracer(tracer):
    acquisitions = [drawn(seed=seed, tracer=tracer) for seed in range(200)]
    agent = TRACERS[tracer]
    doses = np.array([each.injected_dose_bq for each in acquisitions])
    assert doses.mean() == pytest.approx(agent.dose_mbq_per_kg * 1e6 * WOMAN.weight_kg, rel=0.03)
    waits = np.array([(each.started - each.injected).total_seconds() for each in acquisitions])
    assert waits.mean() == pytest.approx(agent.uptake_s, rel=0.03)


@pytest.mark.parametrize(
    ("name", "value"),
    [("ct_mas", 200.0), ("ct_kernel", "lung"), ("ct_contrast", "portal"), ("ct_slice_mm", 1.5), ("dose_factor", 20.0)],
)
def test_what_is_given_is_taken_and_changes_nothing_else(name, value):
    for seed in range(20):
        given = drawn(seed=seed, **{name: value})
        assert getattr(given, name) == value
        free = drawn(seed=seed)
        assert dataclasses.replace(given, **{name: getattr(free, name)}) == free


def test_an_uptake_time_asked_for_moves_the_injection_alone():
    for seed in range(20):
        given, free = drawn(seed=seed, uptake_s=5400.4), drawn(seed=seed)
        assert (given.started - given.injected).total_seconds() == 5400
        assert dataclasses.replace(given, injected=free.injected) == free


def test_slices_are_three_millimetres_more_often_than_anything_else_and_a_vendors_own():
    seen = {key: Counter(drawn(seed=seed, scanner=key).ct_slice_mm for seed in range(150)) for key in SCANNERS}
    total = sum(seen.values(), Counter())
    assert total.most_common(1)[0][0] == 3.0
    assert 3.0 not in seen["ge_mi"]
    assert seen["ge_mi"].most_common(1)[0][0] == 3.27
    assert min(total) >= 2.5
    assert max(total) <= 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tracer", "water"),
        ("dose_factor", 0.9),
        ("dose_factor", True),
        ("uptake_s", 600),
        ("ct_mas", float("nan")),
        ("ct_kernel", "bone"),
        ("ct_contrast", "arterial"),
        ("ct_slice_mm", 0.5),
        ("ct_slice_mm", 12),
        ("ct_slice_mm", "3"),
    ],
)
def test_what_no_scanner_does_is_refused_by_name(name, value):
    with pytest.raises(ParameterError) as caught:
        drawn(**{name: value})
    assert caught.value.attribute == name


def test_an_unknown_scanner_or_reconstruction_is_refused_by_name():
    for arguments, name in ((("acme",), "scanner"), (("ge_st", "Q.Clear"), "reconstruction")):
        with pytest.raises(ParameterError) as caught:
            draw_scanner(np.random.default_rng(0), *arguments)
        assert caught.value.attribute == name
