from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from tests.cases import ROOT

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

sys.path.insert(0, str(ROOT / "bundle"))


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def write(array, path, spacing=3.0):
    image = sitk.GetImageFromArray(array)
    image.SetSpacing([spacing] * 3)
    sitk.WriteImage(image, str(path))


def make_case(folder, seed, shift=0):
    """Write 96 mm of noise with a hot ball that is a lesion, and a hot bar that is none."""
    rng = np.random.default_rng(seed)
    z, y, x = np.mgrid[:32, :32, :32]
    lesion = (z - 16) ** 2 + (y - 14 - shift) ** 2 + (x - 20) ** 2 < 30
    bar = (abs(y - 27) < 2) & (abs(x - 6) < 2)
    suv = (0.8 + 0.1 * rng.standard_normal(lesion.shape) + 6 * lesion + 9 * bar).clip(0)
    hu = 20 * rng.standard_normal(lesion.shape) + 40 - 700.0 * (x < 12) * ~bar
    folder.mkdir(parents=True)
    write(suv.astype(np.float32), folder / "pet.nii.gz")
    write(hu.astype(np.float32), folder / "ct.nii.gz")
    write(lesion.astype(np.uint8) * 2, folder / "label.nii.gz")
    organs = np.where(x < 12, 7, 45)
    organs[bar] = 19
    write(organs.astype(np.uint8), folder / "organs.nii.gz")
    return {name: f"{folder.name}/{name}.nii.gz" for name in ("pet", "ct", "label", "organs")}


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("dataset")
    keys = ("training", "validation", "test")
    lists = {key: [make_case(root / f"case_{i}", i, shift=i)] for i, key in enumerate(keys)}
    (root / "datalist.json").write_text(json.dumps(lists))
    return root
