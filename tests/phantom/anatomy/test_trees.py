"""Airways and lung vessels: names, calibres, branching and extent."""

import numpy as np
import pytest

from fdglung.phantom.anatomy import airways, lung_vessels
from fdglung.phantom.anatomy.airways import SEGMENTS, bronchi, segment_trees
from fdglung.phantom.anatomy.landmarks import LEFT, RIGHT
from fdglung.phantom.anatomy.lobes import lobes
from fdglung.phantom.anatomy.lung_shape import lung_shape
from fdglung.phantom.anatomy.trees import grow
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import LOBES, Organ
from fdglung.phantom.subject import Subject
from tests.phantom.anatomy.chest_cases import MAN, canonical, painted, pieces

_FRAME = BodyFrame(MAN, MAN.breath)


def test_all_eighteen_segments_have_a_bronchus_an_artery_and_their_lobe():
    assert len(SEGMENTS) == 18
    air, blood = bronchi(MAN, _FRAME), lung_vessels.pulmonary_arteries(MAN, _FRAME)
    for number, (name, lobe, _, _) in enumerate(SEGMENTS):
        for tree in (air, blood):
            mine = tree.segments == number
            assert mine.any(), name
            assert set(tree.lobes[mine]) == {int(lobe)}, name
        assert (air.stops[air.segments == number][:, 0] < 0).all() == name.startswith("right")


def test_segments_point_where_their_names_say():
    tree = lung_vessels.pulmonary_arteries(MAN, _FRAME)
    middle = {name: tree.stops[tree.segments == n].mean(axis=0) for n, (name, *_) in enumerate(SEGMENTS)}
    assert middle["right B1 apical"][2] > middle["right B3 anterior"][2] + 15
    assert middle["right B2 posterior"][1] > middle["right B3 anterior"][1] + 40
    assert middle["right B4 lateral"][0] < middle["right B5 medial"][0] - 15
    assert middle["right B6 superior"][2] > middle["right B10 posterior basal"][2] + 40
    assert middle["right B8 anterior basal"][1] < middle["right B10 posterior basal"][1] - 40
    assert middle["left B4 superior lingular"][2] > middle["left B5 inferior lingular"][2]


def test_calibres_follow_murrays_law_at_every_fork():
    """The powers of the branches' radii add up to their parent's (Murray 1926; exponent PMC7473930)."""
    for tree in segment_trees(MAN):
        radii = airways.artery_radii(tree.branches) ** airways.MURRAY
        fork = np.unique(tree.branches.parents[tree.branches.parents >= 0])
        both = np.bincount(tree.branches.parents[1:], radii[1:], minlength=len(radii))
        np.testing.assert_allclose(both[fork], radii[fork], rtol=1e-9)


def test_every_tip_is_reached_once_and_the_tree_hangs_together():
    rng = np.random.default_rng(0)
    tips = rng.uniform(-50, 50, (200, 3))
    branches = grow((0, 0, 90), (0, 0, -1), tips, rng)
    ends = branches.stops[branches.tips == 1]
    np.testing.assert_allclose(np.sort(ends, axis=0), np.sort(tips, axis=0))
    assert len(branches.tips) == 2 * len(tips) - 1
    np.testing.assert_array_equal(branches.starts[1:], branches.stops[branches.parents[1:]])


def test_branches_fork_at_the_published_angle():
    """28.2 +- 15.1 degrees between a branch and its parent (PMC7473930)."""
    angles = []
    for tree in segment_trees(MAN):
        way = tree.branches.stops - tree.branches.starts
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        cosine = (way[1:] * way[tree.branches.parents[1:]]).sum(axis=1)
        angles.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    assert np.mean(np.concatenate(angles)) == pytest.approx(28.2, abs=5)


def test_each_lung_holds_the_branches_that_a_ct_shows():
    counts = {}
    for side in (RIGHT, LEFT):
        listed = [t for t in segment_trees(MAN) if (t.lobe in LOBES[:3]) == (side == RIGHT)]
        counts[side] = sum(len(tree.branches.tips) for tree in listed)
    assert all(1200 < count < 2500 for count in counts.values())


def test_bronchi_narrow_as_in_weibels_model():
    """Diameters of 12, 8, 6, 4.5 and 3.5 mm in generations 1 to 5, +-25 per cent."""
    tree = bronchi(MAN, _FRAME)
    first = tree.lobes == 0
    assert 2 * tree.radii[first].max() == pytest.approx(15, rel=0.25)
    lobar = [2 * tree.radii[(tree.lobes == lobe) & (tree.segments < 0)].mean() for lobe in LOBES]
    assert np.mean(lobar) == pytest.approx(8.3, rel=0.25)
    stems = [2 * tree.radii[tree.segments == n][0] for n in range(18)]
    assert np.mean(stems) == pytest.approx(5.0, rel=0.25)
    assert tree.end_radii.min() >= airways.SMALLEST_LUMEN_MM
    assert np.median(tree.end_radii[tree.segments >= 0]) < 2.5


def test_bronchial_walls_take_a_tenth_to_a_fifth_of_the_diameter():
    lumen = np.linspace(1.3, 9, 30)
    share = airways.wall_mm(lumen) / (2 * (lumen + airways.wall_mm(lumen)))
    assert (share >= 0.0999).all()
    assert (share <= 0.2).all()
    assert (np.diff(share) <= 1e-12).all()


@pytest.mark.parametrize(
    ("make", "most"),
    [(bronchi, 0.03), (lung_vessels.pulmonary_arteries, 0.03), (lung_vessels.pulmonary_veins, 0.05)],
)
def test_hardly_a_branch_crosses_a_fissure(make, most):
    tree = make(MAN, _FRAME)
    fine = (tree.lobes > 0) & (tree.radii < 1.5)
    depth = np.concatenate([lobes(MAN).depth(tree.stops[fine & (tree.lobes == lobe)], lobe) for lobe in LOBES])
    assert (depth < -2).mean() < most


@pytest.mark.parametrize("breath", [0.3, 0.9])
def test_vessels_end_one_to_two_centimetres_from_the_pleura(breath):
    subject = Subject("F", 60, 163, 60, breath=breath)
    frame = BodyFrame(subject, breath)
    shape = lung_shape(subject, breath)
    for side in (RIGHT, LEFT):
        tree = lung_vessels.pulmonary_arteries(subject, frame)
        ends = frame.moved(tree.stops[np.sign(tree.stops[:, 0]) == side])
        assert (shape.depth(side, ends) > 1).mean() > 0.97
        points = shape.grid_points(side)
        deep = points[shape.depth(side, points) > 15]
        gap = np.array([np.linalg.norm(ends - point, axis=1).min() for point in deep[::7]])
        # nowhere in the lung's inside is a hole without vessels
        assert np.quantile(gap, 0.98) < 20


def test_arteries_run_beside_their_bronchi():
    air, blood = bronchi(MAN, _FRAME), lung_vessels.pulmonary_arteries(MAN, _FRAME)
    for number in range(18):
        own = air.kept(air.segments == number)
        near = blood.stops[blood.segments == number]
        gap = np.linalg.norm(own.stops[:, None] - near[None], axis=2).min(axis=1)
        assert np.median(gap) < 11
        assert np.median(gap) > 1.5


def test_trachea_is_round_in_front_flat_behind_and_joins_the_bronchi():
    labels = painted(MAN, spacing_mm=3.0).organs
    air = labels == Organ.AIRWAYS
    # bronchi thinner than a voxel come and go: what is wider hangs together
    assert pieces(air, least=15) == 1
    places = canonical(MAN, air, 3.0)
    windpipe = places[(places[:, 2] > 30) & (places[:, 2] < 80)]
    # 18 mm across (Weibel's model A)
    count = len(windpipe) * 27 / 50
    assert 2 * np.sqrt(count / np.pi) == pytest.approx(17, abs=2.0)
    assert places[:, 2].max() > 140


def test_breathing_carries_the_branches_with_the_lung():
    low, high = (BodyFrame(MAN, breath) for breath in (0.2, 1.0))
    tree = bronchi(MAN, high)
    ends = [frame.moved(tree.stops)[:, 2] for frame in (low, high)]
    basal = tree.stops[:, 2] < -90
    assert (ends[0] - ends[1])[basal].mean() > 40
