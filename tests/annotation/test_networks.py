from __future__ import annotations

import pytest

from fdglung.annotation import networks
from fdglung.annotation.held_out import split_held_out
from fdglung.annotation.networks import active_network, keep_network, tuned_networks
from fdglung.errors import OutputWriteError, TooFewCasesError


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "trained.onnx"
    path.write_bytes(b"weights")
    return path


def test_every_network_is_kept_and_only_a_better_one_becomes_active(tmp_path, model):
    assert active_network(tmp_path) is None
    keep_network(tmp_path, model, {"dice": 0.5}, activate=True)
    keep_network(tmp_path, model, {"dice": 0.4}, activate=False)
    assert [network.number for network in tuned_networks(tmp_path)] == [1, 2]
    assert active_network(tmp_path).number == 1
    assert active_network(tmp_path).path.read_bytes() == b"weights"
    assert keep_network(tmp_path, model, {}, activate=True).number == 3
    assert active_network(tmp_path).number == 3


def test_a_full_disk_leaves_the_earlier_network_active(tmp_path, model, monkeypatch):
    keep_network(tmp_path, model, {}, activate=True)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(networks.shutil, "copyfile", full)
    with pytest.raises(OutputWriteError):
        keep_network(tmp_path, model, {}, activate=True)
    assert [network.number for network in tuned_networks(tmp_path)] == [1]
    assert active_network(tmp_path).number == 1


@pytest.mark.parametrize("text", ["", "{}", '{"version": 7}', '{"version": "x"}'])
def test_an_active_file_that_names_nothing_leaves_the_network_that_was_given(tmp_path, model, text):
    keep_network(tmp_path, model, {}, activate=False)
    (tmp_path / ".networks" / "active.json").write_text(text)
    assert active_network(tmp_path) is None


def test_a_study_stays_on_its_side_when_more_are_labelled():
    names = [{"name": f"study_{i:02d}"} for i in range(40)]
    first, few_held = split_held_out(names[:20], 0.25)
    later, held = split_held_out(names, 0.25)
    assert {entry["name"] for entry in few_held} <= {entry["name"] for entry in held}
    assert {entry["name"] for entry in first} <= {entry["name"] for entry in later}
    assert 4 <= len(held) <= 16


@pytest.mark.parametrize("share", [0.05, 0.95])
def test_at_least_one_study_is_on_each_side(share):
    for count in (2, 3, 5):
        training, held = split_held_out([{"name": f"s{i}"} for i in range(count)], share)
        assert training
        assert held
        assert len(training) + len(held) == count


def test_one_study_is_too_few():
    with pytest.raises(TooFewCasesError, match="there are 1 labelled"):
        split_held_out([{"name": "a"}], 0.25)
