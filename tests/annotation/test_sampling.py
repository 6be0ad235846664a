from __future__ import annotations

import concurrent.futures
import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.annotation.disagreement import disagreement_ml
from fdglung.annotation.sampling import (
    Candidate,
    Leases,
    Signs,
    choose_next,
    descriptor_of,
    expected_volume_error,
    uncertainty_of,
)
from fdglung.network.backends import open_predictor
from fdglung.network.checkpoint import read_checkpoint
from fdglung.segmentation import LesionSegmentation
from tests.network.networks import write_threshold_network


def test_what_nobody_has_seen_comes_first_whatever_the_strategy():
    candidates = [Candidate("a", labelled=True, signs=Signs(9.0)), Candidate("b", signs=Signs(1.0))]
    for strategy in ("random", "first", "uncertainty", "disagreement", "volume_error", "diversity"):
        assert choose_next(candidates, strategy).name == "b"


def test_the_least_sure_study_comes_first_and_the_known_before_the_unknown():
    candidates = [Candidate("a", signs=Signs(1.0)), Candidate("b", signs=Signs(3.0)), Candidate("c")]
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


def image_of(array, spacing=(2.0, 2.0, 5.0)):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    return image


def found_of(labels, probability=None):
    return LesionSegmentation(image_of(labels), (), (), None, {}, "network", probability=probability)


def test_disagreement_and_volume_error_choose_by_their_own_sign():
    a, b = Signs(1.0, volume_error_ml=2.0, disagreement_ml=1.0), Signs(2.0, volume_error_ml=1.0, disagreement_ml=3.0)
    candidates = [Candidate("a", signs=a), Candidate("b", signs=b), Candidate("c", signs=Signs(9.0))]
    assert choose_next(candidates, "volume_error").name == "a"
    assert choose_next(candidates, "disagreement").name == "b"


def test_diversity_takes_in_turn_what_k_center_greedy_takes():
    """Scikit-learn's distances tell which study is farthest from all that were taken, step by step."""
    from sklearn.metrics import pairwise_distances
    from sklearn.preprocessing import StandardScaler

    places = np.random.default_rng(0).normal(size=(12, 6)) * [1, 10, 3, 1, 1, 0.1]
    distances = pairwise_distances(StandardScaler().fit_transform(places))
    taken = [3]
    while len(taken) < 8:
        free = [i for i in range(12) if i not in taken]
        expected = max(free, key=lambda i: distances[i, taken].min())
        candidates = [Candidate(f"{i:02d}", signs=Signs(0.0, descriptor=tuple(places[i]))) for i in free]
        chosen = choose_next(candidates, "diversity", centres=[tuple(places[i]) for i in taken])
        assert int(chosen.name) == expected
        taken.append(expected)


def test_with_nothing_labelled_diversity_begins_in_the_middle():
    places = {"a": (0.0, 0.0), "b": (1.0, 1.1), "c": (2.0, 2.0)}
    candidates = [Candidate(name, signs=Signs(0.0, descriptor=place)) for name, place in places.items()]
    assert choose_next(candidates, "diversity").name == "b"


def test_the_expected_volume_error_is_that_of_a_draw_from_the_probability():
    probability = np.array([[[0.1, 0.5, 0.8, 1.0]]], np.float32)
    found = found_of(np.zeros((1, 1, 4), np.uint16), image_of(probability))
    rng = np.random.default_rng(0)
    truth = rng.random((200_000, 4)) < probability[0, 0]
    wrong = (truth != (probability[0, 0] >= 0.5)).sum(axis=1).mean() * 2 * 2 * 5 / 1000
    assert expected_volume_error(found) == pytest.approx(wrong, rel=0.02)
    assert expected_volume_error(found_of(np.zeros((1, 1, 4), np.uint16))) is None


def test_a_descriptor_tells_number_volume_and_uptake():
    labels = np.zeros((4, 4, 4), np.uint16)
    labels[0, 0, :3], labels[3, 3, :1] = 1, 2
    suv = np.where(labels == 1, 7.0, np.where(labels == 2, 3.0, 0.5)).astype(np.float32)
    values = np.expm1(descriptor_of(image_of(suv), found_of(labels)))
    np.testing.assert_allclose(values, [2, 0.08, 0.06, 7, 6, (24 + 60 * 0.5) / 64], rtol=1e-5)
    nothing = descriptor_of(image_of(suv), found_of(np.zeros_like(labels)))
    assert nothing[:5] == (0, 0, 0, 0, 0)


def test_a_network_disagrees_with_its_mirror_image_where_it_prefers_a_side(tmp_path):
    path = write_threshold_network(tmp_path / "model.onnx", 2.0, slope=4.0, optional=("CT",))
    even = open_predictor(read_checkpoint(path), "onnxruntime")
    ramp = np.linspace(-3, 3, 32, dtype=np.float32)
    sided = dataclasses.replace(
        even, predict=lambda batch: even.predict(batch) + np.stack([0 * ramp, ramp])[:, None, None]
    )
    suv = np.full((30, 30, 30), 2.0, np.float32)
    pet = image_of(suv, (3.0, 3.0, 3.0))
    assert disagreement_ml(pet, None, [even]) == pytest.approx(0, abs=1e-4)
    assert disagreement_ml(pet, None, [sided]) > 10
    # Two networks that differ disagree too.
    other = dataclasses.replace(
        even,
        predict=lambda batch: even.predict(batch) + np.float32(1) * np.array([0, 1], np.float32)[:, None, None, None],
    )
    assert disagreement_ml(pet, None, [even, other]) > 1
