from __future__ import annotations

import hashlib

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from fdglung.errors import LungWeightsError, NoThoraxError, ParameterError
from fdglung.lungs import R231_FILE, bounding_box_mm, cached_weights, segment
from fdglung.lungs_classical import LEFT, RIGHT

SPACING = (2.0, 2.0, 3.0)
SHAPE = (100, 160, 190)


def grid():
    origin = (-190.0, -160.0, -150.0)
    z, y, x = np.meshgrid(
        *[origin[2 - i] + np.arange(n) * SPACING[2 - i] for i, n in enumerate(SHAPE)], indexing="ij", sparse=True
    )
    return origin, z, y, x


def ellipsoid(z, y, x, centre, radii):
    return sum(((a - c) / r) ** 2 for a, c, r in zip((x, y, z), centre, radii, strict=True)) <= 1


def thorax(*, trachea=True, lungs=("right", "left"), bowel_gas=False, table=True, joined=False):
    """Return a CT of ellipsoids, and the right and left lung that were drawn (z, y, x)."""
    origin, z, y, x = grid()
    hu = np.full(SHAPE, -1000, np.int16)
    body = ((x / 175) ** 2 + (y / 115) ** 2 <= 1) & (z > -1e9)
    hu[np.broadcast_to(body, SHAPE)] = 40
    centres = {"right": (-78, 0, 0), "left": (78, 0, 0)}
    drawn = {side: ellipsoid(z, y, x, centre, (62, 85, 120)) for side, centre in centres.items()}
    if joined:
        bridge = (np.abs(x) <= 20) & (np.abs(y + 40) <= 3) & (np.abs(z) <= 30)
        hu[bridge] = -850
    for side in lungs:
        hu[drawn[side]] = -850
    if trachea:
        hu[((x / 9) ** 2 + (y / 9) ** 2 <= 1) & (z > 20)] = -1000
    if bowel_gas:
        hu[ellipsoid(z, y, x, (30, -60, -135), (25, 20, 12))] = -990
    if table:
        hu[np.broadcast_to((np.abs(y - 140) < 4) & (np.abs(x) < 150) & (z > -1e9), SHAPE)] = 100
    image = sitk.GetImageFromArray(hu)
    image.SetSpacing(SPACING)
    image.SetOrigin(origin)
    return image, drawn


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


def test_weights_are_looked_for_where_lungmask_puts_them(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert cached_weights() is None
    path = tmp_path / "hub" / "checkpoints" / R231_FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    assert cached_weights() == path


def test_with_weights_the_mask_is_lungmasks_own(tmp_path, monkeypatch):
    """An untrained network of lungmask's shape stands in for the official weights."""
    import torch
    from lungmask import LMInferer
    from lungmask.resunet import UNet

    torch.manual_seed(0)
    model = UNet(n_classes=3, padding=True, depth=5, up_mode="upsample", batch_norm=True, residual=False)
    with torch.no_grad():
        model.last.bias[:] = torch.tensor([0.0, 0.1, 0.1])
    path = tmp_path / "hub" / "checkpoints" / R231_FILE
    path.parent.mkdir(parents=True)
    torch.save(model.state_dict(), path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    ct = thorax()[0][:, :, 48:52]
    own = LMInferer(modelpath=str(path), tqdm_disable=True).apply(ct)
    monkeypatch.setattr("fdglung.lungs._PLAUSIBLE_LUNGS_ML", (0.0, 12_000.0))
    region = segment(ct)
    assert own.any()
    assert (sitk.GetArrayFromImage(region.mask) == own).all()
    assert region.method == f"lungmask {R231_FILE}"
    assert region.weights_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
