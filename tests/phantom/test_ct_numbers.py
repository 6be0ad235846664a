from __future__ import annotations

import numpy as np
import pytest

from fdglung.errors import ParameterError
from fdglung.phantom.ct_numbers import draw_ct_numbers, lung_vessel_share, whole_lung_hu
from fdglung.phantom.organs import Tissue
from fdglung.phantom.subject import Subject

DRAWS = 1000


def adult(*, age=55.0, bmi=24.5, breath=0.35, sex="M"):
    return Subject(sex, age, 170.0, bmi * 1.7**2, breath=breath)


def drawn(subject, *, seed=1, count=DRAWS, **options):
    rng = np.random.default_rng(seed)
    draws = [draw_ct_numbers(rng, subject, **options) for _ in range(count)]
    return {tissue: np.array([draw[tissue] for draw in draws]) for tissue in Tissue}


@pytest.fixture(scope="module")
def native():
    return drawn(adult())


@pytest.fixture(scope="module")
def portal():
    return drawn(adult(), contrast="portal")


def test_every_tissue_has_a_number_that_a_ct_can_hold(native, portal):
    for draws in (native, portal):
        assert set(draws) == set(Tissue)
        assert all(np.isfinite(values).all() for values in draws.values())
        assert min(values.min() for values in draws.values()) >= -1024
        assert max(values.max() for values in draws.values()) <= 3071


@pytest.mark.parametrize(("breath", "expected", "spread"), [(0.35, -740, 50), (0.9, -860, 27)])
@pytest.mark.parametrize("contrast", ["none", "portal"])
def test_lung_and_vessels_together_have_the_whole_lung_s_number(breath, expected, spread, contrast):
    draws = drawn(adult(breath=breath), contrast=contrast)
    share = lung_vessel_share(breath)
    whole = (1 - share) * draws[Tissue.LUNG] + share * draws[Tissue.LUNG_VESSEL]
    contrast_medium = 0 if contrast == "none" else share * 110 + (1 - share) * 12
    assert whole.mean() == pytest.approx(expected + contrast_medium, abs=5)
    assert whole.std() == pytest.approx(spread, rel=0.15)  # 50 HU scaled with the density


def test_vessels_keep_their_volume_when_the_lung_fills():
    # volume of the lung goes with the inverse of its density, as its tissue's mass stays
    density = [(1000 + whole_lung_hu(breath)) / 1000 for breath in (0.35, 0.9)]
    volumes = [lung_vessel_share(breath) / d for breath, d in zip((0.35, 0.9), density, strict=True)]
    assert volumes[0] == pytest.approx(volumes[1], rel=1e-9)


@pytest.mark.parametrize(
    ("tissue", "mean", "sd"),
    [
        (Tissue.SPLEEN, (46, 52), (4, 8)),
        (Tissue.MUSCLE, (49, 55), (5, 9)),
        (Tissue.BLOOD, (38, 42), (4, 6)),
        (Tissue.LEFT_VENTRICLE_WALL, (39, 45), (5, 8)),
        (Tissue.RENAL_CORTEX, (29, 35), (4, 7)),
        (Tissue.PANCREAS, (36, 44), (6, 10)),
        (Tissue.FAT, (-105, -95), (5, 12)),
        (Tissue.AIR, (-1000, -970), (2, 10)),
        (Tissue.CORTICAL_BONE, (900, 1200), (90, 200)),
    ],
)
def test_native_numbers_lie_in_their_bands(native, tissue, mean, sd):
    assert mean[0] < native[tissue].mean() < mean[1]
    assert sd[0] < native[tissue].std() < sd[1]


@pytest.mark.parametrize(
    ("tissue", "mean", "sd"),
    [
        (Tissue.LIVER, 110, 15),
        (Tissue.SPLEEN, 120, 15),
        (Tissue.BLOOD, 150, 20),
        (Tissue.RENAL_CORTEX, 190, 30),
        (Tissue.MUSCLE, 62, 8),
    ],
)
def test_portal_numbers_have_their_mean_and_spread(portal, tissue, mean, sd):
    assert portal[tissue].mean() == pytest.approx(mean, abs=5)
    assert portal[tissue].std() == pytest.approx(sd, rel=0.3)


def test_liver_matches_screened_adults():
    # 58.8 +- 10.8 HU and 6.2 % at most 40 HU in 3,357 adults of 57 years (10.2214/AJR.09.2590), as heavy as they were
    rng = np.random.default_rng(5)
    liver = []
    for bmi in np.clip(rng.normal(28, 5, 4000), 17, 50):
        liver.append(draw_ct_numbers(rng, adult(age=57, bmi=float(bmi)))[Tissue.LIVER])
    assert np.mean(liver) == pytest.approx(58.8, abs=2.5)
    assert np.std(liver) == pytest.approx(10.8, abs=2)
    assert np.mean(np.array(liver) <= 40) == pytest.approx(0.062, abs=0.02)
    # 17.3 % of 4,175 adults lay below 51 HU (PMID 22521729)
    assert np.mean(np.array(liver) < 51) == pytest.approx(0.173, abs=0.03)


def test_fatty_livers_are_those_of_the_obese():
    lean, obese = (drawn(adult(bmi=bmi), count=800)[Tissue.LIVER] for bmi in (21, 36))
    assert np.mean(lean < 40) < 0.03
    assert np.mean(obese < 40) > 0.12
    assert lean.mean() - obese.mean() > 8


def test_vertebral_marrow_matches_the_young_and_the_old():
    # 226 +- 44 HU below 30 years, 89 +- 38 HU from 90 years (10.1148/radiol.2019181648)
    for age, mean, sd in ((26, 226, 44), (92, 89, 38)):
        marrow = drawn(adult(age=age), count=800)[Tissue.VERTEBRAL_MARROW]
        assert marrow.mean() == pytest.approx(mean, abs=6)
        assert marrow.std() == pytest.approx(sd, abs=8)


def test_contrast_medium_leaves_urine_and_bile_and_brightens_blood(native, portal):
    for tissue in (Tissue.BLADDER, Tissue.GALLBLADDER, Tissue.RENAL_PELVIS, Tissue.FAT):
        assert portal[tissue].mean() == pytest.approx(native[tissue].mean(), abs=3)
    assert (portal[Tissue.LUNG_VESSEL] == portal[Tissue.BLOOD]).all()
    assert (native[Tissue.LUNG_VESSEL] == native[Tissue.VENOUS_BLOOD]).all()
    assert (portal[Tissue.BLOOD] > native[Tissue.BLOOD] + 50).all()


def test_the_same_seed_gives_the_same_numbers():
    subject = adult()
    first, again, other = (draw_ct_numbers(np.random.default_rng(seed), subject) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_a_wrong_parameter_is_named():
    with pytest.raises(ParameterError, match="contrast"):
        draw_ct_numbers(np.random.default_rng(0), adult(), contrast="arterial")
