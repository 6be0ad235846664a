"""What makes small studies for the tests of cohorts; importable, so that workers find it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from fdglung.errors import ParameterError
from fdglung.phantom.subject import draw_subject
from tests.phantom.writer.studies import LESIONS, study


def make_small(
    *, seed, region, lesion_class, overlap, scanner, tracer, dose_factor, with_nac, grid_mm, progress=None, **unknown
):
    """A study of some hundred voxels that differs by its seed and says of what class its lesions are."""
    assert not unknown
    if progress is not None:
        progress("making", 0.5)
    count = seed % 3
    size = {"pet_size": (8, 8, 6), "ct_size": (8, 8, 6)} if grid_mm else {"pet_size": (8, 8, 6), "ct_size": (12, 10, 4)}
    made = study(
        scanner,
        seed=seed % 1000,
        lesions=tuple((lesion_class, *lesion[1:]) for lesion in LESIONS[:count]),
        with_nac=with_nac,
        subject=draw_subject(np.random.default_rng(seed)),
        tracer=tracer,
        dose_factor=dose_factor,
        **size,
    )
    made.parameters.update({"seed": seed, "region": region, "overlap": overlap, "grid_mm": grid_mm})
    return made


def make_but_refuse(**options):
    """As `make_small`, but refuse the studies of one class as the library does."""
    if options["lesion_class"] == "benign":
        raise ParameterError("a lesion does not fit", attribute="lesion_class", remedy="Give another seed")
    return make_small(**options)


def make_slowly(**options):
    """As `make_small`, but leave a note and wait: for tests that interrupt."""
    note = Path(os.environ["FDGLUNG_TEST_NOTES"]) / f"{options['seed']}"
    note.touch()
    # in small steps, as a study is made: a signal that another thread takes does not wake the one that sleeps
    for _ in range(1200):
        time.sleep(0.05)
    return make_small(**options)
