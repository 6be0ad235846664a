from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import ParameterError
from fdglung.phantom.lesions.chest import read_chest
from fdglung.phantom.lesions.drawing import draw_disease
from fdglung.phantom.lesions.placed import PlacedLesion
from fdglung.phantom.lesions.placement import confinement, place_lesions
from fdglung.phantom.lesions.plans import Form, LesionPlan, Sign, Station, Zone
from fdglung.phantom.lesions.rendering import render
from fdglung.phantom.organs import LOBES, Organ
from fdglung.phantom.shapes import Grid
from fdglung.phantom.study import LesionClass
from tests.phantom.lesions.chest import BRONCHI, ORIGIN, organ_map, segments

WHOLE = Grid((-178.0, -118.0, -178.0), (2.0, 2.0, 2.0), (179, 119, 164))


@pytest.fixture(scope="module")
def organs():
    return organ_map()


@pytest.fixture(scope="module")
def labels(organs):
    return sitk.GetArrayFromImage(organs)


def place(plans, organs, seed=0, **options):
    ends, radii = segments()
    return place_lesions(
        plans, organs=organs, bronchi=ends, bronchi_radii_mm=radii, rng=np.random.default_rng(seed), **options
    )


def patient(subtype, lesion_class, organs, seed):
    rng = np.random.default_rng(seed)
    disease = draw_disease(rng, lesion_class, overlap=0, subtype=subtype)
    return disease, place(disease.plans, organs, seed)


def organ_at(labels, point):
    x, y, z = (round((p - o) / 3) for p, o in zip(point, ORIGIN, strict=True))
    return int(labels[z, y, x])


def plan(diameter=20.0, **options):
    figures = {"suv_max": 5.0, "lobe": Organ.RIGHT_UPPER_LOBE, "zone": Zone.OUTER, **options}
    return LesionPlan(LesionClass.BENIGN, "x", diameter, **figures)


def many():
    """The metastases of the first patient who has at least twenty."""
    for seed in range(100):
        disease = draw_disease(np.random.default_rng(seed), LesionClass.METASTASIS, overlap=0)
        if len(disease.plans) > 20:
            return disease.plans
    raise AssertionError


def test_lesions_do_not_overlap(organs):
    lesions = place(many(), organs)
    assert len(lesions) > 15
    for one, other in combinations(lesions, 2):
        gap = np.linalg.norm(np.subtract(one.centre_mm, other.centre_mm))
        assert gap >= one.body.reach_mm + other.body.reach_mm
    counts = np.zeros(WHOLE.shape)
    for lesion in lesions:
        shown = render(lesion, WHOLE, confine=confinement(lesion, organs))
        counts[shown.window] += shown.coverage > 0.5
    assert counts.max() == 1


def test_every_lesion_lies_in_the_lobe_of_its_plan(organs, labels):
    plans = [plan(10.0, lobe=lobe, zone=zone) for lobe in LOBES for zone in Zone]
    lesions = place(plans, organs)
    assert len(lesions) == len(plans)
    for lesion in lesions:
        assert organ_at(labels, lesion.centre_mm) == lesion.plan.lobe
        assert lesion.place == lesion.plan.lobe.name.lower().replace("_", " ")


def test_zones_are_kept(organs):
    chest = read_chest(organs, ())
    means = {}
    for zone in (Zone.INNER, Zone.MIDDLE, Zone.OUTER):
        lesions = place([plan(7.0, lobe=Organ.RIGHT_LOWER_LOBE, zone=zone, seed=i) for i in range(6)], organs)
        gaps = [np.linalg.norm(chest.points - lesion.centre_mm, axis=1) for lesion in lesions]
        means[zone] = np.mean([chest.outwards[np.argmin(gap)] for gap in gaps])
    assert means[Zone.INNER] < 0.36
    assert 0.3 < means[Zone.MIDDLE] < 0.7
    assert means[Zone.OUTER] > 0.64


def test_subpleural_lesions_touch_the_pleura_and_others_need_not(organs):
    (lesion,) = place([plan(14.0, zone=Zone.SUBPLEURAL)], organs, seed=3)
    gap = np.linalg.norm(np.subtract(lesion.pleura_mm, lesion.centre_mm))
    assert gap < lesion.radius_mm + 5 + 3  # the nearest voxel outside is up to one voxel beyond the surface


def test_lesions_along_bronchi_have_one_near(organs):
    ends, _ = segments()
    for lesion in place(
        [plan(16.0, lobe=Organ.LEFT_LOWER_LOBE, zone=Zone.BRONCHIAL, seed=i) for i in range(3)], organs
    ):
        along = np.concatenate([a + np.linspace(0, 1, 60)[:, None] * (b - a) for a, b in ends])
        assert np.linalg.norm(along - lesion.centre_mm, axis=1).min() < 0.5 * lesion.radius_mm + 3 + 3


@pytest.mark.parametrize("lobe", [Organ.RIGHT_MIDDLE_LOBE, Organ.LEFT_UPPER_LOBE])
def test_a_consolidation_stays_in_its_lobe(organs, lobe):
    signs = frozenset({Sign.ILL_DEFINED, Sign.AIR_BRONCHOGRAM})
    one = plan(30.0, lobe=lobe, zone=Zone.MIDDLE, form=Form.CONSOLIDATION, signs=signs)
    (lesion,) = place([one], organs, seed=1)
    assert lesion.reaches_into == (lobe,)
    shown = render(lesion, WHOLE, confine=confinement(lesion, organs))
    total = shown.coverage.sum()
    where = sitk.Resample(
        organs, WHOLE.size, sitk.Transform(), sitk.sitkNearestNeighbor, WHOLE.origin_mm, WHOLE.spacing_mm
    )
    organ = sitk.GetArrayFromImage(where)[shown.window]
    outside = shown.coverage[(organ != lobe) & (organ != Organ.AIRWAYS)].sum()
    assert outside / total < 0.03  # the 3 mm map's border, smoothed
    assert shown.coverage[(organ == Organ.AORTA) | (organ == Organ.FAT)].sum() == 0
    # and it reaches to the border rather than keeping away from it
    assert total * shown.voxel_ml > 0.6 * np.pi / 6 * 30**3 / 1000


def test_lesions_lie_in_lungs_whatever_their_size(organs, labels):
    for seed in range(6):
        disease, lesions = patient("squamous cell carcinoma", LesionClass.LUNG_CANCER, organs, seed)
        for lesion in lesions:
            if lesion.plan.kind == "lung":
                assert organ_at(labels, lesion.centre_mm) in LOBES
        assert len([one for one in lesions if one.plan.kind == "lung"]) >= 1
        assert {lesion.plan.lesion_class for lesion in lesions} == {disease.lesion_class}


def test_nodes_lie_at_their_stations_beside_vessels_and_airways(organs, labels):
    carina = np.array(BRONCHI[0][1])
    expected = {
        Station.SUBCARINAL: lambda p: p[2] < carina[2] and abs(p[0]) < 25,
        Station.RIGHT_PARATRACHEAL: lambda p: p[0] < -8 and p[2] > carina[2],
        Station.LEFT_PARATRACHEAL: lambda p: p[0] > 8 and p[2] > carina[2],
        Station.AORTOPULMONARY: lambda p: p[0] > 10 and abs(p[2] - carina[2]) < 30,
        Station.RIGHT_HILUM: lambda p: p[0] < -10 and p[2] < carina[2] + 20,
        Station.LEFT_HILUM: lambda p: p[0] > 10 and p[2] < carina[2] + 20,
    }
    nodes = [plan(12.0, kind="node", station=station, lobe=None, zone=None) for station in Station]
    lesions = place(nodes, organs)
    assert [lesion.plan.station for lesion in lesions] == list(Station)
    for lesion in lesions:
        assert expected[lesion.plan.station](np.array(lesion.centre_mm)), lesion.plan.station
        allowed = {0, Organ.FAT, *LOBES} if "hilum" in lesion.place else {0, Organ.FAT}
        assert organ_at(labels, lesion.centre_mm) in allowed
        shown = render(lesion, WHOLE, confine=confinement(lesion, organs))
        assert shown.coverage.max() > 0.99


def test_the_carina_and_the_hila_are_found(organs):
    chest = read_chest(organs, ())
    assert np.linalg.norm(np.subtract(chest.carina, BRONCHI[0][1])) < 12
    assert chest.hila[0][0] < -15
    assert chest.hila[1][0] > 15


def test_the_same_seed_gives_the_same_places(organs):
    plans = many()
    assert place(plans, organs, seed=4) == place(plans, organs, seed=4)
    assert place(plans, organs, seed=4) != place(plans, organs, seed=5)


def test_drawn_lesions_keep_away_from_those_given(organs):
    ball = PlacedLesion.sphere((-80.0, 0.0, 0.0), 30.0, 8.0, name="here")
    lesions = place([plan(25.0) for _ in range(4)], organs, given=[ball])
    assert lesions[0] is ball
    for lesion in lesions[1:]:
        assert np.linalg.norm(np.subtract(lesion.centre_mm, ball.centre_mm)) >= 30 + lesion.body.reach_mm


def test_a_patient_keeps_a_lesion_that_is_too_large_for_every_lobe(organs):
    # a consolidation fills one lobe alone; here the largest holds 280 ml, a ball of 110 mm 697 ml
    small = sitk.Image(organs)
    small.SetSpacing((1.8, 1.8, 1.8))
    small.SetOrigin([0.6 * one for one in ORIGIN])
    one = plan(110.0, lobe=Organ.RIGHT_MIDDLE_LOBE, form=Form.CONSOLIDATION)
    (lesion,) = place_lesions([one], organs=small, rng=np.random.default_rng(0))
    assert 0.5 * 55 - 1e-9 <= lesion.radius_mm < 0.8 * 55
    shown = render(lesion, WHOLE, confine=confinement(lesion, small))
    assert 0.7 * 4 / 3 * np.pi * lesion.radius_mm**3 < 1000 * shown.coverage.sum() * shown.voxel_ml < 280_000


def test_too_many_are_left_out_and_too_large_ones_shrink(organs):
    lesions = place([plan(60.0, seed=i) for i in range(30)], organs)
    assert 1 <= len(lesions) < 30
    assert min(lesion.radius_mm for lesion in lesions) >= 0.8 * 30 - 1e-9


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ([PlacedLesion.sphere((-80.0, 0.0, 0.0), 10, 5), PlacedLesion.sphere((-80.0, 0.0, 12.0), 5, 5)], r"given\[1\]"),
        ([PlacedLesion.sphere((-168.0, 0.0, 0.0), 10, 5)], r"given\[0\].centre_mm"),
        ([PlacedLesion.sphere((0.0, 0.0, 900.0), 10, 5)], r"given\[0\].centre_mm"),
    ],
)
def test_given_lesions_that_do_not_fit_are_errors_that_name_them(organs, given, name):
    with pytest.raises(ParameterError, match=name):
        place([], organs, given=given)


def test_impossible_inputs_name_the_parameter(organs):
    ends, radii = segments()
    rng = np.random.default_rng(0)
    small = sitk.Image(organs)
    small.SetSpacing((0.6, 0.6, 0.6))
    with pytest.raises(ParameterError, match="plans"):
        place_lesions([plan(120.0)], organs=small, rng=rng)
    with pytest.raises(ParameterError, match="bronchi:"):
        place_lesions([], organs=organs, bronchi=ends[:, 0], bronchi_radii_mm=radii, rng=rng)
    with pytest.raises(ParameterError, match="bronchi_radii_mm"):
        place_lesions([], organs=organs, bronchi=ends, bronchi_radii_mm=radii[:-1], rng=rng)
    turned = sitk.Image(organs)
    turned.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))
    with pytest.raises(ParameterError, match="organs"):
        place([], turned)
    empty = organs * 0
    with pytest.raises(ParameterError, match="organs"):
        place([], empty)
    with pytest.raises(ParameterError, match="lobe"):
        replace(plan(), lobe=None)
