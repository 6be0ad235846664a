"""A narrow network's mask held against that of thresholds, on a thorax whose lungs are drawn."""

from __future__ import annotations

import pytest
import SimpleITK as sitk

from fdglung.errors import NoThoraxError
from fdglung.lungs import LEFT, RIGHT, segment
from fdglung.lungs.agreement import agreed
from fdglung.lungs.weights import OWN_NAMES
from tests.ellipsoids import ellipsoid, grid, mask_of, thorax
from tests.lungs.chests import chest

VOXEL_ML = 2.0 * 2.0 * 3.0 / 1000


def mended(ct, network, thresholds):
    mask, warnings = agreed(network, thresholds, ct)
    return sitk.GetArrayFromImage(mask), warnings


def test_masks_that_agree_are_left_as_they_are():
    """But for a rim of one voxel, which each draws its own way."""
    ct, drawn = thorax()
    _, z, y, x = grid()
    smaller = {
        side: drawn[side] & ellipsoid(z, y, x, (sign * 78, 0, 0), (60, 83, 117))
        for side, sign in (("right", -1), ("left", 1))
    }
    network = mask_of(ct, smaller["right"], smaller["left"])
    found, warnings = mended(ct, network, mask_of(ct, drawn["right"], drawn["left"]))
    assert (found == sitk.GetArrayFromImage(network)).all()
    assert warnings == ()


@pytest.mark.parametrize("orientation", ["LPS", "RAS"])
def test_aerated_lung_that_the_network_left_out_is_added_on_its_side_and_told_in_millilitres(orientation):
    ct, drawn = thorax()
    upper = drawn["left"] & (grid()[1] > 30)
    images = [ct, mask_of(ct, drawn["right"], drawn["left"] & ~upper), mask_of(ct, drawn["right"], drawn["left"])]
    ct, network, thresholds = (sitk.DICOMOrient(image, orientation) for image in images)
    found, (warning,) = mended(ct, network, thresholds)
    assert (found == sitk.GetArrayFromImage(thresholds)).all()
    assert f"left out {upper.sum() * VOXEL_ML:.0f} ml" in warning


def test_lung_without_air_is_for_the_network_to_tell():
    """A white half of the left lung, which thresholds miss."""
    ct, drawn = thorax()
    lower = drawn["left"] & (grid()[1] < 0)
    hu = sitk.GetArrayFromImage(ct)
    hu[lower] = 35
    white = sitk.GetImageFromArray(hu)
    white.CopyInformation(ct)
    network = mask_of(ct, drawn["right"], drawn["left"])
    found, warnings = mended(white, network, mask_of(ct, drawn["right"], drawn["left"] & ~lower))
    assert (found == sitk.GetArrayFromImage(network)).all()
    assert warnings == ()


def test_bowel_that_thresholds_take_for_lung_is_not_added():
    """Stool and gas of colon under the diaphragm are as dense as lung, and as large as a lobe."""
    ct, drawn = thorax(bowel_gas=True)
    bowel = sitk.GetArrayFromImage(ct) == -990
    hu = sitk.GetArrayFromImage(ct)
    hu[bowel] = -890
    mottled = sitk.GetImageFromArray(hu)
    mottled.CopyInformation(ct)
    network = mask_of(ct, drawn["right"], drawn["left"])
    found, warnings = mended(mottled, network, mask_of(ct, drawn["right"], drawn["left"] | bowel))
    assert bowel.sum() > 0.02 * (drawn["right"] | drawn["left"]).sum()
    assert (found == sitk.GetArrayFromImage(network)).all()
    assert warnings == ()


def test_gas_of_the_bowel_is_taken_away_and_dark_lung_is_not():
    """The gas is pure (-990 HU); the other piece that thresholds lack has the lung's own -850 HU."""
    ct, drawn = thorax(bowel_gas=True)
    gas = sitk.GetArrayFromImage(ct) == -990
    upper = drawn["right"] & (grid()[1] > 60)
    network = mask_of(ct, drawn["right"], drawn["left"] | gas)
    found, warnings = mended(ct, network, mask_of(ct, drawn["right"] & ~upper, drawn["left"]))
    assert gas.sum() * VOXEL_ML > 100
    assert not found[gas].any()
    assert (found[upper] == RIGHT).all()
    assert warnings == ()


def test_a_bulla_as_black_as_gas_beside_lung_stays_lung():
    ct, drawn = thorax()
    bulla = drawn["left"] & (grid()[1] > 70)
    hu = sitk.GetArrayFromImage(ct)
    hu[bulla] = -990
    black = sitk.GetImageFromArray(hu)
    black.CopyInformation(ct)
    network = mask_of(ct, drawn["right"], drawn["left"])
    found, warnings = mended(black, network, mask_of(ct, drawn["right"], drawn["left"] & ~bulla))
    assert bulla.sum() * VOXEL_ML > 100
    assert (found == sitk.GetArrayFromImage(network)).all()
    assert warnings == ()


def test_a_body_unlike_all_that_the_network_has_seen_has_its_lungs_and_a_warning():
    ct, drawn = thorax(bowel_gas=True)
    region = segment(ct, weights=OWN_NAMES["sides"])
    found = sitk.GetArrayFromImage(region.mask)
    for side, label in (("right", RIGHT), ("left", LEFT)):
        assert 2 * (drawn[side] & (found == label)).sum() / (drawn[side].sum() + (found == label).sum()) > 0.97
    assert any("left out" in warning for warning in region.warnings)


def test_lungs_that_thresholds_do_not_find_are_told_to_be_unconfirmed(monkeypatch):
    def nothing(ct):
        raise NoThoraxError("no lungs", series="CT", remedy="none")

    monkeypatch.setattr("fdglung.lungs.finding.segment_classical", nothing)
    region = segment(chest().ct, weights=OWN_NAMES["sides"])
    assert any("nothing confirms" in warning for warning in region.warnings)
    assert any("trained on synthetic CTs and three of patients." in warning for warning in region.warnings)


def test_a_fault_of_the_thresholds_is_not_taken_for_a_ct_without_lungs(monkeypatch):
    def broken(ct):
        raise ZeroDivisionError

    monkeypatch.setattr("fdglung.lungs.finding.segment_classical", broken)
    with pytest.raises(ZeroDivisionError):
        segment(chest().ct, weights=OWN_NAMES["sides"])
