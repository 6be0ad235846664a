from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.annotation.agreement import label_agreement
from fdglung.annotation.export import agreements, export_datalist
from fdglung.annotation.label_image import as_lesions, read_label
from fdglung.annotation.versions import save_version
from fdglung.errors import (
    LabelGridError,
    NegativeLabelError,
    NoLabelImagesError,
    NonIntegerLabelError,
    OutputExistsError,
)

SHAPE = (10, 12, 14)


def image(array, direction=(1, 0, 0, 0, 1, 0, 0, 0, 1)):
    made = sitk.GetImageFromArray(array)
    made.SetSpacing((4.0, 4.0, 3.0))
    made.SetOrigin((-20.0, 5.0, 60.0))
    made.SetDirection(direction)
    return made


def boxes(*corners, size=2, value=None):
    labels = np.zeros(SHAPE, np.uint16)
    for number, (z, y, x) in enumerate(corners, start=1):
        labels[z : z + size, y : y + size, x : x + size] = value or number
    return labels


@pytest.fixture
def pet():
    rng = np.random.default_rng(0)
    return image(rng.uniform(1, 2, SHAPE).astype(np.float32))


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "LAS", "SPL", "IRA"])
def test_a_label_that_a_viewer_wrote_with_other_axes_comes_back_onto_the_pets_grid(tmp_path, pet, orientation):
    truth = boxes((1, 2, 3), (6, 7, 8))
    path = tmp_path / "label.nrrd"
    sitk.WriteImage(sitk.DICOMOrient(image(truth), orientation), str(path))
    found = read_label(path, pet)
    assert (sitk.GetArrayFromImage(found) == truth).all()
    assert found.GetOrigin() == pet.GetOrigin()


def test_a_label_of_another_size_or_place_is_refused(tmp_path, pet):
    moved = image(boxes((1, 2, 3)))
    moved.SetOrigin((-19.0, 5.0, 60.0))
    for wrong in (moved, image(boxes((1, 2, 3)))[1:, :, :]):
        sitk.WriteImage(wrong, str(tmp_path / "label.nii.gz"))
        with pytest.raises(LabelGridError, match="reference volume"):
            read_label(tmp_path / "label.nii.gz", pet)


@pytest.mark.parametrize(
    ("value", "kind", "error"),
    [
        (-1, np.int16, NegativeLabelError),
        (0.5, np.float32, NonIntegerLabelError),
        (70000, np.int32, NegativeLabelError),
    ],
)
def test_values_that_are_no_numbers_of_lesions_are_refused(tmp_path, pet, value, kind, error):
    sitk.WriteImage(image(np.full(SHAPE, value, kind)), str(tmp_path / "label.nii.gz"))
    with pytest.raises(error):
        read_label(tmp_path / "label.nii.gz", pet)


def test_a_mask_is_parted_and_labels_stay_lesions_and_the_hottest_is_first(pet):
    suv = sitk.GetArrayFromImage(pet)
    suv[6, 7, 8] = 9.0
    hot = image(suv)
    for labels in (boxes((1, 2, 3), (6, 7, 8), value=1), boxes((1, 2, 3), (6, 7, 8))):
        numbered, lesions = as_lesions(image(labels), hot)
        array = sitk.GetArrayFromImage(numbered)
        assert len(lesions) == 2
        assert array[6, 7, 8] == 1
        assert array[1, 2, 3] == 2
        assert lesions[0].voi_fraction == pytest.approx(suv[6:8, 7:9, 8:10].min() / 9.0)


def test_an_empty_label_is_a_study_without_lesions(pet):
    numbered, lesions = as_lesions(image(np.zeros(SHAPE, np.uint16)), pet)
    assert lesions == ()
    assert not sitk.GetArrayFromImage(numbered).any()


def test_agreement_is_the_closed_form_and_the_same_both_ways():
    first, second = image(boxes((1, 2, 3), (6, 7, 8))), image(boxes((1, 2, 4), (1, 8, 8)))
    found = label_agreement(first, second)
    # Two boxes of 8 voxels each; one pair shares 4 of 12.
    assert found.dice == pytest.approx(2 * 4 / 32)
    assert (found.lesions, found.matched, found.lesion_f1) == ((2, 2), 1, 0.5)
    assert label_agreement(second, first) == found


def test_agreement_without_lesions_is_whole_and_with_them_in_one_label_none():
    empty, one = image(np.zeros(SHAPE, np.uint16)), image(boxes((1, 2, 3)))
    assert label_agreement(empty, empty).dice == label_agreement(empty, empty).lesion_f1 == 1.0
    for pair in ((empty, one), (one, empty)):
        assert label_agreement(*pair).dice == label_agreement(*pair).lesion_f1 == 0.0


def write_pair(folder, pet):
    folder.mkdir(parents=True)
    sitk.WriteImage(pet, str(folder / "pet.nii.gz"))
    sitk.WriteImage(pet, str(folder / "ct.nii.gz"))


def test_the_datalist_is_what_training_reads_with_the_latest_label_of_each_study(tmp_path, pet):
    from bundle.scripts.datalist import read_cases

    studies = tmp_path / "studies"
    for name in ("a", "b", "c"):
        write_pair(studies / name, pet)
    save_version(studies / "labels", "a", image(boxes((1, 2, 3))), annotator="anna")
    save_version(studies / "labels", "a", image(boxes((6, 7, 8))), annotator="bela")
    save_version(studies / "labels", "b", image(boxes((1, 2, 3))), annotator="anna")
    document = export_datalist(studies, tmp_path / "out" / "list.json")
    cases = read_cases(str(tmp_path / "out"), "list.json", "training", ["PET", "CT"])
    assert [case["name"] for case in cases] == ["a", "b"]
    assert sitk.GetArrayFromImage(sitk.ReadImage(cases[0]["label"]))[6, 7, 8] == 1
    (pair,) = document["agreement"]
    assert (pair["study"], pair["annotators"], pair["dice"]) == ("a", ["anna", "bela"], 0.0)
    assert len(agreements(studies / "labels", "a")) == 1
    annas = export_datalist(studies, tmp_path / "out" / "anna.json", annotator="anna")
    assert [entry["version"] for entry in annas["training"]] == [1, 1]
    with pytest.raises(OutputExistsError, match="--overwrite"):
        export_datalist(studies, tmp_path / "out" / "list.json")


def test_without_a_label_there_is_no_datalist(tmp_path, pet):
    write_pair(tmp_path / "studies" / "a", pet)
    with pytest.raises(NoLabelImagesError, match="Annotate a study first"):
        export_datalist(tmp_path / "studies", tmp_path / "list.json")
