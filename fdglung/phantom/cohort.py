"""Make a cohort of synthetic studies: resumable, in several processes, the same bytes however it was made."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing import active_children, get_context
from pathlib import Path
from types import FrameType
from typing import Any

from fdglung import errors
from fdglung.errors import FdglungError, OutputExistsError, OutputWriteError, ParameterError
from fdglung.files import written_together
from fdglung.phantom.cohort_plan import Cohort, StudyRecipe, hashed, plan, read_cohort
from fdglung.phantom.cohort_tables import RECORD, record, write_tables
from fdglung.phantom.study import SyntheticStudy
from fdglung.phantom.writer.truth import NOTICE, made_by

__all__ = ["Cohort", "StudyRecipe", "make_cohort", "make_one", "plan", "read_cohort"]

Progress = Callable[[str, float], None]

Maker = Callable[..., SyntheticStudy]
"""Called as `fdglung.phantom.synthesis.make_study` is."""

MANIFEST = "cohort.json"
"""File that holds the recipes; a folder without it is no cohort."""


def make_cohort(
    cohort: Cohort,
    out: Path | str,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    make_study: Maker | None = None,
) -> Path:
    """Make the studies of a cohort that are not there yet, and the tables about all of them.

    ``out/study_0001`` and so on are written beside and renamed, so that one which is there is whole. ``cohort.json``
    holds the recipes, ``cohort.csv`` a row a study, ``lesions.csv`` a row a lesion, and ``datalist.json`` (NIfTI) the
    lists that MONAI reads, with paths relative to `out`.

    Parameters
    ----------
    cohort
        What to make.
    out
        Empty, not there, or the same cohort begun earlier, which is resumed.
    workers
        Processes; the files do not depend on it.
    progress
        Called with what is being done and the fraction of the whole.
    make_study
        What makes a study; by default `fdglung.phantom.synthesis.make_study`. With several workers a function that
        can be imported by its name.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    ParameterError
        `workers` is not positive, or a study cannot be made.
    OutputExistsError
        `out` holds other things or another cohort (what differs is named), or another process is writing it.
    OutputWriteError
        Writing failed; whole studies stay, half ones go.

    """
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ParameterError(f"workers is {workers!r}", attribute="workers", remedy="Give a whole number from 1 on")
    folder = Path(out).resolve()
    recipes = plan(cohort)
    manifest = _manifest(cohort, recipes)
    _open(folder, manifest)
    with _alone(folder):
        _sweep(folder)
        missing = [recipe for recipe in recipes if not _is_made(folder, recipe)]
        _make(missing, folder, make_study, workers, _counted(progress, len(recipes), len(recipes) - len(missing)))
        write_tables(folder, recipes)
    if progress is not None:
        progress("done", 1.0)
    return Path(out)


def make_one(
    recipe: StudyRecipe, folder: Path, *, make_study: Maker | None = None, progress: Progress | None = None
) -> None:
    """Make one study of a cohort by itself; `folder` must not be there or be empty.

    Raises
    ------
    ParameterError
        The study cannot be made.
    OutputExistsError, OutputWriteError
        What `fdglung.files.written_together` refuses.

    """
    from fdglung.phantom.writer.dicom import fill_dicom
    from fdglung.phantom.writer.nifti import fill_nifti

    with written_together(folder) as temporary:
        study = (make_study or _synthesis())(
            seed=recipe.seed,
            region=recipe.region,
            lesion_class=recipe.lesion_class,
            overlap=recipe.overlap,
            scanner=recipe.scanner,
            tracer=recipe.tracer,
            dose_factor=recipe.dose_factor,
            with_nac=recipe.with_nac,
            grid_mm=recipe.grid_mm,
            progress=progress,
        )
        tell = None if progress is None else _last_tenth(progress)
        if recipe.format == "dicom":
            fill_dicom(study, temporary, quirks=recipe.quirks, progress=tell)
        else:
            fill_nifti(study, temporary, progress=tell)
        (temporary / RECORD).write_text(_json(record(recipe, study)), encoding="utf-8")


def _last_tenth(progress: Progress) -> Progress:
    return lambda text, fraction: progress(text, 0.9 + 0.1 * fraction)


def _synthesis() -> Maker:
    from importlib import import_module

    maker: Maker = import_module("fdglung.phantom.synthesis").make_study
    return maker


def _manifest(cohort: Cohort, recipes: Sequence[StudyRecipe]) -> dict[str, Any]:
    return {
        "made_by": made_by(),
        "notice": NOTICE,
        "cohort": asdict(cohort),
        "cohort_sha256": hashed([made_by(), asdict(cohort)]),
        "studies": [{**asdict(recipe), "sha256": recipe.sha256} for recipe in recipes],
    }


def _open(folder: Path, manifest: dict[str, Any]) -> None:
    """Make the folder and its manifest, or see that they are this cohort's."""
    if folder.exists() and not folder.is_dir():
        raise OutputExistsError(f"{folder} is a file", attribute="out", remedy="Name a folder")
    path = folder / MANIFEST
    if path.exists():
        _compare(path, manifest)
        return
    if folder.is_dir() and any(not one.name.startswith(f".{MANIFEST}") for one in folder.iterdir()):
        raise OutputExistsError(
            f"the folder {folder} is not empty and holds no cohort",
            attribute="out",
            remedy="Name an empty or a new folder",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".{MANIFEST}.partial"
        partial.write_text(_json(manifest), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise OutputWriteError(
            f"the folder {folder} cannot be written ({error.strerror or type(error).__name__})",
            attribute="out",
            remedy="Free space, or name another folder",
        ) from error


def _compare(path: Path, manifest: dict[str, Any]) -> None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        before, now = ({"made_by": one["made_by"], **one["cohort"]} for one in (found, manifest))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputExistsError(
            f"{path} is no manifest of a cohort", attribute="out", remedy="Name an empty or a new folder"
        ) from error
    differing = [key for key in now | before if before.get(key) != now.get(key)]
    if differing:
        told = "; ".join(f"{key} was {before.get(key)!r} and is {now.get(key)!r}" for key in differing)
        raise OutputExistsError(
            f"the folder {path.parent} holds another cohort: {told}",
            attribute="out",
            remedy="Name another folder, or give the recipe that this one was begun with",
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second process out of a folder that is being written, where the system can."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise OutputExistsError(
            f"another process is writing the cohort in {folder}", attribute="out", remedy="Wait until it is done"
        ) from error
    finally:
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Remove what a process that was killed left half-written."""
    for path in folder.glob(".study_*.partial"):
        shutil.rmtree(path, ignore_errors=True)


def _is_made(folder: Path, recipe: StudyRecipe) -> bool:
    """Whether a study is there; one of another recipe under its name is an error."""
    study = folder / recipe.name
    if not study.exists():
        return False
    try:
        found = json.loads((study / RECORD).read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        found = None
    if found != recipe.sha256:
        raise OutputExistsError(
            f"{study} is not the study that the cohort has under this name",
            attribute="out",
            remedy="Remove that folder, and the study is made anew",
        )
    return True


def _make(
    recipes: Sequence[StudyRecipe], folder: Path, make_study: Maker | None, workers: int, tell: Progress | None
) -> None:
    if workers == 1 or len(recipes) < 2:
        for index, recipe in enumerate(recipes):
            make_one(recipe, folder / recipe.name, make_study=make_study, progress=_step(tell, recipe.name, index))
        return
    # processes are started anew: a fork would copy the threads of torch and ITK in whatever state they are
    others = set(active_children())
    threads = max(1, (os.cpu_count() or 1) // workers)
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_ready_worker, initargs=(threads,)
    ) as pool:
        try:
            waiting = {pool.submit(_attempt, recipe, folder, make_study): recipe for recipe in recipes}
            for index, future in enumerate(as_completed(waiting), start=1):
                if problem := future.result():
                    raise _error(*problem)
                if tell is not None:
                    tell(f"{waiting[future].name} made", index)
        except BaseException as error:
            if not isinstance(error, Exception):
                for child in set(active_children()) - others:
                    child.terminate()
            # until the last worker has ended its study or removed it, nothing may be said of the folder
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _ready_worker(threads: int) -> None:
    """Give a worker its share of the cores; let it, told to stop, leave and remove the study that it is at."""
    # torch reads it when a study first needs it
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)


_STOPPED: list[int] = []
"""Signals that told this worker to stop."""


def _stop(number: int, frame: FrameType | None) -> None:
    # Ctrl-C reaches workers twice, from the terminal and from the parent: the second must not break off the cleaning
    is_first = not _STOPPED
    _STOPPED.append(number)
    if is_first:
        sys.exit(1)


def _attempt(recipe: StudyRecipe, folder: Path, make_study: Maker | None) -> tuple[str, dict[str, Any]] | None:
    """Make a study in a worker; the library's errors come back as plain values, since they cannot be pickled."""
    if _STOPPED:
        # the pool hands out one study more than it has workers, and none of them can be taken back
        sys.exit(1)
    try:
        make_one(recipe, folder / recipe.name, make_study=make_study)
    except FdglungError as error:
        values = {name: getattr(error, name) for name in ("problem", "remedy", "series", "attribute")}
        return error.kind, values
    return None


def _error(kind: str, values: dict[str, Any]) -> FdglungError:
    made: FdglungError = getattr(errors, kind)(values.pop("problem"), **values)
    return made


def _counted(progress: Progress | None, total: int, made: int) -> Progress | None:
    """Turn the number of studies made in this run into the fraction of the cohort."""
    if progress is None:
        return None
    return lambda text, count: progress(text, (made + count) / total)


def _step(tell: Progress | None, name: str, index: int) -> Progress | None:
    if tell is None:
        return None
    tell(name, index)
    return lambda text, fraction: tell(f"{name}: {text}", index + fraction)


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
