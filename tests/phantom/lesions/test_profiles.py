from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest

from fdglung.errors import ParameterError
from fdglung.phantom.lesions.distributions import SizeUptake, Spread
from fdglung.phantom.lesions.drawing import draw_class, draw_disease
from fdglung.phantom.lesions.plans import LesionPlan, Sign, Station, Zone
from fdglung.phantom.lesions.profiles import PROFILES, SOURCES, subtypes
from fdglung.phantom.lesions.subtype import SIGNS_BY_FORM
from fdglung.phantom.lesions.tables import profile_tables
from fdglung.phantom.study import LesionClass
from tests.cases import ROOT

NAMES = [one.name for one in PROFILES]


def profile(name):
    return PROFILES[NAMES.index(name)]


def patients(name, count, seed=0):
    one = profile(name)
    rng = np.random.default_rng([seed, NAMES.index(name)])
    return [draw_disease(rng, one.lesion_class, overlap=0, subtype=name) for _ in range(count)]


@cache
def first_lesions(name, count, seed=0):
    return [disease.plans[0] for disease in patients(name, count, seed)]


def lung_lesions(name, count, seed=0):
    """At least `count` lesions, all of each patient."""
    plans = []
    one, rng = profile(name), np.random.default_rng(seed)
    while len(plans) < count:
        disease = draw_disease(rng, one.lesion_class, overlap=0, subtype=name)
        plans += [plan for plan in disease.plans if plan.kind == "lung"]
    return plans


@pytest.fixture(scope="module")
def adenocarcinomas():
    return first_lesions("adenocarcinoma", 4000)


@pytest.fixture(scope="module")
def malt():
    return patients("MALT lymphoma", 2500)


def within(value, expected, sd, count, sigmas=4.0):
    """Whether a mean of `count` draws lies where chance allows."""
    return abs(value - expected) < sigmas * sd / np.sqrt(count)


@pytest.mark.parametrize("lesion_class", list(LesionClass))
def test_the_shares_of_a_class_sum_to_one(lesion_class):
    assert sum(one.weight for one in subtypes(lesion_class)) == pytest.approx(1)


@pytest.mark.parametrize("one", PROFILES, ids=NAMES)
def test_every_distribution_of_a_subtype_sums_to_one(one):
    for shares in (one.number, one.forms.values(), one.zones.values(), one.lobes, one.lobe_probabilities.values()):
        assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "mean", "sd", "low", "high"),
    [
        ("MALT lymphoma", 4.4, 3.0, 1.1, 15.3),  # 29 lesions, 28 patients
        ("tuberculoma", 4.2, 2.2, 0.5, 20),  # Radiology 2000;216:117
        ("pneumonia", 4.55, 2.77, 0.5, 20),  # 10.21037/tlcr.2019.06.09, inflammatory
        ("sarcoidosis", 15.1, 5.7, 1, 45),  # same
        ("hamartoma", 1.5, 0.6, 0.3, 5),  # 10.3892/ol.2018.8660
        ("cryptococcoma", 3.5, 2.9, 0.4, 20),  # 10.3760/cma.j.issn.1673-4114.2020.01.009
        ("adenocarcinoma", 5.1 * 1.3, 3.4 * 1.3, 0.5, 32),  # 540 resected, from lean mass
        ("squamous cell carcinoma", 9.9 * 1.3, 4.6 * 1.3, 0.5, 42),  # same
    ],
)
def test_suv_max_has_the_published_mean_and_spread(name, mean, sd, low, high):
    sizes = profile(name).sizes
    rng = np.random.default_rng(7)
    suv = np.concatenate([sizes.draw(rng, 1)[1] for _ in range(6000)])
    assert within(suv.mean(), mean, sd, len(suv)) or abs(suv.mean() / mean - 1) < 0.02
    assert suv.std() == pytest.approx(sd, rel=0.06)
    assert low <= suv.min()
    assert suv.max() <= high


def test_uptake_of_lung_cancer_rises_with_size_as_published(adenocarcinomas):
    # r = 0.56 in 540 resected lung cancers
    diameter = [plan.diameter_mm for plan in adenocarcinomas]
    suv = [plan.suv_max for plan in adenocarcinomas]
    assert np.corrcoef(diameter, suv)[0, 1] == pytest.approx(0.56, abs=0.05)


def test_volumes_of_malt_lymphoma_are_those_published():
    # MTV 15.9 +- 17.6 ml in 29 lesions; the standard error of their mean is 3.3 ml
    diameter = np.concatenate(
        [profile("MALT lymphoma").sizes.draw(np.random.default_rng(i), 1)[0] for i in range(3000)]
    )
    volume = np.pi / 6 * diameter**3 / 1000
    assert volume.mean() == pytest.approx(15.9, abs=3.3)


def test_focal_organising_pneumonia_has_the_published_median():
    # median 3.5 (2.1-13.1), PMID 25689088
    suv = [plan.suv_max for plan in first_lesions("focal organising pneumonia", 1500)]
    assert np.median(suv) == pytest.approx(3.5, abs=0.2)


@pytest.mark.parametrize(
    ("name", "sign", "share"),
    [
        ("adenocarcinoma", Sign.LOBULATED, 0.70),
        ("adenocarcinoma", Sign.SPICULATED, 0.55),
        ("adenocarcinoma", Sign.PLEURAL_TAIL, 0.45),
        ("adenocarcinoma", Sign.CALCIUM, 0.07),
        ("squamous cell carcinoma", Sign.CAVITY, 0.25),
        ("tuberculoma", Sign.SATELLITES, 0.70),
        ("cryptococcoma", Sign.HALO, 0.175),
        ("metastasis", Sign.CAVITY, 0.04),
    ],
)
def test_signs_are_as_frequent_as_published(name, sign, share):
    plans = lung_lesions(name, 2500, seed=1)
    found = np.mean([sign in plan.signs for plan in plans])
    assert within(found, share, np.sqrt(share * (1 - share)), len(plans))


def test_hamartomas_are_calcified_in_four_of_fourteen():
    found = [
        bool(plan.signs & {Sign.CALCIUM, Sign.POPCORN_CALCIUM}) for plan in first_lesions("hamartoma", 2500, seed=1)
    ]
    assert within(np.mean(found), 4 / 14, 0.45, len(found))


def test_lobulation_of_cancer_rises_with_size(adenocarcinomas):
    small = [Sign.LOBULATED in plan.signs for plan in adenocarcinomas if plan.diameter_mm < 20]
    large = [Sign.LOBULATED in plan.signs for plan in adenocarcinomas if plan.diameter_mm > 40]
    assert np.mean(large) > np.mean(small) + 0.1


def test_patients_with_malt_lymphoma_have_bronchial_signs_nodes_and_numbers_as_published(malt):
    lungs = [[plan for plan in disease.plans if plan.kind == "lung"] for disease in malt]
    bronchial = np.mean([any(Sign.AIR_BRONCHOGRAM in plan.signs for plan in plans) for plans in lungs])
    assert bronchial == pytest.approx(0.905, abs=0.025)
    assert within(np.mean([len(plans) > 1 for plans in lungs]), 18 / 28, 0.48, len(malt))
    assert within(np.mean([len(plans) for plans in lungs]), 57 / 28, 1.1, len(malt))
    assert within(np.mean([len(d.plans) > len(p) for d, p in zip(malt, lungs, strict=True)]), 0.143, 0.35, len(malt))


def test_adenocarcinoma_lies_in_the_upper_lobes_in_69_per_cent(adenocarcinomas):
    upper = np.mean(["UPPER" in plan.lobe.name for plan in adenocarcinomas])
    assert within(upper, 0.69, 0.46, len(adenocarcinomas))


def test_cryptococcomas_have_the_published_size():
    # 7 +- 5 mm, 10.3760/cma.j.issn.1673-4114.2020.01.009
    diameter = np.array([plan.diameter_mm for plan in first_lesions("cryptococcoma", 3000)])
    assert within(diameter.mean(), 7, 5, len(diameter))
    assert diameter.std() == pytest.approx(5, rel=0.1)


def test_cryptococcomas_are_subpleural_in_80_per_cent():
    found = np.mean([plan.zone == Zone.SUBPLEURAL for plan in first_lesions("cryptococcoma", 2000)])
    assert within(found, 0.8, 0.4, 2000)


def test_metastases_number_as_published():
    numbers = np.array([sum(p.kind == "lung" for p in disease.plans) for disease in patients("metastasis", 600)])
    for low, high, share in ((1, 9, 0.56), (10, 50, 0.26), (51, 60, 0.18)):
        found = np.mean((numbers >= low) & (numbers <= high))
        assert within(found, share, np.sqrt(share * (1 - share)), len(numbers))


def test_nodes_of_sarcoidosis_are_on_both_sides():
    both = 0
    carriers = 0
    for disease in patients("sarcoidosis", 400):
        stations = {plan.station for plan in disease.plans if plan.kind == "node"}
        carriers += bool(stations)
        both += {Station.RIGHT_HILUM, Station.LEFT_HILUM} <= stations
    assert within(carriers / 400, 0.92, 0.27, 400)
    assert both / carriers > 0.7


@pytest.mark.parametrize("name", ["adenocarcinoma", "tuberculoma", "squamous cell carcinoma", "metastasis"])
def test_no_sign_tells_more_of_the_uptake_than_the_size_does(name):
    # within narrow classes of size, signs and SUV are uncorrelated: t statistics of all signs and classes together
    plans = lung_lesions(name, 6000, seed=3)
    sizes = np.array([plan.diameter_mm for plan in plans])
    logs = np.log([plan.suv_max for plan in plans])
    # SUV may depend on size: what a straight line explains is taken away within each class
    groups = np.digitize(sizes, np.quantile(sizes, np.linspace(0, 1, 9)[1:-1]))
    scores = []
    for sign in profile(name).signs:
        has = np.array([sign in plan.signs for plan in plans])
        for group in range(8):
            those = groups == group
            yes = has[those]
            if min(yes.sum(), (~yes).sum()) < 30:
                continue
            line = np.polyfit(np.log(sizes[those]), logs[those], 1)
            rest = logs[those] - np.polyval(line, np.log(sizes[those]))
            spread = rest.std() * np.sqrt(1 / yes.sum() + 1 / (~yes).sum())
            scores.append((rest[yes].mean() - rest[~yes].mean()) / spread)
    scores = np.array(scores)
    assert len(scores) > 15
    assert np.abs(scores).max() < 4.2
    assert abs(scores.mean()) < 4 / np.sqrt(len(scores))
    assert np.mean(scores**2) == pytest.approx(1, abs=4 * np.sqrt(2 / len(scores)))


def test_signs_fit_the_form():
    rng = np.random.default_rng(2)
    for _ in range(300):
        for plan in draw_disease(rng, draw_class(rng)).plans:
            assert plan.signs <= SIGNS_BY_FORM[plan.form]


def test_lesions_of_one_patient_are_alike():
    sizes = SizeUptake(Spread(14, 8, 4, 75), Spread(5, 4, 0.7, 32), 0.5, 0.6)
    rng = np.random.default_rng(0)
    pairs = np.log([sizes.draw(rng, 2)[0] for _ in range(4000)])
    # cutting to the range lowers the common share of the variance a little
    assert np.corrcoef(pairs.T)[0, 1] == pytest.approx(0.6, abs=0.06)


def test_densities_integrate_to_one():
    sizes = SizeUptake(Spread(14, 8, 4, 75), Spread(5, 4, 0.7, 32), 0.5, 0.6)
    diameters, uptakes = np.geomspace(4, 75, 301), np.geomspace(0.7, 32, 301)
    one = np.arange(301)
    size, _ = sizes.log_density(diameters, np.full(301, 5.0), one, 301)
    assert np.trapz(np.exp(size), diameters) == pytest.approx(1, abs=1e-3)
    for diameter in (6.0, 20.0):
        _, uptake = sizes.log_density(np.full(301, diameter), uptakes, one, 301)
        assert np.trapz(np.exp(uptake), uptakes) == pytest.approx(1, abs=1e-3)


def test_the_same_seed_gives_the_same_disease():
    draws = [draw_disease(np.random.default_rng(5), LesionClass.BENIGN) for _ in range(2)]
    assert draws[0] == draws[1]
    assert draws[0] != draw_disease(np.random.default_rng(6), LesionClass.BENIGN)


@pytest.mark.parametrize("overlap", [-0.1, 1.0, float("nan"), "much", True])
def test_an_impossible_overlap_names_the_parameter(overlap):
    with pytest.raises(ParameterError, match="overlap"):
        draw_disease(np.random.default_rng(0), LesionClass.BENIGN, overlap=overlap)


def test_unknown_names_are_errors_that_name_the_parameter():
    rng = np.random.default_rng(0)
    with pytest.raises(ParameterError, match="subtype"):
        draw_disease(rng, LesionClass.BENIGN, subtype="adenocarcinoma")
    with pytest.raises(ParameterError, match="lesion_class"):
        draw_disease(rng, "cold")
    for priors in (
        {LesionClass.BENIGN: -1.0},
        {LesionClass.BENIGN: "much"},
        {"cold": 1.0},
        {LesionClass.BENIGN: np.nan},
    ):
        with pytest.raises(ParameterError, match="priors"):
            draw_class(rng, priors=priors)


@pytest.mark.parametrize(
    ("name", "value"),
    [("diameter_mm", 1.0), ("suv_max", -1.0), ("hu", 4000.0), ("texture", 0.7), ("diameter_mm", None)],
)
def test_figures_of_a_plan_outside_their_range_name_the_attribute(name, value):
    figures = {"diameter_mm": 20.0, "suv_max": 5.0, "hu": 40.0, "texture": 0.1, name: value}
    with pytest.raises(ParameterError, match=name):
        LesionPlan(LesionClass.BENIGN, "x", ball=True, **figures)


def test_every_source_is_named_by_a_profile_and_every_name_is_a_source():
    named = {word for one in PROFILES for word in re.findall(r"[A-Z]{2,}(?:-\w+)?", one.sources)}
    # abbreviations in the text are no sources
    assert named - {"SUV", "MTV"} == set(SOURCES)


def test_the_documentation_holds_the_tables_of_the_code():
    text = (ROOT / "docs" / "phantom_lesions.md").read_text(encoding="utf-8")
    assert profile_tables() in text
