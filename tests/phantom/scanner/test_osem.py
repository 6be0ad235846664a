import pytest
import torch

from fdglung.phantom.scanner.osem import reconstruct
from fdglung.phantom.scanner.projector import Projector

SIZE = 61
PROJECTOR = Projector(SIZE, 5.0, 60)


def ellipse(a, b, centre=(0, 0)):
    place = (torch.arange(SIZE) - (SIZE - 1) / 2) * 5.0
    x, y = place[None, :] - centre[0], place[:, None] - centre[1]
    return ((x / a) ** 2 + (y / b) ** 2 <= 1).float()[None]


def test_exact_counts_give_the_image_back():
    image = ellipse(120, 80) + 3 * ellipse(25, 25, (40, 10))
    found = reconstruct(PROJECTOR.forward(image), PROJECTOR, factors=torch.ones(1, 1, 1, 1), iterations=4, subsets=12)
    assert float(found[ellipse(15, 15, (40, 10)) > 0].mean()) == pytest.approx(4, rel=0.01)
    assert float(found[ellipse(30, 40, (-60, 0)) > 0].mean()) == pytest.approx(1, rel=0.01)
    assert float(found.sum()) == pytest.approx(float(image.sum()), rel=2e-3)


def test_attenuation_and_background_that_the_model_knows_change_nothing():
    image = ellipse(120, 80)
    factors = torch.exp(-PROJECTOR.forward(0.096 * image))
    background = torch.full(factors.shape, 0.4)
    found = reconstruct(
        factors * PROJECTOR.forward(image) + background,
        PROJECTOR,
        factors=factors,
        background=background,
        iterations=4,
        subsets=12,
    )
    assert float(found[ellipse(80, 50) > 0].mean()) == pytest.approx(1, rel=0.01)


def test_more_counts_for_one_unit_scale_the_image_down():
    image = ellipse(100, 100)
    data = PROJECTOR.forward(image)
    found = reconstruct(data, PROJECTOR, factors=torch.full((1, 1, 1, 1), 5.0), iterations=3, subsets=12)
    assert float(found[ellipse(60, 60) > 0].mean()) == pytest.approx(0.2, rel=0.01)


def test_slices_do_not_touch_each_other():
    image = torch.cat([ellipse(100, 60), 0 * ellipse(100, 60), 2 * ellipse(50, 50)])
    data = PROJECTOR.forward(image)
    together = reconstruct(data, PROJECTOR, factors=torch.ones(1, 1, 1, 1), iterations=2, subsets=6)
    alone = reconstruct(data[:, 2:], PROJECTOR, factors=torch.ones(1, 1, 1, 1), iterations=2, subsets=6)
    assert float(together[1].max()) == 0
    assert together[2].numpy() == pytest.approx(alone[0].numpy(), abs=1e-4)
