from __future__ import annotations

import concurrent.futures
import errno
import hashlib
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.annotation.versions import (
    annotator_name,
    latest_by_annotator,
    save_version,
    tags,
    version_of,
    versions,
)
from fdglung.errors import OutputWriteError, ParameterError, UnknownStudyError
from tests.cases import ROOT


def label(value=1):
    return sitk.GetImageFromArray(np.full((3, 4, 5), value, np.uint16))


def value_of(version):
    return int(sitk.GetArrayFromImage(sitk.ReadImage(str(version.path))).max())


def test_every_version_stays_as_it_was(tmp_path):
    for value, who in ((1, "anna"), (2, "bela"), (3, "anna")):
        save_version(tmp_path, "s", label(value), annotator=who)
    found = versions(tmp_path, "s")
    assert [(version.number, version.annotator, value_of(version)) for version in found] == [
        (1, "anna", 1),
        (2, "bela", 2),
        (3, "anna", 3),
    ]
    assert {name: version.number for name, version in latest_by_annotator(found).items()} == {"anna": 3, "bela": 2}
    assert version_of(tmp_path, "s").number == 3
    assert version_of(tmp_path, "s", number=2).annotator == "bela"


def test_savers_at_once_get_a_version_each(tmp_path):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda value: save_version(tmp_path, "s", label(value), annotator="a"), range(1, 17)))
    found = versions(tmp_path, "s")
    assert sorted(value_of(version) for version in found) == list(range(1, 17))
    assert [version.number for version in found] == list(range(1, 17))


def test_a_claim_that_is_given_up_while_it_is_looked_at_only_means_another_try(tmp_path, monkeypatch):
    touch, calls = pathlib.Path.touch, []

    def taken_once(path, **options):
        calls.append(path)
        if len(calls) == 1:
            raise FileExistsError(path)
        touch(path, **options)

    monkeypatch.setattr(pathlib.Path, "touch", taken_once)
    assert save_version(tmp_path, "s", label(1), annotator="a").number == 2
    assert len(calls) == 2


def test_a_full_disk_loses_nothing_and_leaves_nothing(tmp_path, monkeypatch):
    save_version(tmp_path, "s", label(1), annotator="a")

    def full(image, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("fdglung.annotation.versions.write_nifti_image", full)
    with pytest.raises(OutputWriteError, match="Free space"):
        save_version(tmp_path, "s", label(2), annotator="a")
    assert [value_of(version) for version in versions(tmp_path, "s")] == [1]
    assert [path.name for path in (tmp_path / "s" / "final").iterdir()] == ["v0001"]


SAVE_AND_SAVE = """
import sys
import numpy as np, SimpleITK as sitk
from fdglung.annotation.versions import save_version
for value in range(1, 1000):
    label = sitk.GetImageFromArray(np.full((3, 4, 5), value, np.uint16))
    save_version(sys.argv[1], "s", label, annotator="a")
    print(value, flush=True)
"""


def test_a_saver_that_is_killed_loses_no_version_that_it_saved(tmp_path):
    command = [sys.executable, "-c", SAVE_AND_SAVE, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        while int(process.stdout.readline()) < 5:
            pass
        process.kill()
        said = [5, *(int(line) for line in process.stdout)]
    found = versions(tmp_path, "s")
    assert [value_of(version) for version in found] == list(range(1, len(found) + 1))
    assert len(found) >= said[-1]
    for version in found:
        assert version.info["sha256"] == hashlib.sha256(version.path.read_bytes()).hexdigest()
    assert save_version(tmp_path, "s", label(9), annotator="b").number > len(found)


def test_a_half_written_version_is_none(tmp_path):
    save_version(tmp_path, "s", label(1), annotator="a")
    (tmp_path / "s" / "final" / "v0002").mkdir()
    (tmp_path / "s" / "final" / "v0002" / "label.nii.gz").write_bytes(b"")
    assert [version.number for version in versions(tmp_path, "s")] == [1]
    assert save_version(tmp_path, "s", label(3), annotator="a").number == 3


def test_a_version_tells_who_made_it_and_that_this_is_research_software(tmp_path):
    version = save_version(tmp_path, "s", label(), annotator="Ann\nEve", tag="original", info={"lesions": 1})
    info = json.loads((version.folder / "label.json").read_text())
    assert (info["annotator"], info["tag"], info["version"], info["lesions"]) == ("Ann Eve", "original", 1, 1)
    assert "Not a medical device" in info["notice"]
    assert tags(tmp_path, "s") == ("original",)


@pytest.mark.parametrize("tag", ["", "..", "a/b", "-a", "a b", "x" * 33])
def test_a_tag_that_could_leave_the_folder_is_refused(tmp_path, tag):
    with pytest.raises(ParameterError, match="tag"):
        save_version(tmp_path, "s", label(), annotator="a", tag=tag)


def test_a_label_that_is_not_there_is_named_as_such(tmp_path):
    with pytest.raises(UnknownStudyError, match="no such label"):
        version_of(tmp_path, "s")


@pytest.mark.parametrize(
    ("given", "written"), [(None, "unknown"), ("", "unknown"), ("  a  b ", "a b"), ("\x00", "unknown")]
)
def test_an_annotators_name_is_one_line(given, written):
    assert annotator_name(given) == written
