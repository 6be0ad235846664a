"""Lungs that a method can fail on, each with the truth of the synthetic body that it was made from."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from fdglung.errors import NoThoraxError
from fdglung.lungs import LEFT, RIGHT, LungRegion, bounding_box_mm, holding_avid_tissue, segment
from fdglung.lungs.placement import LungPlaces
from fdglung.phantom import Find, PlacedLesion
from fdglung.phantom.lesions.chest import read_chest
from fdglung.phantom.organs import Organ
from tests.lungs.chests import GRID_MM, chest, dice, like, truth


@pytest.fixture(autouse=True, params=["thresholds", "network"])
def method(request):
    """Both ways that a machine without lungmask's weights has."""
    if request.param == "network":
        request.getfixturevalue("own_lungs")
    return request.param


def positions_mm(image, mask):
    """Return the patient coordinates of a mask's voxels, on a grid along the axes."""
    step = np.diag(np.array(image.GetDirection()).reshape(3, 3)) * image.GetSpacing()
    return np.array(image.GetOrigin()) + np.argwhere(mask)[:, ::-1] * step


def holds(box, points):
    return bool((points >= box[0]).all() and (points <= box[1]).all())


def assert_found(region, study, right, left, *, least=0.92, slack_mm=0.0):
    labels = sitk.GetArrayFromImage(sitk.DICOMOrient(region.mask, "LPS"))
    assert dice(labels == RIGHT, right) > least
    assert dice(labels == LEFT, left) > least
    box = np.add(region.box_mm, [[-slack_mm], [slack_mm]])
    assert holds(box, positions_mm(study.ct, right | left))


def filled(study, mask, hu, *, seed=0):
    """Return the CT with soft tissue of some noise where `mask` is."""
    array = sitk.GetArrayFromImage(study.ct)
    array[mask] = np.random.default_rng(seed).normal(hu, 12, int(mask.sum()))
    return like(study.ct, array)


def warned(region, text):
    return any(text in warning for warning in region.warnings)


def test_healthy_lungs_have_no_warning_but_that_of_the_method():
    region = segment(chest().ct)
    assert_found(region, chest(), *truth(chest()))
    assert len(region.warnings) == 1


@pytest.mark.parametrize(
    ("options", "slack_mm"),
    [
        pytest.param({"finds": (Find.PLEURAL_EFFUSION,)}, 0.0, id="effusion"),
        pytest.param({"finds": (Find.EMPHYSEMA,)}, 0.0, id="emphysema"),
        # The tip of a lung that is collapsed at its base may lie one voxel under the margin.
        pytest.param({"finds": (Find.ATELECTASIS,)}, GRID_MM, id="atelectasis"),
        pytest.param({"arms": "down"}, 0.0, id="arms down"),
        pytest.param({"contrast": "portal"}, 0.0, id="contrast"),
    ],
)
def test_disease_posture_and_contrast_do_not_hide_the_lungs(options, slack_mm):
    study = chest(**options)
    assert_found(segment(study.ct), study, *truth(study), slack_mm=slack_mm)


def test_a_big_effusion_leaves_the_box_whole(method):
    """Fluid of 10 HU fills the hind third of both lungs; the network takes it for lung, as lungmask's R231 does."""
    right, left = truth(chest())
    y = np.arange(right.shape[1])[None, :, None]
    rows = np.flatnonzero((right | left).any(axis=(0, 2)))
    hind = y > rows[0] + 0.67 * (rows[-1] - rows[0])
    region = segment(filled(chest(), (right | left) & hind, 10))
    if method == "network":
        assert_found(region, chest(), right, left)
    else:
        assert_found(region, chest(), right & ~hind, left & ~hind, least=0.88)
    found = sitk.GetArrayFromImage(region.mask) > 0
    assert found[(right | left) & ~hind].mean() > 0.9


def smooth_noise(shape, sigma, seed):
    """Return noise of one standard deviation, smooth by `sigma` voxels."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    return noise / noise.std()


@pytest.mark.parametrize("seed", range(3))
def test_fibrosis_of_both_lungs(seed):
    """Lung of -700 to -300 HU, 60 mm deep at the base and 30 mm at the apex, with reticulation and wide bronchi."""
    right, left = truth(chest())
    lung = right | left
    height = np.arange(len(lung)) - np.flatnonzero(lung.any(axis=(1, 2)))[0]
    depth_mm = np.interp(height / np.count_nonzero(lung.any(axis=(1, 2))), [0, 1], [60, 30])
    stiff = lung & (ndimage.distance_transform_edt(lung) * GRID_MM <= depth_mm[:, None, None])
    fine = smooth_noise(lung.shape, 1.2, seed)
    hu = sitk.GetArrayFromImage(chest().ct)
    hu[stiff] = np.clip(-550 + 90 * smooth_noise(lung.shape, 2, seed + 10), -700, -300)[stiff]
    hu[stiff & (np.abs(fine) < 0.15)] = -200
    hu[stiff & (fine > 2)] = -950
    region = segment(like(chest().ct, hu))
    # What of it is above -400 HU and lies at the pleura is left out.
    assert_found(region, chest(), right, left, least=0.87)
    assert len(region.warnings) == 1


@pytest.mark.parametrize("height", [0.15, 0.85], ids=["base", "apex"])
def test_bullae_belong_to_their_lungs(height):
    """A ball of 4 cm of gas without a wall, cut by the lung's surface, on each side."""
    right, left = truth(chest())
    hu = sitk.GetArrayFromImage(chest().ct)
    bullae = np.zeros(hu.shape, bool)
    for lung in (right, left):
        voxels = np.argwhere(lung)
        plane = voxels[voxels[:, 0] == np.quantile(voxels[:, 0], height, method="nearest")]
        bullae |= lung & ball(hu.shape, plane.mean(axis=0), 40)
    hu[bullae] = -990
    region = segment(like(chest().ct, hu))
    assert bullae.sum() * GRID_MM**3 / 1000 > 100
    assert_found(region, chest(), right, left)
    assert sitk.GetArrayFromImage(region.mask)[bullae].astype(bool).mean() > 0.97


def ball(shape, centre, radius_mm):
    """Return a ball about a voxel (z, y, x)."""
    away = [(axis - c) * GRID_MM for axis, c in zip(np.indices(shape), centre, strict=True)]
    return sum(square**2 for square in away) <= radius_mm**2


def airway_planes():
    """Return the airways of the chest, and the lowest slice of the trachea."""
    airways = sitk.GetArrayFromImage(chest().ct_organs) == Organ.AIRWAYS
    branched = [z for z, plane in enumerate(airways) if ndimage.label(plane, np.ones((3, 3)))[1] > 1]
    return airways, max(branched) + 1


def joined_to_lungs(hu):
    """Blow a channel of gas 12 mm wide from the main bronchi to the middle of each lung."""
    airways, lowest = airway_planes()
    z = lowest - 3
    for lung in truth(chest()):
        middle = np.argwhere(lung[z]).mean(axis=0)
        voxels = np.argwhere(airways[z])
        start = voxels[np.linalg.norm(voxels - middle, axis=1).argmin()]
        for share in np.linspace(0, 1, 60):
            hu[ball(hu.shape, (z, *(start + share * (middle - start))), 6)] = -970


def intubated(hu):
    """Put a tube of 8 mm bore and a wall of 3 mm and 200 HU into the trachea, down to 2 cm above its end."""
    airways, lowest = airway_planes()
    tube = np.zeros(hu.shape, bool)
    for z in range(lowest + 5, len(hu)):
        away = GRID_MM * np.hypot(
            *(axis - c for axis, c in zip(np.indices(hu[z].shape), middle_of(airways[z]), strict=True))
        )
        hu[z][away <= 10] = -950
        hu[z][away <= 7] = 200
        hu[z][away <= 4] = -980
        tube[z] = away <= 10
    return tube


def middle_of(plane):
    return np.argwhere(plane).mean(axis=0)


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("with_tube", [False, True])
def test_tube_and_airways_are_no_lung_and_join_none(joined, with_tube):
    hu = sitk.GetArrayFromImage(chest().ct)
    airways, lowest = airway_planes()
    above = airways & (np.arange(len(hu)) >= lowest + 5)[:, None, None]
    if with_tube:
        above |= intubated(hu)
    if joined:
        joined_to_lungs(hu)
    region = segment(like(chest().ct, hu))
    assert_found(region, chest(), *truth(chest()))
    assert not sitk.GetArrayFromImage(region.mask)[above].any()


@pytest.mark.parametrize("side", ["right", "left"])
def test_a_lung_that_is_white_is_said_and_its_half_of_the_chest_belongs_to_the_region(side, method):
    right, left = truth(chest())
    white, other, label = (right, left, LEFT) if side == "right" else (left, right, RIGHT)
    region = segment(filled(chest(), white, 35))
    labels = sitk.GetArrayFromImage(region.mask)
    assert dice(labels == label, other) > 0.92
    if method == "network":
        assert dice(labels == RIGHT + LEFT - label, white) > 0.85
        assert warned(region, f"of the {side} lung holds air")
    else:
        assert warned(region, f"The {side} lung is missing")
    outside = positions_mm(chest().ct, white)
    reach = np.maximum(region.box_mm[0] - outside.min(axis=0), outside.max(axis=0) - region.box_mm[1])
    # Across and in depth all of it; the missing lung may end lower or higher than the other.
    assert (reach[:2] <= 0).all()
    assert reach[2] <= 20


def test_a_tumour_that_whitens_a_lung_lies_in_the_region_whole():
    """A ball of 6 cm of SUV 9 in a lung that is filled around it."""
    centre = tuple(float(v) for v in positions_mm(chest().ct, truth(chest())[1]).mean(axis=0))
    study = chest(lesions=(PlacedLesion.sphere(centre, 60.0, 9.0),))
    region = holding_avid_tissue(segment(filled(study, truth(study)[1], 35)), study.pet)
    lesion = sitk.GetArrayFromImage(study.lesion_mask) > 0
    assert lesion.sum() * GRID_MM**3 / 1000 > 500
    assert holds(region.box_mm, positions_mm(study.pet, lesion))


def test_a_prone_patient_whose_header_says_so_has_the_same_lungs():
    """Rows and columns run the other way, and the direction cosines with them."""
    study = chest()
    turned = sitk.DICOMOrient(study.ct, "RAS")
    assert turned.GetDirection() != study.ct.GetDirection()
    assert_found(segment(turned), study, *truth(study))


def test_feet_first_makes_no_difference():
    study = chest()
    assert_found(segment(sitk.DICOMOrient(study.ct, "LPI")), study, *truth(study))


def half_a_chest(end):
    """Return a CT that cuts the lungs half-way at one end, and the true right and left lung in it."""
    right, left = truth(chest())
    middle = int(np.flatnonzero((right | left).any(axis=(1, 2))).mean())
    kept = slice(0, middle) if end == "upper" else slice(middle, None)
    return chest().ct[:, :, kept], right[kept], left[kept]


@pytest.mark.parametrize("end", ["upper", "lower"])
def test_a_ct_that_starts_in_mid_lung_is_said(end):
    assert warned(segment(half_a_chest(end)[0]), f"cuts the lungs at its {end} end")


@pytest.mark.parametrize("side", [RIGHT, LEFT])
@pytest.mark.parametrize("end", ["upper", "lower"])
def test_half_a_lung_is_found(end, side):
    """Under the left dome gas of stomach and colon, whose walls voxels of 4 mm do not show, is as large as lung."""
    ct, right, left = half_a_chest(end)
    labels = sitk.GetArrayFromImage(segment(ct).mask)
    assert dice(labels == side, right if side == RIGHT else left) > 0.9


@pytest.mark.parametrize("below", [0.4, 0.5])
def test_the_base_of_a_lung_under_a_white_band_is_no_gas_of_the_bowel(below, method):
    """The left lung is white from a part of its height to its top: what is left ends far below the other's top."""
    right, left = truth(chest())
    planes = np.flatnonzero(left.any(axis=(1, 2)))
    base = left & (np.arange(len(left)) < planes[0] + below * len(planes))[:, None, None]
    found = sitk.GetArrayFromImage(segment(filled(chest(), left & ~base, 35)).mask)
    assert dice(found == LEFT, left if method == "network" else base) > 0.9
    assert dice(found == RIGHT, right) > 0.92


def test_an_abdomen_has_no_lungs():
    right, left = truth(chest())
    lowest = int(np.flatnonzero((right | left).any(axis=(1, 2)))[0])
    with pytest.raises(NoThoraxError, match="--region all"):
        segment(chest().ct[:, :, : lowest - 1])


def test_values_stored_from_0_are_corrected_and_that_is_said():
    raised = sitk.Clamp(chest().ct + 1024, lowerBound=0, upperBound=4095)
    region = segment(raised)
    assert (sitk.GetArrayFromImage(region.mask) == sitk.GetArrayFromImage(segment(chest().ct).mask)).all()
    assert warned(region, "1024 was subtracted")


def test_gas_in_the_bowel_under_the_diaphragm_is_no_lung(method):
    """A third of a litre of gas in a loop 8 mm, two voxels, under the left dome."""
    right, left = truth(chest())
    hu = sitk.GetArrayFromImage(chest().ct)
    z, y, x = np.indices(hu.shape) * GRID_MM
    row, column = np.array(np.nonzero(left.any(axis=0))).mean(axis=1).astype(int)
    lowest = int(np.flatnonzero(left[:, row, column])[0])
    centre = np.array([lowest * GRID_MM - 58, row * GRID_MM, column * GRID_MM])
    loop = sum(((axis - c) / 50) ** 2 for axis, c in zip((z, y, x), centre, strict=True)) <= 1
    gas = loop & ~ndimage.binary_dilation(right | left, iterations=2)
    hu[gas] = -995
    region = segment(like(chest().ct, hu))
    assert gas.sum() * GRID_MM**3 / 1000 > 300
    assert_found(region, chest(), right, left)
    taken = (sitk.GetArrayFromImage(region.mask)[gas] > 0).mean()
    assert taken < 1e-3 if method == "network" else taken == 0


@pytest.mark.parametrize(("side", "index"), [(RIGHT, 0), (LEFT, 1)])
def test_the_hilum_is_found_to_three_centimetres_and_is_far_from_the_apex(side, index):
    """The phantom's hilum is where the airways enter the lung; the mask knows no airways."""
    study = chest()
    hilum = read_chest(study.organs, ()).hila[index]
    lung = truth(study)[index]
    apex = positions_mm(study.ct, lung)[-1]
    at_hilum, at_apex = (hilum_distance(study, point) for point in (hilum, apex))
    assert at_hilum < 30
    assert at_apex > 70


def hilum_distance(study, point_mm):
    """Return the distance from the PET voxel at a point to the nearer hilum, with the true lungs."""
    right, left = truth(study)
    mask = like(study.ct, (RIGHT * right + LEFT * left).astype(np.uint8))
    z, y, x = study.pet.TransformPhysicalPointToIndex([float(part) for part in point_mm])[::-1]
    voi = np.zeros(study.pet.GetSize()[::-1], bool)
    voi[z, y, x] = True
    box = (slice(z, z + 1), slice(y, y + 1), slice(x, x + 1))
    places = LungPlaces(study.pet, LungRegion(mask, bounding_box_mm(mask, 15.0), "truth"), voi)
    return places.place(voi[box], box).hilum_distance_mm
