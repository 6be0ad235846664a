from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import NegativeLabelError, NonIntegerLabelError, UnknownLabelError, UnreadableImageError
from fdglung.evaluation.labels import read_labels
from tests.evaluation.shapes import write


def volume(**values):
    array = np.zeros((4, 5, 6), np.float64)
    for place, value in enumerate(values.values()):
        array[1, 1, place] = value
    return array


def read(tmp_path, array, kind=np.float32, **options):
    """Read an array from a file; NRRD, since ITK reads NaN in NIfTI as 0."""
    return read_labels(write(array.astype(kind), tmp_path / "case.nrrd"), **options)


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int64, np.float32, np.float64])
def test_whole_numbers_are_labels_whatever_their_kind(tmp_path, kind):
    labels = sitk.GetArrayFromImage(read(tmp_path, volume(a=1, b=7), kind))
    assert np.unique(labels).tolist() == [0, 1, 7]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
def test_every_format_is_read(tmp_path, suffix):
    path = write(volume(a=2).astype(np.uint8), tmp_path / f"case{suffix}", spacing=(1, 2, 3))
    assert read_labels(path).GetSpacing() == pytest.approx((1, 2, 3))


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (0.5, NonIntegerLabelError),
        (np.nan, NonIntegerLabelError),
        (np.inf, NonIntegerLabelError),
        (-1, NegativeLabelError),
    ],
)
def test_values_that_are_no_labels_are_refused_by_name_of_the_file(tmp_path, value, error):
    with pytest.raises(error, match=r"case\.nrrd") as refused:
        read(tmp_path, volume(a=value))
    assert refused.value.remedy


def test_labels_that_were_not_named_are_unknown(tmp_path):
    assert read(tmp_path, volume(a=1, b=3), allowed=(1, 3)) is not None
    with pytest.raises(UnknownLabelError, match="holds 4"):
        read(tmp_path, volume(a=1, b=4), allowed=(1, 3))


def test_an_image_is_no_label_image(tmp_path):
    with pytest.raises(UnknownLabelError, match="looks like an image"):
        read(tmp_path, np.arange(4 * 20 * 20).reshape(4, 20, 20), np.int16)


def test_a_file_that_is_no_volume_is_refused(tmp_path):
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"no image")
    with pytest.raises(UnreadableImageError, match=r"broken\.nii\.gz"):
        read_labels(broken)
    flat = tmp_path / "flat.mha"
    sitk.WriteImage(sitk.Image(4, 4, sitk.sitkUInt8), str(flat))
    with pytest.raises(UnreadableImageError, match="2 axes"):
        read_labels(flat)


def test_a_fourth_dimension_of_one_is_dropped(tmp_path):
    path = tmp_path / "four.nii.gz"
    sitk.WriteImage(sitk.JoinSeries([sitk.Image(4, 5, 6, sitk.sitkUInt8)]), str(path))
    assert read_labels(path).GetSize() == (4, 5, 6)
