from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.inferers import SimpleInferer
from scripts.cases import IGNORED
from scripts.ema import Ema
from scripts.losses import LesionLoss
from scripts.precision import CpuBfloat16
from scripts.schedule import optimizer, poly_factor, poly_schedule

from fdglung.errors import ParameterError


def test_the_average_of_a_steady_rise_is_its_closed_form():
    """Weights 1, 2, 3, …: the average is the sum of weights times decay and the rest, which recursion gives."""
    layer = torch.nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(0.0)
    ema = Ema(layer, decay=0.9)
    expected = 0.0
    for step in range(200):
        layer.weight.data.fill_(step + 1.0)
        ema.update()
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * (step + 1)
    assert float(ema.network.weight) == pytest.approx(expected, rel=1e-5)
    # A rise of 1 a step is followed decay / (1 - decay) = 9 steps behind.
    assert float(ema.network.weight) == pytest.approx(200 - 9, abs=0.01)


def test_without_decay_the_average_is_the_weights_and_training_does_not_see_it():
    layer = torch.nn.Linear(2, 2)
    ema = Ema(layer, decay=0.0)
    layer.weight.data += 1
    assert not torch.equal(ema.network.weight, layer.weight)
    ema.update()
    assert torch.equal(ema.network.weight, layer.weight)
    assert not any(parameter.requires_grad for parameter in ema.network.parameters())


def test_the_learning_rate_falls_as_the_power_of_what_is_left():
    layer = torch.nn.Linear(1, 1)
    sgd = optimizer("sgd", layer, 0.1, 0.0)
    schedule = poly_schedule(sgd, total=10, power=0.9)
    rates = []
    for _ in range(10):
        rates.append(sgd.param_groups[0]["lr"])
        sgd.step()
        schedule.step()
    assert rates == pytest.approx([0.1 * (1 - step / 10) ** 0.9 for step in range(10)])
    assert sgd.param_groups[0]["lr"] == 0


def test_a_warm_up_rises_linearly():
    assert [poly_factor(step, 10**9, warmup=4) for step in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1, 1])


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match="magic"):
        optimizer("magic", torch.nn.Linear(1, 1), 0.1, 0.0)


def test_the_loss_is_dice_over_the_batch_plus_cross_entropy():
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 4, 4, 4, generator=rng)
    label = (torch.rand(2, 1, 4, 4, 4, generator=rng) > 0.7).long()
    p = torch.softmax(logits, dim=1)[:, 1].numpy().astype(np.float64)
    g = label[:, 0].numpy()
    dice = 1 - (2 * (p * g).sum() + 1e-5) / (p.sum() + g.sum() + 1e-5)
    entropy = -np.where(g == 1, np.log(p), np.log(1 - p)).mean()
    assert float(LesionLoss()(logits, label)) == pytest.approx(dice + entropy, rel=1e-4)


def test_coarser_outputs_count_half_each_time_in_a_list_and_in_a_stack():
    rng = torch.Generator().manual_seed(0)
    label = (torch.rand(1, 1, 8, 8, 8, generator=rng) > 0.7).long()
    fine, coarse = torch.randn(1, 2, 8, 8, 8, generator=rng), torch.randn(1, 2, 4, 4, 4, generator=rng)
    loss = LesionLoss()
    parts = [float(loss(fine, label)), float(loss(coarse, label[:, :, ::2, ::2, ::2]))]
    assert float(loss([fine, coarse], label)) == pytest.approx((parts[0] + parts[1] / 2) / 1.5, rel=1e-5)
    assert float(loss(torch.stack([fine, fine], dim=1), label)) == pytest.approx(parts[0], rel=1e-5)


def test_ignored_voxels_add_nothing_to_the_loss_and_have_no_gradient():
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 2, 4, 4, 4, generator=rng, requires_grad=True)
    label = (torch.rand(1, 1, 4, 4, 4, generator=rng) > 0.7).long()
    label[..., 2:] = IGNORED
    loss = LesionLoss()(logits, label)
    loss.backward()
    p = torch.softmax(logits.detach(), dim=1)[:, 1, :, :, :2].numpy().astype(np.float64)
    g = label[:, 0, :, :, :2].numpy()
    dice = 1 - (2 * (p * g).sum() + 1e-5) / (p.sum() + g.sum() + 1e-5)
    # The mean runs over all 64 voxels, of which the ignored half has a cross-entropy of 0.
    entropy = -np.where(g == 1, np.log(p), np.log(1 - p)).sum() / 64
    assert loss.item() == pytest.approx(dice + entropy, rel=1e-4)
    assert not logits.grad[..., 2:].any()
    assert logits.grad[..., :2].abs().min() > 0


def test_convolutions_of_training_run_in_bfloat16_on_a_cpu_where_asked():
    layer, image = torch.nn.Conv3d(1, 1, 3), torch.ones(1, 1, 4, 4, 4)
    for enabled, kind in ((True, torch.bfloat16), (False, torch.float32)):
        assert CpuBfloat16(SimpleInferer(), enabled)(image, layer).dtype == kind
    with pytest.raises(ParameterError, match="True or False"):
        CpuBfloat16(SimpleInferer(), "false")
