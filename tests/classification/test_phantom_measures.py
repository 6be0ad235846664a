"""The tables of the phantom classifier's benchmark: readings of a study, and what is printed of known predictions."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks import phantom_tables
from benchmarks.phantom_measures import print_areas, print_coverage

CLASSES = ("benign", "lymphoma")


@pytest.fixture
def cohort(tmp_path, monkeypatch):
    """Write a cohort of two studies with their features; the first has three lesions of SUVmax 8, 2 and 3 g/ml."""
    suv = {"study_0001": [8.0, 2.0, 3.0], "study_0002": [1.5]}
    recipes = [{"name": name, "split": "train", "scanner": "ge_mi"} for name in suv]
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "cohort.json").write_text(json.dumps({"studies": recipes}))
    for name, values in suv.items():
        (tmp_path / "c" / name).mkdir()
        (tmp_path / "c" / name / "study.json").write_text(json.dumps({"patient_id": f"P {name}"}))
        numbers = range(1, len(values) + 1)
        table = tmp_path / "out" / "studies" / "c" / f"{name}.csv"
        table.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"lesion": numbers, "tracking_uid": "1.2", "PET_suv_max": values}).to_csv(table, index=False)
        table.with_suffix(".settings.yaml").write_text("settings: 1\n")

    def truth(folder):
        kinds = ("lung", "lung", "node")[: len(suv[folder.name])]
        lesions = [
            SimpleNamespace(
                label=n, kind=kind, lesion_class=SimpleNamespace(value="benign"), subtype="x", volume_ml=1.0
            )
            for n, kind in enumerate(kinds, 1)
        ]
        subject = SimpleNamespace(age_years=60, sex="F")
        return SimpleNamespace(lesions=lesions, parameters={"seed": 4}, subject=subject)

    monkeypatch.setattr(phantom_tables, "read_truth", truth)
    return tmp_path


def test_a_study_is_read_whole_and_by_its_avid_lesions_and_a_lesion_counts_once(cohort):
    settings = cohort / "settings.yaml"
    settings.write_text("{}\n")
    assert phantom_tables.write_features([cohort / "c"], cohort / "out", settings, set_names={"train": "named"})
    features, drawn = (pd.read_csv(cohort / "out" / name) for name in ("features.csv", "drawn.csv"))
    read = features.groupby("case")["lesion"].apply(list).to_dict()
    assert read == {"c/study_0001 all": [1, 2, 3], "c/study_0001 avid": [1, 3], "c/study_0002 all": [1]}
    assert "tracking_uid" not in features
    told = sorted(zip(drawn["case"], drawn["lesion"], drawn["counted_as"], strict=True))
    # Lesion 3 is a node: it is context, and none is learned from it.
    assert told == [
        ("c/study_0001 all", 1, "c/study_0001 1"),
        ("c/study_0001 all", 2, "c/study_0001 2"),
        ("c/study_0001 avid", 1, "c/study_0001 1"),
        ("c/study_0002 all", 1, "c/study_0002 1"),
    ]
    assert set(drawn["set"]) == {"named"}
    assert set(drawn["patient"]) == {"P study_0001", "P study_0002"}
    assert (cohort / "out" / "features.settings.yaml").read_text() == "settings: 1\n"


def predictions(path, chance, *, sets=("internal_test", "new_scanner"), **more):
    """Write lesions, 20 patients of each class a set; `chance` is that of lymphoma, given the class and the set."""
    rows = [
        {"patient": f"{name}{n}", "set": name, "reading": "all", "truth": CLASSES[n % 2], "drawn": n % 4 + 1, **more}
        | {"probability_benign": 1 - chance(n % 2, name), "probability_lymphoma": chance(n % 2, name)}
        for name in sets
        for n in range(40)
    ]
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def cells(capsys):
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    return [dict(zip(rows[0], row, strict=False)) for row in rows[2:]]


def test_areas_how_far_the_model_is_from_the_limits_and_the_drop_to_another_set(tmp_path, capsys):
    # Right everywhere, but turned around on the new scanner; the reader is right everywhere.
    model = predictions(tmp_path / "m.csv", lambda code, name: code if name == "internal_test" else 1 - code)
    best = predictions(tmp_path / "s.csv", lambda code, name: code)
    print_areas({"model": model, "study": best}, draws=20)
    inside, new = cells(capsys)
    assert inside["model"] == inside["study"] == "1.000 (1.000 to 1.000)"
    assert inside["study - model"] == "0.000 (0.000 to 0.000)"
    assert new["model"] == "0.000 (0.000 to 0.000)"
    assert new["study - model"] == new["drop"] == "1.000 (1.000 to 1.000)"
    assert (new["set"], new["lesions, patients"]) == ("new_scanner", "40, 40")


def test_with_fewer_lesions_of_a_patient_the_first_drawn_are_taken(tmp_path, capsys):
    model = predictions(tmp_path / "m.csv", lambda code, name: code, sets=("internal_test",))
    print_areas({"model": model}, most=2, draws=20)
    (row,) = cells(capsys)
    assert row["lesions, patients"] == "20, 20"


def test_coverage_counts_each_patient_once(tmp_path, capsys):
    rows = [
        ("a", "benign", "benign|lymphoma"),
        ("a", "benign", ""),
        ("a", "benign", "lymphoma"),
        ("b", "benign", "benign"),
    ]
    rows += [("c", "lymphoma", "lymphoma"), ("d", "lymphoma", "benign")]
    table = pd.DataFrame(rows, columns=["patient", "truth", "prediction_set"]).assign(reading="all", set="s")
    table.to_csv(tmp_path / "p.csv", index=False)
    print_coverage(tmp_path / "p.csv")
    (row,) = cells(capsys)
    assert float(row["benign"]) == pytest.approx((1 / 3 + 1) / 2, abs=5e-4)
    assert float(row["lymphoma"]) == 0.5
    assert float(row["classes in a set"]) == np.mean([np.mean([2, 0, 1]), 1, 1, 1])
