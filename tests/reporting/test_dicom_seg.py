from __future__ import annotations

import dataclasses

import highdicom as hd
import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread

from fdglung.errors import InconsistentSeriesError, NoPetError, ParameterError
from fdglung.reporting.dicom_seg import NO_LESION_LABEL, segmentation
from tests.reporting.studies import ORIENTATIONS, analysis


def written(made, path, **options):
    segmentation(made, **options).save_as(path)
    return path


def stored_points(path) -> dict[int, set[tuple[float, ...]]]:
    """Patient coordinates (rounded) of each segment's voxels, from the file's own frames alone, read by SimpleITK."""
    seg = dcmread(path)
    frames = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    shared = seg.SharedFunctionalGroupsSequence[0]
    row, column = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float).reshape(2, 3)
    down, across = (float(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing)
    points: dict[int, set[tuple[float, ...]]] = {}
    for frame, group in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        holder = group if "SegmentIdentificationSequence" in group else shared
        number = int(holder.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        origin = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        for y, x in np.argwhere(frame):
            point = origin + x * across * row + y * down * column
            points.setdefault(number, set()).add(tuple(np.round(point, 3) + 0.0))
    return points


def true_points(made) -> dict[int, set[tuple[float, ...]]]:
    image = made.lesions
    points: dict[int, set[tuple[float, ...]]] = {}
    for z, y, x in np.argwhere(sitk.GetArrayViewFromImage(image)):
        point = image.TransformIndexToPhysicalPoint((int(x), int(y), int(z)))
        points.setdefault(image[int(x), int(y), int(z)], set()).add(tuple(np.round(point, 3) + 0.0))
    return points


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("enhanced", [False, True], ids=["classic", "enhanced"])
def test_every_voxel_lies_where_it_lay(tmp_path, orientation, enhanced):
    made = analysis(3, orientation=orientation, enhanced=enhanced, ct=False)
    assert stored_points(written(made, tmp_path / "seg.dcm")) == true_points(made)


@pytest.mark.parametrize("lesions", [1, 3, 60])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_highdicom_reads_the_mask_back_to_the_voxel(tmp_path, lesions, kind):
    made = analysis(lesions, ct=False)
    seg = hd.seg.segread(written(made, tmp_path / "seg.dcm", segmentation_type=kind))
    assert seg.segmentation_type.value == kind
    stored = seg.get_pixels_by_source_instance(
        [header.SOPInstanceUID for header in made.study.pet_headers],
        combine_segments=True,
        assert_missing_frames_are_empty=True,
        ignore_spatial_locations=True,
    )
    np.testing.assert_array_equal(stored, sitk.GetArrayFromImage(made.lesions))


@pytest.mark.parametrize("orientation", ["head first", "slices downwards", "feet first supine", "oblique"])
@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_highdicom_places_the_volume_where_the_pet_lies(tmp_path, orientation, kind):
    made = analysis(2, orientation=orientation, ct=False)
    seg = hd.seg.segread(written(made, tmp_path / "seg.dcm", segmentation_type=kind))
    volume = seg.get_volume(combine_segments=True)
    for label in (1, 2):
        indices = np.argwhere(volume.array == label)
        points = indices @ volume.affine[:3, :3].T + volume.affine[:3, 3]
        expected = np.array(sorted(true_points(made)[label]))
        np.testing.assert_allclose(
            points[np.lexsort(np.round(points, 2).T[::-1])],
            expected[np.lexsort(np.round(expected, 2).T[::-1])],
            atol=0.002,
        )


def test_headers_in_another_order_than_the_image_do_not_move_a_voxel(tmp_path):
    made = analysis(3, ct=False)
    study = dataclasses.replace(made.study, pet_headers=made.study.pet_headers[::-1])
    turned = dataclasses.replace(made, study=study)
    assert stored_points(written(turned, tmp_path / "seg.dcm")) == true_points(made)


def test_frames_refer_to_the_pet_slice_they_lie_on(tmp_path):
    made = analysis(3, ct=False)
    positions = {h.SOPInstanceUID: list(h.ImagePositionPatient) for h in made.study.pet_headers}
    seg = dcmread(written(made, tmp_path / "seg.dcm"))
    for group in seg.PerFrameFunctionalGroupsSequence:
        source = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        assert list(group.PlanePositionSequence[0].ImagePositionPatient) == positions[source]


def test_segments_carry_the_lesions_identity_and_codes():
    made = analysis(3)
    seg = segmentation(made)
    assert seg.FrameOfReferenceUID == made.findings.frame_of_reference_uid
    assert "research" in seg.SeriesDescription
    colors = set()
    for segment, lesion in zip(seg.SegmentSequence, made.findings.lesions, strict=True):
        assert (segment.SegmentNumber, segment.TrackingUID) == (lesion.label, lesion.tracking_uid)
        assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
        assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "52988006"
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        assert f"MTV {lesion.mtv_ml:.6g} ml" in segment.SegmentDescription
        colors.add(tuple(segment.RecommendedDisplayCIELabValue))
    assert len(colors) == 3
    regions = [segment.AnatomicRegionSequence[0] for segment in seg.SegmentSequence]
    assert [region.CodeMeaning for region in regions] == ["Upper lobe of lung", "Mediastinum", "Lung"]
    assert [r.AnatomicRegionModifierSequence[0].CodeMeaning for r in (regions[0], regions[2])] == ["Right", "Left"]


def test_sixty_lesions_have_sixty_colours():
    seg = segmentation(analysis(60))
    assert len({tuple(segment.RecommendedDisplayCIELabValue) for segment in seg.SegmentSequence}) == 60


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_a_study_without_lesions_gives_one_empty_segment(tmp_path, kind):
    seg = hd.seg.segread(written(analysis(0), tmp_path / "seg.dcm", segmentation_type=kind))
    assert list(seg.segment_numbers) == [1]
    assert seg.get_segment_description(1).SegmentLabel == NO_LESION_LABEL
    assert not seg.pixel_array.any()


def test_labels_that_do_not_match_the_findings_are_refused():
    made = analysis(3)
    findings = dataclasses.replace(made.findings, lesions=made.findings.lesions[:2])
    with pytest.raises(ParameterError, match="same numbers"):
        segmentation(dataclasses.replace(made, findings=findings))


def test_an_image_off_the_slices_is_refused():
    made = analysis(1)
    shifted = sitk.Image(made.lesions)
    shifted.SetOrigin([v + 10.0 for v in shifted.GetOrigin()])
    with pytest.raises(InconsistentSeriesError, match="slices of the PET"):
        segmentation(dataclasses.replace(made, lesions=shifted))


def test_a_study_without_pet_is_refused():
    made = analysis(1)
    with pytest.raises(NoPetError):
        segmentation(dataclasses.replace(made, study=dataclasses.replace(made.study, pet=None, pet_headers=())))


def test_an_unknown_type_is_refused():
    with pytest.raises(ParameterError, match="FRACTIONAL"):
        segmentation(analysis(1), segmentation_type="FRACTIONAL")
