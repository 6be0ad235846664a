"""Make the pictures of README and docs from the synthetic study: `python docs/pictures.py`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from fdglung import study
from fdglung.phantom import simple_thorax, write_dicom
from fdglung.pipeline import analyze
from fdglung.reporting import write_report

PICTURES = Path(__file__).with_name("pictures")


def main() -> None:
    """Analyse the synthetic study and keep the pictures that the pages show."""
    with tempfile.TemporaryDirectory() as folder:
        dicom = write_dicom(simple_thorax(), Path(folder) / "study")
        write_report(analyze(study.load(dicom)), Path(folder) / "report")
        PICTURES.mkdir(exist_ok=True)
        for name in ("mip.png", "lesion_01.png"):
            shutil.copy(Path(folder) / "report" / name, PICTURES / name)


if __name__ == "__main__":
    main()
