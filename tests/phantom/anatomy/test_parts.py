"""The whole body: every tissue is in it, what variants of uptake change is seen, and threads do not disturb it."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from fdglung.phantom.anatomy import parts, solids
from fdglung.phantom.anatomy.body_surface import BodySurface
from fdglung.phantom.anatomy.landmarks import cage, spine_y
from fdglung.phantom.anatomy.spine import Column
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import rasterise
from fdglung.phantom.shapes import Grid
from fdglung.phantom.subject import Find, Subject
from fdglung.phantom.uptake import draw_uptake

MAN = Subject("M", 30, 176, 75, 0.4, finds=frozenset(Find), shape_seed=1)
WOMAN = Subject("F", 30, 163, 60, 0.4, shape_seed=2)
PEOPLE = (WOMAN, replace(WOMAN, age_years=60.0, arms="down", shape_seed=3), replace(MAN, shape_seed=4))
TRUNK = Grid((-200.0, -160.0, -540.0), (8.0, 8.0, 8.0), (51, 41, 86))
CHEST = Grid((-160.0, -80.0, -220.0), (2.5, 2.5, 2.5), (129, 90, 160))


def frame_of(subject):
    return BodyFrame(subject, subject.breath)


@pytest.fixture(scope="module")
def brown():
    """Each person's share of brown fat by voxel, labels, and canonical coordinates."""
    only = dict.fromkeys(Tissue, 0.0) | {Tissue.BROWN_FAT: 1.0}
    found = []
    for subject in PEOPLE:
        frame = frame_of(subject)
        painted = rasterise(parts(subject, frame), frame, CHEST, suv=only, organs=True)
        found.append((painted.suv, painted.organs, frame.coordinates(CHEST)))
    return found


def test_every_tissue_is_painted_in_a_man_or_a_woman():
    painted = {part.tissue for subject in (MAN, WOMAN) for part in parts(subject, frame_of(subject))}
    assert painted == set(Tissue)


def test_brown_fat_has_the_published_mass_most_of_it_in_neck_and_axillae(brown):
    # 59.1 +- 17.5 g, 32 to 85 g (10.2967/jnumed.112.111336); 67 +- 20 % (10.1073/pnas.1705287114)
    masses, upper = [], []
    for share, _, (x, _, z) in brown:
        masses.append(0.92 * share.sum() * 2.5**3 / 1000)
        upper.append(share[(z > 84) | (np.abs(x) > 60)].sum() / share.sum())
    assert np.mean(masses) == pytest.approx(59.1, abs=17.5)
    assert min(masses) > 32
    assert max(masses) < 85
    assert np.mean(upper) == pytest.approx(0.67, abs=0.20)


def test_brown_fat_lies_on_both_sides_above_the_clavicles_in_the_axillae_and_beside_the_spine(brown):
    for share, organs, (x, y, z) in brown:
        places = {
            "above the clavicles": (z > 84) & (np.abs(x) < 102),
            "axilla": (z < 84) & (cage(x, y, z) > 0) & (np.abs(x) > 90),
            "beside the spine": (np.abs(x) < 42) & (np.abs(y - spine_y(z)) < 30) & (z < 70),
        }
        inside = np.zeros(share.shape, bool)
        for name, place in places.items():
            right, left = (share[place & (side * x > 0)].sum() for side in (-1, 1))
            assert right * 2.5**3 > 1500, name
            assert right == pytest.approx(left, rel=0.3), name
            inside |= place
        assert share[inside].sum() > 0.85 * share.sum()
        assert np.mean(organs[share > 0.5] == Organ.FAT) > 0.95
        assert not np.isin(organs[share > 0.5], (0, Organ.SKIN)).any()


def test_active_brown_fat_shows_on_a_projection_and_inactive_does_not():
    frame = frame_of(WOMAN)
    body = list(parts(WOMAN, frame))
    seen = {}
    for state in ("inactive", "active"):
        uptake = draw_uptake(np.random.default_rng(5), WOMAN, uptake_variants={"brown_fat": state})
        suv = rasterise(body, frame, CHEST, suv=uptake.suv).suv
        x, _, z = frame.coordinates(CHEST)
        seen[state] = np.where((z > 90) & (z < 125) & (np.abs(x) > 60) & (np.abs(x) < 95), suv, 0).max(axis=1)
    assert seen["inactive"].max() < 2
    for half in (seen["active"][:, :60], seen["active"][:, 69:]):
        assert (half > 2.5).sum() * 2.5**2 > 400


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "plain", "changed", "organ", "least"),
    [
        ("myocardium", "none", "full", Organ.MYOCARDIUM, 2.5),
        ("colon", "none", "severe", Organ.COLON, 2.5),
        ("small_bowel", "none", "moderate", Organ.SMALL_BOWEL, 1.8),
        ("muscle", "rest", "insulin", Organ.MUSCLE, 2.0),
        ("marrow", "normal", "activated", Organ.VERTEBRAE, 1.3),
        ("thymus", "age", "rebound", Organ.THYMUS, 1.3),
    ],
)
def test_what_a_variant_of_uptake_changes_is_painted(variant, plain, changed, organ, least):
    frame = frame_of(WOMAN)
    body = list(parts(WOMAN, frame))
    means = []
    for value in (plain, changed):
        fixed = {"muscle": "rest", "myocardium": "none"} | {variant: value}
        uptake = draw_uptake(np.random.default_rng(5), WOMAN, uptake_variants=fixed)
        painted = rasterise(body, frame, TRUNK, suv=uptake.suv, organs=True)
        means.append(painted.suv[painted.organs == organ].mean())
    assert means[1] > least * means[0]


def test_two_threads_paint_the_same_parts_as_one():
    frame = frame_of(WOMAN)
    grids = [replace(TRUNK, origin_mm=(-200.0, -160.0, low), size=(51, 41, 20)) for low in (-200.0, -196.0, -60.0)]
    table = {tissue: float(number) for number, tissue in enumerate(Tissue)}

    def paint(body, grid):
        return rasterise(body, frame, grid, hu=table, organs=True)

    alone = [paint(parts(WOMAN, frame), grid) for grid in grids]
    shared = list(parts(WOMAN, frame))
    with ThreadPoolExecutor(3) as threads:
        together = list(threads.map(lambda grid: paint(shared, grid), grids))
    for one, other in zip(alone, together, strict=True):
        assert one.hu.tobytes() == other.hu.tobytes()
        assert one.organs.tobytes() == other.organs.tobytes()


@pytest.mark.parametrize("make", [lambda: BodySurface(WOMAN).layers, lambda: Column(WOMAN).fields])
def test_what_was_worked_out_is_gone_with_the_last_that_asks(make):
    x, y, z = frame_of(WOMAN).coordinates(TRUNK)
    ask = make()
    gc.disable()
    try:
        held = weakref.ref(ask(x, y, z)[0])
        assert held() is ask(x, y, z)[0]
        del ask
        assert held() is None
    finally:
        gc.enable()


def test_a_memory_holds_no_more_than_its_bound(monkeypatch):
    monkeypatch.setattr(solids, "MEMORY_BYTES", 4000)
    memory, calls = solids.Memory(), []

    def work(x, y, z):
        calls.append(float(x[0]))
        return (np.zeros(500, np.float32),)

    places = [np.full(3, value, np.float32) for value in (1.0, 2.0, 3.0)]
    held = [weakref.ref(memory.recall(work, place, place, place)[0]) for place in places]
    assert [reference() is not None for reference in held] == [False, True, True]
    memory.recall(work, places[2], places[2], places[2])
    assert calls == [1.0, 2.0, 3.0]


def test_thinned_fields_are_those_of_every_point_to_second_order():
    z, y, x = np.meshgrid(*(2.0 * np.arange(n, dtype=np.float32) for n in (9, 14, 15)), indexing="ij")

    def work(x, y, z):
        return 2 * x - y + 3 * z, np.hypot(x + 40, y)

    flat, around = solids.thinned(work, x, y, z, every=(4, 2, 3))
    np.testing.assert_allclose(flat, work(x, y, z)[0], atol=1e-4)
    # between points h apart a circle of radius r is off by h^2 / 8 r at most, along each axis
    assert np.abs(around - work(x, y, z)[1]).max() < (6**2 + 4**2) / (8 * 40)
