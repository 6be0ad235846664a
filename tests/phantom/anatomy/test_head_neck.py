from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from fdglung.phantom.anatomy import brain, landmarks, neck_organs
from fdglung.phantom.frame import BodyFrame
from fdglung.phantom.organs import Organ, Tissue
from fdglung.phantom.raster import Volumes, rasterise
from fdglung.phantom.shapes import Grid
from fdglung.phantom.subject import Subject

STEP = 2.0
NECK = Grid((-80.0, -110.0, 70.0), (STEP, STEP, STEP), (81, 91, 76))
HEAD = Grid((-84.0, -110.0, 180.0), (STEP, STEP, STEP), (85, 113, 85))
ML = STEP**3 / 1000

EVERYONE = tuple(
    Subject(sex, 30 + 14 * i, (172 if sex == "M" else 160) + 2 * i, (74 if sex == "M" else 62), 0.5, shape_seed=300 + i)
    for sex in ("M", "F")
    for i in range(5)
)
MEN, WOMEN = EVERYONE[:5], EVERYONE[5:]


def named(subject: Subject) -> str:
    return f"{subject.sex}{subject.age_years}"


@cache
def neck(subject: Subject) -> Volumes:
    frame = BodyFrame(subject, subject.breath)
    return rasterise(neck_organs.parts(subject, frame), frame, NECK, organs=True)


@cache
def head(subject: Subject) -> Volumes:
    frame = BodyFrame(subject, subject.breath)
    return rasterise(brain.parts(subject, frame), frame, HEAD, organs=True, lattice_mm=2.0)


def volume_ml(found: Volumes, organ: Organ) -> float:
    return float((found.organs == organ).sum()) * ML


@cache
def shares(subject: Subject, tissue: Tissue):
    """Fraction of each voxel of the head that a tissue takes."""
    frame = BodyFrame(subject, subject.breath)
    only = {other: float(other is tissue) for other in Tissue}
    return rasterise(brain.parts(subject, frame), frame, HEAD, suv=only, lattice_mm=2.0).suv


def tissue_ml(subject: Subject, tissue: Tissue) -> float:
    return float(shares(subject, tissue).sum()) * ML


@pytest.mark.parametrize("subject", EVERYONE, ids=named)
def test_glands_have_the_volumes_of_adults(subject):
    found = neck(subject)
    # about three standard deviations around ICRP 89: thyroid 20 and 17 g, parotids 50 and 42, submandibular 25 and 21
    assert 8 < volume_ml(found, Organ.THYROID) < 36
    assert 28 < volume_ml(found, Organ.PAROTID_GLANDS) < 75
    assert 13 < volume_ml(found, Organ.SUBMANDIBULAR_GLANDS) < 38


@pytest.mark.parametrize("subject", EVERYONE[::3], ids=named)
def test_paired_glands_are_two_and_on_either_side(subject):
    for organ in (Organ.PAROTID_GLANDS, Organ.SUBMANDIBULAR_GLANDS):
        labels, count = ndimage.label(neck(subject).organs == organ)
        sizes = np.bincount(labels.ravel())[1:]
        large = [i + 1 for i in range(count) if sizes[i] > 0.1 * sizes.sum()]
        assert len(large) == 2
        sides = sorted(np.sign(ndimage.center_of_mass(labels == i)[2] * STEP - 80) for i in large)
        assert sides == [-1, 1]
        assert sizes[large[0] - 1] == pytest.approx(sizes[large[1] - 1], rel=0.35)


@pytest.mark.parametrize("subject", EVERYONE[::3], ids=named)
def test_the_thyroid_embraces_the_trachea_without_entering_it(subject):
    frame = BodyFrame(subject, subject.breath)
    x, y, z = frame.coordinates(NECK)
    own = neck(subject).organs == Organ.THYROID
    height = float(z[own].mean())
    assert 95 < height < 135
    trachea = np.hypot(x, y - (2 + (140 - z) * 6 / 50)) < 9
    assert not (own & trachea & (z < 139)).any()
    right, left = (own & (x < -8)).sum(), (own & (x > 8)).sum()
    assert 0.6 < right / left < 1.7
    # the isthmus joins the lobes in front
    assert (own & (np.abs(x) < 4) & (y < 0)).any()
    assert not (own & (np.abs(x) < 4) & (y > 8)).any()


@pytest.mark.parametrize("subject", EVERYONE[::3], ids=named)
def test_one_airway_leads_from_the_trachea_to_the_nose(subject):
    frame = BodyFrame(subject, subject.breath)
    labels, _ = ndimage.label(neck(subject).organs == Organ.AIRWAYS)
    _, y, z = frame.coordinates(NECK)
    largest = labels == np.bincount(labels.ravel())[1:].argmax() + 1
    assert z[largest].min() < 140
    assert z[largest].max() > 192
    assert y[largest].min() < -14


@pytest.mark.parametrize(("group", "mass_g"), [(MEN, 1450), (WOMEN, 1300)])
def test_brains_weigh_what_reference_adults_have(group, mass_g):
    # ICRP 89; 1.04 g/ml; ventricles belong to the label
    volumes = [volume_ml(head(s), Organ.BRAIN) for s in group]
    assert np.mean(volumes) == pytest.approx(mass_g / 1.04, rel=0.12)
    assert min(volumes) > 1000
    assert max(volumes) < 1700


@pytest.mark.parametrize("subject", EVERYONE[::2], ids=named)
def test_grey_and_white_matter_share_the_cerebrum(subject):
    # grey to white 1.0 to 1.6 on MRI in adults (round figures)
    grey, white = (tissue_ml(subject, t) for t in (Tissue.GREY_MATTER, Tissue.WHITE_MATTER))
    assert 0.75 < grey / white < 2.0


@pytest.mark.parametrize("subject", EVERYONE[::2], ids=named)
def test_the_brain_stays_inside_the_skull_and_out_of_the_orbits(subject):
    frame = BodyFrame(subject, subject.breath)
    x, y, z = frame.coordinates(HEAD)
    own = head(subject).organs == Organ.BRAIN
    inside = landmarks.VAULT.distance(x, y, z)
    stem = (np.hypot(x, y - 36) < 14) & (z < 200)
    assert (inside[own & ~stem] > 1).mean() < 0.002
    globe = np.sqrt((np.abs(x) - 33) ** 2 + (y + 75) ** 2 + (z - 222) ** 2) < 11
    assert not (own & globe).any()
    assert tissue_ml(subject, Tissue.EYE) == pytest.approx(2 * 5.7, rel=0.45)


def test_ventricles_widen_with_age():
    sizes = []
    for age in (25, 80):
        subject = Subject("M", age, 176, 75, 0.5, shape_seed=77)
        frame = BodyFrame(subject, subject.breath)
        x, y, z = frame.coordinates(HEAD)
        middle = (
            (landmarks.VAULT.distance(x, y, z) < -22) & (np.abs(x) > 2.5) & (np.abs(x) < 38) & (z > 240) & (z < 290)
        )
        sizes.append(shares(subject, Tissue.CSF)[middle].sum() * ML)
    assert 5 < sizes[0] < 30
    assert sizes[1] > 1.4 * sizes[0]
