"""Training a network that is guided by clicks: two more channels, and a simulated annotator who corrects it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.inferers import Inferer

from fdglung.network.checkpoint import fill, read_checkpoint, read_weights
from fdglung.network.click_maps import NORMALISATION, click_maps
from fdglung.network.spec import CLICKS, NetworkSpec, check_same
from fdglung.simulated_clicks import next_click
from scripts.augment import Augmentation
from scripts.cases import IGNORED, CachedCases
from scripts.patches import PatchLoader, Sampling
from scripts.whole import WholeCases


def with_clicks(normalisation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables of the images with those of the click channels."""
    return {**normalisation, **dict.fromkeys(CLICKS, NORMALISATION)}


def images_of(spec: NetworkSpec) -> NetworkSpec:
    """Return the description without the channels of clicks: what cases and patches hold."""
    names = tuple(name for name in spec.channels if name not in CLICKS)
    return dataclasses.replace(spec, channels=names, normalisation={name: spec.normalisation[name] for name in names})


def load_weights(module: torch.nn.Module, description: NetworkSpec, path: str) -> torch.nn.Module:
    """Fill a network from a checkpoint of the same one, or of one without clicks; channels that it lacks start at zero.

    Parameters
    ----------
    module
        As `scripts.model.network` built it; changed.
    description
        What it is.
    path
        A checkpoint of either kind; an empty string leaves the network as it is.

    Returns
    -------
    torch.nn.Module
        The same module. Before training it answers as the checkpoint's network does, whatever is clicked.

    Raises
    ------
    CheckpointError
        The checkpoint differs in more than the channels of clicks.

    """
    if not path:
        return module
    checkpoint = read_checkpoint(path)
    known = checkpoint.spec.channels
    plain = description if set(CLICKS) & set(known) else images_of(description)
    check_same(plain, checkpoint.spec, names=("the configuration", checkpoint.path.name))
    weights = read_weights(Path(path))
    if plain is not description:
        weights = _widened(weights, module.state_dict(), [description.channels.index(name) for name in known])
    fill(module, weights, spec=description, name=checkpoint.path.name)
    return module


def _widened(
    weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], places: Sequence[int]
) -> dict[str, torch.Tensor]:
    """Put the input channels of the first convolutions to their places, and zeros to the others."""
    wide = {}
    for name, values in weights.items():
        target = expected.get(name)
        if target is None or target.shape == values.shape:
            wide[name] = values
        else:
            wide[name] = torch.zeros_like(target)
            wide[name][:, list(places)] = values.to(target.dtype)
    return wide


class Session:
    """A patch that an annotator corrects, click by click."""

    def __init__(self, image: torch.Tensor, label: torch.Tensor, clicks: int) -> None:
        self.image, self.left = image, clicks
        self.truth, self.counted = (label == 1).cpu().numpy(), (label != IGNORED).cpu().numpy()
        self.label = label
        self.clicks: tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]] = ([], [])

    def click(self, found: np.ndarray, random: np.random.Generator | None) -> None:
        """Give the next click, in view of what was found (z, y, x)."""
        click = next_click(self.truth, found, counted=self.counted, random=random)
        if click is not None:
            self.clicks[0 if click.foreground else 1].append(click.voxel)

    def input(self, spacing_mm: float) -> torch.Tensor:
        """Return images and clicks (channel, z, y, x)."""
        maps = click_maps(self.truth.shape, *self.clicks, spacing_mm=spacing_mm)
        return torch.cat([self.image, torch.from_numpy(maps).to(self.image)])


class ClickLoader:
    """Gives batches as `scripts.patches.PatchLoader` with the channels of clicks behind those of the images.

    A patch comes again, with one click more each time, until it has had a random number of them: first none, or one
    inside a lesion, then at what the network had most wrong when it was trained on the patch before
    (`fdglung.simulated_clicks.next_click`). So a click costs no further run of the network. Each epoch begins anew,
    so that a resumed run sees what an uninterrupted one would.

    Parameters
    ----------
    cases, patch_size, batch_size, steps, sampling, augmentation, seed, device, rank
        As of `scripts.patches.PatchLoader`.
    spec
        The network, its channels of clicks last.
    most_clicks
        Largest number of clicks on a patch.
    first_inside
        Share of patches that begin with a click inside a lesion.

    """

    def __init__(
        self,
        cases: CachedCases,
        spec: NetworkSpec,
        patch_size: Sequence[int],
        batch_size: int,
        steps: int,
        sampling: Sampling,
        augmentation: Augmentation,
        seed: int,
        device: torch.device | str = "cpu",
        rank: int = 0,
        most_clicks: int = 10,
        first_inside: float = 0.5,
    ) -> None:
        images = images_of(spec)
        self.patches = PatchLoader(cases, images, patch_size, 1, steps, sampling, augmentation, seed, device, rank)
        self.spec, self.batch_size, self.steps = spec, batch_size, steps
        self.most_clicks, self.first_inside = most_clicks, first_inside
        self.sessions: list[Session | None] = [None] * batch_size
        self._random = np.random.default_rng(0)

    def __len__(self) -> int:
        return self.steps

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next, from 1; patches of the last one are left."""
        self.patches.set_epoch(epoch)
        self.sessions = [None] * self.batch_size

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        for step in range(self.steps):
            yield self.batch(self.patches.epoch, step)

    def batch(self, epoch: int, step: int) -> dict[str, torch.Tensor]:
        """Return the batch of a step, counted from 0, in view of what `answered` was told of the one before."""
        self._random = np.random.default_rng((self.patches.seed, epoch, step, self.patches.rank, 1))
        sessions = []
        for place, session in enumerate(self.sessions):
            if session is None or session.left <= 0:
                session = self._begin(epoch, step * self.batch_size + place)
            sessions.append(session)
        self.sessions = list(sessions)
        return {
            "image": torch.stack([session.input(self.spec.spacing_mm) for session in sessions]),
            "label": torch.stack([session.label for session in sessions])[:, None],
        }

    def answered(self, logits: torch.Tensor) -> None:
        """Hear what the network said (batch, output, z, y, x) of the last batch, and click on it."""
        found = (logits.detach().argmax(dim=1) == 1).cpu().numpy()
        for session, mask in zip(self.sessions, found, strict=True):
            if session is not None:
                session.left -= 1
                if session.left > 0:
                    session.click(mask, self._random)

    def _begin(self, epoch: int, number: int) -> Session:
        patch = self.patches.batch(epoch, number)
        session = Session(patch["image"][0], patch["label"][0, 0], 1 + int(self._random.integers(self.most_clicks + 1)))
        if session.truth.any() and self._random.random() < self.first_inside:
            session.click(np.zeros_like(session.truth), self._random)
        return session


class Answering(Inferer):
    """Runs another inferer in training, and lets the annotator of a `ClickLoader` see its answers."""

    def __init__(self, inferer: Inferer, loader: ClickLoader) -> None:
        super().__init__()
        self.inferer, self.loader = inferer, loader

    def __call__(self, inputs: torch.Tensor, network: Any, *args: Any, **kwargs: Any) -> Any:
        """Return the other inferer's output."""
        output = self.inferer(inputs, network, *args, **kwargs)
        self.loader.answered(output)
        return output


class ClickedCases(WholeCases):
    """Whole cases for validation after some clicks at what a network has most wrong.

    Parameters
    ----------
    cases, window
        As of `scripts.whole.WholeCases`.
    spec
        The network, its channels of clicks last.
    network, inferer
        What answers between the clicks.
    clicks
        How many.

    """

    def __init__(
        self,
        cases: CachedCases,
        spec: NetworkSpec,
        window: Sequence[int],
        network: torch.nn.Module,
        inferer: Inferer,
        clicks: int = 5,
    ) -> None:
        super().__init__(cases, images_of(spec), window)
        self.clicked, self.network, self.inferer, self.clicks = spec, network, inferer, clicks

    @torch.no_grad()
    def __getitem__(self, index: int) -> dict[str, Any]:
        item = super().__getitem__(index)
        session = Session(item["image"], item["label"][0], self.clicks)
        device = next(self.network.parameters()).device
        for _ in range(self.clicks):
            image = session.input(self.clicked.spacing_mm)[None].to(device)
            session.click((self.inferer(image, self.network)[0].argmax(dim=0) == 1).cpu().numpy(), None)
        return {**item, "image": session.input(self.clicked.spacing_mm)}
