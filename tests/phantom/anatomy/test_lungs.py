"""Lungs: volumes, lobes, density and uptake against published figures; finds where they belong."""

import numpy as np
import pytest

from fdglung.phantom.anatomy import lungs, mediastinum, ribs, shoulder
from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT, below_dome, cage, inlet
from fdglung.phantom.anatomy.lobes import LOBE_SHARES, lobes
from fdglung.phantom.anatomy.lung_shape import lung_shape
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import LOBES, Organ
from fdglung.phantom.raster import rasterise
from fdglung.phantom.subject import Find, Subject, draw_subject
from tests.phantom.anatomy.chest_cases import MAN, WOMAN, canonical, grid, painted, pieces, volume_ml, with_find

_ONLY_LUNGS = (mediastinum.cavity, lungs.parts)


def _capacity_ml(subject: Subject) -> float:
    """Total lung capacity by 10.2147/COPD.S187596; the residual volume is about a quarter of it."""
    male = subject.sex == "M"
    whole = -10150 + 605.3 * male + 92.61 * subject.height_cm - 12.99 * subject.weight_kg
    return whole * (0.25 + 0.75 * subject.breath)


def _lung_ml(subject: Subject) -> float:
    shape = lung_shape(subject, subject.breath)
    x, y, z = BodyFrame(subject, subject.breath).coordinates(grid(5.0))
    return sum(float((shape.distance(side)(x, y, z) < 0).sum()) * 0.125 for side in (RIGHT, LEFT))


@pytest.mark.parametrize("seed", [1, 3, 7])
def test_lung_volumes_of_drawn_subjects_are_those_of_the_published_formula(seed):
    rng = np.random.default_rng(seed)
    ratios = np.array([_lung_ml(subject) / _capacity_ml(subject) for subject in (draw_subject(rng) for _ in range(12))])
    assert ratios.mean() == pytest.approx(1, abs=0.02)
    assert 0.02 < ratios.std() < 0.10


@pytest.mark.parametrize(("sex", "height", "weight"), [("M", 176, 75), ("F", 163, 60)])
def test_total_lung_capacity_of_reference_persons_is_that_of_the_formula(sex, height, weight):
    subject = Subject(sex, 50, height, weight, breath=1.0)
    assert _lung_ml(subject) == pytest.approx(_capacity_ml(subject), rel=0.05)


@pytest.mark.parametrize("subject", [MAN, WOMAN], ids=["man", "woman"])
def test_lungs_end_at_the_neck_of_the_first_rib_two_to_four_centimetres_above_the_clavicles_inner_end(subject):
    frame = BodyFrame(subject, subject.breath)
    whole = grid(3.0)
    labels = rasterise([*lungs.parts(subject, frame), *shoulder.parts(subject)], frame, whole, organs=True).organs
    heights = whole.origin_mm[2] + 3.0 * np.arange(whole.size[2])
    x, _, z = frame.coordinates(whole)
    first = next(course for course in ribs.COURSES)
    for side in (RIGHT, LEFT):
        lung, clavicle = (np.isin(labels, organs) & (side * x > 0) for organs in (LOBES, (Organ.CLAVICLES,)))
        assert first.head_mm - 5 < z[lung].max() < first.head_mm + 15
        inner = clavicle & (np.abs(x) < np.abs(x)[clavicle].min() + 9)
        middle = heights[np.nonzero(inner)[0]].mean()
        assert 20 < heights[np.nonzero(lung)[0]].max() - middle < 40


def test_lungs_grow_with_every_breath():
    volumes = [_lung_ml(Subject("M", 50, 176, 75, breath=breath)) for breath in (0, 0.25, 0.5, 0.75, 1)]
    assert np.all(np.diff(volumes) > 400)


def test_lobes_share_the_lungs_as_published():
    rng = np.random.default_rng(5)
    shares = []
    for seed in range(6):
        subject = Subject("MF"[seed % 2], 60, 170, 70, breath=float(rng.uniform(0.4, 0.9)), shape_seed=seed)
        labels = painted(subject, spacing_mm=5.0, layers=_ONLY_LUNGS).organs
        counts = np.array([(labels == lobe).sum() for lobe in LOBES])
        shares.append(100 * counts / counts.sum())
    published = [LOBE_SHARES[lobe][0] for lobe in LOBES]
    np.testing.assert_allclose(np.mean(shares, axis=0), published, atol=2.5)


@pytest.mark.parametrize("subject", [MAN, WOMAN], ids=["man", "woman"])
def test_every_lobe_is_one_piece_in_its_place(subject):
    labels = painted(subject, layers=_ONLY_LUNGS).organs
    centres = {}
    for lobe in LOBES:
        assert pieces(labels == lobe, least=6) == 1
        centres[lobe] = canonical(subject, labels == lobe).mean(axis=0)
    assert all(centres[lobe][0] < -25 for lobe in LOBES[:3])
    assert all(centres[lobe][0] > 25 for lobe in LOBES[3:])
    upper, middle, lower, left_upper, left_lower = (centres[lobe] for lobe in LOBES)
    assert upper[2] > middle[2] + 40
    assert middle[1] < lower[1] - 50
    assert left_lower[1] > left_upper[1] + 30
    assert left_lower[2] < left_upper[2] - 40


def test_no_fat_shows_through_the_fissures():
    volumes = painted(MAN, spacing_mm=2.0, layers=_ONLY_LUNGS)
    x, y, z = BodyFrame(MAN, MAN.breath).coordinates(grid(2.0))
    for side in (RIGHT, LEFT):
        deep = lung_shape(MAN, MAN.breath).distance(side)(x, y, z) < -9
        assert volumes.hu[deep].max() < -700 + 40
        split = lobes(MAN).oblique(side, x, y, BodyFrame(MAN, MAN.breath).organ_z(z))
        # the excess over 8 mm about the fissure is that of a sheet of about 1 mm, of 150 HU more than the lung
        plain = volumes.hu[deep & (np.abs(split) > 5) & (np.abs(split) < 12)].mean()
        thick = 8 * (volumes.hu[deep & (np.abs(split) < 4)].mean() - plain) / 150
        assert 0.4 < thick < 1.5


def test_the_chest_is_full_between_ribs_and_diaphragm():
    labels = painted(MAN, layers=_ONLY_LUNGS).organs
    frame = BodyFrame(MAN, MAN.breath)
    x, y, z = frame.coordinates(grid())
    inside = (cage(x, y, z) < -2) & (inlet(x, y, z) < -2) & (below_dome(x, y, frame.organ_z(z)) > 2)
    assert (labels[inside] > 0).all()
    outside = (cage(x, y, z) > 4) | (below_dome(x, y, frame.organ_z(z)) < -2)
    assert not np.isin(labels[outside], LOBES).any()


def test_the_right_lung_is_larger_and_its_dome_higher():
    shape = lung_shape(MAN, MAN.breath)
    volumes = {side: float((shape.fields[side] < 0).sum()) for side in (RIGHT, LEFT)}
    # 53.7 to 46.3 per cent (PMC7490509)
    assert volumes[RIGHT] / (volumes[RIGHT] + volumes[LEFT]) == pytest.approx(0.537, abs=0.025)


@pytest.mark.parametrize(("breath", "low", "high"), [(0.05, 140, 230), (0.4, 70, 170), (1.0, 15, 60)])
def test_the_back_of_the_lungs_is_denser_by_the_published_gradient(breath, low, high):
    """Up to 200 HU front to back at rest, less on inspiration (JCAT 1979;3:740)."""
    subject = Subject("M", 50, 176, 75, breath=breath)
    points = np.vstack([lung_shape(subject, breath).grid_points(side) for side in (RIGHT, LEFT)]).astype(np.float32)
    offset = lungs.lung_density(subject, BodyFrame(subject, breath))(*points.T)
    assert abs(offset.mean()) < 4
    fit = np.polyfit(points[:, 1], offset, 1)[0] * np.ptp(points[:, 1])
    assert low < fit < high
    rest = offset - np.polyval(np.polyfit(points[:, 1], offset, 1), points[:, 1])
    assert 10 < rest.std() < 25


def test_uptake_of_the_lungs_is_one_on_average_and_higher_by_two_fifths_behind_and_below():
    """41 per cent (10.1007/BF00833385)."""
    subject = Subject("F", 60, 165, 65, breath=0.4)
    points = np.vstack([lung_shape(subject, 0.4).grid_points(side) for side in (RIGHT, LEFT)]).astype(np.float32)
    factor = lungs.lung_uptake(subject, BodyFrame(subject, 0.4))(*points.T)
    assert factor.mean() == pytest.approx(1, abs=0.01)
    behind, below = points[:, 1] > np.median(points[:, 1]), points[:, 2] < np.median(points[:, 2])
    assert factor[behind].mean() / factor[~behind].mean() == pytest.approx(1.41, abs=0.03)
    assert factor[below].mean() / factor[~below].mean() == pytest.approx(1.41, abs=0.03)


def test_the_same_subject_gives_the_same_voxels():
    first = painted(MAN, spacing_mm=6.0).hu.copy()
    painted.cache_clear()
    np.testing.assert_array_equal(painted(MAN, spacing_mm=6.0).hu, first)


def test_emphysema_holes_the_upper_lobes_more_than_the_lower():
    subject = with_find(Find.EMPHYSEMA, breath=0.8)
    plain = Subject("M", 65, 176, 75, breath=0.8)
    labels = painted(plain, layers=_ONLY_LUNGS).organs
    loss = painted(plain, layers=_ONLY_LUNGS).hu - painted(subject, layers=_ONLY_LUNGS).hu
    upper = loss[np.isin(labels, (Organ.RIGHT_UPPER_LOBE, Organ.LEFT_UPPER_LOBE))] > 40
    lower = loss[np.isin(labels, (Organ.RIGHT_LOWER_LOBE, Organ.LEFT_LOWER_LOBE))] > 40
    assert 0.01 < upper.mean() < 0.5
    assert lower.mean() < 0.5 * upper.mean()


@pytest.mark.parametrize("seed", range(4))
def test_effusions_lie_behind_and_below_and_hold_what_effusions_hold(seed):
    subject = with_find(Find.PLEURAL_EFFUSION, seed=seed)
    fluid = painted(subject).organs == Organ.PLEURAL_EFFUSION
    # small to moderate: 50 ml to 2 l
    assert 50 < fluid.sum() * 0.064 < 2000
    lung = np.isin(painted(subject).organs, LOBES)
    assert canonical(subject, fluid)[:, 1].mean() > canonical(subject, lung)[:, 1].mean() + 35
    assert canonical(subject, fluid)[:, 2].mean() < canonical(subject, lung)[:, 2].mean()


def test_atelectasis_takes_air_from_the_lower_lung_only():
    subject = with_find(Find.ATELECTASIS, seed=2)
    plain = Subject("M", 65, 176, 75, breath=0.5, shape_seed=2)
    change = painted(subject, spacing_mm=3.0).hu - painted(plain, spacing_mm=3.0).hu > 200
    assert 2 < change.sum() * 0.027 < 400
    lung = np.isin(painted(plain, spacing_mm=3.0).organs, LOBES)
    assert canonical(subject, change, 3.0)[:, 2].mean() < canonical(subject, lung, 3.0)[:, 2].mean()


def test_volumes_of_organs_in_the_chest_survive_each_other():
    """What is painted later hides little of the lungs: vessels, bronchi and heart lie where the lungs leave room."""
    alone = np.isin(painted(MAN, layers=_ONLY_LUNGS).organs, LOBES).sum() * 0.064
    assert volume_ml(MAN, *LOBES) > 0.95 * alone
