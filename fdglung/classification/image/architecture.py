"""The network: MONAI's residual network for each lesion, a class for each, and attention over a patient's lesions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.networks.nets import ResNet
from numpy.typing import NDArray
from torch import Tensor, nn

from fdglung.classification.image.config import ImageClassifierConfig
from fdglung.errors import ModelMismatchError

_FIRST_KERNEL = 5


class LesionNetwork(nn.Module):
    """Lesions and their patient at once.

    MONAI's ResNet embeds each patch. A linear layer gives the lesion's class; attention over a patient's lesions
    weighs their embeddings, and another linear layer gives the patient's class: multiple instance learning after Ilse
    et al., equation 8 (ICML 2018, PMLR 80:2127, arXiv:1802.04712).

    Parameters
    ----------
    config
        Channels and sizes.
    classes
        How many.

    """

    def __init__(self, config: ImageClassifierConfig, classes: int) -> None:
        super().__init__()
        self.backbone = ResNet(
            "basic",
            list(config.blocks),
            list(config.features),
            spatial_dims=3,
            n_input_channels=len(config.channels),
            conv1_t_size=_FIRST_KERNEL,
            conv1_t_stride=2,
            no_max_pool=True,
            feed_forward=False,
        )
        length = config.features[-1]
        self.dropout = nn.Dropout(config.dropout)
        self.lesion = nn.Linear(length, classes)
        self.attention = nn.Sequential(
            nn.Linear(length, config.attention), nn.Tanh(), nn.Linear(config.attention, 1, bias=False)
        )
        self.patient = nn.Linear(length, classes)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Classify the lesions of one patient.

        Parameters
        ----------
        image
            (lesions, channels, z, y, x) normalised.

        Returns
        -------
        tuple of Tensor
            Embeddings (lesions, length), the lesions' logits (lesions, classes), their attention (lesions,), which
            sums to 1, and the patient's logits (classes,).

        """
        embedding = self.dropout(self.backbone(image))
        attention, patient = self.pooled(embedding)
        return embedding, self.lesion(embedding), attention, patient

    def pooled(self, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Return the attention (lesions,) and the logits (classes,) of the patient with these lesions."""
        attention = self.attention(embedding)[:, 0].softmax(dim=0)
        return attention, self.patient(attention @ embedding)


def build(config: ImageClassifierConfig, classes: int, *, seed: int = 0) -> LesionNetwork:
    """Build a network with random weights, which depend on the seed and on nothing that was drawn before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LesionNetwork(config, classes)


def weights_of(network: nn.Module) -> dict[str, NDArray[Any]]:
    """Return a network's weights by name, those that count steps left out."""
    return {
        name: value.detach().cpu().numpy().copy()
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def filled(config: ImageClassifierConfig, classes: int, weights: Mapping[str, NDArray[Any]]) -> LesionNetwork:
    """Build a network with given weights, for evaluation.

    Raises
    ------
    ModelMismatchError
        They are not those of such a network.

    """
    network = build(config, classes)
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    given = {name: tuple(np.shape(value)) for name, value in weights.items()}
    wrong = [
        name
        for name in sorted({*expected, *given})
        if not name.endswith("num_batches_tracked") and expected.get(name) != given.get(name)
    ]
    if wrong:
        raise ModelMismatchError(
            f"{len(wrong)} of {len(expected)} tensors are missing, of another shape or too many, {wrong[0]} first",
            attribute="--model",
            remedy="Give the file that `fdglung train-image-classifier --out` wrote",
        )
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()}, strict=False)
    return network.eval()


def answers(network: LesionNetwork, seen: NDArray[np.float32]) -> tuple[NDArray[np.float64], ...]:
    """Return what `LesionNetwork.forward` says of one patient's patches (lesions, channels, z, y, x), as arrays."""
    with torch.inference_mode():
        found: Sequence[Tensor] = network.eval()(torch.from_numpy(seen))
    return tuple(one.double().numpy() for one in found)
