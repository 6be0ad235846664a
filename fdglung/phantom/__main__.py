"""Make the synthetic study: ``python -m fdglung.phantom OUT [--seed N] [--overwrite]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fdglung.errors import FdglungError


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the study and say where; return 0, or 2 where it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m fdglung.phantom", description="Make a synthetic FDG PET/CT study.")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for dicom/ and truth.json")
    parser.add_argument("--seed", type=int, default=0, help="of the noise and the lung vessels (default: 0)")
    parser.add_argument("--overwrite", action="store_true", help="replace a synthetic study that is there")
    options = parser.parse_args(arguments)
    from tqdm import tqdm

    from fdglung.phantom.simple import simple_thorax
    from fdglung.phantom.writer import write_dicom

    try:
        with tqdm(total=2, desc="painting the study", bar_format="{desc:<28} |{bar}| {elapsed}") as bar:
            phantom = simple_thorax(seed=options.seed)
            bar.update()
            bar.set_description_str("writing DICOM")
            study = write_dicom(phantom, options.out, overwrite=options.overwrite)
            bar.update()
    except FdglungError as error:
        print(f"{error.kind}: {error}", file=sys.stderr)
        return 2
    print(f"Synthetic PET/CT study: {study}; the truth: {options.out / 'truth.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
