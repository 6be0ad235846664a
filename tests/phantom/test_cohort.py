from __future__ import annotations

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung import cli
from fdglung import study as studies_read
from fdglung.errors import OutputExistsError, OutputWriteError, ParameterError
from fdglung.phantom import cohort as cohort_module
from fdglung.phantom.cohort import Cohort, make_cohort, make_one, plan, read_cohort
from fdglung.phantom.cohort_plan import EXAMPLE
from fdglung.phantom.scanner.catalogue import SCANNERS
from fdglung.phantom.synthesis import make_study
from fdglung.phantom.tracers import TRACERS
from fdglung.phantom.writer import read_truth
from tests.cases import ROOT
from tests.phantom import cohort_makers
from tests.phantom.cohort_makers import make_but_refuse, make_small
from tests.phantom.writer.studies import contents

SMALL = Cohort(studies=5, seed=7, format="nifti")


def made_by_interruption(out, after, *, cohort=SMALL):
    """Begin a cohort and break off within a study."""
    calls = []

    def make(**options):
        calls.append(options["seed"])
        if len(calls) > after:
            raise KeyboardInterrupt
        return make_small(**options)

    with pytest.raises(KeyboardInterrupt):
        make_cohort(cohort, out, make_study=make)


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_list(path, key):
    """A list as MONAI reads it."""
    reader = pytest.importorskip("monai.data", reason="monai is not installed")
    return reader.load_decathlon_datalist(path, True, key)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return make_cohort(SMALL, tmp_path_factory.mktemp("whole") / "out", make_study=make_small)


def test_an_interrupted_cohort_resumes_to_the_same_bytes(whole, tmp_path):
    made_by_interruption(tmp_path / "out", 2)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"cohort.json", "study_0001", "study_0002"}
    before = contents(tmp_path / "out")
    calls = []
    make_cohort(SMALL, tmp_path / "out", make_study=lambda **options: calls.append(1) or make_small(**options))
    assert len(calls) == 3
    assert contents(tmp_path / "out") == contents(whole)
    assert before.items() <= contents(whole).items()


def test_a_full_disk_at_the_third_study_leaves_two_whole_ones(tmp_path):
    writes = []

    def make(**options):
        writes.append(1)
        if len(writes) == 3:
            raise OSError(28, "No space left on device")
        return make_small(**options)

    with pytest.raises(OutputWriteError, match="No space left"):
        make_cohort(SMALL, tmp_path, make_study=make)
    assert {path.name for path in tmp_path.iterdir()} == {"cohort.json", "study_0001", "study_0002"}


def test_two_workers_write_the_same_bytes_as_one(whole, tmp_path):
    make_cohort(SMALL, tmp_path / "out", workers=2, make_study=make_small)
    assert contents(tmp_path / "out") == contents(whole)


def test_an_error_in_a_worker_is_told_as_it_is(tmp_path):
    cohort = dataclasses.replace(SMALL, studies=4, classes={"benign": 1})
    with pytest.raises(ParameterError, match="does not fit") as caught:
        make_cohort(cohort, tmp_path / "out", workers=2, make_study=make_but_refuse)
    assert caught.value.attribute == "lesion_class"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"cohort.json"}


def test_a_study_made_alone_is_that_of_the_cohort(whole, tmp_path):
    recipe = plan(SMALL)[3]
    make_one(recipe, tmp_path / "alone", make_study=make_small)
    assert contents(tmp_path / "alone") == contents(whole / "study_0004")


def test_another_recipe_in_the_same_folder_is_refused_by_what_differs(whole):
    before = contents(whole)
    with pytest.raises(OutputExistsError, match=r"overlap was 0\.1 and is 0\.2; ") as caught:
        make_cohort(dataclasses.replace(SMALL, overlap=0.2, tracers={"psma_11": 1}), whole, make_study=make_small)
    assert "tracers was" in str(caught.value)
    assert "seed was" not in str(caught.value)
    assert contents(whole) == before


def test_another_version_is_another_recipe(whole, monkeypatch):
    monkeypatch.setattr(cohort_module, "made_by", lambda: "fdglung 99")
    with pytest.raises(OutputExistsError, match="made_by was"):
        make_cohort(SMALL, whole, make_study=make_small)


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="holds no cohort"):
        make_cohort(SMALL, tmp_path, make_study=make_small)
    assert set(contents(tmp_path)) == {"letter.txt"}


def test_a_study_that_was_changed_is_not_taken_for_made(tmp_path):
    made_by_interruption(tmp_path, 2)
    record = json.loads((tmp_path / "study_0002" / "study.json").read_text())
    (tmp_path / "study_0002" / "study.json").write_text(json.dumps(record | {"sha256": "0"}))
    with pytest.raises(OutputExistsError, match="study_0002"):
        make_cohort(SMALL, tmp_path, make_study=make_small)


def test_what_a_killed_process_left_is_swept_away(whole, tmp_path):
    made_by_interruption(tmp_path, 2)
    (tmp_path / ".study_0003.0123.partial").mkdir()
    (tmp_path / ".study_0003.0123.partial" / "ct.nii.gz").write_bytes(b"half")
    make_cohort(SMALL, tmp_path, make_study=make_small)
    assert contents(tmp_path) == contents(whole)


def test_two_processes_do_not_write_one_cohort(tmp_path):
    def make(**options):
        with pytest.raises(OutputExistsError, match="another process"):
            make_cohort(SMALL, tmp_path, make_study=make_small)
        return make_small(**options)

    make_cohort(dataclasses.replace(SMALL), tmp_path, make_study=make)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_ends_all_workers_and_leaves_nothing_half_written(number, tmp_path):
    (tmp_path / "notes").mkdir()
    code = (
        "import signal, sys\n"
        "from fdglung.phantom.cohort import Cohort, make_cohort\n"
        "from tests.phantom.cohort_makers import make_slowly\n"
        "if __name__ == '__main__':\n"
        "    signal.signal(signal.SIGTERM, signal.default_int_handler)\n"
        "    try:\n"
        f"        make_cohort(Cohort(studies=4), {str(tmp_path / 'out')!r}, workers=2, make_study=make_slowly)\n"
        "    except KeyboardInterrupt:\n"
        "        sys.exit(130)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    environment = {**os.environ, "FDGLUNG_TEST_NOTES": str(tmp_path / "notes"), "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # Where the tests are a shell's background job, SIGINT is ignored, and children inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "notes").iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len([one for one in (tmp_path / "out").iterdir() if one.name.endswith(".partial")]) == 2
    began = time.monotonic()
    if number == signal.SIGINT:
        # as a terminal does: to all processes of the group
        os.killpg(running.pid, number)
    else:
        running.send_signal(number)
    assert running.wait(timeout=40) == 130
    assert time.monotonic() - began < 30
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"cohort.json"}


def test_progress_runs_from_nothing_to_all(tmp_path):
    told = []
    make_cohort(SMALL, tmp_path, make_study=make_small, progress=lambda text, fraction: told.append((text, fraction)))
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0
    assert told[-1] == ("done", 1.0)
    assert ("study_0003: making", pytest.approx(0.5)) in told


def test_shares_come_out_as_they_were_asked_for():
    cohort = Cohort(studies=200, seed=1, classes={"benign": 3, "lymphoma": 1}, dose_factors={1: 1, 10: 1})
    recipes = plan(cohort)
    assert Counter(one.split for one in recipes) == {
        "train": 120,
        "validation": 20,
        "internal_test": 30,
        "external": 30,
    }
    for split, count in Counter(one.split for one in recipes).items():
        inside = [one for one in recipes if one.split == split]
        assert abs(sum(one.lesion_class == "benign" for one in inside) - 0.75 * count) <= 1
        assert abs(sum(one.dose_factor == 10 for one in inside) - 0.5 * count) <= 1
    assert len({one.seed for one in recipes}) == 200
    # independent: neither class nor split runs with the order of the studies
    first = [one for one in recipes[:100] if one.lesion_class == "benign"]
    assert 60 < len(first) < 90
    assert 45 < sum(one.split == "train" for one in recipes[:100]) < 75


def test_rare_shares_are_not_lost_over_many_small_cohorts():
    cohorts = [Cohort(studies=2, seed=seed, splits={"train": 1}) for seed in range(400)]
    counts = Counter(one.lesion_class.value for cohort in cohorts for one in plan(cohort))
    # 800 studies of four classes: 200 each, standard deviation below 12
    assert all(abs(count - 200) < 50 for count in counts.values())
    assert len(counts) == 4


def test_external_studies_come_from_scanners_that_no_other_study_has():
    recipes = plan(Cohort(studies=100, seed=3))
    external = {SCANNERS[one.scanner].vendor for one in recipes if one.split == "external"}
    internal = {SCANNERS[one.scanner].vendor for one in recipes if one.split != "external"}
    assert external == {"philips"}
    assert internal == {"siemens", "ge", "united"}


def test_a_seed_depends_on_the_cohorts_seed_and_the_place_alone():
    seeds = [one.seed for one in plan(Cohort(studies=8, seed=3))]
    assert [one.seed for one in plan(Cohort(studies=5, seed=3, region="trunk", overlap=0.4))] == seeds[:5]
    assert not set(seeds) & {one.seed for one in plan(Cohort(studies=8, seed=4))}


def test_the_order_of_shares_in_a_file_does_not_matter():
    one = Cohort(studies=9, scanners={"ge_mi": 1, "siemens_mct": 2}, tracers={"fdg": 1, "fapi": 1})
    other = Cohort(studies=9, scanners={"siemens_mct": 2, "ge_mi": 1}, tracers={"fapi": 1, "fdg": 1})
    assert plan(one) == plan(other)


def test_every_study_is_as_its_recipe_says(whole):
    for recipe, row in zip(plan(SMALL), rows(whole / "cohort.csv"), strict=True):
        truth = read_truth(whole / recipe.name)
        assert truth.acquisition.scanner == recipe.scanner == row["scanner"]
        assert truth.parameters["seed"] == recipe.seed == int(row["seed"])
        assert {lesion.lesion_class for lesion in truth.lesions} <= {recipe.lesion_class}
        assert (row["study"], row["split"]) == (recipe.name, recipe.split)
        assert row["vendor"] == SCANNERS[recipe.scanner].vendor
        assert float(row["weight_kg"]) == truth.subject.weight_kg
        assert int(row["lesions"]) == len(truth.lesions)


def test_the_lesion_table_holds_every_lesion_of_every_truth(whole):
    expected = [
        (recipe.name, lesion.tracking_uid, lesion.centre_mm, lesion.volume_ml, "; ".join(lesion.signs))
        for recipe in plan(SMALL)
        for lesion in read_truth(whole / recipe.name).lesions
    ]
    found = [
        (
            row["study"],
            row["tracking_uid"],
            tuple(float(row[key]) for key in ("x_mm", "y_mm", "z_mm")),
            float(row["volume_ml"]),
            row["signs"],
        )
        for row in rows(whole / "lesions.csv")
    ]
    assert found == expected
    assert found


def test_monai_reads_the_data_list_and_finds_every_file(whole):
    names = []
    for key, split in (("training", "train"), ("validation", "validation"), ("external", "external")):
        entries = read_list(whole / "datalist.json", key)
        inside = [one for one in plan(SMALL) if one.split == split]
        assert [Path(entry["pet"]).parent.name for entry in entries] == [one.name for one in inside]
        assert [entry["class"] for entry in entries] == [one.lesion_class.value for one in inside]
        for entry in entries:
            names.append(entry["patient_id"])
            for file in ("ct", "pet", "label", "organs", "ct_label", "ct_organs"):
                assert Path(entry[file]).is_absolute()
                assert Path(entry[file]).is_file()
            label, pet = (sitk.ReadImage(entry[one]) for one in ("label", "pet"))
            assert label.GetSize() == pet.GetSize()
    assert len(names) == len(set(names))
    assert str(whole) not in (whole / "datalist.json").read_text()


def test_on_one_grid_monai_stacks_ct_and_pet(tmp_path):
    transforms = pytest.importorskip("monai.transforms", reason="monai is not installed")
    cohort = Cohort(studies=2, format="nifti", grid_mm=4, splits={"train": 1}, with_nac=True)
    out = make_cohort(cohort, tmp_path / "out", make_study=make_small)
    entry = read_list(out / "datalist.json", "training")[0]
    stacked = transforms.LoadImage(image_only=True, ensure_channel_first=True)(entry["image"])
    assert stacked.shape == (2, 8, 8, 6)
    ct = sitk.GetArrayFromImage(sitk.ReadImage(entry["ct"])).transpose(2, 1, 0)
    np.testing.assert_array_equal(np.asarray(stacked[0]), ct)
    assert Path(entry["pet_nac"]).is_file()


def test_dicom_cohorts_can_be_read_as_studies_of_their_patients(tmp_path):
    cohort = Cohort(studies=3, seed=2, quirk_share=1.0, splits={"train": 1})
    out = make_cohort(cohort, tmp_path / "out", make_study=make_small)
    assert not (out / "datalist.json").exists()
    found = rows(out / "cohort.csv")
    assert all(row["quirks"] for row in found)
    for row in found:
        read = studies_read.load(out / row["study"] / "dicom")
        assert read.pet_headers[0].PatientID == row["patient_id"]
        assert read.suv.weight_kg == pytest.approx(float(row["weight_kg"]))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("studys: 3", "studys"),
        ("studies: 0", "studies"),
        ("studies: 2.5", "studies"),
        ("seed: -1", "seed"),
        ("region: leg", "region"),
        ("format: analyze", "format"),
        ("classes: {cold: 1}", "classes.cold"),
        ("classes: {benign: -1}", "classes.benign"),
        ("classes: {benign: 0}", "classes"),
        ("classes: [benign]", "classes"),
        ("overlap: 2", "overlap"),
        ("overlap: much", "overlap"),
        ("scanners: {gamma: 1}", "scanners.gamma"),
        ("external_scanners: {ge_mi: 1}", "external_scanners"),
        ("tracers: {water: 1}", "tracers.water"),
        ("tracers: {psma: 1}", "tracers.psma"),
        ("overlap: 1", "overlap"),
        ("dose_factors: {0.5: 1}", "dose_factors.0.5"),
        ("splits: {test: 1}", "splits.test"),
        ("grid_mm: 0", "grid_mm"),
        ("with_nac: 3", "with_nac"),
        ("quirk_share: .nan", "quirk_share"),
        ("- a", "cohort"),
        ("a: [", "cohort"),
        ("", "cohort"),
    ],
)
def test_a_bad_recipe_is_an_error_that_names_the_key(text, named, tmp_path):
    (tmp_path / "study.yaml").write_text(text)
    with pytest.raises(ParameterError) as caught:
        read_cohort(tmp_path / "study.yaml")
    assert caught.value.attribute == named
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("grid_mm", value) for value in (1.49, 1.5, 6.0, 6.01)],
        *[("overlap", value) for value in (-0.01, 0.0, 0.99, 1.0)],
        *[("dose_factor", value) for value in (0.99, 1.0, 1000.0, 1000.1)],
        *[("tracer", value) for value in (*TRACERS, "psma", "water")],
        *[("scanner", value) for value in (*SCANNERS, "gamma")],
        *[("region", value) for value in ("thorax", "trunk", "leg")],
    ],
)
def test_a_cohort_takes_what_a_study_takes_and_refuses_what_it_refuses(key, value):
    # else a cohort would break off at a study after others have been made
    other = next(one for one in SCANNERS if one != value)
    asked = {
        "dose_factor": {"dose_factors": {value: 1}},
        "tracer": {"tracers": {value: 1}},
        "scanner": {"scanners": {value: 1}, "external_scanners": {other: 1}},
    }.get(key, {key: value})

    def begin(text, fraction):
        # all arguments are checked before anything is painted
        raise KeyboardInterrupt

    try:
        Cohort(**asked)
        is_taken = True
    except ParameterError:
        is_taken = False
    with pytest.raises(KeyboardInterrupt if is_taken else ParameterError):
        make_study(seed=0, progress=begin, **{key: value})


def test_a_missing_recipe_is_an_error(tmp_path):
    with pytest.raises(ParameterError, match="No such file"):
        read_cohort(tmp_path / "study.yaml")


def test_no_workers_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="workers"):
        make_cohort(SMALL, tmp_path, workers=0, make_study=make_small)


def test_the_example_is_the_default_but_for_number_and_format(tmp_path):
    (tmp_path / "study.yaml").write_text(EXAMPLE)
    assert read_cohort(tmp_path / "study.yaml") == Cohort(studies=20, format="nifti")


@pytest.fixture
def small_studies(monkeypatch):
    monkeypatch.setattr(cohort_module, "_synthesis", lambda: cohort_makers.make_small)


def test_the_command_makes_a_cohort_and_says_that_it_is_synthetic(small_studies, tmp_path, capsys):
    assert cli.main(["phantom", str(tmp_path / "out"), "--studies", "2", "--seed", "5", "--format", "nifti"]) == 0
    printed = capsys.readouterr().out
    assert "no person was scanned" in printed
    assert "Research software" in printed
    make_cohort(Cohort(studies=2, seed=5, format="nifti"), tmp_path / "other", make_study=make_small)
    assert contents(tmp_path / "out") == contents(tmp_path / "other")


def test_the_command_prints_json_for_machines(small_studies, tmp_path, capsys):
    assert cli.main(["phantom", str(tmp_path / "out"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert "no person was scanned" in printed["notice"]
    assert [Path(one["folder"]).name for one in printed["studies"]] == ["study_0001"]
    assert all(Path(path).is_file() for path in printed["files"].values())


def test_options_go_before_the_file(small_studies, tmp_path, capsys):
    (tmp_path / "study.yaml").write_text("studies: 9\nclasses: {benign: 1}\nregion: trunk\n")
    command = ["phantom", str(tmp_path / "out"), "--cohort", str(tmp_path / "study.yaml"), "--studies", "1", "--json"]
    assert cli.main(command) == 0
    (study,) = json.loads(capsys.readouterr().out)["studies"]
    assert study["lesion_class"] == "benign"
    assert read_truth(tmp_path / "out" / "study_0001").parameters["region"] == "trunk"


def test_the_command_ends_with_two_on_a_bad_recipe(tmp_path, capsys):
    (tmp_path / "study.yaml").write_text("overlap: 3\n")
    command = ["phantom", str(tmp_path / "out"), "--cohort", str(tmp_path / "study.yaml"), "--json"]
    assert cli.main(command) == cli.EXIT_BAD_INPUT
    assert json.loads(capsys.readouterr().out)["error"] == "ParameterError"
    assert not (tmp_path / "out").exists()


def test_the_example_is_printed_without_a_folder(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["phantom", "--example-cohort"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == EXAMPLE


def test_the_help_says_that_it_is_research_software(capsys):
    with pytest.raises(SystemExit):
        cli.main(["phantom", "--help"])
    assert "Research software" in " ".join(capsys.readouterr().out.split())
