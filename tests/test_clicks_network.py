"""The network here calls lesion what has an SUV of 2 or more, so that what clicks must change is known."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.clicks_network import apply_guided_clicks, guided_probability
from fdglung.errors import ClickError, NoCtError
from fdglung.network.backends import open_predictor
from fdglung.network.checkpoint import read_checkpoint
from tests.network.networks import NORMALISATION, write_threshold_network

SPACING = (4.0, 4.0, 3.0)


def pet_of(suv, direction=None):
    image = sitk.GetImageFromArray(suv.astype(np.float32))
    image.SetSpacing(SPACING)
    image.SetOrigin((-120.0, -100.0, 30.0))
    if direction is not None:
        image.SetDirection(direction)
    return image


def balls(*places, shape=(60, 60, 110), suv=6.0):
    z, y, x = np.indices(shape)
    found = np.full(shape, 0.3)
    for cx, cy, cz, radius in places:
        mm = ((x - cx) * SPACING[0]) ** 2 + ((y - cy) * SPACING[1]) ** 2 + ((z - cz) * SPACING[2]) ** 2
        found[mm <= radius**2] = suv
    return found


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "model.onnx"
    # A slope of 4: logits of -2 to 3, which clicks can turn.
    checkpoint = write_threshold_network(path, 2.0, slope=4.0, optional=("CT",), channels=["PET", "CT"])
    return open_predictor(read_checkpoint(checkpoint), "onnxruntime")


def test_a_click_keeps_the_lesion_under_it_alone_of_all_that_the_network_finds(network):
    suv = balls((20, 30, 30, 20), (45, 30, 30, 12))
    pet = pet_of(suv)
    made = apply_guided_clicks(pet, None, None, network, inside=[(20, 30, 30)], outside=[])
    labels = sitk.GetArrayFromImage(made.labels)
    alone = balls((20, 30, 30, 20)) > 1
    assert made.added == 1
    assert 2 * ((labels > 0) & alone).sum() / ((labels > 0).sum() + alone.sum()) > 0.9
    assert not labels[30, 30, 40:50].any()


def test_two_lesions_far_apart_are_outlined_each_in_its_own_crop(network):
    pet = pet_of(balls((15, 30, 30, 20), (95, 30, 30, 12)))
    made = apply_guided_clicks(pet, None, None, network, inside=[(15, 30, 30), (95, 30, 30)], outside=[])
    labels = sitk.GetArrayFromImage(made.labels)
    assert made.added == 2
    assert {int(labels[30, 30, 15]), int(labels[30, 30, 95])} == {1, 2}


@pytest.mark.parametrize("direction", [None, (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0)])
def test_a_lesion_longer_than_the_crop_is_followed_to_its_ends(network, direction):
    suv = np.full((40, 40, 110), 0.3)
    suv[15:25, 15:25, 10:100] = 6.0
    made = apply_guided_clicks(pet_of(suv, direction), None, None, network, inside=[(30, 20, 20)], outside=[])
    found = np.argwhere(sitk.GetArrayFromImage(made.labels) > 0)
    # 360 mm long, and the click near one end.
    assert found[:, 2].min() == pytest.approx(10, abs=1)
    assert found[:, 2].max() == pytest.approx(99, abs=1)


def test_a_click_off_the_lesion_takes_what_looks_alike_around_it_and_leaves_the_rest(network):
    suv = np.full((40, 40, 60), 0.3)
    suv[15:25, 15:25, 10:50] = 3.0
    pet = pet_of(suv)
    before, after = (
        sitk.GetArrayFromImage(
            apply_guided_clicks(pet, None, None, network, inside=[(14, 20, 20)], outside=outside).labels
        )
        > 0
        for outside in ([], [(44, 20, 20)])
    )
    assert before[20, 20, 44]
    assert not after[20, 20, 44]
    assert after[20, 20, 10:24].all()
    assert (after & ~before).sum() == 0


def test_a_click_into_what_the_network_does_not_find_makes_it_lesion(network):
    suv = np.full((40, 40, 60), 0.3)
    suv[15:25, 15:25, 20:40] = 1.6
    probability = [
        sitk.GetArrayFromImage(guided_probability(pet_of(suv), None, network, inside=inside, outside=[]))
        for inside in ([], [(30, 20, 20)])
    ]
    assert probability[0].max() < 0.5
    made = apply_guided_clicks(pet_of(suv), None, None, network, inside=[(30, 20, 20)], outside=[])
    found = sitk.GetArrayFromImage(made.labels) > 0
    assert found[20, 20, 30]
    assert (suv[found] > 1).mean() > 0.95


def test_proposed_lesions_stay_go_or_are_outlined_anew_as_they_are_clicked(network):
    suv = balls((20, 30, 30, 20), (45, 30, 30, 12), (80, 30, 30, 12))
    start = np.zeros(suv.shape, np.uint16)
    start[30, 30, 18:22] = 1
    start[(suv > 1) & (np.indices(suv.shape)[2] > 35)] = 2
    start[(suv > 1) & (np.indices(suv.shape)[2] > 60)] = 3
    image = sitk.GetImageFromArray(start)
    pet = pet_of(suv)
    image.CopyInformation(pet)
    made = apply_guided_clicks(pet, None, image, network, inside=[(20, 30, 30)], outside=[(80, 30, 30)])
    labels = sitk.GetArrayFromImage(made.labels)
    assert (made.added, made.removed) == (1, 1)
    assert (labels > 0)[start == 2].all()
    assert not labels[start == 3].any()
    assert (labels == labels[30, 30, 20]).sum() > 100


def test_a_crop_gives_what_the_whole_image_gives(network):
    suv = balls((20, 30, 30, 20), (45, 30, 30, 12))
    pet = pet_of(suv)
    click = {"inside": [(20, 30, 30)], "outside": [(45, 30, 30)]}
    whole = guided_probability(pet, None, network, **click)
    part = guided_probability(pet, None, network, box_mm=((-100.0, -60.0, 60.0), (100.0, 80.0, 180.0)), **click)
    same = sitk.Resample(whole, part, sitk.Transform(), sitk.sitkNearestNeighbor)
    difference = np.abs(sitk.GetArrayFromImage(same) - sitk.GetArrayFromImage(part))[2:-2, 2:-2, 2:-2]
    # Another grid of 3 mm interpolates the balls' rims elsewhere.
    assert np.median(difference) < 0.01
    assert (difference > 0.5).mean() < 0.01


def test_a_click_outside_the_pet_and_a_missing_ct_are_refused(network, tmp_path):
    pet = pet_of(balls((20, 30, 30, 20)))
    with pytest.raises(ClickError, match="outside the PET"):
        apply_guided_clicks(pet, None, None, network, inside=[(500, 0, 0)], outside=[])
    needs_ct = open_predictor(read_checkpoint(write_threshold_network(tmp_path / "model.onnx")), "onnxruntime")
    with pytest.raises(NoCtError, match="no CT"):
        apply_guided_clicks(pet, None, None, needs_ct, inside=[(20, 30, 30)], outside=[])


def test_a_network_with_channels_of_clicks_is_shown_them(tmp_path):
    tables = {**NORMALISATION, "foreground": [[0, 0], [1, 1]], "background": [[0, 0], [1, 1]]}
    path = write_threshold_network(
        tmp_path / "clicks.onnx", 2.0, channels=["PET", "foreground", "background"], normalisation=tables
    )
    shown = []
    predictor = open_predictor(read_checkpoint(path), "onnxruntime")
    watched = type(predictor)(
        predictor.checkpoint, predictor.backend, lambda batch: shown.append(batch.copy()) or predictor.predict(batch)
    )
    pet = pet_of(balls((20, 30, 30, 20), shape=(40, 40, 40)))
    guided_probability(pet, None, watched, inside=[(20, 30, 30)], outside=[(5, 5, 5)])
    assert {round(float(max(batch[0, channel].max() for batch in shown)), 1) for channel in (1, 2)} == {1.0}


def test_with_a_memory_the_network_looks_once_at_each_place_and_clicks_do_the_same(network):
    looked = []
    watched = type(network)(
        network.checkpoint, network.backend, lambda batch: looked.append(1) or network.predict(batch)
    )
    pet = pet_of(balls((15, 30, 30, 20), (95, 30, 30, 12)))
    memory = {}
    clicks = [(15, 30, 30), (95, 30, 30)]
    apply_guided_clicks(pet, None, None, watched, inside=clicks[:1], outside=[], memory=memory)
    first = len(looked)
    second = apply_guided_clicks(pet, None, None, watched, inside=clicks, outside=[(17, 30, 30)], memory=memory)
    assert first < len(looked)
    before = len(looked)
    again = apply_guided_clicks(pet, None, None, watched, inside=clicks, outside=[(13, 30, 30)], memory=memory)
    assert len(looked) == before
    for made, off in ((second, (17, 30, 30)), (again, (13, 30, 30))):
        without = apply_guided_clicks(pet, None, None, network, inside=clicks, outside=[off])
        assert (sitk.GetArrayFromImage(made.labels) == sitk.GetArrayFromImage(without.labels)).all()


def test_what_a_network_with_channels_of_clicks_said_counts_for_the_same_clicks_alone(tmp_path):
    tables = {**NORMALISATION, "foreground": [[0, 0], [1, 1]], "background": [[0, 0], [1, 1]]}
    path = write_threshold_network(
        tmp_path / "clicks.onnx", 2.0, channels=["PET", "foreground", "background"], normalisation=tables
    )
    predictor = open_predictor(read_checkpoint(path), "onnxruntime")
    pet, memory = pet_of(balls((20, 30, 30, 20), shape=(40, 40, 40))), {}
    for inside in ([(20, 30, 30)], [(20, 30, 30)], [(21, 30, 30)]):
        guided_probability(pet, None, predictor, inside=inside, outside=[], memory=memory)
    assert len(memory) == 2
