from __future__ import annotations

import gzip

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import UnreadableImageError
from fdglung.image_files import read_image


def values(kind=np.float32):
    array = np.arange(60, dtype=kind).reshape(3, 4, 5)
    array[1, 2, 3] = np.nan
    array[2, 0, 4] = np.inf
    return array


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_voxels_that_are_no_numbers_stay_so(tmp_path, suffix, kind):
    image = sitk.GetImageFromArray(values(kind))
    image.SetSpacing((1.0, 2.0, 3.0))
    image.SetOrigin((-10.0, 4.0, 7.5))
    sitk.WriteImage(image, str(tmp_path / f"image{suffix}"))
    found = read_image(tmp_path / f"image{suffix}")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), values(kind))
    assert found.GetSpacing() == (1.0, 2.0, 3.0)
    assert found.GetOrigin() == (-10.0, 4.0, 7.5)


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_orders_of_bytes_are_read(tmp_path, order):
    nibabel = pytest.importorskip("nibabel")
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(np.dtype("f4").newbyteorder(order))
    nibabel.save(nibabel.Nifti1Image(values().T, np.eye(4), header), tmp_path / "image.nii")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_image(tmp_path / "image.nii")), values())


def test_whole_numbers_are_read_as_they_are(tmp_path):
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / "image.nii.gz"))
    found = read_image(tmp_path / "image.nii.gz")
    assert found.GetPixelID() == sitk.sitkInt16
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), array)


def test_a_file_that_is_no_image_is_refused_by_the_name_of_its_option(tmp_path):
    (tmp_path / "image.nii.gz").write_bytes(gzip.compress(b"nothing"))
    for name in ("image.nii.gz", "missing.nii"):
        with pytest.raises(UnreadableImageError, match=r"--ct: the image .* cannot be read"):
            read_image(tmp_path / name, attribute="--ct")


@pytest.mark.parametrize("name", ["image.nii.gz", "image.nii"])
def test_a_file_that_is_cut_short_is_refused_instead_of_being_filled_with_zeros(tmp_path, name):
    array = np.random.default_rng(0).normal(size=(16, 16, 16)).astype(np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / name))
    whole = (tmp_path / name).read_bytes()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_image(tmp_path / name)), array)
    for kept in (2000, len(whole) // 2, len(whole) - 40):
        (tmp_path / name).write_bytes(whole[:kept])
        with pytest.raises(UnreadableImageError, match="cannot be read"):
            read_image(tmp_path / name)


def test_a_file_packed_in_several_parts_or_with_a_scale_is_whole(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    array = np.arange(4096, dtype=np.int16).reshape(16, 16, 16)
    image = nibabel.Nifti1Image(array, np.eye(4))
    image.header.set_slope_inter(0.5, 1.0)
    nibabel.save(image, tmp_path / "image.nii")
    content = (tmp_path / "image.nii").read_bytes()
    (tmp_path / "parts.nii.gz").write_bytes(gzip.compress(content[:3000]) + gzip.compress(content[3000:]))
    found = sitk.GetArrayFromImage(read_image(tmp_path / "parts.nii.gz"))
    np.testing.assert_allclose(found, sitk.GetArrayFromImage(read_image(tmp_path / "image.nii")))
