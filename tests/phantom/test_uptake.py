from __future__ import annotations

import numpy as np
import pytest
from pydicom.sr import _cid_dict

from fdglung.errors import ParameterError
from fdglung.phantom.organs import Tissue
from fdglung.phantom.subject import Subject, draw_subject
from fdglung.phantom.uptake import TRACERS, VARIANTS, draw_uptake, time_factor

MANY = 2500


def adult(*, age=60.0, bmi=24.5, sex="M"):
    return Subject(sex, age, 170.0, bmi * 1.7**2)


def drawn(count=400, *, seed=2, subject=None, **options):
    rng = np.random.default_rng(seed)
    return [draw_uptake(rng, subject or adult(), **options) for _ in range(count)]


def values(uptakes, tissue):
    return np.array([uptake.suv[tissue] for uptake in uptakes])


def share(uptakes, name, value):
    return float(np.mean([uptake.variants[name] == value for uptake in uptakes]))


@pytest.fixture(scope="module")
def patients():
    rng = np.random.default_rng(11)
    subjects = [draw_subject(rng) for _ in range(MANY)]
    return subjects, [draw_uptake(rng, subject) for subject in subjects]


@pytest.mark.parametrize("tracer", TRACERS)
def test_every_tissue_has_an_uptake_and_what_holds_no_tracer_has_none(tracer):
    for uptake in drawn(30, tracer=tracer):
        assert set(uptake.suv) == set(Tissue)
        assert all(np.isfinite(value) and value >= 0 for value in uptake.suv.values())
        for tissue in (Tissue.AIR, Tissue.BOWEL_GAS, Tissue.METAL, Tissue.COUCH, Tissue.COUCH_CORE):
            assert uptake.suv[tissue] == 0
        assert uptake.suv[Tissue.BLOOD] == uptake.suv[Tissue.LUNG_VESSEL] == uptake.suv[Tissue.VENOUS_BLOOD]


@pytest.mark.parametrize(
    ("tissue", "mean", "sd"),
    [
        (Tissue.LIVER, (1.85, 2.34), (0.3, 0.5)),  # 10.5812/iranjradiol.84881, Istanbul Med J 2019;20(5)
        (Tissue.BLOOD, (1.43, 1.71), (0.14, 0.40)),  # Istanbul Med J 2019;20(5)
        (Tissue.CEREBELLUM, (7.0, 9.0), (1.5, 2.9)),  # 10.1007/s11307-006-0075-y, as the next two
        (Tissue.TONSIL, (2.7, 3.9), (0.9, 1.7)),
        (Tissue.TESTIS, (2.3, 2.8), (0.4, 0.75)),
    ],
)
def test_fdg_matches_published_means_and_spreads(patients, tissue, mean, sd):
    suv = values(patients[1], tissue)
    assert mean[0] < suv.mean() < mean[1]
    assert sd[0] < suv.std() < sd[1]


def test_lung_with_its_vessels_lies_between_back_and_front(patients):
    # lower back 0.804 +- 0.230, 41 % above the upper front (10.1007/BF00833385)
    uptakes = patients[1]
    lung = 0.92 * values(uptakes, Tissue.LUNG) + 0.08 * values(uptakes, Tissue.BLOOD)
    assert lung.mean() == pytest.approx((0.804 + 0.804 / 1.41) / 2, abs=0.05)


def test_liver_rises_with_the_body_mass_index_by_the_published_slope():
    # 0.066 a kg/m2 in 603 adults (PMID 23177341); fat and urine stay
    indices = np.array([19.0, 24.5, 30.0, 35.0])
    cohorts = [drawn(400, subject=adult(bmi=bmi), uptake_variants={"muscle": "rest"}) for bmi in indices]
    slope = np.polyfit(indices, [values(cohort, Tissue.LIVER).mean() for cohort in cohorts], 1)[0]
    assert slope == pytest.approx(0.066, rel=0.1)
    for tissue in (Tissue.FAT, Tissue.BLADDER):
        assert np.ptp([values(cohort, tissue).mean() for cohort in cohorts]) < 1e-9 + 0.02 * cohorts[0][0].suv[tissue]


@pytest.mark.parametrize(
    ("fasting", "shares"),
    [("4-6 h", (0.10, 0.39, 0.51)), ("12-14 h", (0.55, 0.28, 0.18)), ("fat diet", (0.77, 0.14, 0.10))],
)
def test_myocardium_follows_fasting(fasting, shares):
    # 10.4103/0972-3919.136559
    uptakes = drawn(600, uptake_variants={"fasting": fasting, "muscle": "rest"})
    states = [uptake.variants["myocardium"] for uptake in uptakes]
    n = len(states)
    for state, expected in zip(VARIANTS["myocardium"], shares, strict=True):
        expected /= sum(shares)
        assert states.count(state) / n == pytest.approx(expected, abs=3.5 * np.sqrt(expected * (1 - expected) / n))


def test_variants_have_their_published_shares(patients):
    uptakes = patients[1]
    for name, expected in (
        ("colon", {"none": 0.08, "mild": 0.55, "moderate": 0.27, "severe": 0.10}),
        ("small_bowel", {"none": 0.178, "mild": 0.634, "moderate": 0.188}),
    ):
        for value, chance in expected.items():
            assert share(uptakes, name, value) == pytest.approx(chance, abs=0.03)
    assert 0.05 < share(uptakes, "brown_fat", "active") < 0.10


def test_brown_fat_is_of_young_lean_women():
    def active(**who):
        return share(drawn(1500, subject=adult(**who)), "brown_fat", "active")

    men, women = active(sex="M"), active(sex="F")
    assert women / men == pytest.approx(7.5 / 3.1, rel=0.4)  # 10.1056/NEJMoa0810780
    assert active(sex="F", age=25, bmi=20) > 2 * women > 4 * active(sex="F", age=85, bmi=35)


def test_variants_asked_for_change_their_tissue():
    def mean(tissue, **variants):
        return values(drawn(200, uptake_variants=variants), tissue).mean()

    heart = [mean(Tissue.LEFT_VENTRICLE_WALL, myocardium=state, muscle="rest") for state in VARIANTS["myocardium"]]
    assert heart[0] < 2.2 < 3 < heart[1] < 5 < 6.5 < heart[2] < 10
    colon = [mean(Tissue.COLON_WALL, colon=state) for state in VARIANTS["colon"]]
    assert np.all(np.diff(colon) > 0.4)
    assert mean(Tissue.BROWN_FAT, brown_fat="active") > 5 > 0.6 > mean(Tissue.BROWN_FAT, brown_fat="inactive")
    muscle = [mean(Tissue.MUSCLE, muscle=state) for state in VARIANTS["muscle"]]
    assert muscle[0] < 0.75 < muscle[1] < 1.4 < muscle[2]
    assert mean(Tissue.LIVER, muscle="insulin") < 0.85 * mean(Tissue.LIVER, muscle="rest")
    assert mean(Tissue.VERTEBRAL_MARROW, marrow="activated") > 1.8 * mean(Tissue.VERTEBRAL_MARROW, marrow="normal")
    assert mean(Tissue.THYMUS, thymus="rebound") > 2


def test_insulin_lights_the_heart_unless_told_otherwise():
    assert share(drawn(50, uptake_variants={"muscle": "insulin"}), "myocardium", "full") == 1
    assert share(drawn(50, uptake_variants={"muscle": "insulin", "myocardium": "none"}), "myocardium", "none") == 1


def test_thymus_and_tonsils_fade_with_age():
    young, old = (drawn(300, subject=adult(age=age)) for age in (22, 75))
    assert values(young, Tissue.THYMUS).mean() > 1.2 > 0.6 > values(old, Tissue.THYMUS).mean()
    assert values(young, Tissue.TONSIL).mean() > 1.4 * values(old, Tissue.TONSIL).mean()


@pytest.mark.parametrize(
    ("tracer", "bands"),
    [
        # 10.1038/s41598-020-60099-y; liver and spleen 10.1186/s13550-024-01097-3
        (
            "psma_11",
            {
                Tissue.PAROTID: 14.5,
                Tissue.SUBMANDIBULAR: 13.0,
                Tissue.PROSTATE: 2.4,
                Tissue.LIVER: 5.4,
                Tissue.SPLEEN: 8.1,
            },
        ),
        ("psma_1007", {Tissue.LIVER: 11.7, Tissue.SPLEEN: 11.2}),
        ("dotatate", {Tissue.SPLEEN: 19.0, Tissue.RENAL_CORTEX: 12.0}),
        ("fapi", {Tissue.SUBMANDIBULAR: 3.2, Tissue.UTERUS: 3.6}),
    ],
)
def test_other_tracers_match_their_organs(tracer, bands):
    uptakes = drawn(500, tracer=tracer)
    for tissue, mean in bands.items():
        assert values(uptakes, tissue).mean() == pytest.approx(mean, rel=0.06), tissue
    assert all(uptake.variants == {} for uptake in uptakes)


def test_psma_kidneys_and_dotatate_spleen_are_the_hottest_organs():
    kidney = 0.65 * values(drawn(tracer="psma_11"), Tissue.RENAL_CORTEX)
    kidney += 0.35 * values(drawn(tracer="psma_11"), Tissue.RENAL_MEDULLA)
    assert kidney.mean() == pytest.approx(41.7, rel=0.08)  # 10.1038/s41598-020-60099-y
    spleen, renal, liver = (
        values(drawn(tracer="dotatate"), tissue).mean() for tissue in (Tissue.SPLEEN, Tissue.RENAL_CORTEX, Tissue.LIVER)
    )
    assert spleen > renal > liver  # 10.1007/s12149-013-0718-4


@pytest.mark.parametrize("tracer", TRACERS.values(), ids=TRACERS)
def test_tracers_have_codes_of_their_context_groups(tracer):
    nuclides = {keyword for keywords in _cid_dict.cid_concepts[4020].values() for keyword in keywords}
    assert "_18Fluorine" in nuclides
    assert tracer.radionuclide.value == {6586.2: "77004003", 4062.6: "35337001"}[tracer.half_life_s]
    scheme = tracer.radiopharmaceutical.scheme_designator
    assert scheme in ("SCT", "DCM", "NCIt") or (tracer.key == "fapi" and scheme == "99FDGLUNG")
    isotope = {"77004003": "F^18^", "35337001": "Ga^68^"}[tracer.radionuclide.value]
    assert tracer.radiopharmaceutical.meaning.endswith(isotope)
    assert tracer.name.endswith(isotope)


def test_half_lives_are_those_that_reading_uses():
    from fdglung.dicom.radionuclide import HALF_LIVES

    for tracer in TRACERS.values():
        nuclide = {"77004003": "F-18", "35337001": "Ga-68"}[tracer.radionuclide.value]
        assert tracer.half_life_s == pytest.approx(HALF_LIVES[nuclide], rel=1e-3)


def test_liver_is_steady_from_50_to_110_min_and_peaks_between_75_and_80():
    # within 5 % of its peak from 50 to 110 min (10.2967/jnmt.111.090027)
    minutes = np.arange(40, 140)
    liver = np.array([time_factor("liver", 60.0 * minute) for minute in minutes])
    assert 75 <= minutes[liver.argmax()] <= 80
    inside = (minutes >= 50) & (minutes <= 110)
    assert liver[inside].min() / liver.max() > 0.95 - 1e-9
    assert liver[0] / liver.max() < 0.95


def test_blood_falls_and_tumours_rise_with_time():
    assert time_factor("tumour", 7200) == pytest.approx(1.118, abs=1e-6)  # PMID 26426969
    assert time_factor("blood", 7200) == pytest.approx(time_factor("blood", 5400) ** 2)
    late, early = (drawn(100, uptake_s=seconds) for seconds in (7200, 3600))
    ratio = values(late, Tissue.BLOOD).mean() / values(early, Tissue.BLOOD).mean()
    assert ratio == pytest.approx(time_factor("blood", 7200), rel=1e-9)
    for tracer in TRACERS.values():
        for site in ("blood", "liver", "tumour", "background"):
            assert time_factor(site, tracer.uptake_s, tracer=tracer.key) == pytest.approx(1)


def test_the_same_seed_gives_the_same_uptake():
    first, again, other = (draw_uptake(np.random.default_rng(seed), adult()) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"tracer": "fluoride"}, "tracer"),
        ({"uptake_variants": {"bowels": "mild"}}, "uptake_variants"),
        ({"uptake_variants": {"colon": "hot"}}, "uptake_variants"),
        ({"tracer": "dotatate", "uptake_variants": {"myocardium": "full"}}, "uptake_variants"),
        ({"uptake_variants": ["brown_fat"]}, "uptake_variants"),
        ({"uptake_s": 60}, "uptake_s"),
        ({"uptake_s": float("nan")}, "uptake_s"),
    ],
)
def test_a_wrong_parameter_is_named(options, named):
    with pytest.raises(ParameterError) as caught:
        draw_uptake(np.random.default_rng(0), adult(), **options)
    assert caught.value.attribute == named


def test_an_unknown_site_is_named():
    with pytest.raises(ParameterError, match="site"):
        time_factor("nail", 3600)
