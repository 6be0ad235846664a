"""The weights that the package carries: the networks of bundle/models that run without torch, and lungmask's own."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from apps.lesion_report.configuration import LESION_MODELS, LUNG_MODELS
from fdglung.lungs.inference import write_onnx
from fdglung.lungs.weights import PUBLISHED, R231_FILE, cache_folder


@dataclass(frozen=True)
class Weights:
    """Which networks were found.

    Attributes
    ----------
    carried
        ONNX files, in the order of their names.
    left
        torch files; the image has no torch.
    lungs
        lungmask's published weights in lungmask's own cache, which are carried as ONNX.

    """

    carried: tuple[Path, ...]
    left: tuple[Path, ...]
    lungs: tuple[Path, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the builder of a package must know, in full sentences."""
        notes = [f"{path.name} stays behind: the image has no torch; export it to ONNX." for path in self.left]
        if not self.carried:
            notes.append("No ONNX network was found, so the package finds lesions by thresholds only.")
        if R231_FILE not in {path.name for path in self.lungs}:
            notes.append(
                "lungmask's R231 is not in its cache, so the package finds lungs by fdglung's narrow network: `fdglung "
                "weights fetch R231` brings it."
            )
        return tuple(notes)


def find_weights(folder: Path) -> Weights:
    """Find the networks of a folder, which need not exist; a torch file with an ONNX file beside it is not told."""
    carried = tuple(sorted(folder.glob("*.onnx")))
    stems = {path.stem for path in carried}
    left = tuple(path for path in sorted(folder.glob("*.pt")) if path.stem not in stems)
    published = (cache_folder() / name for name in PUBLISHED.values())
    return Weights(carried, left, tuple(path for path in published if path.is_file()))


def stage_models(weights: Weights, folder: Path) -> Path | None:
    """Copy lesions' networks to their sub-folder of `folder`, export lungs' to theirs; None where there are none."""
    if not (weights.carried or weights.lungs):
        return None
    folder.mkdir(parents=True)
    if weights.carried:
        (folder / LESION_MODELS).mkdir()
    for path in weights.carried:
        shutil.copy2(path, folder / LESION_MODELS / path.name)
    for path in weights.lungs:
        write_onnx(path, folder / LUNG_MODELS / f"{path.stem}.onnx")
    return folder


def sha256(path: Path) -> str:
    """Return the checksum of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
