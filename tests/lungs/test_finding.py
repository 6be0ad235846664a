from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from fdglung.errors import LungWeightsError, NoThoraxError, ParameterError
from fdglung.lungs import LEFT, R231_FILE, RIGHT, bounding_box_mm, cached_weights, segment
from tests.ellipsoids import ellipsoid, grid, thorax
from tests.lungs.networks import save, window_state, with_windows


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.parametrize("options", [{}, {"bowel_gas": True}, {"table": False}, {"trachea": False}, {"joined": True}])
def test_drawn_lungs_are_found_on_their_sides(options):
    ct, drawn = thorax(**options)
    found = sitk.GetArrayFromImage(segment(ct).mask)
    assert dice(found == RIGHT, drawn["right"]) > 0.97
    assert dice(found == LEFT, drawn["left"]) > 0.97


def test_airways_and_bowel_gas_are_no_lung():
    ct, drawn = thorax(bowel_gas=True)
    found = sitk.GetArrayFromImage(segment(ct).mask) > 0
    elsewhere = (sitk.GetArrayFromImage(ct) < -900) & ~ndimage.binary_dilation(
        drawn["right"] | drawn["left"], iterations=3
    )
    assert not (found & elsewhere).any()


@pytest.mark.parametrize("orientation", ["RAS", "LPI", "ASL"])
def test_lungs_are_the_same_in_any_orientation_of_the_grid(orientation):
    ct, _ = thorax()
    turned = sitk.DICOMOrient(ct, orientation)
    expected = segment(ct)
    found = segment(turned)
    assert found.mask.GetSize() == turned.GetSize()
    back = sitk.GetArrayFromImage(sitk.DICOMOrient(found.mask, "LPS"))
    assert (back == sitk.GetArrayFromImage(expected.mask)).mean() > 0.999
    assert np.allclose(found.box_mm, expected.box_mm, atol=3.1)


def test_a_dome_from_below_is_no_hole_of_the_lung_but_a_nodule_is():
    """In an axial slice both are islands of soft tissue in the lung."""
    _, z, y, x = grid()
    ct, _ = thorax()
    hu = sitk.GetArrayFromImage(ct)
    dome = ellipsoid(z, y, x, (-78, 0, -130), (35, 45, 90))
    nodule = ellipsoid(z, y, x, (78, 0, 0), (12, 12, 12))
    hu[dome | nodule] = 40
    image = sitk.GetImageFromArray(hu)
    image.CopyInformation(ct)
    found = sitk.GetArrayFromImage(segment(image).mask) > 0
    inner_dome = ellipsoid(z, y, x, (-78, 0, -130), (20, 30, 75)) & (z > -110)
    assert found[inner_dome & np.ones_like(found)].mean() < 0.02
    assert found[nodule].all()


def test_the_box_is_the_drawn_lungs_plus_the_margin():
    ct, _ = thorax()
    low, high = segment(ct, margin_mm=20).box_mm
    assert low == pytest.approx((-140 - 20, -85 - 20, -120 - 20), abs=3.1)
    assert high == pytest.approx((140 + 20, 85 + 20, 120 + 20), abs=3.1)


def test_a_missing_lung_is_said():
    ct, _ = thorax(lungs=("right",))
    region = segment(ct)
    assert any("left lung is missing" in warning for warning in region.warnings)


def test_lungs_cut_by_the_end_of_the_ct_are_said():
    ct, _ = thorax()
    cut = ct[:, :, 40:]
    assert any("lower end" in warning for warning in segment(cut).warnings)


@pytest.mark.parametrize("value", [40, -1000])
def test_a_ct_without_lungs_is_refused(value):
    ct, _ = thorax(lungs=(), trachea=False)
    without = ct if value == 40 else ct * 0 - 1000
    with pytest.raises(NoThoraxError, match="--region all"):
        segment(without)


def test_an_empty_mask_has_no_box():
    with pytest.raises(NoThoraxError):
        bounding_box_mm(sitk.Image([4, 4, 4], sitk.sitkUInt8), 15)


def test_a_negative_margin_is_refused():
    with pytest.raises(ParameterError, match="margin_mm"):
        segment(thorax()[0], margin_mm=-1)


def test_a_file_that_is_no_network_is_refused(tmp_path):
    weights = tmp_path / "weights.pth"
    weights.write_bytes(b"not a state dict")
    with pytest.raises(LungWeightsError, match=r"weights\.pth"):
        segment(thorax()[0], weights=weights)


def test_a_missing_weights_file_is_refused(tmp_path):
    with pytest.raises(LungWeightsError, match=r"absent\.pth"):
        segment(thorax()[0], weights=tmp_path / "absent.pth")


def test_r231_in_lungmasks_cache_is_taken_unasked_and_named(tmp_path, monkeypatch):
    """A network that labels two values of HU stands for R231; only it can tell these lungs."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ct, drawn = thorax()
    ct = with_windows(ct, drawn)[:, :, 30:90]
    assert R231_FILE not in segment(ct).method
    weights = save(window_state(), tmp_path / "hub" / "checkpoints" / R231_FILE)
    found = segment(ct)
    assert R231_FILE in found.method
    assert found.method == segment(ct, weights=weights).method


def test_weights_are_looked_for_where_lungmask_puts_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert cached_weights() is None
    path = tmp_path / "hub" / "checkpoints" / R231_FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    assert cached_weights() == path
