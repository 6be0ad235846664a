from __future__ import annotations

import json

import pytest

from apps.lesion_report.status import clear_status, write_done, write_failed
from fdglung import files
from fdglung.errors import MissingSliceError, OutputExistsError
from fdglung.files import check_free, written_together

ERROR = MissingSliceError("a gap", series="PT series 4", attribute="ImagePositionPatient", remedy="Send it again")


def read(folder):
    return json.loads((folder / "status.json").read_text())


def test_a_failure_is_told_in_full(tmp_path):
    write_failed(tmp_path / "out", ERROR, exit_code=2)
    told = read(tmp_path / "out")
    assert (told["status"], told["exit_code"]) == ("failed", 2)
    assert told["error"] == {
        "kind": "MissingSliceError",
        "message": "a gap",
        "series": "PT series 4",
        "attribute": "ImagePositionPatient",
        "remedy": "Send it again",
    }
    assert told["notice"].startswith("Research software. Not a medical device.")


def test_of_a_fault_only_the_kind_is_told_because_its_text_may_name_a_patient(tmp_path):
    write_failed(tmp_path, RuntimeError("Doe^Jane"), exit_code=1)
    assert read(tmp_path)["error"]["kind"] == "RuntimeError"
    assert "Doe" not in (tmp_path / "status.json").read_text()


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    write_failed(tmp_path, ERROR, exit_code=2)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_report_that_may_not_be_replaced_stays_done(tmp_path):
    (tmp_path / "lesions.csv").touch()
    write_done(tmp_path)
    write_failed(tmp_path, OutputExistsError("in use", remedy="Name another"), exit_code=2)
    assert (read(tmp_path)["status"], read(tmp_path)["files"]) == ("done", ["lesions.csv"])


@pytest.mark.parametrize(("beside", "left"), [((), []), (("lesions.csv",), ["lesions.csv", "status.json"])])
def test_only_a_status_with_nothing_beside_it_is_cleared(tmp_path, beside, left):
    write_failed(tmp_path, ERROR, exit_code=2)
    for name in beside:
        (tmp_path / name).touch()
    clear_status(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == left
    clear_status(tmp_path / "nowhere")


def test_what_a_run_that_was_killed_while_it_wrote_left_does_not_hinder_the_next(tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    # As in a container, where the output is a mount point, so that the unfinished files lie in it.
    monkeypatch.setattr(files, "_is_fixed", lambda target: True)
    with pytest.raises(ZeroDivisionError), written_together(out) as temporary:  # noqa: PT012
        (temporary / "lesions.seg.dcm").touch()
        monkeypatch.setattr(files.shutil, "rmtree", lambda *arguments, **options: None)
        raise ZeroDivisionError
    monkeypatch.undo()
    assert [path.parent for path in tmp_path.rglob("lesions.seg.dcm")] == [out / temporary.name]
    with pytest.raises(OutputExistsError):
        check_free(out)
    clear_status(out)
    check_free(out)


def test_unfinished_files_beside_others_are_left_alone(tmp_path):
    unfinished = tmp_path / f".out.{'a' * 32}.partial"
    unfinished.mkdir()
    (tmp_path / "letter.txt").touch()
    clear_status(tmp_path)
    assert unfinished.is_dir()
