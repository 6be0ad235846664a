"""What a network is and expects: architecture, channels, normalisation, spacing. A checkpoint carries it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from fdglung.errors import CheckpointError, ParameterError
from fdglung.network.normalisation import Table, check_table

FORMAT = "fdglung lesion network 1"
"""Names the form of the description in a checkpoint."""

Channel = Literal["PET", "CT", "foreground", "background"]

CHANNELS: tuple[Channel, ...] = get_args(Channel)
"""What a network can look at: PET is SUVbw in g/ml, CT is HU; clicks are as `fdglung.network.click_maps` draws them."""

CLICKS: tuple[Channel, ...] = ("foreground", "background")
"""Channels of clicks: into lesions, and on what is none."""

ARCHITECTURES = ("unet", "segresnet_ds", "dynunet")
"""Networks that `fdglung.network.architectures` builds."""

STEPS = 16
"""Sides of a window are multiples of this number of voxels: four halvings."""


@dataclass(frozen=True)
class NetworkSpec:
    """All that inference must know of a network besides its weights.

    Attributes
    ----------
    architecture
        One of `ARCHITECTURES`.
    features
        Channels of each level, finest first; each level halves the grid.
    residual_units
        Units of each level of the UNet.
    channels
        Order of the input channels.
    outputs
        Names of the output channels; ``background`` first, ``lesion`` second, auxiliary organs after them.
    spacing_mm
        Of the isotropic grid that the network works on, in mm.
    window
        Voxels (z, y, x) of a window, as in training.
    normalisation
        For each channel the points between which raw values (g/ml, HU) map linearly onto what the network sees.
    optional
        Channels that the network was trained to do without.
    trained_on
        What the weights saw, in words that a physician reads beside each result.

    """

    architecture: str
    features: tuple[int, ...]
    channels: tuple[str, ...]
    outputs: tuple[str, ...]
    spacing_mm: float
    window: tuple[int, int, int]
    normalisation: Mapping[str, Table]
    residual_units: int = 2
    optional: tuple[str, ...] = ()
    trained_on: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        """Refuse what no network can be.

        Raises
        ------
        ParameterError
            Names the field that is wrong.

        """
        _require(self.architecture in ARCHITECTURES, "architecture", f"one of {', '.join(ARCHITECTURES)}")
        _require(len(self.features) >= 2 and all(n >= 1 for n in self.features), "features", "two levels or more")
        _require(
            bool(self.channels)
            and len(set(self.channels)) == len(self.channels)
            and set(self.channels) <= set(CHANNELS),
            "channels",
            f"some of {', '.join(CHANNELS)}, each once",
        )
        _require(self.outputs[:2] == ("background", "lesion"), "outputs", "background, lesion and then organs")
        _require(0.5 <= self.spacing_mm <= 20, "spacing_mm", "0.5 to 20 mm")
        _require(
            len(self.window) == 3 and all(n > 0 and n % STEPS == 0 for n in self.window),
            "window",
            f"three multiples of {STEPS}",
        )
        _require(set(self.normalisation) >= set(self.channels), "normalisation", "a table for each channel")
        _require(set(self.optional) < set(self.channels), "optional", "some of the channels, never all of them")
        for channel in self.channels:
            check_table(channel, self.normalisation[channel])


def make_spec(values: Mapping[str, Any]) -> NetworkSpec:
    """Build a description from plain values, lists for tuples.

    Raises
    ------
    ParameterError
        A field is missing, unknown or impossible.

    """
    plain = dict(values)
    try:
        for name in ("features", "channels", "outputs", "window", "optional"):
            if name in plain:
                plain[name] = tuple(plain[name])
        plain["normalisation"] = {
            channel: tuple((float(x), float(y)) for x, y in points)
            for channel, points in plain["normalisation"].items()
        }
        return NetworkSpec(**plain)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, ParameterError):
            raise
        raise ParameterError(
            f"the description of the network is incomplete or holds what none has ({error})",
            attribute="network",
            remedy="Give architecture, features, channels, outputs, spacing_mm, window and normalisation",
        ) from error


def to_json(spec: NetworkSpec) -> str:
    """Write a description as one line of JSON."""
    return json.dumps({"format": FORMAT, **asdict(spec)}, ensure_ascii=False)


def from_json(text: str, *, source: str) -> NetworkSpec:
    """Read a description.

    Parameters
    ----------
    text
        What `to_json` wrote.
    source
        Name of the file it came from, for the message.

    Raises
    ------
    CheckpointError
        It is no such description.

    """
    try:
        values = json.loads(text)
        if values.pop("format") != FORMAT:
            raise ValueError("another format")
        return make_spec(values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{source} does not say what network it holds ({error})",
            attribute="checkpoint",
            remedy="Give a checkpoint that this version's bundle wrote",
        ) from error


def check_same(first: NetworkSpec, second: NetworkSpec, *, names: Sequence[str], only: Sequence[str] = ()) -> None:
    """Refuse two descriptions that differ in what makes weights fit and inputs mean the same.

    Parameters
    ----------
    first, second
        Descriptions.
    names
        What the two are called in the message, such as a configuration and a file.
    only
        Fields to compare; all but the training text and the window by default.

    Raises
    ------
    CheckpointError
        Names the field and both values.

    """
    fields = only or (
        *("architecture", "features", "residual_units", "channels", "outputs", "spacing_mm", "normalisation"),
    )
    for name in fields:
        here, there = getattr(first, name), getattr(second, name)
        if here != there:
            raise CheckpointError(
                f"{names[0]} has {name} {_told(here)}, {names[1]} has {_told(there)}",
                attribute=name,
                remedy="Give a checkpoint of the same network, or change the configuration to the checkpoint's",
            )


def _told(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(str(item) for item in value) + "]"
    return str(value)


def _require(condition: bool, name: str, wanted: str) -> None:
    if not condition:
        raise ParameterError(f"the network's {name} cannot be used", attribute=name, remedy=f"Give {wanted}")
