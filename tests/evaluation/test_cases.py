from __future__ import annotations

import pytest

from fdglung.errors import DuplicateCaseError, GroupTableError, MissingCounterpartError, NoLabelImagesError
from fdglung.evaluation.cases import find_cases


@pytest.fixture
def folders(tmp_path):
    for folder, names in {
        "p": ["b.nrrd", "a.nii.gz"],
        "r": ["a.nii.gz", "b.nii.gz", "notes.txt", "._a.nii.gz"],
    }.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).touch()
    return tmp_path


def find(folders, **options):
    return find_cases(folders / "p", folders / "r", **options)


def table(folders, text):
    path = folders / "groups.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_files_pair_by_name_whatever_their_format(folders):
    cases = find(folders)
    assert [case.name for case in cases] == ["a", "b"]
    assert cases[1].prediction.name == "b.nrrd"
    assert [case.patient for case in cases] == ["a", "b"]
    assert {case.centre for case in cases} == {""}


@pytest.mark.parametrize(("folder", "option"), [("p", "--predictions"), ("r", "--references")])
def test_a_case_without_counterpart_is_named_with_the_folder_that_lacks_it(folders, folder, option):
    next((folders / folder).glob("b.*")).unlink()
    with pytest.raises(MissingCounterpartError, match=option) as refused:
        find(folders)
    assert "b." in str(refused.value)


def test_a_folder_without_images_is_refused(folders):
    (folders / "empty").mkdir()
    with pytest.raises(NoLabelImagesError, match="holds no image"):
        find_cases(folders / "empty", folders / "r")
    with pytest.raises(NoLabelImagesError, match="--references"):
        find_cases(folders / "p", folders / "nowhere")


def test_two_files_of_one_case_are_refused(folders):
    (folders / "p" / "a.mha").touch()
    with pytest.raises(DuplicateCaseError, match=r"a\.mha and a\.nii\.gz"):
        find(folders)


def test_scores_and_pet_are_needed_for_every_case_and_may_be_more(folders):
    (folders / "s").mkdir()
    for name in ("a.nii.gz", "c.nii.gz"):
        (folders / "s" / name).touch()
    with pytest.raises(MissingCounterpartError, match="--scores"):
        find(folders, scores=folders / "s")
    (folders / "s" / "b.nii.gz").touch()
    assert find(folders, scores=folders / "s")[0].scores.name == "a.nii.gz"


def test_the_table_gives_patient_and_centre(folders):
    path = table(folders, "Centre,case,patient,more\nOslo,a.nii.gz,p1,x\n,b,p1,\nWien,z,p9,\n")
    cases = find(folders, groups=path)
    assert [(case.patient, case.centre) for case in cases] == [("p1", "Oslo"), ("p1", "")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("case,patient\na,p1\nb,p2\n", "no column centre"),
        ("case,patient,centre\na,p1,\n", "no row for 1 cases, b"),
        ("case,patient,centre\na,p1,\nb,,\n", "no patient for the case b"),
        ("case,patient,centre\na,p1,\na,p2,\nb,p2,\n", "the case a twice"),
        ("", "no column case"),
    ],
)
def test_a_table_that_lacks_something_is_refused(folders, text, words):
    with pytest.raises(GroupTableError, match=words):
        find(folders, groups=table(folders, text))


def test_a_table_that_is_not_there_is_refused(folders):
    with pytest.raises(GroupTableError, match="cannot be read"):
        find(folders, groups=folders / "nowhere.csv")
