"""Tools and store in this process; `test_server` has them behind MONAI Label's client."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("monailabel")

from fdglung import lungs
from fdglung.annotation.studies import StudyEntry
from fdglung.annotation.versions import versions
from fdglung.errors import NoCtError, ParameterError
from fdglung.files import write_nifti_image
from fdglung.pipeline import Settings
from fdglung.segmentation import IN_FAT, SegmentationSettings, segment
from fdglung.study import Study
from fdglung.uptake_map import uptake_map
from labelapp import open_studies
from labelapp.datastore import FolderStore
from labelapp.open_studies import OpenStudies
from labelapp.tools import LesionClick, Lesions, Lungs, SuvClick
from labelapp.warm_up import open_networks, warm_up
from tests.ellipsoids import pet_of, thorax, with_spheres
from tests.network.networks import write_threshold_network

SPHERES = [((-78.0, 10.0, 20.0), 15.0, 8.0), ((132.0, 0.0, 0.0), 12.0, 7.0)]


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    root = tmp_path_factory.mktemp("studies")
    study = Study(pet_of(SPHERES, fwhm_mm=8.0), with_spheres(thorax()[0], SPHERES))
    (root / "one").mkdir()
    write_nifti_image(study.pet, root / "one" / "pet.nii.gz")
    write_nifti_image(sitk.Cast(study.ct, sitk.sitkFloat32), root / "one" / "ct.nii.gz")
    write_nifti_image(study.pet, root / "alone_pet.nii.gz")
    return root, study


def store_of(root, **segmentation):
    settings = Settings(SegmentationSettings(**segmentation))
    opened = OpenStudies(settings, predictors=open_networks(settings))
    return FolderStore(root, root / "labels", opened)


@pytest.fixture(scope="module")
def by_thresholds(case):
    return store_of(case[0])


def run(tool, store, **request):
    path, told = tool(store)({"image": "one", **request})
    image = sitk.ReadImage(path)
    Path(path).unlink()
    return sitk.GetArrayFromImage(image), told


def test_studies_are_worked_on_in_turns_on_two_cores_and_side_by_side_on_four(case, monkeypatch):
    at_work, most = [], {}

    def slow(entry):
        at_work.append(entry)
        most[cores] = max(most.get(cores, 0), len(at_work))
        time.sleep(0.2)
        at_work.pop()
        return case[1]

    monkeypatch.setattr(open_studies, "open_study", slow)
    entries = [StudyEntry(name) for name in ("a", "b", "c", "d")]
    for cores in (1, 2, 4):
        monkeypatch.setattr(open_studies.os, "cpu_count", lambda cores=cores: cores)
        opened = OpenStudies(Settings())
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda entry, opened=opened: opened.get(entry).study, entries))
        assert found == [case[1]] * 4
    assert most == {1: 1, 2: 1, 4: 2}


def test_a_click_after_the_uptake_was_prepared_does_not_look_for_it_again(case, monkeypatch):
    looked, done = [], threading.Event()

    def watched(*given):
        looked.append(given)
        found = uptake_map(*given)
        done.set()
        return found

    monkeypatch.setattr(open_studies, "uptake_map", watched)
    store = store_of(case[0])
    store.open("one").prepare_clicks()
    assert done.wait(120)
    centre = SPHERES[0][0]
    place = case[1].pet.TransformPhysicalPointToIndex(centre)
    _, told = run(SuvClick, store, start="empty", foreground=[list(place)])
    assert told["added"] == 1
    assert len(looked) == 1


def test_a_step_that_fails_gives_its_turn_back(case, monkeypatch):
    def fails(entry):
        raise ParameterError("this one fails", attribute="x", remedy="None")

    monkeypatch.setattr(open_studies.os, "cpu_count", lambda: 1)
    opened = OpenStudies(Settings())
    monkeypatch.setattr(open_studies, "open_study", fails)
    for name in ("a", "b"):
        with pytest.raises(ParameterError):
            _ = opened.get(StudyEntry(name)).study
    monkeypatch.setattr(open_studies, "open_study", lambda entry: case[1])
    assert opened.get(StudyEntry("b")).study is case[1]


def test_with_a_checkpoint_the_lesions_are_those_of_the_network_to_the_voxel(case, tmp_path):
    root, study = case
    network = str(write_threshold_network(tmp_path / "model.onnx"))
    store = store_of(root, method="network", checkpoints=(network,), overlap=0.0)
    warm_up(store.opened)
    settings = SegmentationSettings(method="network", checkpoints=(network,), overlap=0.0)
    expected = segment(study, lungs.segment(study.ct), settings)
    found, told = run(Lesions, store, instances=True)
    assert (found == sitk.GetArrayFromImage(expected.labels)).all()
    assert told["method"].startswith("network")
    assert not any("found by thresholds" in warning for warning in told["warnings"])


def test_with_instances_every_lesion_has_its_value_and_its_name(by_thresholds):
    found, told = run(Lesions, by_thresholds, instances=True)
    assert told["label_names"] == {"lesion 1": 1, "lesion 2": 2}
    assert np.unique(found).tolist() == [0, 1, 2]


def test_uptake_that_was_judged_no_lesion_is_told_with_its_reason_and_place(case, tmp_path):
    _, study = case
    centre, radius, suv = SPHERES[1]
    (tmp_path / "one").mkdir()
    write_nifti_image(study.pet, tmp_path / "one" / "pet.nii.gz")
    ct = with_spheres(study.ct, [(centre, radius + 4, suv)], hu=-100)
    write_nifti_image(sitk.Cast(ct, sitk.sitkFloat32), tmp_path / "one" / "ct.nii.gz")
    found, told = run(Lesions, store_of(tmp_path), instances=True)
    assert np.unique(found).tolist() == [0, 1]
    (apart,) = told["excluded"]
    assert apart["reason"] == IN_FAT
    assert np.linalg.norm(np.subtract(apart["suv_max_position_mm"], centre)) <= radius


def test_a_pet_alone_can_be_clicked_but_proposes_nothing_and_says_so(case, by_thresholds):
    _, study = case
    click = list(study.pet.TransformPhysicalPointToIndex(SPHERES[0][0]))
    found, told = run(SuvClick, by_thresholds, image="alone", foreground=[click])
    assert found[tuple(click[::-1])] == 1
    assert (told["start"], len(told["lesions"])) == ("empty", 1)
    assert "no CT" in told["warnings"][0]
    for tool in (Lesions, Lungs):
        with pytest.raises(NoCtError):
            run(tool, by_thresholds, image="alone")


def test_a_tighter_fraction_gives_a_smaller_lesion_with_the_same_maximum(case, by_thresholds):
    click = list(case[1].pet.TransformPhysicalPointToIndex(SPHERES[0][0]))
    wide, tight = (
        run(SuvClick, by_thresholds, foreground=[click], start="empty", voi_percent=percent) for percent in (40, 60)
    )
    assert 0 < tight[0].sum() < wide[0].sum()
    assert tight[1]["lesions"][0]["suv_max"] == wide[1]["lesions"][0]["suv_max"]


def test_a_second_saver_gets_a_second_version_and_a_nifti_study_no_seg(case, by_thresholds, tmp_path):
    path = tmp_path / "label.nii.gz"
    sitk.WriteImage(by_thresholds.open("one").lesions.labels, str(path))
    ids = [by_thresholds.save_label("one", str(path), "final", {"client_id": who}) for who in ("anna", "bela")]
    assert ids == ["one@final-1", "one@final-2"]
    assert [version.annotator for version in versions(case[0] / "labels", "one")] == ["anna", "bela"]
    assert versions(case[0] / "labels", "one")[0].seg is None
    assert by_thresholds.get_label_info(ids[0], "final")["annotator"] == "anna"
    assert by_thresholds.get_labels_by_image_id("one") == {"final": ids[1]}
    assert (by_thresholds.status()["total"], by_thresholds.status()["completed"]) == (2, 1)


def test_the_store_neither_adds_nor_removes_images_nor_changes_labels(by_thresholds):
    for change in (
        lambda: by_thresholds.remove_image("one"),
        lambda: by_thresholds.add_image("two", "x.nii.gz", {}),
        lambda: by_thresholds.remove_label("one", "final"),
        lambda: by_thresholds.update_label_info("one", "final", {}),
    ):
        with pytest.raises(ParameterError, match="cannot be changed"):
            change()


def test_a_guided_click_outlines_the_lesion_under_it_by_the_network_and_another_one_takes_it_away(case, tmp_path):
    root, study = case
    network = str(write_threshold_network(tmp_path / "model.onnx", 2.0, slope=4.0, optional=("CT",)))
    store = store_of(root, method="network", checkpoints=(network,))
    click = list(study.pet.TransformPhysicalPointToIndex(SPHERES[0][0]))
    found, told = run(LesionClick, store, foreground=[click], start="empty")
    centre, radius, _ = SPHERES[0]
    z, y, x = np.indices(found.shape)
    places = (np.stack([x, y, z], -1) * study.pet.GetSpacing() + study.pet.GetOrigin()) - centre
    ball = np.linalg.norm(places, axis=-1) <= radius
    # A Gaussian of 8 mm on a ball of 15 mm puts the SUV of 2 a little outside its surface.
    assert 2 * ((found > 0) & ball).sum() / ((found > 0).sum() + ball.sum()) > 0.8
    assert (told["added"], len(told["lesions"]), told["start"]) == (1, 1, "empty")
    gone, told = run(LesionClick, store, background=[click], start="lesions")
    assert not gone[tuple(click[::-1])]
    assert told["removed"] == 1
