from __future__ import annotations

import io
import logging
import subprocess
import sys

import pytest

from fdglung.errors import CheckpointError, ParameterError
from labelapp.annotator import annotator_of, signed_in
from labelapp.configuration import configuration
from labelapp.logs import WithoutIds
from tests.cases import ROOT


def logged(write, *, names=("Smith^John", "study_7"), hidden=("/data/studies",)):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(WithoutIds(lambda: names, hidden))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    write(logger)
    return stream.getvalue()


def test_a_log_holds_neither_names_of_studies_nor_uids_nor_the_folder():
    text = logged(lambda logger: logger.info("%s of %s in /data/studies/x", "1.2.840.113619.2.55.3", "Smith^John"))
    assert text == "[uid] of [study] in [folder]/x\n"


def test_a_traceback_becomes_its_kind_and_place():
    def fail(logger):
        try:
            raise KeyError("Smith^John")
        except KeyError:
            logger.exception("A request failed")

    text = logged(fail)
    assert "KeyError in" in text
    assert "test_parts.py" in text
    assert "Smith" not in text


def test_numbers_that_are_no_uids_stay_in_the_log():
    assert logged(lambda logger: logger.info("version 1.2.3 took 0.25 s")) == "version 1.2.3 took 0.25 s\n"


def test_the_name_of_a_token_comes_before_what_the_client_says():
    assert annotator_of({"client_id": "anna"}) == "anna"
    assert annotator_of({"client_id": "anna", "annotator": "bela"}) == "bela"
    assert annotator_of({}) == "unknown"
    token = signed_in.set("carl")
    try:
        assert annotator_of({"client_id": "anna"}) == "carl"
    finally:
        signed_in.reset(token)


def test_without_a_network_thresholds_are_used_and_with_one_the_network(tmp_path, monkeypatch):
    monkeypatch.setenv("FDGLUNG_MODELS", str(tmp_path))
    assert configuration(str(tmp_path), {}).settings.segmentation.method == "threshold"
    (tmp_path / "model.onnx").touch()
    assert configuration(str(tmp_path), {}).settings.segmentation.checkpoints == (str(tmp_path / "model.onnx"),)
    assert configuration(str(tmp_path), {"checkpoint": "none"}).settings.segmentation.method == "threshold"
    with pytest.raises(CheckpointError, match="Name an"):
        configuration(str(tmp_path), {"checkpoint": str(tmp_path / "other.onnx")})


@pytest.mark.parametrize("conf", [{"limit_mb": "much"}, {"open_studies": "0"}, {"lables": "x"}])
def test_a_setting_that_cannot_be_is_refused_at_the_start(tmp_path, conf):
    with pytest.raises(ParameterError):
        configuration(str(tmp_path), conf)


def test_pydicom_seg_can_be_imported_beside_pydicom_3():
    code = "import labelapp.pydicom3; from pydicom._storage_sopclass_uids import SegmentationStorage as s; print(s)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1.2.840.10008.5.1.4.1.1.66.4"


def test_the_command_names_what_is_wrong_before_it_starts_anything(tmp_path):
    for options, kind in ((["nowhere"], "UnknownStudyError"), ([".", "--port", "0"], "ParameterError")):
        done = subprocess.run(
            [sys.executable, "-m", "fdglung", "label", *options], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert kind in done.stderr
