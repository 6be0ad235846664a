from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import ParameterError
from fdglung.phantom import Subject, make_study
from fdglung.radiomics.registration import RegistrationError, register
from tests.radiomics import followed

CHEST = [np.array(point, float) for point in product((-100, 100), (-60, 60), (-120, 40))]
"""Points (mm) of the phantom's chest."""


def errors_mm(found, truth):
    moved = [np.subtract(found.TransformPoint(point), truth.TransformPoint(point)) for point in CHEST]
    return [float(np.linalg.norm(one)) for one in moved]


@pytest.mark.parametrize(
    ("degrees", "shift_mm"), [((0, 0, 0), (0, 0, 0)), ((2, -3, 4), (8, -12, 10)), ((6, -5, 10), (30, -25, 60))]
)
def test_a_known_rigid_motion_is_found_to_half_a_millimetre(degrees, shift_mm):
    ct = followed.empty().ct
    truth = followed.turned(degrees, shift_mm)
    found = register(ct, followed.carried(ct, truth, background=-1000.0))
    assert max(errors_mm(found.transform, truth)) < 0.5
    assert found.correlation > 0.97
    turn = np.array(truth.GetMatrix()).reshape(3, 3)
    assert found.rotation_deg == pytest.approx(np.degrees(np.arccos((np.trace(turn) - 1) / 2)), abs=0.3)


def test_the_spine_is_found_though_the_breath_differs():
    truth = followed.turned((3, 2, -4), (10, 15, -20))
    found = register(followed.empty().ct, followed.carried(followed.followup().ct, truth, background=-1000.0))
    assert max(errors_mm(found.transform, truth)) < 2.0


def test_the_same_cts_give_the_same_transform():
    one = followed.carried(followed.empty().ct, followed.turned((0, 0, 4), (8, 0, 0)), background=-1000.0)
    first, second = (register(followed.empty().ct, one).transform.GetParameters() for _ in range(2))
    assert first == pytest.approx(second, abs=1e-5)


def test_a_ct_of_a_part_of_the_body_finds_its_place():
    ct = followed.empty().ct
    upper = ct[:, :, ct.GetSize()[2] // 2 :]
    found = register(ct, upper)
    assert max(errors_mm(found.transform, sitk.Euler3DTransform())) < 1.5


def test_voxels_that_are_no_numbers_count_as_air():
    array = sitk.GetArrayFromImage(followed.empty().ct).astype(np.float32)
    array[:3, :5] = np.nan
    holed = sitk.GetImageFromArray(array)
    holed.CopyInformation(followed.empty().ct)
    found = register(followed.empty().ct, holed)
    assert max(errors_mm(found.transform, sitk.Euler3DTransform())) < 0.5


def test_another_person_is_refused():
    other = make_study(seed=3, subject=Subject("F", 50, 162, 60, shape_seed=8), lesions=(), grid_mm=6.0)
    with pytest.raises(RegistrationError, match="do not match: correlation"):
        register(followed.empty().ct, other.ct)


@pytest.mark.slow
def test_another_part_of_the_body_is_refused():
    trunk = make_study(seed=6, subject=followed.PERSON, region="trunk", lesions=(), grid_mm=6.0)
    ct = trunk.ct[:, :, : trunk.ct.GetSize()[2] // 3]
    with pytest.raises(RegistrationError, match="do not match: correlation"):
        register(followed.empty().ct, ct)


def test_what_shows_no_body_is_named():
    air = followed.empty().ct * 0 - 1000
    with pytest.raises(RegistrationError, match="followup: The CT shows no body"):
        register(followed.empty().ct, air)
    with pytest.raises(ParameterError, match="least_overlap"):
        register(air, air, least_overlap=2)
