from __future__ import annotations

import numpy as np
import pytest

from fdglung.phantom.myocardium import LATERAL, SEGMENTS, draw_segments, wall_factor

BASE, APEX = (30.0, -15.0, -70.0), (82.0, -60.0, -113.0)


def wall(count=40000):
    """Random places in a wall of 10 mm: half an ellipsoid of 70 by 81 mm, its share along the axis, x, y, z in mm."""
    rng = np.random.default_rng(0)
    points = rng.uniform((0, -36, -36), (81, 36, 36), (count, 3))
    outer = (points[:, 0] / 81) ** 2 + (points[:, 1] ** 2 + points[:, 2] ** 2) / 35**2
    inner = (points[:, 0] / 71) ** 2 + (points[:, 1] ** 2 + points[:, 2] ** 2) / 25**2
    points = points[(outer < 1) & (inner > 1)]
    along = np.subtract(APEX, BASE) / np.linalg.norm(np.subtract(APEX, BASE))
    across = np.cross(along, (0, 0, 1)) / np.linalg.norm(np.cross(along, (0, 0, 1)))
    xyz = np.array(BASE) + points @ np.stack([along, across, np.cross(across, along)])
    return points[:, 0] / 81, xyz


def factors_at(segments, places):
    x, y, z = (places[:, axis].astype(np.float32).reshape(-1, 1, 1) for axis in range(3))
    return wall_factor(segments, BASE, APEX)(x, y, z).ravel()


def one_hot(number):
    return np.arange(1, SEGMENTS + 1) == number


def test_segments_average_to_one_and_patchy_hearts_are_uneven():
    rng = np.random.default_rng(2)
    spread = {}
    for state in ("none", "full", "patchy"):
        drawn = [draw_segments(rng, state) for _ in range(100)]
        for factors in drawn:
            assert len(factors) == SEGMENTS
            assert np.mean(factors) == pytest.approx(1, abs=1e-9)
            assert min(factors) > 0
        spread[state] = np.mean([np.std(factors) for factors in drawn])
    assert spread["patchy"] > 4 * spread["full"]


def test_the_state_of_the_heart_changes_nothing_in_what_is_drawn_later():
    follow = []
    for state in ("none", "full", "patchy"):
        rng = np.random.default_rng(3)
        draw_segments(rng, state)
        follow.append(rng.random())
    assert len(set(follow)) == 1


def test_most_patchy_hearts_are_hot_in_the_lateral_wall():
    rng = np.random.default_rng(4)
    lateral = np.isin(np.arange(1, SEGMENTS + 1), LATERAL)
    hotter = [np.mean(np.array(f)[lateral]) > 2 * np.mean(np.array(f)[~lateral]) for f in draws(rng, 400)]
    assert np.mean(hotter) == pytest.approx(0.65, abs=0.1)


def draws(rng, count):
    return [draw_segments(rng, "patchy") for _ in range(count)]


def test_a_wall_of_even_segments_is_even():
    assert factors_at(np.full(SEGMENTS, 1.7), wall()[1]) == pytest.approx(1.7, rel=1e-4)


def test_the_wall_has_the_mean_of_its_segments():
    rng = np.random.default_rng(5)
    _, places = wall()
    means = [factors_at(segments, places).mean() for segments in draws(rng, 30)]
    # segments near the apex are smaller than others, and lateral ones are hot: single hearts deviate
    assert np.mean(means) == pytest.approx(1, abs=0.03)
    assert np.ptp(means) < 0.25


def test_each_segment_lies_where_the_association_puts_it():
    share, places = wall()
    along = np.subtract(APEX, BASE) / np.linalg.norm(np.subtract(APEX, BASE))
    centre = np.array(BASE) + share[:, None] * 81 * along
    out = places - centre

    def middle(number):
        weights = factors_at(one_hot(number), places)
        assert weights.max() > 0.8
        return (weights @ share) / weights.sum(), (weights @ out) / weights.sum()

    ways = [middle(number)[0] for number in (1, 7, 13, 17)]
    assert ways == sorted(ways)
    for first, count in ((1, 6), (7, 6), (13, 4)):
        # anterior is up, inferior down; septal towards the patient's right, lateral towards the left
        assert middle(first)[1][2] > 8
        assert middle(first + count // 2)[1][2] < -8
        septal, lateral = (first + 1, first + count - 1) if count == 4 else (first + 2, first + 4)
        assert middle(septal)[1][0] < -4
        assert middle(lateral)[1][0] > 4
