from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scripts.augment import NONE, Augmentation, blurred
from scripts.patches import PatchLoader, Sampling

from fdglung.network.normalisation import normalised
from tests.network.networks import NORMALISATION, small_spec

SPEC = small_spec()
TABLES = {name: tuple(map(tuple, points)) for name, points in NORMALISATION.items()}


class Cases:
    """One case: SUV rises along z, HU along x; a small and a large lesion; one hot place."""

    def __init__(self):
        shape = (60, 50, 40)
        z, _, x = np.meshgrid(*[np.arange(n, dtype=np.float32) for n in shape], indexing="ij")
        label = np.zeros(shape, np.uint8)
        label[10:12, 10:12, 10:12] = label[30:50, 20:40, 10:30] = 1
        small, large = np.argwhere(label[:20]), np.argwhere(label[20:]) + np.array([20, 0, 0])
        lesions = np.vstack([np.column_stack([p, np.full(len(p), i)]) for i, p in ((1, small), (2, large))])
        self.case = {
            "raw": np.stack([z / 30, 10 * x - 200]),
            "label": label,
            "lesions": lesions.astype(np.int32),
            "hot": np.array([[55, 45, 35]], np.int32),
            "body": np.argwhere(np.ones(shape)).astype(np.int32),
        }

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.case


def loader(sampling=None, augmentation=NONE, **options):
    settings = {"patch_size": (16, 16, 16), "batch_size": 2, "steps": 3, "seed": 7} | options
    return PatchLoader(Cases(), SPEC, sampling=sampling or Sampling(), augmentation=augmentation, **settings)


def test_an_unchanged_patch_is_the_normalised_image_at_its_place():
    """SUV and HU are linear in z and x, so patches are known up to their place, which the label-free ramp tells."""
    image = loader(Sampling(0, 0, 1), batch_size=16).batch(1, 0)["image"]
    suv = image[:, 0] * 2.5  # below 2.5 g/ml the table is this line
    inside = (suv[:, 1:] > 0.05) & (suv[:, :-1] > 0.05)
    steps = (suv[:, 1:] - suv[:, :-1])[inside & (suv[:, 1:] < 1.9)]
    assert len(steps) > 1000
    assert steps.median() == pytest.approx(1 / 30, abs=1e-4)


def test_image_and_label_stay_together_under_every_geometry():
    """The label is made a channel too: where both are sampled alike, the image tells the label."""
    cases = Cases()
    cases.case["raw"][0] = cases.case["label"] * 2.0
    change = dataclasses.replace(NONE, affine_probability=1.0, elastic_probability=1.0, flip_axes=(0, 1, 2))
    patches = PatchLoader(cases, SPEC, (16, 16, 16), 8, 1, Sampling(1, 0, 0), change, 0).batch(1, 0)
    hot = patches["image"][:, 0] * 2.5 >= 1.0
    label = patches["label"][:, 0] == 1
    assert label.sum() > 500
    # Linear and nearest sampling differ at the rim only.
    assert (hot != label).float().mean() < 0.05
    assert (hot & label).sum() > 0.85 * label.sum()


@pytest.mark.parametrize("signs", [(1.0, 1.0, 1.0), (-1.0, 1.0, -1.0)])
@pytest.mark.parametrize("start", [(2, 3, 4), (-9, 12, -3), (40, 0, 0)])
@pytest.mark.parametrize("moved", [None, (2.0, -3.0, 1.0)])
def test_cutting_at_whole_voxels_gives_what_sampling_there_gives(signs, start, moved):
    rng = torch.Generator().manual_seed(0)
    raw, label = torch.rand(2, 20, 22, 24, generator=rng), (torch.rand(20, 22, 24, generator=rng) * 3).byte()
    drawn = loader()
    centre, turn = torch.tensor(start) + 7.5, torch.tensor(signs)
    shift = None if moved is None else torch.tensor(moved)
    expected = drawn._bent(raw, label, drawn._offsets() * turn + centre, shift)
    found = drawn._cut(raw, label, centre, turn, shift)
    assert torch.equal(found[1], expected[1])
    # The CT is sampled as its difference from -1000 HU, in single precision.
    assert (found[0] - expected[0]).abs().max() < 1e-3


def test_every_lesion_is_visited_alike_whatever_its_size():
    drawn = loader(Sampling(1, 0, 0))
    rng = np.random.default_rng(0)
    places = np.array([drawn._place(0, rng) for _ in range(400)])
    near_small = (places[:, 0] < 20).mean()
    assert near_small == pytest.approx(0.5, abs=0.08)


def test_hot_places_are_visited_in_their_share():
    drawn = loader(Sampling(0.25, 0.75, 0))
    rng = np.random.default_rng(0)
    places = np.array([drawn._place(0, rng) for _ in range(400)])
    near_hot = (np.abs(places - [55, 45, 35]).max(axis=1) <= 4).mean()
    assert near_hot == pytest.approx(0.75, abs=0.08)


def test_the_same_epoch_and_step_give_the_same_batch_and_others_do_not():
    first, again = loader(augmentation=Augmentation()), loader(augmentation=Augmentation())
    list(first)
    assert all(torch.equal(first.batch(2, 1)[key], again.batch(2, 1)[key]) for key in ("image", "label"))
    assert not torch.equal(first.batch(2, 1)["image"], first.batch(2, 2)["image"])
    assert not torch.equal(first.batch(2, 1)["image"], first.batch(3, 1)["image"])
    other = loader(augmentation=Augmentation(), rank=1)
    assert not torch.equal(first.batch(2, 1)["image"], other.batch(2, 1)["image"])


def test_beyond_the_image_there_is_air_without_uptake():
    drawn = loader(patch_size=(96, 96, 96))
    image, label = drawn.batch(1, 0).values()
    assert image[:, 0].min() == 0
    assert image[:, 1].min() == normalised(torch.tensor(-1000.0), TABLES["CT"])
    assert label.shape == (2, 1, 96, 96, 96)


def test_a_small_field_of_view_hides_image_and_label_around_the_middle():
    change = dataclasses.replace(NONE, crop_probability=1.0, crop_mm=(24.0, 30.0))
    image, label = loader(Sampling(1, 0, 0), change).batch(1, 0).values()
    hidden = (image[:, 0] == 0) & (image[:, 1] == -1)
    assert 0.7 < hidden.float().mean() < 0.95
    assert not label[:, 0][hidden].any()
    assert not hidden[:, 8, 8, 8].any()


def test_a_field_of_view_around_the_lesion_leaves_a_margin_of_its_own_on_each_side():
    change = dataclasses.replace(NONE, crop_probability=1.0, crop_lesion_share=1.0, crop_margin_mm=(7.0, 16.0))
    lesion = torch.zeros((40, 40, 40), dtype=torch.bool)
    lesion[20:24, 18, 16:19] = lesion[26, 18, 16] = lesion[22, 18:22, 16] = True
    seen = [change.field_of_view(lesion, 2.0, np.random.default_rng(seed)) for seed in range(200)]
    lowest = np.array([[side.start for side in part] for part in seen])
    highest = np.array([[side.stop for side in part] for part in seen])
    # 3.5 to 8 voxels from the box, and whole voxels from there inwards or outwards.
    assert np.unique(np.array([20, 18, 16]) - lowest).tolist() == [4, 5, 6, 7, 8]
    assert np.unique(highest - np.array([27, 22, 19])).tolist() == [3, 4, 5, 6, 7]
    assert abs(np.corrcoef(lowest[:, 0], highest[:, 0])[0, 1]) < 0.3


def test_a_field_of_view_around_the_lesion_ends_with_the_patch_and_needs_a_lesion():
    change = dataclasses.replace(
        NONE, crop_probability=1.0, crop_mm=(30.0, 30.0), crop_lesion_share=1.0, crop_margin_mm=(40.0, 40.0)
    )
    lesion = torch.zeros((40, 40, 40), dtype=torch.bool)
    lesion[2:30, 18, 38] = True
    rng = np.random.default_rng(0)
    assert change.field_of_view(lesion, 2.0, rng) == (slice(0, 40), slice(0, 39), slice(18, 40))
    without = change.field_of_view(torch.zeros_like(lesion), 2.0, rng)
    assert [side.stop - side.start for side in without] == [15, 15, 15]


def test_dropout_takes_the_ct_and_misalignment_moves_it_alone():
    still = loader(Sampling(0, 0, 1)).batch(1, 0)["image"]
    gone = loader(Sampling(0, 0, 1), dataclasses.replace(NONE, ct_dropout=1.0)).batch(1, 0)["image"]
    assert (gone[:, 1] == -1).all()
    moved = loader(
        Sampling(0, 0, 1), dataclasses.replace(NONE, misalignment_probability=1.0, misalignment_mm=20.0), batch_size=1
    ).batch(1, 0)["image"]
    alone = loader(Sampling(0, 0, 1), batch_size=1).batch(1, 0)["image"]
    assert torch.equal(moved[:, 0], alone[:, 0])
    assert not torch.equal(moved[:, 1], alone[:, 1])
    assert torch.isfinite(still).all()


def test_noise_of_a_lower_dose_grows_with_the_root_of_uptake():
    change = dataclasses.replace(NONE, dose_probability=1.0, dose_noise=0.4)
    rng, noise = np.random.default_rng(0), torch.Generator().manual_seed(0)
    patch = torch.full((1, 32, 32, 32), 1.0)
    patch[0, :, :, 16:] = 9.0
    changed = change.intensities(patch, ("PET",), 3.0, rng, noise)[0]
    assert changed[:, :, 20:].std() / changed[:, :, :12].std() == pytest.approx(3, rel=0.15)


def test_a_scale_changes_suv_by_a_factor_within_its_bounds():
    change = dataclasses.replace(NONE, suv_scale=1.2)
    factors = [
        float(
            change.intensities(torch.ones(1, 4, 4, 4), ("PET",), 3.0, np.random.default_rng(i), torch.Generator())[
                0, 0, 0, 0
            ]
        )
        for i in range(200)
    ]
    assert 1 / 1.2 <= min(factors) < 0.9
    assert 1.1 < max(factors) <= 1.2


def test_a_blurred_point_has_the_variance_of_the_gaussian_and_keeps_its_sum():
    point = torch.zeros(31, 31, 31)
    point[15, 15, 15] = 1
    result = blurred(point, 2.0)
    steps = torch.arange(31) - 15.0
    assert float(result.sum()) == pytest.approx(1, abs=1e-5)
    # The kernel ends at three standard deviations, which takes 2.7 % off the variance.
    assert float((result.sum(dim=(0, 1)) * steps**2).sum()) == pytest.approx(4, rel=0.04)
    assert blurred(torch.ones(8, 8, 8), 1.5) == pytest.approx(np.ones((8, 8, 8)), abs=1e-5)
