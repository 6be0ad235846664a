from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fdglung.errors import ParameterError
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.shapes import Grid, ellipsoid
from fdglung.phantom.subject import Subject, draw_subject

MAN = Subject("M", 60, 176, 75, breath=0.6, shape_seed=4)


def points(count=300):
    return np.random.default_rng(0).uniform((-180, -110, -550), (180, 110, 200), (count, 3))


@pytest.mark.parametrize("breath", [0.0, 0.35, 1.0])
def test_a_point_carried_there_and_back_is_where_it_was(breath):
    frame = BodyFrame(draw_subject(np.random.default_rng(1)), breath)
    assert np.abs(frame.to_canonical(frame.to_patient(points())) - points()).max() < 0.01
    moved = frame.moved(points())
    assert np.abs(frame.organ_z(moved[:, 2].astype(np.float32)) - points()[:, 2]).max() < 0.01


def test_coordinates_of_a_grid_are_those_of_its_points():
    frame = BodyFrame(MAN, 0.4)
    grid = Grid((-110.0, -80.0, -200.0), (31.0, 23.0, 47.0), (8, 7, 6))
    x, y, z = frame.coordinates(grid)
    index = np.array([(k, j, i) for k in (0, 3, 5) for j in (0, 4, 6) for i in (0, 7)])
    places = np.array(grid.origin_mm) + index[:, ::-1] * np.array(grid.spacing_mm)
    found = np.stack([field[tuple(index.T)] for field in (x, y, z)], axis=1)
    np.testing.assert_allclose(found, frame.to_canonical(places), atol=1e-3)


def test_the_diaphragm_travels_eight_to_nine_centimetres_and_the_pelvis_rests():
    full, empty = BodyFrame(MAN, 1.0), BodyFrame(MAN, 0.0)
    dome, pelvis = (0.0, 0.0, -90.0), (0.0, 0.0, -500.0)
    travel = empty.moved([dome])[0, 2] - full.moved([dome])[0, 2]
    assert travel == pytest.approx(85, abs=4)
    assert abs(empty.moved([pelvis])[0, 2] - full.moved([pelvis])[0, 2]) < 0.5


def test_a_moving_solid_keeps_its_surface_at_the_carried_points():
    frame = BodyFrame(MAN, 0.2)
    ball = ellipsoid((50, 0, -150), (20, 20, 20))
    surface = frame.moved([(70, 0, -150), (50, 20, -150), (50, 0, -130)]).astype(np.float32)
    assert np.abs(frame.moving(ball).distance(*surface.T)).max() < 0.05


def test_a_tall_body_is_longer_and_a_heavy_one_deeper_at_the_belly():
    def extent(subject, a, b):
        ends = BodyFrame(subject, 0.6).to_patient([a, b])
        return np.linalg.norm(ends[0] - ends[1])

    tall = replace(MAN, height_cm=195, weight_kg=92.0)
    heavy = replace(MAN, weight_kg=120)
    length = ((0, 60, 80), (0, 60, -350))
    assert extent(tall, *length) / extent(MAN, *length) == pytest.approx((195 / 176) ** 0.95, rel=0.01)
    depth = ((0, -90, -300), (0, 90, -300))
    assert extent(heavy, *depth) > 1.2 * extent(MAN, *depth)


def test_the_same_subject_gives_the_same_body_and_another_seed_another_one():
    first, again = (BodyFrame(MAN, 0.5).to_patient(points()) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = BodyFrame(replace(MAN, shape_seed=5), 0.5).to_patient(points())
    assert np.abs(other - first).max() > 2


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"height_cm": 90}, "height_cm"),
        ({"weight_kg": float("nan")}, "weight_kg"),
        ({"weight_kg": 178, "height_cm": 150}, "weight_kg"),
        ({"breath": 1.2}, "breath"),
        ({"sex": "O"}, "sex"),
        ({"arms": "crossed"}, "arms"),
        ({"finds": frozenset({"horns"})}, "finds"),
        ({"age_years": True}, "age_years"),
    ],
)
def test_an_impossible_subject_is_refused_by_the_name_of_its_figure(change, name):
    with pytest.raises(ParameterError) as caught:
        replace(MAN, **change)
    assert caught.value.attribute == name


def test_drawn_subjects_have_the_studys_share_of_men_and_the_heights_they_should():
    drawn = [draw_subject(np.random.default_rng([7, n])) for n in range(2000)]
    men = [s for s in drawn if s.sex == "M"]
    # 409 of 647 in the study; three standard errors
    assert len(men) / 2000 == pytest.approx(409 / 647, abs=3 * np.sqrt(0.632 * 0.368 / 2000))
    assert np.mean([s.height_cm for s in men]) == pytest.approx(170, abs=0.7)
