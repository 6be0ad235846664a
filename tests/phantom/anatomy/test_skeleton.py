from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from fdglung.phantom.anatomy import body_wall, ribs, spine
from fdglung.phantom.anatomy.body_surface import BodySurface
from fdglung.phantom.anatomy.landmarks import cage, spine_y
from fdglung.phantom.anatomy.skeleton import skeleton_inner, skeleton_outer
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Part, rasterise
from fdglung.phantom.shapes import Grid
from fdglung.phantom.subject import Subject, draw_subject

MAN = Subject("M", 45, 176, 75, breath=0.6, shape_seed=4)
WOMAN = Subject("F", 45, 163, 60, breath=0.6, shape_seed=4)
BODY = Grid((-240.0, -150.0, -560.0), (3.0, 3.0, 3.0), (161, 110, 300))
BONES = {
    "VERTEBRAE": (550, 1000),
    "RIBS": (300, 600),
    "STERNUM": (45, 120),
    "SCAPULAE": (90, 190),
    "CLAVICLES": (45, 95),
    "HIP_BONES": (420, 760),
    "SACRUM": (120, 290),
    "SKULL": (500, 1000),
}
"""Volumes in ml of an adult man's bones with their marrow (round figures from CT segmentations)."""


def frame_of(subject):
    return BodyFrame(subject, subject.breath)


def bones(subject):
    frame = frame_of(subject)
    yield from skeleton_outer(subject, frame)
    yield from (part for part in body_wall.deep_parts(subject, frame) if part.organ in (Organ.HIP_BONES, Organ.FEMORA))
    yield from skeleton_inner(subject, frame)


def paint(parts, subject, grid):
    return rasterise(parts, frame_of(subject), grid, organs=True).organs


def volumes(organs, grid):
    ml = np.prod(grid.spacing_mm) / 1000
    return {name: float(np.count_nonzero(organs == Organ[name])) * ml for name in BONES}


@pytest.fixture(scope="module")
def man():
    return paint(bones(MAN), MAN, BODY)


@pytest.fixture(scope="module")
def woman():
    return paint(bones(WOMAN), WOMAN, BODY)


@pytest.fixture(scope="module")
def cage_of_ribs():
    grid = Grid((-180.0, -130.0, -270.0), (1.5, 1.5, 1.5), (241, 190, 260))
    return paint([*ribs.parts(MAN), *ribs.heads(MAN)], MAN, grid) == Organ.RIBS, grid


@pytest.mark.parametrize("name", BONES)
def test_a_mans_bones_have_their_usual_volume(man, name):
    low, high = BONES[name]
    assert low < volumes(man, BODY)[name] < high


def test_a_smaller_womans_bones_have_less_volume(man, woman):
    hers, his = volumes(woman, BODY), volumes(man, BODY)
    for name in BONES:
        assert 0.5 < hers[name] / his[name] < 0.95, name


def test_volumes_vary_between_persons_but_stay_those_of_adults():
    rng = np.random.default_rng(5)
    people = [draw_subject(rng) for _ in range(10)]
    grid = Grid((-240.0, -150.0, -560.0), (4.0, 4.0, 6.0), (121, 84, 150))
    drawn = [volumes(paint(bones(person), person, grid), grid) for person in people]
    for name, (low, high) in BONES.items():
        values = [d[name] for d in drawn]
        assert 0.45 * low < min(values), name
        assert max(values) < 1.4 * high, name
        assert np.std(values) > 0.02 * np.mean(values), name


def test_there_are_twelve_ribs_a_side(cage_of_ribs):
    mask, grid = cage_of_ribs
    parts, count = ndimage.label(mask)
    sizes = ndimage.sum_labels(mask, parts, range(1, count + 1)) * np.prod(grid.spacing_mm) / 1000
    centres = np.array(ndimage.center_of_mass(mask, parts, range(1, count + 1)))
    large = sizes > 1
    assert np.count_nonzero(large) == 24
    assert np.count_nonzero(large & (centres[:, 2] < 120)) == 12


def test_ribs_slope_down_from_the_spine_to_the_front(cage_of_ribs):
    mask, grid = cage_of_ribs
    parts = ndimage.label(mask)[0]
    falls = []
    for number, where in enumerate(ndimage.find_objects(parts), 1):
        z, y, _ = np.nonzero(parts[where] == number)
        if len(z) * np.prod(grid.spacing_mm) < 8000:
            continue
        front, back = z[y <= np.percentile(y, 10)].mean(), z[y >= np.percentile(y, 90)].mean()
        falls.append(1.5 * (back - front))
    # the first rib falls least, the middle ones by four to five levels
    assert len(falls) >= 18
    assert min(falls) > 10
    assert 70 < np.median(falls) < 130


def test_an_axial_slice_cuts_several_short_pieces_of_rib_a_side(cage_of_ribs):
    mask, grid = cage_of_ribs
    counts = []
    for z in (-100, -80, -60, -40, -20):
        plane = mask[round((z - grid.origin_mm[2]) / 1.5)]
        pieces, count = ndimage.label(plane)
        counts.append(count / 2)
        lengths = [max(w[0].stop - w[0].start, w[1].stop - w[1].start) * 1.5 for w in ndimage.find_objects(pieces)]
        assert np.median(lengths) < 60
    assert 4 <= np.mean(counts) <= 10


def test_the_thoracic_cavity_leaves_the_ribs_whole(cage_of_ribs):
    grid = cage_of_ribs[1]
    mask = paint(ribs.parts(MAN), MAN, grid) == Organ.RIBS
    within = cage(*frame_of(MAN).coordinates(grid)) < -0.5
    assert np.count_nonzero(mask & within) < 0.05 * np.count_nonzero(mask)


def test_bone_lies_within_the_skin(man, woman):
    coarse = Grid(BODY.origin_mm, (6.0, 6.0, 6.0), (81, 55, 150))
    for subject, organs in ((MAN, man), (WOMAN, woman)):
        skin = BodySurface(subject).skin(*frame_of(subject).coordinates(coarse))
        bone = organs[::2, ::2, ::2] > 0
        assert np.count_nonzero(bone & (skin > 0)) < 0.002 * np.count_nonzero(bone)


@pytest.mark.parametrize("name", ["RIBS", "SCAPULAE", "CLAVICLES", "HIP_BONES", "FEMORA", "HUMERI"])
def test_paired_bones_are_on_both_sides(man, name):
    right, left = (np.count_nonzero(half == Organ[name]) for half in (man[:, :, :80], man[:, :, 81:]))
    assert right > 0
    assert right == pytest.approx(left, rel=0.12)


def test_there_are_23_discs_from_the_axis_to_the_sacrum():
    frame = frame_of(MAN)
    grid = Grid((-6.0, 0.0, -420.0), (2.0, 2.0, 1.0), (7, 70, 640))
    table = dict.fromkeys(Tissue, 0.0) | {Tissue.DISC: 500.0}
    hu = rasterise(spine.parts(MAN), frame, grid, hu=table).hu
    heights = np.arange(-365.0, 170.0, 0.5)
    middle = frame.to_patient(np.stack([0 * heights, spine_y(heights.astype(np.float32)), heights], axis=1))
    index = [np.round((middle[:, a] - grid.origin_mm[a]) / grid.spacing_mm[a]).astype(int) for a in (2, 1, 0)]
    disc = hu[index[0], index[1], index[2]] > 250
    assert np.count_nonzero(np.diff(disc.astype(int)) == 1) == 23


def test_the_cord_runs_from_the_skull_to_the_upper_lumbar_spine_inside_the_canal():
    frame = frame_of(MAN)
    grid = Grid((-20.0, 20.0, -260.0), (1.0, 1.0, 4.0), (41, 110, 112))
    table = dict.fromkeys(Tissue, 0.0) | {Tissue.SPINAL_CORD: 500.0, Tissue.CORTICAL_BONE: -500.0}
    hu = rasterise(spine.parts(MAN), frame, grid, hu=table).hu
    cord = hu > 250
    area = cord.sum(axis=(1, 2))
    z = grid.origin_mm[2] + 4.0 * np.arange(grid.size[2])
    low, high = frame.to_patient([(0, 80, -222), (0, 40, 180)])[:, 2]
    inner = (z > low + 6) & (z < high - 6)
    assert np.all(area[inner] > 0)
    assert not np.any(area[z < low - 6])
    # cord of the chest: 40 to 80 mm2 (round figure)
    chest = (z > -100) & (z < 0)
    assert 40 < area[chest].mean() < 80
    assert ndimage.label(cord[inner])[1] == 1
    assert not np.any(ndimage.binary_dilation(cord, np.ones((1, 3, 3))) & (hu < -400))


def test_the_hip_joints_lie_about_18_cm_apart(man):
    frame = frame_of(MAN)
    heads = frame.to_patient([(-91, 20, -442), (91, 20, -442)])
    assert 160 < heads[1, 0] - heads[0, 0] < 200
    for head in heads:
        index = [round((head[a] - BODY.origin_mm[a]) / 3) for a in (2, 1, 0)]
        assert man[tuple(index)] == Organ.FEMORA


def test_marrow_is_covered_by_a_cortex():
    grid = Grid((-160.0, -110.0, -62.0), (1.0, 1.0, 2.0), (321, 220, 4))
    parts = [part for part in ribs.parts(MAN) if isinstance(part, Part) and part.organ == Organ.RIBS]
    # far apart, so that no mixture of air and cortex reads as marrow
    table = {Tissue.CORTICAL_BONE: 1000.0, Tissue.TRABECULAR_BONE: 4000.0}
    hu = rasterise(parts, frame_of(MAN), grid, hu=table).hu[1]
    marrow = hu > 3800
    air = hu < -900
    assert np.count_nonzero(marrow) > 100
    assert np.count_nonzero(ndimage.binary_dilation(marrow) & air) < 0.02 * np.count_nonzero(marrow)


def test_the_inside_of_a_vertebral_body_is_marrow_alone():
    table = dict.fromkeys(Tissue, 0.0) | {Tissue.VERTEBRAL_MARROW: 160.0, Tissue.CORTICAL_BONE: 5000.0}
    frame = frame_of(MAN)
    middles = np.array([-55.0, -123.0, -206.0, -271.0])
    for place in frame.to_patient([(0, float(spine_y(np.array([z], np.float32))[0]) - 5, z) for z in middles + 1.5]):
        grid = Grid(tuple(float(p) - 4 for p in place), (1.0, 1.0, 1.0), (9, 9, 9))
        hu = rasterise(spine.parts(MAN), frame, grid, hu=table).hu
        assert np.median(hu) == pytest.approx(160, abs=50)


def test_marrow_of_the_old_is_less_dense():
    table = dict.fromkeys(Tissue, 0.0) | {Tissue.VERTEBRAL_MARROW: 160.0}
    grid = Grid((-8.0, 50.0, -60.0), (2.0, 2.0, 2.0), (9, 9, 30))

    def mean(age):
        subject = replace(MAN, age_years=age)
        hu = rasterise(spine.parts(subject), frame_of(subject), grid, hu=table).hu
        return hu[hu > 60].mean()

    assert mean(80) < mean(30) - 25


def test_the_arms_decide_where_the_humeri_are():
    grid = Grid((-280.0, -100.0, -240.0), (5.0, 5.0, 5.0), (113, 50, 116))

    def heights(arms):
        subject = replace(MAN, arms=arms)
        organs = paint(skeleton_outer(subject, frame_of(subject)), subject, grid)
        return grid.origin_mm[2] + 5 * np.nonzero(organs == Organ.HUMERI)[0]

    up, down = heights("up"), heights("down")
    assert up.min() > 60
    assert down.max() < 110
    assert down.min() < -180
