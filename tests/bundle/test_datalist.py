from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from scripts.cases import IGNORED, CachedCases, Preprocess, region_of
from scripts.datalist import read_cases, read_files
from scripts.join_datalists import join

from fdglung.errors import DataListError
from fdglung.network.volume import box_to_search
from fdglung.pipeline import Settings, find_lungs
from fdglung.study import Study
from tests.bundle.conftest import write
from tests.ellipsoids import pet_of, thorax
from tests.network.networks import small_spec

BOTH = ("PET", "CT")


@pytest.fixture
def own(dataset, tmp_path):
    return shutil.copytree(dataset, tmp_path / "own")


def change(folder, edit):
    lists = json.loads((folder / "datalist.json").read_text())
    edit(lists)
    (folder / "datalist.json").write_text(json.dumps(lists))


def test_a_good_list_gives_absolute_paths(dataset):
    (case,) = read_cases(str(dataset), "datalist.json", "training", BOTH)
    assert case["name"] == "case_0"
    assert case["pet"] == str(dataset / "case_0" / "pet.nii.gz")
    assert set(read_files(str(dataset), "datalist.json", "test", BOTH)[0]) == {"name", "pet", "ct"}


def test_what_is_missing_is_named(own):
    with pytest.raises(DataListError, match=r"absent\.json"):
        read_cases(str(own), "absent.json", "training", BOTH)
    with pytest.raises(DataListError, match="no key 'train'"):
        read_cases(str(own), "datalist.json", "train", BOTH)
    change(own, lambda lists: lists["training"][0].pop("organs"))
    with pytest.raises(DataListError, match=r"training\[0\] names no organs"):
        read_cases(str(own), "datalist.json", "training", BOTH, organs=True)
    (own / "case_0" / "ct.nii.gz").unlink()
    with pytest.raises(DataListError, match=r"training\[0\]\.ct.*case_0/ct\.nii\.gz, is not there"):
        read_cases(str(own), "datalist.json", "training", BOTH)
    change(own, lambda lists: lists.update(training=[]))
    with pytest.raises(DataListError, match=r"'training'.*is empty"):
        read_cases(str(own), "datalist.json", "training", BOTH)
    (own / "datalist.json").write_text("{")
    with pytest.raises(DataListError, match="no JSON"):
        read_cases(str(own), "datalist.json", "training", BOTH)


def test_a_network_of_pet_alone_needs_no_ct_in_the_list(own):
    change(own, lambda lists: lists["training"][0].pop("ct"))
    assert read_cases(str(own), "datalist.json", "training", ("PET",))[0]["ct"] == ""
    with pytest.raises(DataListError, match="names no ct"):
        read_cases(str(own), "datalist.json", "training", BOTH)


@pytest.mark.parametrize(("shape", "spacing"), [((32, 32, 31), 3.0), ((32, 32, 32), 3.1)])
def test_a_label_on_another_grid_is_named(own, shape, spacing):
    write(np.zeros(shape, np.uint8), own / "case_0" / "label.nii.gz", spacing)
    with pytest.raises(DataListError, match=r"training\[0\]\.label.*label\.nii\.gz does not lie on the grid"):
        read_cases(str(own), "datalist.json", "training", BOTH)


@pytest.mark.parametrize("value", [-1.0, 0.5])
def test_unknown_values_of_a_label_are_named_with_the_file(own, value):
    label = np.zeros((32, 32, 32), np.float32)
    label[3, 3, 3] = value
    write(label, own / "case_0" / "label.nii.gz")
    cases = read_cases(str(own), "datalist.json", "training", BOTH)
    with pytest.raises(DataListError, match=rf"label\.nii\.gz.*unknown values \[{value}\]"):
        CachedCases(cases, Preprocess(small_spec())).prepare()


def test_values_that_a_user_did_not_name_are_unknown(dataset):
    cases = read_cases(str(dataset), "datalist.json", "training", BOTH)
    with pytest.raises(DataListError, match=r"\[2\.0\]"):
        Preprocess(small_spec(), label_values=(0, 1))(cases[0])
    Preprocess(small_spec(), label_values=(0, 1, 2))(cases[0])


def test_an_empty_lung_region_is_named_where_lungs_are_asked_for(dataset):
    cases = read_cases(str(dataset), "datalist.json", "training", BOTH)
    with pytest.raises(DataListError, match=r"ct\.nii\.gz: the lung region is empty"):
        Preprocess(small_spec(), region="lungs")(cases[0])
    with pytest.raises(DataListError, match="no CT to find the lungs in"):
        Preprocess(small_spec(), region="lungs")(cases[0] | {"ct": ""})


def test_training_looks_where_segmentation_looks_also_for_a_tumour_that_grows_out_of_the_lungs():
    pet, ct = pet_of([((-78, 10, -120), 30, 12.0)], fwhm_mm=6.0), thorax()[0]
    expected = box_to_search(pet, find_lungs(Study(pet, ct), Settings()).box_mm)
    assert region_of(pet, ct, {"pet": "pet.nii.gz", "ct": "ct.nii.gz"}, "lungs") == expected
    cold = region_of(pet_of([]), ct, {"pet": "pet.nii.gz", "ct": "ct.nii.gz"}, "lungs")
    assert expected[0][2] < cold[0][2] - 5


def test_voxels_that_are_no_numbers_are_named(own):
    # Readers of NIfTI make 0 of them, so the file is of another kind.
    write(np.full((32, 32, 32), np.nan, np.float32), own / "case_0" / "pet.mha")
    change(own, lambda lists: lists["training"][0].update(pet="case_0/pet.mha"))
    cases = read_cases(str(own), "datalist.json", "training", BOTH)
    with pytest.raises(DataListError, match=r"case_0.*pet\.mha"):
        CachedCases(cases, Preprocess(small_spec())).prepare()


def test_a_case_holds_raw_channels_labels_and_places(dataset):
    case = read_cases(str(dataset), "datalist.json", "training", BOTH)[0]
    arrays = Preprocess(small_spec())(case)
    pet, label = (sitk.GetArrayFromImage(sitk.ReadImage(case[name])) for name in ("pet", "label"))
    assert arrays["raw"][0] == pytest.approx(pet, abs=1e-5)
    assert (arrays["label"] == (label > 0)).all()
    assert len(arrays["lesions"]) == (label > 0).sum()
    z, y, x = arrays["hot"].T
    assert (pet[z, y, x] >= 2.5).all()
    assert not label[z, y, x].any()


def test_the_avid_target_is_what_of_the_label_is_hot(dataset):
    case = read_cases(str(dataset), "datalist.json", "training", BOTH)[0]
    pet, label = (sitk.GetArrayFromImage(sitk.ReadImage(case[name])) for name in ("pet", "label"))
    arrays = Preprocess(small_spec(), target="avid", avid_suv=6.9)(case)
    assert (arrays["label"] == ((label > 0) & (pet >= 6.9))).all()
    assert 0 < arrays["label"].sum() < (label > 0).sum()


def test_lesions_colder_than_asked_are_background_or_ignored(own):
    suv, label = np.ones((32, 32, 32), np.float32), np.zeros((32, 32, 32), np.uint8)
    for x, hottest in ((4, 1.4), (14, 1.5), (24, 2.5)):
        # The hottest voxel alone tells, and touching values are one lesion.
        suv[8, 8, x], label[8, 8, x : x + 3] = hottest, (1, 1, 2)
    write(suv, own / "case_0" / "pet.nii.gz")
    write(label, own / "case_0" / "label.nii.gz")
    case = read_cases(str(own), "datalist.json", "training", BOTH)[0]
    arrays = Preprocess(small_spec(), lesion_suv=(1.5, 2.5))(case)
    assert (arrays["label"][8, 8, 4:7] == 0).all()
    assert (arrays["label"][8, 8, 14:17] == IGNORED).all()
    assert (arrays["label"][8, 8, 24:27] == 1).all()
    assert sorted(arrays["lesions"][:, 2]) == [24, 25, 26]
    assert (Preprocess(small_spec())(case)["label"] == (label > 0)).all()


def test_joined_lists_keep_entries_and_find_their_files_from_anywhere(dataset, tmp_path):
    joined = join({"training": [(dataset, dataset / "datalist.json", key) for key in ("training", "validation")]})
    (tmp_path / "joined.json").write_text(json.dumps(joined))
    parts = [read_cases(str(dataset), "datalist.json", key, BOTH) for key in ("training", "validation")]
    assert read_cases("elsewhere", str(tmp_path / "joined.json"), "training", BOTH) == [*parts[0], *parts[1]]
    with pytest.raises(DataListError, match="no key 'absent'"):
        join({"training": [(dataset, dataset / "datalist.json", "absent")]})


def test_the_cache_is_used_renewed_when_a_file_changes_and_mended_when_broken(own, tmp_path, monkeypatch):
    cache = str(tmp_path / "cache")
    made = []
    whole = Preprocess.__call__
    monkeypatch.setattr(Preprocess, "__call__", lambda self, case: made.append(1) or whole(self, case))
    cases = read_cases(str(own), "datalist.json", "training", BOTH)

    def load():
        return CachedCases(cases, Preprocess(small_spec()), cache)[0]["raw"]

    first = load()
    assert (load() == first).all()
    assert len(made) == 1
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(kept.read_bytes()[:500])
    assert (load() == first).all()
    assert len(made) == 2
    write(np.ones((32, 32, 32), np.float32), own / "case_0" / "pet.nii.gz")
    assert (load()[0] == 1).all()
    assert len(made) == 3
