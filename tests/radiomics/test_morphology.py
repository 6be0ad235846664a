from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform
from scipy.spatial.transform import Rotation
from scipy.special import eval_legendre

from fdglung.radiomics.autocorrelation import autocorrelation
from fdglung.radiomics.codes import BY_PYRADIOMICS
from fdglung.radiomics.enclosing import ellipsoid_area, enclosing_ellipsoid, oriented_box
from fdglung.radiomics.mesh import area_and_volume, outermost_points
from fdglung.radiomics.morphology import morphology_features
from fdglung.radiomics.roi import Roi

SPACING = (3.0, 2.0, 1.5)
TURNS = Rotation.random(4, random_state=2)


def blob(seed, smooth=1.5, shape=(16, 18, 20)):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), smooth)
    return noise > np.quantile(noise, 0.7)


def roi_of(mask, values=None, spacing=SPACING):
    values = np.random.default_rng(0).normal(5, 1, mask.shape) if values is None else values
    return Roi(values, mask, mask, spacing, mask.astype(np.int32), 1)


@pytest.mark.parametrize("smooth", [0.0, 0.8, 2.0])
def test_the_mesh_is_that_of_pyradiomics(smooth):
    shape = pytest.importorskip("radiomics").cShape
    mask = blob(1, smooth)
    area, volume, diameters = shape.calculate_coefficients(np.pad(mask, 1).astype(np.int8), np.array(SPACING))
    assert area_and_volume(mask, SPACING) == pytest.approx((area, volume), rel=1e-10)
    points = outermost_points(mask, SPACING)
    assert pdist(points[ConvexHull(points).vertices]).max() == pytest.approx(max(diameters[3:]), rel=1e-10)


def test_the_hull_is_that_of_all_vertices():
    measure = pytest.importorskip("skimage.measure")
    mask = blob(4)
    vertices = measure.marching_cubes(np.pad(mask, 1).astype(float), 0.5, spacing=SPACING)[0]
    ours, whole = ConvexHull(outermost_points(mask, SPACING)), ConvexHull(vertices)
    assert (ours.volume, ours.area) == pytest.approx((whole.volume, whole.area), rel=1e-5)


def test_shape_features_are_those_of_pyradiomics_but_for_its_axes():
    shape = pytest.importorskip("radiomics.shape")
    import SimpleITK as sitk

    mask = blob(2)
    label = sitk.GetImageFromArray(mask.astype(np.uint8))
    label.SetSpacing(SPACING[::-1])
    theirs = shape.RadiomicsShape(sitk.Cast(label, sitk.sitkFloat64), label)
    theirs.enableAllFeatures()
    for name in ("Compactness1", "Compactness2", "SphericalDisproportion"):
        theirs.enableFeatureByName(name)
    ours = morphology_features(roi_of(mask))
    common = 0
    for name, value in theirs.execute().items():
        feature = BY_PYRADIOMICS.get(f"shape_{name}")
        if feature:
            common += 1
            # PyRadiomics divides the covariance by N, IBSI's reference values by N - 1.
            factor = math.sqrt(mask.sum() / (mask.sum() - 1)) if name.endswith("AxisLength") else 1
            assert ours[feature.name] == pytest.approx(float(value) * factor, rel=1e-9), name
    assert common == 14


@pytest.mark.parametrize("turn", range(4))
def test_the_oriented_box_is_found_in_any_orientation(turn):
    rng = np.random.default_rng(turn)
    corners = np.array([[x, y, z] for x in (0, 9.0) for y in (0, 5.0) for z in (0, 2.0)])
    points = np.concatenate([corners, rng.uniform((0, 0, 0), (9, 5, 2), (50, 3))])
    assert oriented_box(ConvexHull(TURNS[turn].apply(points))) == pytest.approx((9, 5, 2), rel=1e-9)


def test_the_oriented_box_is_no_larger_than_any_box_tried():
    points = np.random.default_rng(8).normal(size=(60, 3)) * (4, 2, 1)
    least = math.prod(oriented_box(ConvexHull(points)))
    tried = [np.prod(np.ptp(turn.apply(points), axis=0)) for turn in Rotation.random(2000, random_state=1)]
    assert least <= min(tried) * (1 + 1e-9)


@pytest.mark.parametrize("turn", range(4))
def test_the_smallest_ellipsoid_around_points_of_an_ellipsoid_is_that_ellipsoid(turn):
    points = np.random.default_rng(turn).normal(size=(3000, 3))
    points = points / np.linalg.norm(points, axis=1)[:, None] * (7, 4, 2)
    points = np.concatenate([points, np.diag([7, 4, 2]), -np.diag([7, 4, 2])])
    assert enclosing_ellipsoid(TURNS[turn].apply(points) + 100) == pytest.approx((7, 4, 2), rel=1e-3)


def test_the_smallest_ellipsoid_around_a_box_touches_its_corners():
    # Scaled to a cube it is the cube's sphere: semi-axes sqrt(3) times half the edges.
    corners = np.array([[x, y, z] for x in (0, 9.0) for y in (0, 5.0) for z in (0, 2.0)])
    expected = np.sqrt(3) * np.array([4.5, 2.5, 1])
    assert enclosing_ellipsoid(corners) == pytest.approx(tuple(expected), rel=1e-5)


@pytest.mark.parametrize("axes", [(5, 5, 4), (5, 4, 4), (5, 4, 3), (6, 5, 4.5), (9, 5, 1)])
def test_an_ellipsoids_area_is_ibsis_sum_of_legendre_polynomials(axes):
    a, b, c = axes
    # A tiny p keeps its quotient finite where b = a.
    p, q = math.sqrt(max(1 - (b / a) ** 2, 1e-12)), math.sqrt(1 - (c / a) ** 2)
    terms = [(p * q) ** n / (1 - 4 * n**2) * eval_legendre(n, (p**2 + q**2) / (2 * p * q)) for n in range(21)]
    assert ellipsoid_area(*axes) == pytest.approx(4 * math.pi * a * b * sum(terms), rel=1e-9)


def test_the_area_of_a_sphere_is_exact():
    assert ellipsoid_area(5, 5, 5) == pytest.approx(4 * math.pi * 25)


def test_autocorrelation_is_the_sum_over_all_pairs():
    mask = blob(6, shape=(7, 9, 8))
    roi = roi_of(mask)
    weights = 1 / (squareform(pdist(np.argwhere(mask) * SPACING)) + np.eye(int(mask.sum()))) - np.eye(int(mask.sum()))
    values = roi.values
    centred = values - values.mean()
    scale = len(values) / weights.sum() / (centred**2).sum()
    moran = scale * (weights * np.outer(centred, centred)).sum()
    geary = scale * (len(values) - 1) / len(values) / 2 * (weights * np.subtract.outer(values, values) ** 2).sum()
    assert autocorrelation(roi) == pytest.approx((moran, geary), rel=1e-9)


def test_a_ball_has_the_measures_of_a_ball():
    z, y, x = np.indices((61, 61, 61)) - 30
    roi = roi_of(z**2 + y**2 + x**2 <= 28.5**2, spacing=(0.5, 0.5, 0.5), values=np.full((61, 61, 61), 4.0))
    found = morphology_features(roi)
    radius = 28.5 * 0.5
    assert found["morph_volume"] == pytest.approx(4 / 3 * math.pi * radius**3, rel=0.005)
    assert found["morph_integ_int"] == pytest.approx(4 * found["morph_volume"])
    assert found["morph_com"] == pytest.approx(0, abs=1e-9)
    assert found["morph_diam"] == pytest.approx(2 * radius, rel=0.02)
    assert found["morph_pca_least_axis"] == pytest.approx(4 * radius / math.sqrt(5), rel=0.005)
    assert found["morph_vol_dens_aee"] == pytest.approx(math.sqrt(5 / 4) ** 3, rel=0.01)
    assert found["morph_pca_elongation"] == pytest.approx(1)


def test_a_box_of_voxels_is_a_box_with_its_edges_cut_off():
    sizes = np.array([4, 5, 7])
    found = morphology_features(roi_of(np.ones(sizes, bool)))
    # Each edge loses a prism of an eighth of a voxel's section, each corner 5/48 of a voxel.
    volume = (sizes.prod() - (sizes - 1).sum() / 2 - 5 / 6) * math.prod(SPACING)
    edges = sizes * SPACING
    assert found["morph_volume"] == pytest.approx(volume)
    assert found["morph_vol_approx"] == pytest.approx(edges.prod())
    assert found["morph_vol_dens_conv_hull"] == pytest.approx(1)
    assert found["morph_area_dens_conv_hull"] == pytest.approx(1)
    for box in ("aabb", "ombb"):
        assert found[f"morph_vol_dens_{box}"] == pytest.approx(volume / edges.prod())
    variances = ((sizes**2 - 1) / 12 * np.square(SPACING)) * sizes.prod() / (sizes.prod() - 1)
    axes = [found[f"morph_pca_{name}_axis"] for name in ("maj", "min", "least")]
    assert axes == pytest.approx(sorted(4 * np.sqrt(variances), reverse=True))


def test_the_centre_of_mass_follows_the_intensities():
    values = np.array([[[1.0, 3.0]]])
    found = morphology_features(roi_of(np.ones((1, 1, 2), bool), values, (1.0, 1.0, 2.0)))
    assert found["morph_com"] == pytest.approx(0.5)


def test_one_voxel_has_a_volume_and_no_axes():
    found = morphology_features(roi_of(np.ones((1, 1, 1), bool)))
    # The octahedron between the six midpoints to the neighbours: a sixth of the box.
    assert found["morph_volume"] == pytest.approx(math.prod(SPACING) / 6)
    assert found["morph_vol_dens_conv_hull"] == pytest.approx(1)
    assert math.isnan(found["morph_pca_maj_axis"])
    assert math.isnan(found["morph_vol_dens_aee"])
    assert math.isnan(found["morph_moran_i"])
    assert found["morph_diam"] == 3


def test_two_voxels_have_one_axis_and_a_flat_lesion_no_autocorrelation():
    found = morphology_features(roi_of(np.ones((1, 1, 2), bool), np.full((1, 1, 2), 3.0), (1.0, 1.0, 1.0)))
    assert found["morph_pca_maj_axis"] == pytest.approx(4 * math.sqrt(0.5))
    assert found["morph_pca_least_axis"] == 0
    assert math.isnan(found["morph_area_dens_aee"])
    assert math.isnan(found["morph_geary_c"])


def test_intensities_that_add_up_to_nothing_have_no_centre():
    values = np.array([[[-1.0, 1.0]]])
    assert math.isnan(morphology_features(roi_of(np.ones((1, 1, 2), bool), values))["morph_com"])
