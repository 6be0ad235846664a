from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import torch

from fdglung.network.checkpoint import read_torch
from tests.bundle.bundles import CONFIGS, TINY, train
from tests.cases import ROOT


def torchrun(*names, dataset, out, **changes):
    """Run configurations in two processes on the CPU; return what they printed."""
    files = json.dumps([str(CONFIGS / f"{name}.yaml") for name in names]).replace('"', "'")
    options = {"dataset_dir": dataset, "output_dir": out, **TINY, "threads": 1, **changes}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"),
            *("-m", "monai.bundle", "run", "--config_file", files),
            *("--meta_file", str(CONFIGS / "metadata.json")),
            *(part for name, value in options.items() for part in (f"--{name}", f"{value}")),
        ],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'bundle'}:{ROOT}", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    errors = [line for line in done.stderr.splitlines() if "Error" in line]
    assert done.returncode == 0, "\n".join(errors[:20])
    return done.stdout + done.stderr


@pytest.mark.slow
def test_two_processes_train_one_network_on_different_patches(dataset, tmp_path):
    changes = {"max_epochs": 1, "steps_per_epoch": 2, "ema_decay": 0.0, "optimizer_kind": "sgd"}
    torchrun("train", "multi_gpu_train", dataset=dataset, out=tmp_path / "two", **changes)
    train(dataset=dataset, out=tmp_path / "one", **changes)
    two, one = (read_torch(tmp_path / name / "checkpoints" / "last.pt") for name in ("two", "one"))
    assert two["progress"]["epoch"] == 1
    # The mean gradient of two processes is not that of the first alone.
    assert not all(torch.equal(two["trained"][name], one["trained"][name]) for name in one["trained"])
    assert {path.name for path in (tmp_path / "two" / "checkpoints").iterdir()} == {"last.pt", "best.pt", "model.pt"}


@pytest.mark.slow
def test_two_processes_evaluate_every_case_once(dataset, tmp_path):
    train(dataset=dataset, out=tmp_path, max_epochs=1)
    lists = json.loads((dataset / "datalist.json").read_text())
    (tmp_path / "pair.json").write_text(json.dumps({"pair": lists["training"] + lists["validation"]}))
    torchrun(
        *("train", "evaluate", "multi_gpu_evaluate"),
        dataset=dataset,
        out=tmp_path,
        datalist=str(tmp_path / "pair.json"),
        val_list="pair",
        checkpoint=str(tmp_path / "checkpoints" / "model.pt"),
    )
    rows = (tmp_path / "evaluation" / "val_mean_dice_raw.csv").read_text().splitlines()[1:]
    assert sorted(row.split(",")[0] for row in rows) == ["case_0", "case_1"]
