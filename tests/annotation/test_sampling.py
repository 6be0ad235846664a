from __future__ import annotations

import concurrent.futures
import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.annotation.sampling import Candidate, Leases, choose_next, uncertainty_of
from fdglung.segmentation import LesionSegmentation


def test_what_nobody_has_seen_comes_first_whatever_the_strategy():
    candidates = [Candidate("a", labelled=True, uncertainty=9.0), Candidate("b", uncertainty=1.0)]
    for strategy in ("random", "first", "uncertainty"):
        assert choose_next(candidates, strategy).name == "b"


def test_the_least_sure_study_comes_first_and_the_known_before_the_unknown():
    candidates = [Candidate("a", uncertainty=1.0), Candidate("b", uncertainty=3.0), Candidate("c")]
    assert choose_next(candidates, "uncertainty").name == "b"


def test_a_study_never_comes_again_to_who_has_labelled_it():
    assert choose_next([Candidate("a", labelled=True, mine=True)], "first") is None
    assert choose_next([Candidate("a", labelled=True)], "first").name == "a"


def test_chance_reaches_every_study():
    candidates = [Candidate(name) for name in "abc"]
    assert {choose_next(candidates, "random", seed=seed).name for seed in range(40)} == set("abc")


def test_no_two_annotators_hold_one_study_even_if_they_ask_at_once():
    leases = Leases()
    names = [f"s{number}" for number in range(20)]

    def ask(number):
        return leases.take(f"a{number}", lambda held: next((name for name in names if name not in held), None))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        given = list(pool.map(ask, range(30)))
    assert sorted(name for name in given if name) == sorted(names)
    assert given.count(None) == 10


def test_a_lease_ends_with_time_with_the_label_or_with_another_study():
    now = [0.0]
    leases = Leases(seconds=60, clock=lambda: now[0])

    def ask(who, wanted):
        return leases.take(who, lambda held: None if wanted in held else wanted)

    assert ask("anna", "x") == "x"
    assert ask("bela", "x") is None
    now[0] = 61.0
    assert ask("bela", "x") == "x"
    leases.release("x", "anna")
    assert ask("anna", "x") is None
    leases.release("x", "bela")
    assert ask("anna", "x") == "x"
    assert ask("anna", "y") == "y"
    assert ask("bela", "x") == "x"


def segmentation(probability=None):
    labels = sitk.GetImageFromArray(np.pad(np.ones((2, 2, 2), np.uint16), 3))
    labels.SetSpacing((5.0, 5.0, 5.0))
    image = None
    if probability is not None:
        image = sitk.GetImageFromArray(np.full((8, 8, 8), probability, np.float32))
        image.SetSpacing((5.0, 5.0, 5.0))
    return dataclasses.replace(LesionSegmentation(labels, (), (), None, {}, "x"), probability=image)


def test_uncertainty_is_the_entropy_of_the_network_or_else_the_volume():
    assert uncertainty_of(segmentation(0.5)) == pytest.approx(512 * 0.125)
    assert uncertainty_of(segmentation(0.9)) == pytest.approx(512 * 0.125 * 0.468996, rel=1e-5)
    assert uncertainty_of(segmentation(1.0)) == 0.0
    assert uncertainty_of(segmentation()) == pytest.approx(8 * 0.125)
