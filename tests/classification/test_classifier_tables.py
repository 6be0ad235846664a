from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fdglung.classification import from_mapping, read_labelled, read_lesions
from fdglung.classification.cautions import CautionKind
from fdglung.errors import (
    FeatureTableError,
    LabelTableError,
    ParameterError,
    PatientInTwoSetsError,
    SettingsMismatchError,
    UnknownLesionClassError,
)
from fdglung.radiomics.settings import RadiomicsSettings, to_yaml
from tests.classification.made import lesions, write

CONFIG = from_mapping({})


def table_of(path):
    return pd.read_csv(path, dtype={"patient": str, "lesion": str})


def kinds(given):
    return {one.kind: one.text for one in given.cautions}


@pytest.fixture
def files(tmp_path):
    return write(tmp_path, lesions(20, 4))


def change(path, function):
    function(table_of(path)).to_csv(path, index=False)


def test_features_and_labels_are_put_together_in_any_order(files):
    made = lesions(20, 4)
    change(files[1], lambda table: table.sample(frac=1, random_state=0))
    given = read_labelled([files[0]], files[1], CONFIG)
    np.testing.assert_array_equal(given.values, made.values)
    assert (given.labels, given.patients, given.centres) == (made.labels, made.patients, made.centres)
    assert given.names == made.names


def test_names_are_compared_as_written(files):
    change(files[0], lambda table: table.assign(patient=[f"{n // 2:03d}" for n in range(20)]))
    change(files[1], lambda table: table.assign(patient=[f"{n // 2}" for n in range(20)]))
    with pytest.raises(LabelTableError, match="No row names a lesion"):
        read_labelled([files[0]], files[1], CONFIG)


def test_tracking_uids_alone_put_them_together(files):
    uids = [f"2.25.{n}" for n in range(20)]
    change(files[0], lambda table: table.drop(columns=["patient", "lesion"]).assign(tracking_uid=uids))
    change(files[1], lambda table: table.drop(columns="lesion").assign(tracking_uid=uids).iloc[::-1])
    assert read_labelled([files[0]], files[1], CONFIG).labels == lesions(20, 4).labels


def test_several_tables_are_named_by_their_case(tmp_path):
    labels = []
    for case in ("one", "two"):
        made = lesions(4, 3, seed=len(case) + ord(case[0]))
        table = pd.DataFrame(made.values, columns=list(made.names))
        table.insert(0, "lesion", range(1, 5))
        table.to_csv(tmp_path / f"{case}.csv", index=False)
        labels += [[case, n + 1, f"patient of {case}", name] for n, name in enumerate(made.labels)]
    pd.DataFrame(labels, columns=["case", "lesion", "patient", "class"]).to_csv(tmp_path / "labels.csv", index=False)
    given = read_labelled([f"{case}={tmp_path / case}.csv" for case in ("one", "two")], tmp_path / "labels.csv", CONFIG)
    assert given.patients == ("patient of one",) * 4 + ("patient of two",) * 4
    assert list(given.labels) == [row[3] for row in labels]


def test_names_of_the_synthetic_cohorts_columns_are_understood(files):
    change(files[1], lambda table: table.rename(columns={"class": "lesion_class", "patient": "patient_id"}))
    assert read_labelled([files[0]], files[1], CONFIG).labels == lesions(20, 4).labels


def test_an_unknown_label_is_an_error_with_its_rows(files):
    change(files[1], lambda table: table.assign(**{"class": ["limphoma", *table["class"][1:]]}))
    config = from_mapping({"classes": ["benign", "lung cancer", "lymphoma"]})
    with pytest.raises(UnknownLesionClassError, match=r"row 1 have the class limphoma.*lymphoma"):
        read_labelled([files[0]], files[1], config)


def test_labels_that_cannot_be_used_are_errors_with_rows(files):
    features, labels = files
    whole = table_of(labels)
    whole.assign(**{"class": [None, *whole["class"][1:]]}).to_csv(labels, index=False)
    with pytest.raises(LabelTableError, match="row 1 have no class"):
        read_labelled([features], labels, CONFIG)
    pd.concat([whole, whole.iloc[3:4]]).to_csv(labels, index=False)
    with pytest.raises(LabelTableError, match="row 21 name a lesion that has a class before"):
        read_labelled([features], labels, CONFIG)
    whole.drop(columns="class").to_csv(labels, index=False)
    with pytest.raises(LabelTableError, match="no column class"):
        read_labelled([features], labels, CONFIG)
    whole[["class"]].to_csv(labels, index=False)
    with pytest.raises(LabelTableError, match="shares no column"):
        read_labelled([features], labels, CONFIG)
    whole.drop(columns="lesion").drop_duplicates("patient").to_csv(labels, index=False)
    with pytest.raises(FeatureTableError, match=r"rows 2, 4, .* name a lesion that is there before"):
        read_labelled([features], labels, CONFIG)
    with pytest.raises(LabelTableError, match="cannot be read"):
        read_labelled([features], labels.with_name("missing.csv"), CONFIG)


def test_a_patient_in_training_and_test_is_an_error_with_the_rows(files):
    change(files[1], lambda table: table.assign(set=["train"] * 11 + ["test"] * 9))
    with pytest.raises(PatientInTwoSetsError, match="rows 11, 12 of the features"):
        read_labelled([files[0]], files[1], CONFIG)


def test_only_the_training_set_is_taken(files):
    change(files[1], lambda table: table.assign(set=["train"] * 12 + ["test"] * 8))
    given = read_labelled([files[0]], files[1], CONFIG)
    assert given.rows == tuple(range(12))
    assert kinds(given)[CautionKind.OTHER_SET].startswith("8 lesions of other sets")
    with pytest.raises(LabelTableError, match="No lesion is of the set internal; there are test, train"):
        read_labelled([files[0]], files[1], from_mapping({"training_sets": ["internal"]}))


def test_rows_of_one_lesion_are_told_by_counted_as(files):
    change(files[1], lambda table: table.assign(counted_as=["", "", "a", "a", *table["patient"][4:]]))
    given = read_labelled([files[0]], files[1], CONFIG)
    assert given.lesion_numbers.tolist() == [0, 1, 2, 2, *(3 + n // 2 for n in range(16))]
    change(files[1], lambda table: table.assign(counted_as=["a", "", "b", "a", *[""] * 16]))
    with pytest.raises(LabelTableError, match="row 4 of the features: counted as a lesion of another patient"):
        read_labelled([files[0]], files[1], CONFIG)


def test_rows_without_a_partner_are_left_out_and_told(files):
    change(files[0], lambda table: table.drop(index=4))
    change(files[1], lambda table: table.drop(index=[0, 1]))
    given = read_labelled([files[0]], files[1], CONFIG)
    assert len(given) == 17
    assert "rows 1, 2 of the features" in kinds(given)[CautionKind.UNLABELLED_LESIONS]
    assert "row 3 of the labels" in kinds(given)[CautionKind.LABELS_WITHOUT_LESION]


def test_patients_must_be_known(files):
    for path in files:
        change(path, lambda table: table.drop(columns="patient").assign(case=[f"c{n // 2}" for n in range(20)]))
    with pytest.raises(LabelTableError, match="have no patient"):
        read_labelled([files[0]], files[1], CONFIG)


def test_features_that_cannot_be_used_are_errors_with_rows_and_columns(files):
    path = files[0]
    whole = table_of(path).astype({"PET_02": object})
    for value in ("high", "inf"):
        whole.assign(PET_02=[*whole["PET_02"][:6], value, *whole["PET_02"][7:]]).to_csv(path, index=False)
        with pytest.raises(FeatureTableError, match="row 7 of column PET_02 hold no finite number"):
            read_lesions([path])
    pd.concat([whole, whole.iloc[2:3]]).to_csv(path, index=False)
    with pytest.raises(FeatureTableError, match="row 21 name a lesion that is there before"):
        read_lesions([path])
    whole.rename(columns=lambda name: name.replace("PET_", "petrol_")).to_csv(path, index=False)
    with pytest.raises(FeatureTableError, match="No column begins with PET_"):
        read_lesions([path])
    assert len(read_lesions([path], prefixes=["petrol_"]).names) == 4
    path.write_text("")
    with pytest.raises(FeatureTableError, match="cannot be read"):
        read_lesions([path])
    whole.iloc[:0].to_csv(path, index=False)
    with pytest.raises(FeatureTableError, match="no lesion"):
        read_lesions([path])


def test_a_missing_value_stays_missing_and_a_status_is_told(files):
    change(
        files[0], lambda table: table.assign(PET_01=[np.nan, *table["PET_01"][1:]], status=["PET: cut"] + ["ok"] * 19)
    )
    given = read_lesions([files[0]])
    assert np.isnan(given.values).sum() == 1
    assert kinds(given)[CautionKind.FAILED_LESIONS].startswith("row 1: the status is not ok")


def test_settings_beside_the_table_are_hashed_and_must_be_one(tmp_path):
    paths = []
    for name, settings in (("one", RadiomicsSettings()), ("two", RadiomicsSettings(families=("stat",)))):
        paths.append(tmp_path / f"{name}.csv")
        write(tmp_path, lesions(4, 3), name=f"{name}.csv")
        (tmp_path / f"{name}.settings.yaml").write_text(to_yaml(settings))
    given = read_lesions(paths[:1])
    assert given.settings == RadiomicsSettings().digest
    assert CautionKind.UNKNOWN_SETTINGS not in kinds(given)
    with pytest.raises(SettingsMismatchError, match=r"one\.csv and .*two\.csv were computed with different settings"):
        read_lesions([f"a={paths[0]}", f"b={paths[1]}"])
    (tmp_path / "one.settings.yaml").write_text("famlies: [stat]")
    with pytest.raises(ParameterError, match="famlies"):
        read_lesions(paths[:1])
    (tmp_path / "one.settings.yaml").unlink()
    assert "one.csv" in kinds(read_lesions(paths[:1]))[CautionKind.UNKNOWN_SETTINGS]
