from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import NoThoraxError
from fdglung.lungs import segment
from fdglung.lungs.labels import LEFT, RIGHT
from fdglung.lungs.plausibility import check
from tests.ellipsoids import ellipsoid, grid, mask_of, thorax
from tests.lungs.networks import save, window_state, with_windows


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_drawn_lungs_are_plausible():
    ct, drawn = thorax()
    found = check(mask_of(ct, drawn["right"], drawn["left"]), ct)
    assert (found.faults, found.warnings, found.sides) == ((), (), {RIGHT, LEFT})


def test_soft_tissue_cannot_be_lung():
    ct, drawn = thorax(lungs=())
    (fault,) = check(mask_of(ct, drawn["right"], drawn["left"]), ct).faults
    assert "0% of it holds air" in fault


def test_one_white_lung_is_said_and_no_fault():
    ct, drawn = thorax(lungs=("right",))
    found = check(mask_of(ct, drawn["right"], drawn["left"]), ct)
    (warning,) = found.warnings
    assert found.faults == ()
    assert "Only 0% of the left lung holds air" in warning


def test_the_air_around_the_body_cannot_be_lung():
    ct, _ = thorax()
    _, _, y, x = grid()
    outside = np.broadcast_to((x / 180) ** 2 + (y / 120) ** 2 > 1, ct.GetSize()[::-1])
    faults = " ".join(check(mask_of(ct, outside & (x < 0), outside & (x > 0)), ct).faults)
    assert "nothing but air" in faults


def test_a_cup_of_air_cannot_be_lungs():
    ct, _ = thorax()
    _, z, y, x = grid()
    cup = ellipsoid(z, y, x, (78, 0, 0), (25, 25, 25))
    (fault,) = check(mask_of(ct, cup, cup), ct).faults
    assert "its volume is 66 ml" in fault


def test_an_unusual_volume_is_said():
    ct, _ = thorax()
    _, z, y, x = grid()
    small = {side: ellipsoid(z, y, x, (sign * 78, 0, 0), (35, 42, 45)) for side, sign in (("right", -1), ("left", 1))}
    found = check(mask_of(ct, small["right"], small["left"]), ct)
    (warning,) = found.warnings
    assert found.faults == ()
    assert "has 554 ml, which is not plausible" in warning


@pytest.mark.parametrize("orientation", ["LPS", "LPI", "SAR"])
def test_lungs_at_different_heights_are_said(orientation):
    ct, drawn = thorax()
    z = grid()[1]
    upper, lower = (sitk.DICOMOrient(mask_of(ct, *pair), orientation) for pair in heights(drawn, z))
    turned = sitk.DICOMOrient(ct, orientation)
    for mask in (upper, lower):
        found = check(mask, turned)
        assert found.faults == ()
        assert found.misplaced
        assert "lie at different heights" in found.warnings[0]


def heights(drawn, z):
    """Return right and left lung twice: parts of them of which neither has a height in common with the other."""
    yield drawn["right"] & (z > 30), drawn["left"] & (z < -30)
    yield drawn["right"] & (z < -30), drawn["left"] & (z > 30)


def test_a_raised_dome_puts_no_lung_at_another_height():
    """A right lung that ends half-way down."""
    ct, drawn = thorax()
    found = check(mask_of(ct, drawn["right"] & (grid()[1] > 0), drawn["left"]), ct)
    assert not found.misplaced
    assert found.warnings == ()


def test_exchanged_sides_are_said():
    ct, drawn = thorax()
    (warning,) = check(mask_of(ct, drawn["left"], drawn["right"]), ct).warnings
    assert "exchanged" in warning


def test_a_network_that_calls_other_tissue_lung_is_given_up_and_that_is_said(tmp_path):
    """Its windows lie at -850 and -750 HU, and this body has pads of that outside, and lungs at -800."""
    ct, drawn = thorax()
    hu = sitk.GetArrayFromImage(ct)
    hu[drawn["right"] | drawn["left"]] = -800
    _, z, y, x = grid()
    hu[ellipsoid(z, y, x, (-30, -80, 60), (22, 22, 22))] = -850
    hu[ellipsoid(z, y, x, (30, -80, 60), (22, 22, 22))] = -750
    odd = sitk.GetImageFromArray(hu)
    odd.CopyInformation(ct)
    region = segment(odd, weights=save(window_state(), tmp_path / "narrow.pth"))
    found = sitk.GetArrayFromImage(region.mask)
    assert region.method == "classical"
    assert region.weights_sha256 is None
    assert ((found == RIGHT) & drawn["right"]).sum() > 0.95 * drawn["right"].sum()
    assert any("given up, because its volume is" in warning for warning in region.warnings)


def test_a_network_that_calls_soft_tissue_lung_is_given_up(tmp_path):
    """Two organs of half a litre, of 60 and 80 HU: their volume and their places could be a lung's."""
    ct, drawn = thorax(lungs=("right", "left"), trachea=False)
    _, z, y, x = grid()
    hu = sitk.GetArrayFromImage(ct)
    for value, centre in ((60, (-78, 0, -40)), (80, (78, 0, -40))):
        hu[ellipsoid(z, y, x, centre, (50, 50, 50))] = value
    odd = sitk.GetImageFromArray(hu)
    odd.CopyInformation(ct)
    region = segment(odd, weights=save(window_state(centres=(60, 80)), tmp_path / "narrow.pth"))
    found = sitk.GetArrayFromImage(region.mask)
    assert region.method == "classical"
    assert any("given up, because only 0% of it holds air" in warning for warning in region.warnings)
    assert ((found == RIGHT) & drawn["right"] & (hu < -400)).sum() > 0.9 * (drawn["right"] & (hu < -400)).sum()


def test_a_network_that_puts_the_lungs_at_different_heights_gives_way_to_what_does_not(tmp_path):
    """It sees the upper end of the right lung and the lower end of the left one."""
    ct, drawn = thorax()
    z = grid()[1]
    hu = sitk.GetArrayFromImage(ct)
    hu[drawn["right"] | drawn["left"]] = -800
    hu[drawn["right"] & (z > 60)] = -850
    hu[drawn["left"] & (z < -60)] = -750
    odd = sitk.GetImageFromArray(hu)
    odd.CopyInformation(ct)
    region = segment(odd, weights=save(window_state(), tmp_path / "narrow.pth"))
    found = sitk.GetArrayFromImage(region.mask)
    assert region.method == "classical"
    (warning,) = region.warnings
    assert "put the lungs at different heights" in warning
    for label, side in ((RIGHT, "right"), (LEFT, "left")):
        assert ((found == label) & drawn[side]).sum() > 0.95 * drawn[side].sum()


def test_a_network_that_misses_a_lung_gives_way_to_what_finds_both(tmp_path):
    ct, drawn = thorax()
    # The left lung's CT number lies between the network's two windows.
    right_alone = with_windows(ct, {"right": drawn["right"], "left": np.zeros_like(drawn["left"])})
    hu = sitk.GetArrayFromImage(right_alone)
    hu[drawn["left"]] = -800
    image = sitk.GetImageFromArray(hu)
    image.CopyInformation(ct)
    region = segment(image, weights=save(window_state(), tmp_path / "narrow.pth"))
    found = sitk.GetArrayFromImage(region.mask)
    assert ((found == LEFT) & drawn["left"]).sum() > 0.95 * drawn["left"].sum()
    assert any("missed a lung" in warning for warning in region.warnings)


def test_a_ct_without_lungs_is_an_error_whatever_the_network_says(tmp_path):
    ct, _ = thorax(lungs=(), trachea=False)
    with pytest.raises(NoThoraxError, match="--region all"):
        segment(ct, weights=save(window_state(), tmp_path / "narrow.pth"))
