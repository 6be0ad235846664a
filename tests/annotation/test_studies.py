from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.annotation.studies import OVERRIDES_FILE, find_studies, find_study, open_study
from fdglung.errors import NoPetError, NotQuantitativePetError, ParameterError, UnknownStudyError
from tests.simple_thorax import simple_thorax, write_dicom


def nifti(path, value=1.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(np.full((3, 4, 5), value, np.float32)), str(path))


def names(folder, **options):
    return [entry.name for entry in find_studies(folder, **options)]


def test_folders_zips_and_pairs_of_files_are_studies_and_labels_are_none(tmp_path):
    nifti(tmp_path / "b" / "pet.nii.gz")
    nifti(tmp_path / "b" / "ct.nii.gz")
    nifti(tmp_path / "c_1_suv.nii.gz")
    nifti(tmp_path / "c_1_ct.nii.gz")
    nifti(tmp_path / "labels" / "b" / "pet.nii.gz")
    (tmp_path / "a").mkdir()
    (tmp_path / "d.zip").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".hidden").mkdir()
    assert names(tmp_path) == ["a", "b", "c_1", "d"]
    by_name = {entry.name: entry for entry in find_studies(tmp_path)}
    assert by_name["c_1"].ct == tmp_path / "c_1_ct.nii.gz"
    assert [name for name, entry in by_name.items() if entry.is_dicom] == ["a", "d"]


def test_a_study_looked_up_alone_is_the_one_that_is_listed(tmp_path):
    nifti(tmp_path / "b" / "pet.nii.gz")
    nifti(tmp_path / "b_2" / "pet.nii.gz")
    nifti(tmp_path / "c[1]_1_suv.nii.gz")
    nifti(tmp_path / "c[1]_1_ct.nii.gz")
    nifti(tmp_path / "c[1]_ct.nii.gz")
    nifti(tmp_path / "labels" / "pet.nii.gz")
    (tmp_path / "a").mkdir()
    (tmp_path / "d.e.zip").touch()
    listed = find_studies(tmp_path)
    assert [entry.name for entry in listed] == ["a", "b", "b_2", "c[1]", "c[1]_1", "d.e"]
    assert tuple(find_study(tmp_path, entry.name) for entry in listed) == listed


@pytest.mark.parametrize("name", ["labels", "none", "..", ".", "b/pet.nii.gz", "../studies/b"])
def test_looked_up_alone_nothing_else_is_a_study(tmp_path, name):
    nifti(tmp_path / "studies" / "b" / "pet.nii.gz")
    nifti(tmp_path / "studies" / "labels" / "pet.nii.gz")
    assert find_study(tmp_path / "studies", name) is None


def test_a_study_looked_up_alone_has_its_overrides(tmp_path):
    nifti(tmp_path / "x" / "pet.nii.gz")
    nifti(tmp_path / "other" / "ct_hu.nii.gz", 7.0)
    overrides = tmp_path / "elsewhere" / OVERRIDES_FILE
    overrides.parent.mkdir()
    overrides.write_text(json.dumps({"x": {"ct": "other/ct_hu.nii.gz"}}))
    assert find_study(tmp_path, "x").ct is None
    assert find_study(tmp_path, "x", labels=overrides.parent).ct == tmp_path / "other" / "ct_hu.nii.gz"


def test_a_pet_without_attenuation_correction_or_a_mask_is_not_taken_for_the_pet(tmp_path):
    for name in ("pet", "pet_nac", "ct", "ct_lesions", "lesions"):
        nifti(tmp_path / "x" / f"{name}.nii.gz")
    (entry,) = find_studies(tmp_path)
    assert (entry.pet.name, entry.ct.name) == ("pet.nii.gz", "ct.nii.gz")


def test_a_link_that_leads_out_of_the_folder_is_passed_over(tmp_path):
    nifti(tmp_path / "outside" / "pet.nii.gz")
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "in").symlink_to(tmp_path / "outside")
    assert names(tmp_path / "studies") == []


def test_the_companion_can_be_overridden_within_the_folder_only(tmp_path):
    nifti(tmp_path / "x" / "pet.nii.gz")
    nifti(tmp_path / "x" / "ct.nii.gz", 0.0)
    nifti(tmp_path / "other" / "ct_hu.nii.gz", 7.0)
    overrides = tmp_path / "labels" / OVERRIDES_FILE
    overrides.parent.mkdir()
    overrides.write_text(json.dumps({"x": {"ct": "other/ct_hu.nii.gz"}}))
    entry = next(entry for entry in find_studies(tmp_path) if entry.name == "x")
    assert sitk.GetArrayFromImage(open_study(entry).ct).max() == 7.0
    for bad in ({"ct": "../elsewhere.nii.gz"}, {"ct_series": "1.2.3"}, {"ct": "/etc/hostname"}):
        overrides.write_text(json.dumps({"x": bad}))
        with pytest.raises(ParameterError, match=r"companions\.json"):
            find_studies(tmp_path)


def test_the_ct_series_of_a_dicom_study_can_be_overridden(tmp_path):
    write_dicom(simple_thorax(ct_matrix=64), tmp_path / "x")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / OVERRIDES_FILE).write_text(json.dumps({"x": {"ct_series": "1.2.3"}}))
    (entry,) = find_studies(tmp_path)
    with pytest.raises(ValueError, match=r"1\.2\.3"):
        open_study(entry)


def test_a_study_without_pet_says_so_when_it_is_opened(tmp_path):
    nifti(tmp_path / "x_ct.nii.gz")
    write_dicom(simple_thorax(ct_matrix=64, with_pet=False), tmp_path / "y")
    first, second = find_studies(tmp_path)
    with pytest.raises(NotQuantitativePetError, match="Add the PET in SUVbw"):
        open_study(first)
    with pytest.raises(NoPetError, match="Add the attenuation-corrected PET"):
        open_study(second)


def test_a_missing_folder_is_named_as_such(tmp_path):
    with pytest.raises(UnknownStudyError, match="Name a folder"):
        find_studies(tmp_path / "none")
