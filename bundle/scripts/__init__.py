"""What the bundle's configurations call. Modules that need torch are imported by those that use them."""

from __future__ import annotations

from pathlib import Path

BUNDLE_ROOT = str(Path(__file__).resolve().parents[1])
"""The bundle's folder, wherever the command is run."""
