"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fdglung.lungs.weights import OWN_FILE


def pytest_configure(config):
    """Give each worker one thread: threads of OpenMP and OpenBLAS spin while they wait, at the other workers' cost."""
    if config.getoption("numprocesses", None):
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def lungs_by_thresholds():
    """Find lungs by thresholds where a test asks for no network: that is exact on drawn bodies, and takes a third."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fdglung.lungs.weights.OWN_FILE", Path("none.onnx"))
        yield


@pytest.fixture(scope="module")
def module_with_own_lungs():
    """Find lungs as `own_lungs` does in a whole module, which compares with processes of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fdglung.lungs.weights.OWN_FILE", OWN_FILE)
        yield


@pytest.fixture
def own_lungs(monkeypatch, tmp_path):
    """Find lungs as a machine without lungmask's weights does."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("fdglung.lungs.weights.OWN_FILE", OWN_FILE)
