"""The classifier that comes with the package: trained on synthetic lesions, used only where it is asked for by name."""

from __future__ import annotations

from pathlib import Path

PHANTOM = "phantom"
"""Names it in place of a file. It learned from synthetic studies alone, and says nothing of patients."""

FILE = Path(__file__).parent / "trained" / "phantom.skops"
"""Made by `python -m benchmarks.phantom_classes train`."""


def model_path(given: Path | str) -> Path:
    """Return the file of a model, or that of the shipped one where `given` is `PHANTOM`."""
    return FILE if str(given) == PHANTOM else Path(given)
