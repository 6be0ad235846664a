"""The bundle's configurations run in process, on a small data set with a small network."""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest

from tests.cases import ROOT

CONFIGS = ROOT / "bundle" / "configs"

TINY = {
    "features": [4, 8, 16],
    "patch_size": [32, 32, 32],
    "preprocess_workers": 0,
    "cache_dir": "",
    "fast": False,
    "max_epochs": 2,
    "steps_per_epoch": 3,
    "val_interval": 1,
    "warmup_steps": 0,
}
"""A network and a run of seconds."""


def workflow(*names, dataset, kind="train", **changes):
    """Return a configuration with its overlays as a workflow, ready to run."""
    from monai.bundle import ConfigWorkflow

    found = ConfigWorkflow(
        [str(CONFIGS / f"{name}.yaml") for name in names],
        meta_file=str(CONFIGS / "metadata.json"),
        logging_file=False,
        workflow_type=kind,
        dataset_dir=str(dataset),
        **changes,
    )
    found.initialize()
    return found


def train(*overlays, dataset, out, **changes):
    """Run a training to its end; return its workflow."""
    run = workflow("train", *overlays, dataset=dataset, output_dir=str(out), **{**TINY, **changes})
    run.run()
    return run


@contextmanager
def refused(kind, match):
    """Expect an error of a kind with a message, in whatever MONAI wraps what its expressions raise."""
    try:
        yield
    except Exception as error:
        found = error
        while found is not None and not isinstance(found, kind):
            found = found.__cause__
        if found is None:
            raise
        assert re.search(match, str(found)), str(found)
    else:
        pytest.fail(f"no {kind.__name__} was raised")
