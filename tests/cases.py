"""Real cases outside the repository, and what to skip where they are missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def case(name: str) -> Path:
    """Return the folder or file of a real case, or skip the test with a message that names it."""
    folder = Path(os.environ.get("FDGLUNG_DATA") or ROOT.parent / "shared" / "data")
    path = folder / name
    if not path.exists():
        pytest.skip(f"the real case {name} is not in the folder that FDGLUNG_DATA names")
    return path
