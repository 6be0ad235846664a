from __future__ import annotations

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import OutputExistsError
from fdglung.phantom.writer import read_truth, write_nifti_study
from tests.phantom.writer.studies import contents, study

NAMES = {"ct", "pet", "pet_nac", "lesions", "organs", "ct_lesions", "ct_organs"}


def test_every_image_reads_back_to_the_bit_where_it_lay(tmp_path):
    made = study(with_nac=True)
    files = write_nifti_study(made, tmp_path / "out")
    assert set(files) == {f"{name}.nii.gz" for name in NAMES} | {"truth.json"}
    for name, image in (
        ("ct", made.ct),
        ("pet", made.pet),
        ("pet_nac", made.pet_nac),
        ("lesions", made.lesion_mask),
        ("organs", made.organs),
        ("ct_lesions", made.ct_lesion_mask),
        ("ct_organs", made.ct_organs),
    ):
        found = sitk.ReadImage(str(files[f"{name}.nii.gz"]))
        assert found.GetPixelID() == image.GetPixelID()
        np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(image))
        np.testing.assert_allclose(found.GetOrigin(), image.GetOrigin(), atol=1e-4)
        np.testing.assert_allclose(found.GetSpacing(), image.GetSpacing(), rtol=1e-6)
        np.testing.assert_allclose(found.GetDirection(), image.GetDirection(), atol=1e-6)


def test_nibabel_finds_a_lesion_at_its_true_centre(tmp_path):
    made = study()
    files = write_nifti_study(made, tmp_path / "out")
    image = nibabel.load(files["lesions.nii.gz"])
    for lesion in read_truth(files["truth.json"]).lesions:
        voxels = np.argwhere(np.asarray(image.dataobj) == lesion.label)
        # NIfTI's world is RAS, DICOM's is LPS
        centre = nibabel.affines.apply_affine(image.affine, voxels).mean(axis=0) * (-1, -1, 1)
        np.testing.assert_allclose(centre, lesion.centre_mm, atol=3.0)


def test_without_uncorrected_pet_none_is_written(tmp_path):
    assert "pet_nac.nii.gz" not in write_nifti_study(study(), tmp_path / "out")


def test_the_same_study_gives_the_same_bytes_at_any_time(tmp_path):
    for name in ("one", "other"):
        write_nifti_study(study(), tmp_path / name)
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "other")
    # gzip's header has room for the time of writing: bytes 4 to 7
    assert all(data[4:8] == bytes(4) for name, data in one.items() if name.endswith(".gz"))


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(OutputExistsError):
        write_nifti_study(study(), tmp_path)
    assert set(contents(tmp_path)) == {"letter.txt"}
