"""Names of features in a table, their order, and the versions of what makes them."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from fdglung import __version__
from fdglung.radiomics.codes import code_of
from fdglung.radiomics.columns import SUV_MEANINGS

SUV_FEATURES = tuple(SUV_MEANINGS)
"""What PET has besides radiomics."""

_PACKAGES = ("numpy", "scipy", "scikit-image", "SimpleITK", "PyWavelets", "pyradiomics")


def versions() -> dict[str, str]:
    """Return the versions of all that decides values."""
    found = {"fdglung": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def ordered(features: Iterable[str]) -> list[str]:
    """Return names by image, in the order that a lesion's parts have if none overtakes another."""

    def place(name: str) -> tuple[int, str, int]:
        if name in SUV_FEATURES:
            return (0, "", SUV_FEATURES.index(name))
        image = name.split("_")[0]
        group = 1 if image == "original" else 2 if image.startswith("log") else 3
        return (group, image, 0 if name.startswith("original_shape") else 1)

    return sorted(features, key=place)


def with_code(name: str) -> str:
    """Return a feature's name with IBSI's code behind it, where it has IBSI's tag."""
    known = code_of(name.partition("_")[2])
    return name if known is None else f"{name}_{known.code}"
