from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fdglung.phantom.anatomy import body_wall, couch, mediastinum, ribs, shoulder, spine
from fdglung.phantom.anatomy.body_surface import BodySurface
from fdglung.phantom.anatomy.landmarks import cage
from fdglung.phantom.ct_numbers import draw_ct_numbers
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import rasterise
from fdglung.phantom.shapes import Grid
from fdglung.phantom.subject import Subject, draw_subject

MAN = Subject("M", 45, 176, 75, breath=0.6, shape_seed=4)
WOMAN = Subject("F", 45, 163, 60, breath=0.6, shape_seed=4)
CHEST = Grid((-300.0, -240.0, -110.0), (2.0, 2.0, 20.0), (301, 241, 3))
TRUNK = Grid((-300.0, -180.0, -560.0), (5.0, 5.0, 6.0), (121, 80, 140))


def frame_of(subject):
    return BodyFrame(subject, subject.breath)


def inside(subject, grid):
    return BodySurface(subject).skin(*frame_of(subject).coordinates(grid)) < 0


def outer_size_cm(subject):
    """Greatest width, and depth near the midline, of the lower chest."""
    mask = inside(subject, CHEST)
    width = max(np.ptp(np.nonzero(plane.any(axis=0))[0]) for plane in mask)
    depth = max(np.ptp(np.nonzero(plane[:, 135:166].any(axis=1))[0]) for plane in mask)
    return 0.2 * width, 0.2 * depth


def labels(subject, grid=TRUNK):
    painted = rasterise(body_wall.parts(subject, frame_of(subject)), frame_of(subject), grid, organs=True)
    return painted.organs


def drawn(sex, count, *, seed=11):
    rng = np.random.default_rng(seed)
    people = (replace(draw_subject(rng), arms="up") for _ in range(100))
    return [person for person in people if person.sex == sex][:count]


@pytest.fixture(scope="module")
def man():
    return labels(MAN)


@pytest.fixture(scope="module")
def woman():
    return labels(WOMAN)


@pytest.mark.parametrize(("sex", "width", "depth"), [("M", 37, 25), ("F", 34, 23)])
def test_the_chest_is_as_wide_and_deep_as_adults_are_on_average(sex, width, depth):
    people = drawn(sex, 20)
    sizes = np.array([outer_size_cm(person) for person in people])
    surplus = np.mean([person.body_mass_index for person in people]) - 24.5
    mean = sizes.mean(axis=0) - 0.5 * surplus
    assert mean == pytest.approx((width, depth), abs=1.5)
    assert sizes.std(axis=0).min() > 0.5


@pytest.mark.parametrize("subject", [MAN, WOMAN])
def test_the_chest_grows_by_half_a_centimetre_a_unit_of_body_mass_index(subject):
    light, heavy = (replace(subject, weight_kg=bmi * (subject.height_cm / 100) ** 2) for bmi in (21, 33))
    growth = (np.array(outer_size_cm(heavy)) - outer_size_cm(light)) / 12
    assert np.all((growth > 0.3) & (growth < 0.75))


def test_the_skin_is_about_two_millimetres_thick():
    grid = Grid((0.0, -20.0, -62.0), (0.25, 0.25, 2.0), (900, 13, 3))
    row = rasterise(body_wall.parts(MAN, frame_of(MAN)), frame_of(MAN), grid, organs=True).organs[1, 6]
    assert 1.5 <= 0.25 * np.count_nonzero(row == Organ.SKIN) <= 2.6
    outermost = np.nonzero(row)[0][-1]
    assert row[outermost] == Organ.SKIN
    assert row[outermost - 16] == Organ.FAT


def test_skin_encloses_fat_and_muscle(man):
    from scipy import ndimage

    deep = np.isin(man, (Organ.FAT, Organ.MUSCLE, Organ.SKIN))
    assert ndimage.label(deep)[1] == 1
    surface = (man > 0) & ndimage.binary_dilation(man == 0)
    assert np.mean(man[surface[:, :, :]] == Organ.MUSCLE) < 0.01


def test_muscle_is_alike_on_both_sides_and_about_half_of_a_mans_wall(man):
    right, left = (np.count_nonzero(half == Organ.MUSCLE) for half in (man[:, :, :60], man[:, :, 61:]))
    assert right == pytest.approx(left, rel=0.06)
    wall = np.isin(man, (Organ.MUSCLE, Organ.FAT, Organ.SKIN)) & ~cavity(MAN)
    assert 0.4 < np.count_nonzero((man == Organ.MUSCLE) & wall) / np.count_nonzero(wall) < 0.65


def cavity(subject):
    return BodySurface(subject).layers(*frame_of(subject).coordinates(TRUNK))[2] < 0


def test_the_same_seed_makes_the_same_body_and_another_seed_another():
    table = dict.fromkeys(Tissue, 0.0) | {Tissue.FAT: -100.0, Tissue.MUSCLE: 50.0}

    def hu(subject):
        return rasterise(body_wall.parts(subject, frame_of(subject)), frame_of(subject), CHEST, hu=table).hu

    first = hu(MAN)
    assert first.tobytes() == hu(MAN).tobytes()
    assert np.mean(np.abs(first - hu(replace(MAN, shape_seed=5))) > 30) > 0.01


def test_only_women_have_breasts(man, woman):
    assert not np.any(man == Organ.BREASTS)
    assert np.any(woman == Organ.BREASTS)
    assert not np.any(labels(MAN, CHEST) == Organ.BREASTS)


def test_the_breasts_weigh_about_the_reference_womans_half_kilogram():
    # ICRP Publication 89: 0.5 kg in the reference woman, density about 0.94 g/ml
    grid = Grid((-200.0, -220.0, -150.0), (4.0, 4.0, 5.0), (101, 50, 50))
    people = [person for person in drawn("F", 14) if person.body_mass_index < 29]
    volumes = [0.08 * np.count_nonzero(labels(person, grid) == Organ.BREASTS) for person in people]
    assert len(volumes) >= 8
    assert 400 < np.mean(volumes) < 700
    assert min(volumes) > 120
    assert max(volumes) < 1500


def test_fat_is_thickest_at_the_belly_and_grows_there_with_weight():
    def thickness(subject, z, y):
        x, depth, height = (np.full((1, 1, 1), v, np.float32) for v in (60.0, y, z))
        skin, hull = BodySurface(subject).layers(x, depth, height)[:2]
        return float((hull - skin)[0, 0, 0])

    stout = replace(MAN, weight_kg=100)
    belly, shoulder = (thickness(MAN, z, y) for z, y in ((-300, -120), (80, 120)))
    assert belly > 1.5 * shoulder
    assert thickness(stout, -300, -120) > 1.35 * belly


def test_muscle_of_the_old_is_darker():
    points = np.random.default_rng(0).uniform(-150, 150, (3, 20000)).astype(np.float32)
    young, old = (body_wall.muscle_grain(replace(MAN, age_years=age))(*points) for age in (30, 80))
    assert young.mean() == pytest.approx(-8, abs=1)
    assert old.mean() == pytest.approx(-19, abs=2)
    assert old.std() > 1.2 * young.std() > 0


@pytest.mark.parametrize(
    ("age", "areas", "hu"),
    [
        (40, ((156.7, 22.2), (83.7, 12.4), (70.9, 11.3)), (42.3, 5.1)),
        (60, ((134.8, 17.2), (72.4, 10.9), (62.4, 9.9)), (38.6, 4.9)),
        (80, ((119.2, 16.7), (64.2, 10.7), (54.9, 9.2)), (35.2, 4.8)),
    ],
)
def test_womens_chest_muscles_have_the_published_area_and_ct_number(age, areas, hu):
    # cm2 at T5, T8 and T10, and HU at T5, of 1,859 women, mean and SD (10.1097/RLI.0000000000001012)
    found = np.mean([muscles(Subject("F", age, 162, 69, 0.8, shape_seed=seed)) for seed in range(3)], axis=0)
    for area, (mean, sd) in zip(found[:3], areas, strict=True):
        assert area == pytest.approx(mean, abs=sd)
    assert found[3] == pytest.approx(hu[0], abs=hu[1])


def muscles(subject):
    """Area of the muscles (-29 to 150 HU) at T5, T8 and T10 in cm2, and their mean CT number at T5."""
    frame = frame_of(subject)
    painted = [*body_wall.parts(subject, frame), *ribs.parts(subject), *shoulder.parts(subject)]
    painted += [*mediastinum.cavity(subject, frame), *spine.parts(subject)]
    table = draw_ct_numbers(np.random.default_rng(subject.shape_seed), subject)
    areas, numbers = [], []
    for level in (-10.0, -77.0, -125.0):
        low = frame.to_patient([(0, 60, level)])[0, 2] - 3.0
        grid = Grid((-260.0, -180.0, low), (2.0, 2.0, 3.0), (261, 180, 3))
        found = rasterise(painted, frame, grid, hu=table, organs=True, lattice_mm=1.0)
        outside = cage(*frame.coordinates(grid))[1] > -3
        chosen = (found.organs[1] == Organ.MUSCLE) & outside & (np.abs(found.hu[1] - 60.5) < 89.5)
        areas.append(0.04 * np.count_nonzero(chosen))
        numbers.append(found.hu[1][chosen].mean())
    return (*areas, numbers[0])


@pytest.mark.parametrize("subject", [MAN, replace(WOMAN, weight_kg=85), replace(MAN, height_cm=190, shape_seed=8)])
def test_the_table_lies_close_under_the_back_and_nowhere_in_the_body(subject):
    frame = frame_of(subject)
    grid = Grid((-260.0, -180.0, -540.0), (4.0, 2.0, 20.0), (131, 250, 30))
    table = rasterise(couch.parts(subject, frame), frame, grid, hu={Tissue.COUCH: 0.0, Tissue.COUCH_CORE: -900.0})
    solid = table.hu > -940
    body = inside(subject, grid)
    assert np.any(solid)
    assert np.count_nonzero(solid & body) <= 0.002 * np.count_nonzero(body)
    middle = slice(60, 71)
    back = np.nonzero(body[:, :, middle].any(axis=(0, 2)))[0][-1]
    top = np.nonzero(solid[:, :, middle].any(axis=(0, 2)))[0][0]
    assert 0 <= 2 * (top - back) <= 10


def test_the_table_is_straight_whatever_the_bodys_form():
    subject = replace(MAN, weight_kg=110)
    frame = frame_of(subject)
    grid = Grid((-4.0, 60.0, -540.0), (4.0, 0.5, 60.0), (3, 400, 11))
    shell = rasterise(couch.parts(subject, frame), frame, grid, hu={Tissue.COUCH: 0.0, Tissue.COUCH_CORE: -1000.0}).hu
    first = np.argmax(shell[:, :, 1] > -500, axis=1)
    rows = np.clip(first[:, None] + np.arange(-6, 8), 0, grid.size[1] - 1)
    weight = np.take_along_axis(shell[:, :, 1], rows, axis=1) + 1000
    heights = (weight * rows).sum(axis=1) / weight.sum(axis=1)
    assert 0.5 * np.ptp(heights) < 0.6


@pytest.mark.parametrize(("arms", "low", "high"), [("up", 40, 330), ("down", -440, 110)])
def test_arms_lie_beside_the_head_or_beside_the_trunk(arms, low, high):
    subject = replace(MAN, arms=arms)
    other = replace(MAN, arms="down" if arms == "up" else "up")
    grid = Grid((-280.0, -120.0, -560.0), (5.0, 5.0, 10.0), (113, 56, 90))
    only = inside(subject, grid) & ~inside(other, grid)
    z = grid.origin_mm[2] + 10 * np.nonzero(only)[0]
    assert np.percentile(z, 2) > low - 60
    assert np.percentile(z, 98) < high + 60
    x = np.nonzero(only)[2]
    assert np.mean(x < 56) == pytest.approx(0.5, abs=0.08)
