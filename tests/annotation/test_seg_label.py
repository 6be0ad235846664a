from __future__ import annotations

import copy

import highdicom as hd
import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from fdglung import study
from fdglung.annotation.seg_label import label_of_seg
from fdglung.errors import LabelGridError, UndecodablePixelDataError, UnknownLabelError
from tests.simple_thorax import simple_thorax, write_dicom


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    phantom = simple_thorax(ct_matrix=32, pet_matrix=48, slice_spacing_mm=12.0)
    return study.load(write_dicom(phantom, tmp_path_factory.mktemp("phantom")))


@pytest.fixture(scope="module")
def planted(loaded):
    """Three lesions with slices between them that hold nothing; the last one is a single voxel."""
    label = np.zeros(loaded.pet.GetSize()[::-1], np.uint8)
    label[2:4, 5:9, 10:12] = 1
    label[7:10, 20:22, 30:37] = 2
    label[-2, 40, 3] = 3
    return label


def description(number, name):
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name,
        segmented_property_category=codes.SCT.Tissue,
        segmented_property_type=codes.SCT.Tissue,
        algorithm_type="MANUAL",
    )


def seg_of(loaded, array, names=("Segment 1", "Segment 2", "Segment 3"), **options):
    headers = copy.deepcopy(list(loaded.pet_headers))
    return hd.seg.Segmentation(
        source_images=headers,
        pixel_array=array,
        segmentation_type=options.pop("kind", "BINARY"),
        segment_descriptions=[description(number, name) for number, name in enumerate(names, start=1)],
        series_instance_uid=generate_uid(),
        series_number=9,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Another",
        manufacturer_model_name="Viewer",
        software_versions="1",
        device_serial_number="1",
        **options,
    )


def array_of(image):
    return sitk.GetArrayFromImage(image)


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_every_kind_of_seg_gives_the_planted_label_though_empty_slices_are_left_out(loaded, planted, kind):
    array = planted
    if kind == "FRACTIONAL":
        array = np.stack([planted == number for number in (1, 2, 3)], axis=-1).astype(np.float32)
    seg = seg_of(loaded, array, kind=kind)
    assert int(seg.NumberOfFrames) < 3 * len(planted)
    label = label_of_seg(seg, loaded.pet)
    assert (array_of(label) == planted).all()
    assert label.GetOrigin() == loaded.pet.GetOrigin()


def test_a_label_map_whose_frames_lack_the_values_of_its_dimensions_is_read_as_ohif_writes_it(loaded, planted):
    seg = seg_of(loaded, planted, kind="LABELMAP")
    for frame in seg.PerFrameFunctionalGroupsSequence:
        del frame.FrameContentSequence
    assert (array_of(label_of_seg(seg, loaded.pet)) == planted).all()
    assert "DimensionIndexSequence" in seg


def test_slices_in_another_order_than_the_pets_are_put_right(loaded, planted):
    turned = study.Study(loaded.pet, None, pet_headers=loaded.pet_headers[::-1])
    assert (array_of(label_of_seg(seg_of(turned, planted[::-1]), loaded.pet)) == planted).all()


def test_of_a_fractional_segment_half_and_more_counts(loaded, planted):
    array = np.where(planted == 1, 0.6, np.where(planted == 2, 0.4, 0.0)).astype(np.float32)[..., None]
    label = label_of_seg(seg_of(loaded, array, ("Lesion",), kind="FRACTIONAL"), loaded.pet)
    assert (array_of(label) == (planted == 1)).all()


def test_where_segments_overlap_the_lower_number_stays(loaded, planted):
    array = np.stack([planted == 1, planted > 0], axis=-1).astype(np.uint8)
    label = array_of(label_of_seg(seg_of(loaded, array, ("A", "B")), loaded.pet))
    assert (label == np.where(planted == 1, 1, np.where(planted > 1, 2, 0))).all()


def test_lungs_and_background_are_no_lesions(loaded, planted):
    label = label_of_seg(seg_of(loaded, planted, ("lesion", "Left Lung", "background")), loaded.pet)
    assert (array_of(label) == (planted == 1)).all()
    with pytest.raises(UnknownLabelError, match="no segment is one of lesions"):
        label_of_seg(seg_of(loaded, planted, ("left lung", "right lung", "background")), loaded.pet)


def test_a_seg_without_a_voxel_is_a_label_without_lesions(loaded, planted):
    seg = seg_of(loaded, np.zeros_like(planted), ("none",), omit_empty_frames=False)
    assert not array_of(label_of_seg(seg, loaded.pet)).any()


@pytest.mark.parametrize("how", ["finer", "moved", "larger"])
def test_a_seg_on_another_grid_is_refused(loaded, planted, how):
    pet = sitk.Image(loaded.pet)
    if how == "finer":
        pet.SetSpacing([value * 0.9 for value in pet.GetSpacing()])
    elif how == "moved":
        pet.SetOrigin([value + 0.3 * step for value, step in zip(pet.GetOrigin(), pet.GetSpacing(), strict=True)])
    else:
        pet = pet[:, :, : len(planted) - 4]
    with pytest.raises(LabelGridError, match="Segment on the PET"):
        label_of_seg(seg_of(loaded, planted), pet)


def test_a_broken_seg_is_refused_with_its_series(loaded, planted):
    seg = seg_of(loaded, planted)
    seg.PixelData = seg.PixelData[:10]
    with pytest.raises(UndecodablePixelDataError, match=str(seg.SeriesInstanceUID)):
        label_of_seg(seg, loaded.pet)
