from __future__ import annotations

import json

import pytest

from fdglung import errors
from fdglung.experiment.config import read_config
from fdglung.experiment.data import read_data
from fdglung.experiment.run import run_experiment
from tests.experiment.spheres import BALLS, CONFIG, read_table, write_cohort, write_config, write_table


@pytest.fixture
def cohort(tmp_path):
    write_cohort(tmp_path, training=4, tests=2)
    return tmp_path


def change(folder, table, row, **values):
    rows = read_table(folder / f"{table}.csv")
    rows[row] |= values
    write_table(folder / f"{table}.csv", rows)


def read(folder, **changed):
    return read_data(read_config(write_config(folder, CONFIG | changed)))


def test_classes_sets_centres_and_clinical_values_come_from_the_tables(cohort):
    data = read(cohort)
    assert [one.set_name for one in data.examinations] == ["training"] * 4 + ["internal_test"] * 2 + ["external"] * 2
    assert [one.centre for one in data.of("external")] == ["far", "far"]
    assert dict(data.examinations[1].classes) == dict.fromkeys(range(1, BALLS + 2), "hot")
    assert data.clinical == ("age", "sex")
    assert data.synthetic


def test_sets_that_are_not_named_and_studies_beyond_the_most_are_left_out_with_the_reason(cohort):
    change(cohort, "studies", 0, set="pilot")
    data = read(cohort, data=CONFIG["data"] | {"at_most": {"training": 2}})
    assert data.left_out == {
        "s00": "the set pilot is not part of the study",
        "s03": "beyond the first 2 of training",
    }


def test_a_monai_datalist_gives_the_same_studies(cohort):
    rows = read_table(cohort / "studies.csv")
    lists = {}
    for row in rows:
        entry = {"pet": row["pet"], "label": row["reference"], "patient_id": row["patient"], "class": "hot"}
        lists.setdefault(row["set"], []).append(entry)
    (cohort / "list.json").write_text(json.dumps({"name": "balls", **lists}))
    data = read(cohort, data={"studies": "list.json"})
    assert [one.name for one in data.examinations] == [row["study"] for row in rows]
    assert data.examinations[0].reference == cohort / "s00/label.nii.gz"
    assert set(data.examinations[0].classes.values()) == {"hot"}
    assert not data.synthetic


@pytest.mark.parametrize(
    ("table", "row", "values", "kind", "told"),
    [
        ("studies", 1, {"study": "s00", "set": "test"}, "StudyInTwoSetsError", ["s00", "train and test", "lines 2, 3"]),
        ("studies", 1, {"study": "s00"}, "DuplicateRowError", ["s00", "lines 2, 3"]),
        ("studies", 5, {"patient": "p00"}, "PatientInTwoSetsError", ["training and internal_test", "lines 2, 7"]),
        ("studies", 2, {"pet": "none.nii.gz"}, "StudyListError", ["pet of s02", "line 4", "none.nii.gz"]),
        ("studies", 2, {"patient": ""}, "MissingValueError", ["line 4", "patient"]),
        ("studies", 2, {"study": "../s02"}, "StudyListError", ["line 4"]),
        ("lesions", 6, {"class": ""}, "MissingLesionClassError", ["2 of s01"]),
        ("lesions", 6, {"lesion": "9"}, "MissingLesionClassError", ["2 of s01"]),
        ("lesions", 6, {"lesion": "1"}, "DuplicateRowError", ["line 8", "lesion 1 of s01"]),
        ("lesions", 6, {"lesion": "left"}, "StudyListError", ["line 8", "left"]),
        ("clinical", 3, {"patient": "p99"}, "StudyListError", ["line 5", "clinical.csv"]),
    ],
)
def test_what_is_wrong_with_a_table_is_named_with_its_row(cohort, table, row, values, kind, told):
    change(cohort, table, row, **values)
    with pytest.raises(getattr(errors, kind)) as raised:
        read(cohort)
    assert all(words in str(raised.value) for words in told), str(raised.value)


def test_a_set_without_studies_is_refused_with_the_sets_that_there_are(cohort):
    sets = CONFIG["sets"] | {"new_scanner": ["new"]}
    with pytest.raises(errors.EmptySetError, match=r"set new_scanner has no study.*other, test, train"):
        read(cohort, sets=sets)


def test_a_set_without_a_lesion_to_classify_is_refused(cohort):
    config = write_config(cohort, CONFIG | {"reference": {"min_suv_max": 90}})
    with pytest.raises(errors.EmptySetError, match="set training has no lesion to classify: 16 lesions were found"):
        run_experiment(read_config(config))


def test_a_folder_of_other_things_is_left_alone(cohort):
    (cohort / "out").mkdir()
    (cohort / "out/thesis.txt").write_text("mine")
    with pytest.raises(errors.OutputExistsError, match="holds no study"):
        run_experiment(read_config(cohort / "study.yaml"))
    assert [path.name for path in (cohort / "out").iterdir()] == ["thesis.txt"]
