"""A round of annotation with a network, by MONAI Label's client against a real server on loopback.

The network is tiny and untrained at first: proposals for all, labels, training, the tuned network in use, a kill.
"""

from __future__ import annotations

import json
import signal
import time

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("monailabel")
pytest.importorskip("monai")

import torch

from fdglung.annotation.networks import active_network, tuned_networks
from fdglung.annotation.versions import versions
from fdglung.network.architectures import build
from fdglung.network.checkpoint import read_checkpoint, write_onnx, write_torch
from tests.labelapp.test_server import PARAMS, Server, mask_of, refusal
from tests.labelapp.test_train import QUICK, write_study
from tests.network.networks import small_spec

pytestmark = pytest.mark.timeout(1800)

NAMES = [f"study_{number}" for number in range(3)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("studies")
    labels = {name: write_study(root / name, number) for number, name in enumerate(NAMES)}
    (root / "broken").mkdir()
    (root / "broken" / "pet.nii.gz").write_bytes((root / NAMES[0] / "pet.nii.gz").read_bytes()[:2000])
    return root, labels


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    home = tmp_path_factory.mktemp("server")
    spec = small_spec(trained_on="nothing")
    torch.manual_seed(0)
    write_torch(home / "model.pt", spec, build(spec).state_dict())
    write_onnx(home / "model.onnx", read_checkpoint(home / "model.pt"))

    def command(port):
        return ["-m", "fdglung", "label", str(folder[0]), "--port", str(port), "--checkpoint", str(home / "model.onnx")]

    running = Server(command, home / "server.log")
    yield running
    running.process.kill()
    running.process.wait(60)


@pytest.fixture
def client(server, tmp_path):
    from monailabel.client import MONAILabelClient

    return MONAILabelClient(f"http://127.0.0.1:{server.port}", str(tmp_path), client_id="anna")


def ended(client, seconds=900):
    until = time.monotonic() + seconds
    while client.train_status(check_if_running=True) or client.train_status()["status"] in ("SUBMITTED", "RUNNING"):
        assert time.monotonic() < until
        time.sleep(1)
    return client.train_status()


def test_a_round_from_proposals_to_a_better_network_in_use_and_nothing_lost_by_a_kill(server, client, folder, tmp_path):
    root, labels = folder
    told = client.info()
    assert {"lesions", "lesion_click", "suv_click"} <= set(told["models"])
    assert told["trainers"]["lesions"]["config"]["max_epochs"] == 10
    assert {"diversity", "disagreement", "volume_error", "uncertainty"} <= set(told["strategies"])

    # Proposals for all; a study that cannot be read is told, and stops nothing.
    status, body = server.request("POST", "/batch/infer/lesions?run_sync=true")
    assert status == 200, body
    results = json.loads(body)
    assert "ends before its voxels do" in results["broken"]["error"]
    assert all(results[name]["tag"] == "original" for name in NAMES)
    assert [len(versions(root / "labels", name, "original")) for name in NAMES] == [1, 1, 1]
    assert "UnreadableImageError" in refusal(client.infer, "lesions", "broken", dict(PARAMS))
    assert client.next_sample("diversity", {})["id"] in NAMES

    for name, label in labels.items():
        sitk.WriteImage(label, str(tmp_path / "label.nrrd"))
        client.save_label(name, str(tmp_path / "label.nrrd"))
    status, body = server.request("POST", "/scoring/dice?run_sync=true")
    assert status == 200, body
    scored = json.loads(body)["studies"]
    truth = {name: sitk.GetArrayFromImage(label) > 0 for name, label in labels.items()}
    for name in NAMES:
        proposed = mask_of(versions(root / "labels", name, "original")[-1].path)
        expected = 2 * (proposed & truth[name]).sum() / (proposed.sum() + truth[name].sum())
        assert scored[name]["dice"] == pytest.approx(expected, abs=1e-3)

    # Training in a process of its own, with progress; the tuned network is used by the next request.
    assert client.train_start("lesions", QUICK)["status"] in ("SUBMITTED", "RUNNING")
    assert server.get("/info/")[0] == 200
    task = ended(client)
    assert task["status"] == "DONE", task
    stats = client.info()["train_stats"]["lesions"]
    assert (stats["epoch"], stats["total_epochs"], stats["active"]) == (2, 2, True)
    path, told = client.infer("lesions", "study_1", dict(PARAMS))
    assert any("tuned to" in warning for warning in told["warnings"])
    found = mask_of(path)
    assert 2 * (found & truth["study_1"]).sum() / (found.sum() + truth["study_1"].sum()) > 0.5
    click = [int(i) for i in np.argwhere(truth["study_1"]).mean(axis=0)[::-1]]
    path, told = client.infer("lesion_click", "study_1", {**PARAMS, "foreground": [click], "start": "empty"})
    assert mask_of(path)[tuple(click[::-1])]

    # A training that is stopped leaves the network as it was.
    client.train_start("lesions", {**QUICK, "max_epochs": 5000})
    time.sleep(2)
    while not client.train_status(check_if_running=True):
        time.sleep(0.5)
    client.train_stop()
    assert client.train_status()["status"] == "STOPPED"
    assert (active_network(root / "labels").number, len(tuned_networks(root / "labels"))) == (1, 1)

    server.process.send_signal(signal.SIGKILL)
    server.process.wait(60)
    for name in NAMES:
        (kept,) = versions(root / "labels", name)
        assert (mask_of(kept.path) == truth[name]).all()
