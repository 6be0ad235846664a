from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from fdglung import study
from fdglung.errors import NoPetError, SingleSliceError
from fdglung.findings import from_json, to_json
from fdglung.pipeline import Settings, analyze
from fdglung.segmentation import SegmentationSettings
from fdglung.suv_peak import PEAK_RADIUS_MM
from tests.cases import case
from tests.simple_thorax import SphereLesion, simple_thorax, write_dicom


def analysis_of(tmp_path, *, settings=None, **options):
    dicom = write_dicom(simple_thorax(ct_matrix=256, **options), tmp_path / "phantom")
    return analyze(study.load(dicom), settings)


def peak_of_blurred_ball(lesion, *, fwhm_mm, background=0.5, step_mm=0.5):
    """SUVpeak at the centre of a ball that a Gaussian blurs, by brute force on a fine lattice."""
    axis = np.arange(-30, 30 + step_mm, step_mm)
    distance2 = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2
    ball = np.where(distance2 <= lesion.radius_mm**2, lesion.suv, background)
    blurred = ndimage.gaussian_filter(ball, fwhm_mm / 2.3548 / step_mm)
    return float(blurred[distance2 <= PEAK_RADIUS_MM**2].mean())


@pytest.mark.usefixtures("own_lungs")
def test_the_three_synthetic_lesions_are_found_where_they_are_and_nothing_else(tmp_path):
    phantom = simple_thorax(ct_matrix=256, seed=5)
    found = analyze(study.load(write_dicom(phantom, tmp_path / "phantom"))).findings
    truth = sorted(phantom.lesions, key=lambda lesion: -lesion.suv)
    assert len(found.lesions) == len(truth)
    for lesion, true in zip(found.lesions, truth, strict=True):
        assert np.linalg.norm(np.subtract(lesion.centroid_mm, true.centre_mm)) < 2.0
        assert lesion.suv_peak == pytest.approx(peak_of_blurred_ball(true, fwhm_mm=6.0), rel=0.1)
        assert lesion.side.value == ("right" if true.centre_mm[0] < 0 else "left")
    reasons = {excluded.reason for excluded in found.excluded}
    assert "heart or mediastinum" in reasons
    assert reasons <= {"heart or mediastinum", "below the diaphragm"}


def test_without_blur_and_noise_volume_and_uptake_are_the_closed_form(tmp_path):
    lesion = SphereLesion(name="right upper lobe", centre_mm=(-72.0, 4.0, 52.0), radius_mm=16.0, suv=8.0)
    found = analysis_of(tmp_path, lesions=[lesion], psf_fwhm_mm=0.0, pet_noise=0.0).findings
    (measured,) = found.lesions
    assert measured.suv_max == pytest.approx(8.0, rel=1e-3)
    assert measured.suv_peak == pytest.approx(8.0, rel=1e-3)
    # The 40 % contour takes border voxels that are 37 % full or more, so it lies outside the sphere by a little.
    assert measured.mtv_ml == pytest.approx(4 / 3 * np.pi * 1.6**3, rel=0.1)
    assert measured.tlg_g == pytest.approx(measured.suv_mean * measured.mtv_ml)


@pytest.mark.parametrize("myocardium_suv", [3.0, 8.0, 15.0])
def test_myocardium_is_never_a_lesion(tmp_path, myocardium_suv):
    found = analysis_of(tmp_path, lesions=(), myocardium_suv=myocardium_suv).findings
    assert found.lesions == ()
    assert (found.total_mtv_ml, found.total_tlg_g, found.dmax_mm) == (0.0, 0.0, None)


@pytest.fixture(scope="module")
def with_hot_myocardium(tmp_path_factory):
    phantom = simple_thorax(ct_matrix=256, lesions=(), myocardium_suv=14)
    return study.load(write_dicom(phantom, tmp_path_factory.mktemp("myocardium") / "phantom"))


@pytest.mark.parametrize("shift", [(0, 0, 14), (8, 0, 8), (0, -6, 12), (0, 0, -10)])
def test_myocardium_that_breathing_moved_over_the_lung_is_no_lesion(with_hot_myocardium, shift):
    moved = sitk.Image(with_hot_myocardium.pet)
    moved.SetOrigin([at + by for at, by in zip(moved.GetOrigin(), shift, strict=True)])
    assert analyze(dataclasses.replace(with_hot_myocardium, pet=moved)).findings.lesions == ()


@pytest.mark.parametrize("centre", [(80.0, -20.0, -60.0), (92.0, -30.0, -90.0), (60.0, -80.0, -60.0)])
def test_a_nodule_beside_a_hotter_heart_is_a_lesion(tmp_path, centre):
    nodule = SphereLesion(name="nodule", centre_mm=centre, radius_mm=10.0, suv=6.0)
    (lesion,) = analysis_of(tmp_path, lesions=[nodule], myocardium_suv=12.0).findings.lesions
    assert np.linalg.norm(np.subtract(lesion.centroid_mm, centre)) < 3


def test_the_same_study_gives_the_same_findings_twice_and_they_survive_json(tmp_path):
    dicom = write_dicom(simple_thorax(ct_matrix=256), tmp_path / "phantom")
    again = shutil.copytree(dicom, tmp_path / "again")
    first, second = (analyze(study.load(folder)).findings for folder in (dicom, again))
    assert first == second
    assert from_json(to_json(first)) == first


def test_settings_and_versions_are_recorded(tmp_path):
    settings = Settings(SegmentationSettings(seed_suv=3.0, voi_fraction=0.5))
    provenance = analysis_of(tmp_path, settings=settings).findings.provenance
    assert provenance["parameters"]["voi_fraction"] == 0.5
    assert provenance["lesions"]["seed_suv_g_per_ml"] >= 3.0
    assert provenance["suv"]["rule"]
    assert provenance["packages"]["SimpleITK"]
    assert all(verdict["reason"] for verdict in provenance["series"])


def test_a_pet_of_one_slice_is_no_volume(tmp_path):
    dicom = write_dicom(simple_thorax(ct_matrix=128, with_ct=False), tmp_path / "phantom")
    for file in sorted(dicom.rglob("*.dcm"))[1:]:
        file.unlink()
    with pytest.raises(SingleSliceError, match="PT series"):
        study.load(dicom)


def test_a_ct_alone_is_no_study_for_lesions(tmp_path):
    dicom = write_dicom(simple_thorax(ct_matrix=128, with_pet=False), tmp_path / "phantom")
    with pytest.raises(NoPetError, match="fdglung convert"):
        analyze(study.load(dicom))


@pytest.mark.usefixtures("own_lungs")
def test_of_a_real_lung_cancer_the_hilar_mass_is_reported_and_no_organ():
    """ACRIN-NSCLC-FDG-PET-042 (TCIA, CC BY 3.0), read by eye: see the case's own notes on its foci."""
    loaded = study.load(case("acrin_nsclc_042"))
    found = analyze(loaded).findings
    origin, spacing = np.array(loaded.pet.GetOrigin()), np.array(loaded.pet.GetSpacing())
    at = {name: origin + np.array(index) * spacing for name, index in FOCI.items()}
    assert found.lesions[0].suv_max == pytest.approx(42.2, abs=0.1)
    hilar = [lesion for lesion in found.lesions if np.linalg.norm(lesion.centroid_mm - at["right hilar mass"]) < 50]
    assert {lesion.side.value for lesion in hilar} == {"right"}
    others = [lesion for lesion in found.lesions if lesion not in hilar]
    ambiguous = [at["thoracic inlet"], at["beside the oesophagus"]]
    for lesion in others:
        assert min(np.linalg.norm(lesion.suv_max_position_mm - place) for place in ambiguous) < 25
    assert any(excluded.suv_max == pytest.approx(7.9, abs=0.1) for excluded in found.excluded)


FOCI = {
    "right hilar mass": (54, 60, 73),
    "thoracic inlet": (63, 56, 115),
    "beside the oesophagus": (68, 64, 80),
}
