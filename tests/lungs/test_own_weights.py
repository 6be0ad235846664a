"""The narrow networks that come along: named by a word, and the same in lungmask itself."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from lungmask import LMInferer

from apps.lesion_report.configuration import Configuration, LungOptions, with_models
from fdglung.cli import main
from fdglung.experiment.config import from_mapping
from fdglung.lungs import segment
from fdglung.lungs.inference import open_network
from fdglung.lungs.labels import LOBES
from fdglung.lungs.network import segment_by_network
from fdglung.lungs.unet import expanded
from fdglung.lungs.weights import OWN_NAMES, read_weights
from labelapp.configuration import configuration
from tests.experiment.spheres import CONFIG
from tests.lungs.chests import chest, dice, truth
from tests.lungs.networks import save


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("name", OWN_NAMES)
def test_lungmask_itself_finds_the_same_with_the_weights_put_into_its_shape(tmp_path, name):
    ct = chest().ct
    middle = ct.GetSize()[2] // 2
    ct = ct[:, :, middle : middle + 3]
    wide = save(expanded(read_weights(OWN_NAMES[name].with_suffix(".pth")).state), tmp_path / "wide.pth")
    theirs = LMInferer(modelpath=str(wide), force_cpu=True, tqdm_disable=True).apply(ct)
    ours = sitk.GetArrayFromImage(segment_by_network(ct, open_network(read_weights(OWN_NAMES[name])), whole=True))
    assert len(np.unique(theirs)) > 2
    # Where two scores are equal but for rounding, either label may win.
    assert (ours == theirs).mean() > 0.9999


def test_lobes_lie_in_their_places():
    region = segment(chest().ct, weights=OWN_NAMES["lobes"])
    found = sitk.GetArrayFromImage(region.lobes)
    organs = sitk.GetArrayFromImage(chest().ct_organs)
    for label, organ in zip(LOBES, (10, 11, 7, 8, 9), strict=True):
        assert dice(found == label, organs == organ) > (0.75 if "middle" in LOBES[label] else 0.85)
    assert any("synthetic CTs alone" in warning for warning in region.warnings)
    sides = sitk.GetArrayFromImage(region.mask)
    for side, drawn in enumerate(truth(chest()), start=1):
        assert dice(sides == side, drawn) > 0.92


@pytest.mark.parametrize("name", OWN_NAMES)
def test_a_word_stands_for_them_on_every_face(tmp_path, monkeypatch, name):
    path = OWN_NAMES[name]
    assert path.is_file()
    assert with_models(Configuration(lungs=LungOptions(weights=name)), tmp_path).lung_weights == path
    assert configuration(str(tmp_path), {"lung_weights": name}).lung_weights == path
    assert from_mapping(CONFIG | {"lung_weights": name}, root=tmp_path).lung_weights == path
    given = []
    monkeypatch.setattr("fdglung.cli._analyze", lambda options: given.append(options.lung_weights) or {})
    main(["analyze", str(tmp_path), str(tmp_path / "out"), "--lung-weights", name])
    assert given == [path]
