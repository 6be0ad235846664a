"""Heart and great vessels: volumes, diameters and courses against published figures."""

import numpy as np
import pytest

from fdglung.phantom.anatomy import great_vessels, heart
from fdglung.phantom.anatomy.lung_shape import lung_shape
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import rasterise
from fdglung.phantom.subject import Find, Subject
from tests.phantom.anatomy.chest_cases import (
    HU,
    MAN,
    WOMAN,
    canonical,
    grid,
    painted,
    pieces,
    solid_ml,
    volume_ml,
    with_find,
)


@pytest.mark.parametrize(
    ("sex", "height", "weight", "low", "high"), [("M", 176, 75, 120, 180), ("F", 163, 60, 80, 140)]
)
def test_left_ventricle_weighs_what_it_does_in_health(sex, height, weight, low, high):
    masses = []
    for seed in range(10):
        subject = Subject(sex, 50, height, weight, breath=0.9, shape_seed=seed)
        shape = heart.shape(subject)
        masses.append(1.05 * (solid_ml(subject, shape.left_wall) - solid_ml(subject, shape.left_cavity)))
    assert low < np.mean(masses) < high
    assert all(0.7 * low < mass < 1.3 * high for mass in masses)


@pytest.mark.parametrize(
    ("subject", "tissue_g", "blood_ml"), [(MAN, 330, 510), (WOMAN, 250, 370)], ids=["man", "woman"]
)
def test_heart_is_as_large_as_the_reference_persons(subject, tissue_g, blood_ml):
    """ICRP Publication 89: heart tissue, and blood in its chambers."""
    shape = heart.shape(subject)
    blood = sum(solid_ml(subject, chamber) for chamber in (*shape.chambers, shape.left_cavity))
    assert blood == pytest.approx(blood_ml, rel=0.25)
    whole = solid_ml(subject, shape.envelope)
    assert whole == pytest.approx(blood_ml + tissue_g, rel=0.2)
    assert whole > 1.04 * solid_ml(subject, shape.muscle)


def test_chambers_lie_as_they_do_and_none_hides_another():
    shape = heart.shape(MAN)
    frame = BodyFrame(MAN, MAN.breath)
    x, y, z = frame.coordinates(grid(3.0))
    solids = {"rv": shape.chambers[0], "ra": shape.chambers[1], "la": shape.chambers[2], "lv": shape.left_wall}
    inside = {name: frame.moving(solid).distance(x, y, z) < 0 for name, solid in solids.items()}
    middle = {name: canonical(MAN, where, 3.0).mean(axis=0) for name, where in inside.items()}
    assert middle["ra"][0] < min(middle[name][0] for name in ("rv", "la", "lv"))
    assert middle["la"][1] > max(middle[name][1] for name in ("rv", "ra", "lv"))
    assert middle["rv"][1] < middle["lv"][1]
    assert middle["lv"][0] > middle["rv"][0]
    assert middle["la"][2] > middle["lv"][2]
    for name, where in inside.items():
        others = sum((inside[other] for other in inside if other != name), np.zeros_like(where))
        assert (where & others).sum() < 0.2 * where.sum()


def test_labels_keep_most_of_each_part_after_all_is_painted():
    shape = heart.shape(MAN)
    wall = solid_ml(MAN, shape.left_wall) - solid_ml(MAN, shape.left_cavity)
    assert volume_ml(MAN, Organ.MYOCARDIUM, spacing_mm=3.0) == pytest.approx(wall, rel=0.05)
    assert pieces(painted(MAN, spacing_mm=3.0).organs == Organ.MYOCARDIUM, least=5) == 1
    assert pieces(painted(MAN, spacing_mm=3.0).organs == Organ.HEART_CHAMBERS, least=20) == 1


def test_heart_stays_out_of_the_lungs():
    shape = lung_shape(MAN, MAN.breath)
    frame = BodyFrame(MAN, MAN.breath)
    x, y, z = frame.coordinates(grid())
    whole = frame.moving(heart.shape(MAN).envelope).distance(x, y, z) < -1
    for side in (-1, 1):
        assert not (whole & (shape.distance(side)(x, y, z) < -1)).any()


def test_aortic_diameters_are_those_of_the_age():
    """Ascending 33 mm, descending 25 mm at about 55 years, +-15 per cent."""
    widths = {"ascending": [], "descending": [], "trunk": []}
    for seed in range(12):
        listed = {c.name: c for c in great_vessels.courses(Subject("M", 55, 176, 75, shape_seed=seed))}
        aorta, down = listed["aorta"], listed["descending aorta"]
        up = (aorta.points[:, 1] < -20) & (np.abs(aorta.points[:, 2] + 15) < 12)
        widths["ascending"].append(2 * aorta.radii[up].mean())
        widths["descending"].append(2 * down.radii[np.abs(down.points[:, 2] + 60) < 25].mean())
        widths["trunk"].append(2 * listed["pulmonary trunk"].radii.mean())
    assert np.mean(widths["ascending"]) == pytest.approx(33, abs=1.5)
    assert np.mean(widths["descending"]) == pytest.approx(25, abs=1.5)
    assert np.mean(widths["trunk"]) == pytest.approx(26.5, abs=1.5)


def test_aorta_widens_with_age():
    young, old = (great_vessels.courses(Subject("M", age, 176, 75)) for age in (25, 85))
    assert (
        next(c for c in old if c.name == "aorta").radii.max()
        > 1.15 * next(c for c in young if c.name == "aorta").radii.max()
    )


def test_painted_aorta_is_as_thick_as_its_course():
    """The area of its cut, level with the left atrium, is that of its circle: wall included, both aortae."""
    frame = BodyFrame(MAN, MAN.breath)
    fine = grid(1.5, low=-66.0, high=-60.0)
    labels = rasterise(great_vessels.parts(MAN, frame), frame, fine, hu=HU, organs=True).organs
    x, y, _ = frame.coordinates(fine)
    behind = (labels == Organ.AORTA) & (y > 20) & (x > 0)
    area = behind[2].sum() * 1.5**2
    down = next(c for c in great_vessels.courses(MAN) if c.name == "descending aorta")
    radius = down.radii[np.argmin(np.abs(down.points[:, 2] + 62))] + 1.3
    assert 2 * np.sqrt(area / np.pi) == pytest.approx(2 * radius, abs=1.0)


@pytest.mark.parametrize("breath", [0.3, 0.9])
def test_great_vessels_are_whole_and_on_their_sides(breath):
    subject = Subject("M", 50, 176, 75, breath=breath)
    frame = BodyFrame(subject, breath)
    wide = grid(3.0, low=-390.0)
    labels = rasterise(
        [*heart.parts(subject, frame), *great_vessels.parts(subject, frame)], frame, wide, hu=HU, organs=True
    ).organs
    x, y, z = frame.coordinates(wide)
    for organ in (Organ.AORTA, Organ.PULMONARY_ARTERY, Organ.SUPERIOR_VENA_CAVA):
        assert pieces(labels == organ, least=3) == 1
    aorta, cava = labels == Organ.AORTA, labels == Organ.SUPERIOR_VENA_CAVA
    assert z[aorta].min() < -320
    assert z[aorta].max() > 20
    assert x[cava].max() < -8
    assert x[labels == Organ.INFERIOR_VENA_CAVA].mean() < -12
    # the vena cava ends in the right atrium
    hollow = frame.moving(heart.shape(subject).chambers[1]).distance(x, y, z)
    assert hollow[labels == Organ.INFERIOR_VENA_CAVA].min() < 4


def test_calcium_lies_on_arteries():
    subject = with_find(Find.VASCULAR_CALCIUM, seed=1, breath=0.9)
    frame = BodyFrame(subject, subject.breath)
    plain = Subject("M", 65, 176, 75, breath=0.9, shape_seed=1)
    bright = painted(subject, spacing_mm=3.0).hu - painted(plain, spacing_mm=3.0).hu > 40
    assert bright.sum() > 5
    courses = [c for c in great_vessels.courses(subject) if c.tissue == Tissue.BLOOD]
    lines = [frame.moved(c.points) if c.moves else c.points for c in courses]
    lines += [frame.moved(line) for line in heart.shape(subject).coronaries]
    reach = [c.radii.max() + 8 for c in courses] + [8.0] * 3
    places = canonical(subject, bright, 3.0)
    near = [
        np.linalg.norm(places[:, None] - line[None], axis=2).min(axis=1) < far
        for line, far in zip(lines, reach, strict=True)
    ]
    assert np.any(near, axis=0).all()


def test_pacemaker_leads_from_the_left_shoulder_to_the_right_heart():
    subject = with_find(Find.PACEMAKER, seed=1, breath=0.7)
    frame = BodyFrame(subject, subject.breath)
    plain = Subject("M", 65, 176, 75, breath=0.7, shape_seed=1)
    metal = painted(subject, spacing_mm=3.0).hu - painted(plain, spacing_mm=3.0).hu > 150
    assert pieces(metal, least=8) == 1
    places = canonical(subject, metal, 3.0)
    assert places[:, 0].max() > 60
    shape = heart.shape(subject)
    for chamber, least in ((shape.chambers[1], 3), (shape.chambers[0], 8)):
        depth = frame.moving(chamber).distance(*(places.astype(np.float32).T))
        assert (depth < 1).sum() >= least
