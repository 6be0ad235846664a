from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage as ndi

from fdglung.reporting import figures
from fdglung.reporting.display import PLANE_AXES, projections, upright, views
from tests.reporting.studies import ORIENTATIONS, SIZE, SPACING, analysis

STRAIGHT = [name for name in ORIENTATIONS if name != "oblique"]


def expected_place(made, label, plane) -> tuple[float, float, float]:
    """Across and down in mm from the view's middle to the lesion's centroid, as radiologists see it."""
    lesion = made.findings.lesions[label - 1]
    across, down, _ = PLANE_AXES[plane]
    return lesion.centroid_mm[across], lesion.centroid_mm[down]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_view_shows_the_hottest_voxel_in_its_plane(orientation):
    made = analysis(3, orientation=orientation)
    for lesion in made.findings.lesions:
        for view in views(made, lesion.label, pixels=120):
            assert view.pet.max() == pytest.approx(lesion.suv_max, rel=0.08)
            assert view.position_mm == lesion.suv_max_position_mm[PLANE_AXES[view.plane][2]]


def test_views_have_the_patients_right_and_front_and_head_where_the_letters_say():
    made = analysis(3)
    pet = sitk.Image(made.study.pet) * 0.0
    lesion = made.findings.lesions[1]
    point = np.array(lesion.suv_max_position_mm)
    # A hot marker 20 mm to the patient's left, 24 mm to the back and 15 mm to the head of the hottest point.
    for shift in ((20.0, 0, 0), (0, 22.5, 0), (0, 0, 15.0)):
        marked = sitk.Image(pet)
        marked[marked.TransformPhysicalPointToIndex((point + shift).tolist())] = 9.0
        study = type(made.study)(**{**vars(made.study), "pet": marked})
        axial, coronal, sagittal = views(type(made)(study, made.lungs, made.lesions, made.findings), 2, pixels=120)
        for view in (axial, coronal, sagittal):
            across, down, through = PLANE_AXES[view.plane]
            if shift[through]:
                continue
            rows, columns = np.nonzero(view.pet > 4)
            hot = np.array([columns.mean(), rows.mean()]) + 0.5
            middle = [
                np.clip(lesion.centroid_mm[n], point[n] - view.width_mm / 3, point[n] + view.width_mm / 3)
                for n in (across, down)
            ]
            step = view.width_mm / 120
            offset = (hot - 60) * step
            target = np.array([point[across] + shift[across] - middle[0], point[down] + shift[down] - middle[1]])
            if view.plane != "axial":
                target[1] = -target[1]
            np.testing.assert_allclose(offset, target, atol=2.0)


@pytest.mark.parametrize("orientation", STRAIGHT)
def test_projections_do_not_depend_on_how_the_slices_lie(orientation):
    """A lesion appears at its patient coordinates, mirrored nowhere."""
    made = analysis(3, orientation=orientation)
    image = upright(made.study.pet)
    corner = np.array(image.GetOrigin()) - np.array(image.GetSpacing()) / 2
    top = corner[2] + image.GetSize()[2] * image.GetSpacing()[2]
    coronal, sagittal = projections(made)
    for lesion in made.findings.lesions:
        for picture, axis in ((coronal, 0), (sagittal, 1)):
            rows, columns = np.nonzero(picture.lesions[lesion.label])
            step = picture.width_mm / picture.pet.shape[1], picture.height_mm / picture.pet.shape[0]
            shadow = _centre_of_extent(made, lesion.label)
            across = ((columns.min() + columns.max() + 1) / 2) * step[0]
            down = ((rows.min() + rows.max() + 1) / 2) * step[1]
            whole = image.GetSize()[axis] * image.GetSpacing()[axis]
            if picture.width_mm == pytest.approx(whole):
                assert across == pytest.approx(shadow[axis] - corner[axis], abs=0.01)
            assert down == pytest.approx(top - shadow[2], abs=0.01)


def _centre_of_extent(made, label) -> np.ndarray:
    indices = np.argwhere(sitk.GetArrayViewFromImage(made.lesions) == label)[:, ::-1]
    corners = np.array([made.lesions.TransformIndexToPhysicalPoint([int(v) for v in i]) for i in indices])
    return (corners.min(axis=0) + corners.max(axis=0)) / 2


def test_an_oblique_image_keeps_its_mass_when_it_is_set_upright():
    made = analysis(1, orientation="oblique")
    turned = upright(made.lesions, nearest=True)
    assert np.allclose(turned.GetDirection(), np.eye(3).ravel())
    before = (sitk.GetArrayViewFromImage(made.lesions) == 1).sum() * np.prod(SPACING)
    mask = sitk.GetArrayViewFromImage(turned) == 1
    assert mask.sum() * np.prod(turned.GetSpacing()) == pytest.approx(before, rel=0.05)
    middle = ndi.center_of_mass(mask)[::-1]
    centroid = turned.TransformContinuousIndexToPhysicalPoint(middle)
    np.testing.assert_allclose(centroid, made.findings.lesions[0].centroid_mm, atol=1.0)


def test_the_projection_is_the_maximum_of_the_pet():
    made = analysis(3)
    coronal, sagittal = projections(made)
    hottest = sitk.GetArrayViewFromImage(made.study.pet).max()
    assert coronal.pet.max() == sagittal.pet.max() == hottest
    assert coronal.pet.shape[0] == SIZE[2]


def test_pictures_are_the_same_bytes_each_time():
    made = analysis(2)
    assert figures.png(figures.mip(made)) == figures.png(figures.mip(made))
    assert figures.png(figures.triplane(made, 1)) == figures.png(figures.triplane(made, 1))


def test_every_lesion_has_its_number_in_both_projections():
    figure = figures.mip(analysis(60))
    for axis in figure.axes[:2]:
        texts = {text.get_text() for text in axis.texts}
        assert {str(number) for number in range(1, 61)} <= texts


def test_the_views_letters_are_radiological():
    figure = figures.triplane(analysis(1), 1)
    letters = [[text.get_text() for text in axis.texts[:4]] for axis in figure.axes[:3]]
    assert letters == [["R", "L", "A", "P"], ["R", "L", "H", "F"], ["A", "P", "H", "F"]]


def test_a_view_without_ct_is_grey():
    picture = np.asarray(figures.triplane(analysis(1, ct=False), 1).axes[0].images[0].get_array())
    assert picture.ndim == 2
