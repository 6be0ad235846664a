"""The weights that the package carries: the networks of bundle/models that run without torch."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from apps.lesion_report.configuration import LESION_MODELS


@dataclass(frozen=True)
class Weights:
    """Which networks were found.

    Attributes
    ----------
    carried
        ONNX files, in the order of their names.
    left
        torch files; the image has no torch.

    """

    carried: tuple[Path, ...]
    left: tuple[Path, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the builder of a package must know, in full sentences."""
        notes = [f"{path.name} stays behind: the image has no torch; export it to ONNX." for path in self.left]
        if not self.carried:
            notes.append("No ONNX network was found, so the package finds lesions by thresholds only.")
        return tuple(notes)


def find_weights(folder: Path) -> Weights:
    """Find the networks of a folder, which need not exist; a torch file with an ONNX file beside it is not told."""
    carried = tuple(sorted(folder.glob("*.onnx")))
    stems = {path.stem for path in carried}
    return Weights(carried, tuple(path for path in sorted(folder.glob("*.pt")) if path.stem not in stems))


def stage_models(weights: Weights, folder: Path) -> Path | None:
    """Copy the networks to the lesions' sub-folder of `folder`; None where there are none."""
    if not weights.carried:
        return None
    target = folder / LESION_MODELS
    target.mkdir(parents=True)
    for path in weights.carried:
        shutil.copy2(path, target / path.name)
    return folder


def sha256(path: Path) -> str:
    """Return the checksum of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
