import errno
import os
from pathlib import Path

import pytest

from fdglung.errors import NoPetError, OutputExistsError, OutputWriteError
from fdglung.files import written_together


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_files_appear_together_when_the_block_ends(tmp_path):
    out = tmp_path / "new" / "out"
    with written_together(out) as folder:
        (folder / "a").write_text("1")
        (folder / "b").write_text("2")
        assert not out.exists()
        assert folder.parent == out.parent
    assert names(tmp_path) == ["new", "new/out", "new/out/a", "new/out/b"]


def test_an_empty_folder_is_used(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with written_together(out) as folder:
        (folder / "a").write_text("1")
    assert names(tmp_path) == ["out", "out/a"]


def test_the_output_has_the_permissions_of_a_folder_made_by_mkdir(tmp_path):
    (tmp_path / "plain").mkdir()
    with written_together(tmp_path / "out"):
        pass
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_that_is_not_empty_is_refused_before_the_block_runs(tmp_path):
    (tmp_path / "mine").write_text("keep")
    ran = False
    with pytest.raises(OutputExistsError, match=r"not empty.*--overwrite"), written_together(tmp_path):
        ran = True
    assert not ran
    assert names(tmp_path) == ["mine"]


def test_a_file_in_the_folders_place_is_refused_even_with_overwrite(tmp_path):
    (tmp_path / "out").write_text("keep")
    with pytest.raises(OutputExistsError, match="is a file"), written_together(tmp_path / "out", overwrite=True):
        pass
    assert (tmp_path / "out").read_text() == "keep"


def test_overwrite_replaces_an_earlier_output_as_a_whole_and_only_at_the_end(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report").write_text("old")
    (out / "lesion_3").write_text("stale")
    with written_together(out, overwrite=True) as folder:
        (folder / "report").write_text("new")
        assert names(out) == ["lesion_3", "report"]
        assert (out / "report").read_text() == "old"
    assert names(tmp_path) == ["out", "out/report"]
    assert (out / "report").read_text() == "new"


def test_overwrite_never_deletes_a_folder_of_other_things(tmp_path):
    out = tmp_path / "photos"
    out.mkdir()
    (out / "photo").write_text("keep")
    with pytest.raises(OutputExistsError, match="no earlier output"), written_together(out, overwrite=True) as folder:
        (folder / "report").write_text("new")
    assert names(tmp_path) == ["photos", "photos/photo"]


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, ValueError, MemoryError])
def test_an_interrupted_block_leaves_nothing_not_even_parents(tmp_path, raised):
    def interrupted():
        with written_together(tmp_path / "a" / "b" / "out") as folder:
            (folder / "half").write_text("half")
            raise raised

    with pytest.raises(raised):
        interrupted()
    assert names(tmp_path) == []


def test_an_interrupted_overwrite_leaves_the_earlier_output(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report").write_text("old")

    def interrupted():
        with written_together(out, overwrite=True) as folder:
            (folder / "report").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(tmp_path) == ["out", "out/report"]
    assert (out / "report").read_text() == "old"


def test_a_full_disk_is_an_output_error_with_its_remedy_and_leaves_nothing(tmp_path):
    def full():
        with written_together(tmp_path / "out") as folder:
            (folder / "half").write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OutputWriteError, match=r"No space left.*Free space"):
        full()
    assert names(tmp_path) == []


def test_errors_of_the_library_pass_unchanged(tmp_path):
    def refused():
        with written_together(tmp_path / "out"):
            raise NoPetError("No PET", remedy="Give one")

    with pytest.raises(NoPetError):
        refused()
    assert names(tmp_path) == []


@pytest.mark.parametrize("failing", [1, 2])
def test_a_rename_that_fails_brings_the_earlier_output_back(tmp_path, monkeypatch, failing):
    out = tmp_path / "out"
    out.mkdir()
    (out / "report").write_text("old")
    rename, calls = Path.rename, []

    def rename_failing_once(self, target):
        calls.append(target)
        if len(calls) == failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, target)

    def overwrite():
        with written_together(out, overwrite=True) as folder:
            (folder / "report").write_text("new")
            monkeypatch.setattr(Path, "rename", rename_failing_once)

    with pytest.raises(OutputWriteError):
        overwrite()
    monkeypatch.undo()
    assert names(tmp_path) == ["out", "out/report"]
    assert (out / "report").read_text() == "old"


def test_output_that_appears_meanwhile_is_not_overwritten(tmp_path):
    out = tmp_path / "out"

    def raced():
        with written_together(out) as folder:
            (folder / "report").write_text("mine")
            out.mkdir()
            (out / "report").write_text("theirs")

    with pytest.raises(OutputExistsError):
        raced()
    assert names(tmp_path) == ["out", "out/report"]
    assert (out / "report").read_text() == "theirs"


@pytest.fixture
def volume(tmp_path, monkeypatch):
    """Return a folder that takes itself for the root of a volume, and cannot be renamed."""
    folder = tmp_path / "volume"
    folder.mkdir()
    rename = Path.rename

    def refuse(path, other):
        if path == folder:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return rename(path, other)

    monkeypatch.setattr(Path, "is_mount", lambda path: path == folder)
    monkeypatch.setattr(Path, "rename", refuse)
    return folder


def test_the_root_of_a_volume_gets_the_files_without_being_renamed(volume):
    with written_together(volume) as temporary:
        (temporary / "a.txt").write_text("new")
        assert temporary.parent == volume
    assert names(volume.parent) == ["volume", "volume/a.txt"]


def test_overwriting_in_the_root_of_a_volume_replaces_the_earlier_output_as_a_whole(volume):
    for name in ("a.txt", "b.txt"):
        (volume / name).write_text("old")
    with written_together(volume, overwrite=True) as temporary:
        (temporary / "a.txt").write_text("new")
    assert names(volume) == ["a.txt"]
    assert (volume / "a.txt").read_text() == "new"


def test_the_root_of_a_volume_is_as_it_was_after_an_interruption_or_a_failed_move(volume, monkeypatch):
    for name in ("a.txt", "b.txt"):
        (volume / name).write_text("old")

    def write_and_be_interrupted():
        with written_together(volume, overwrite=True) as temporary:
            (temporary / "a.txt").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_be_interrupted()
    assert names(volume) == ["a.txt", "b.txt"]

    rename, calls = Path.rename, []

    def fail_late(path, other):
        calls.append(path)
        if len(calls) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(path, other)

    monkeypatch.setattr(Path, "rename", fail_late)
    with pytest.raises(OutputWriteError), written_together(volume, overwrite=True) as temporary:
        (temporary / "a.txt").write_text("new")
    assert names(volume) == ["a.txt", "b.txt"]
    assert {(volume / name).read_text() for name in names(volume)} == {"old"}
