from __future__ import annotations

import pytest

from fdglung.evaluation.surface import surface_distances
from tests.evaluation.shapes import blobs, box

pytestmark = pytest.mark.slow
SPACING = (3.0, 2.0, 1.5)


@pytest.mark.parametrize("tolerance", [1.0, 2.0, 4.0])
def test_surface_dice_is_that_of_monai_with_subvoxels(tolerance):
    torch = pytest.importorskip("torch")
    from monai.metrics import SurfaceDiceMetric

    pairs = [(blobs(n), blobs(n + 50)) for n in range(4)]
    pairs.append((box((0, 0, 0), (9, 9, 9)), box((1, 0, 2), (9, 9, 9))))
    for reference, prediction in pairs:
        metric = SurfaceDiceMetric([tolerance], include_background=True, use_subvoxels=True)
        tensors = [torch.from_numpy(mask[None, None].astype("float32")) for mask in (prediction, reference)]
        theirs = float(metric(*tensors, spacing=SPACING))
        assert surface_distances(reference, prediction, SPACING).dice(tolerance) == pytest.approx(theirs, abs=1e-5)
