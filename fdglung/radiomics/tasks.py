"""Pieces of work on single lesions, small enough to be sent to other processes, and what runs them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, Protocol, TypeVar

from fdglung.errors import FdglungError, ParameterError

Features = dict[str, float]
Key = TypeVar("Key")


class Task(Protocol):
    """Work that carries all that it needs; it can be pickled."""

    def run(self) -> Features:
        """Return features by their names."""
        ...


Outcome = Features | str
"""Features, or what was wrong in one sentence."""


class Workers:
    """Processes that stay ready between patients: ``with Workers(8) as workers: extract(…, workers=workers)``.

    They are started with the first work (spawned, so that threads of torch and ITK are not copied); a script that
    uses them needs ``if __name__ == "__main__":`` around its own work, as with every pool of Python.

    Parameters
    ----------
    count
        Processes, the caller's own among them; None for as many as the caller may use cores.

    """

    def __init__(self, count: int | None = None) -> None:
        if count is not None and count < 1:
            raise ParameterError("The number of processes is below 1", attribute="workers", remedy="Give 1 or more")
        self.count = count or usable_cores()
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes after the tasks that they are at."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def run(self, tasks: Iterable[tuple[Key, Task]], done: Callable[[Key, Outcome], None]) -> None:
        """Run tasks, this process taking its share, and hand each outcome to `done` in the order they end.

        Tasks are drawn from `tasks` as they are needed. If a process dies, for want of memory say, this one does what
        is left.
        """
        left = iter(tasks)
        with _one_thread_each():
            if self.count > 1:
                self._run_together(left, done)
            else:
                for key, task in left:
                    done(key, outcome_of(task))

    def _run_together(self, left: Iterator[tuple[Key, Task]], done: Callable[[Key, Outcome], None]) -> None:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self.count - 1, mp_context=get_context("spawn"), initializer=_ready_worker)
        sent: dict[Future[Outcome], tuple[Key, Task]] = {}
        again: deque[tuple[Key, Task]] = deque()
        working = True
        while working:
            while self._pool is not None and len(sent) < 2 * (self.count - 1):
                item = next(left, None)
                if item is None:
                    break
                try:
                    sent[self._pool.submit(outcome_of, item[1])] = item
                except BrokenProcessPool:
                    self._pool = None
                    again.append(item)
            own = again.popleft() if again else next(left, None)
            if own is not None:
                done(own[0], outcome_of(own[1]))
            elif sent:
                wait(sent, return_when=FIRST_COMPLETED)
            for future in [future for future in sent if future.done()]:
                key, task = sent.pop(future)
                try:
                    done(key, future.result())
                except BrokenProcessPool:
                    self._pool = None
                    again.append((key, task))
            working = own is not None or bool(sent) or bool(again)


def outcome_of(task: Task) -> Outcome:
    """Run a task; whatever goes wrong with it is told and harms no other."""
    try:
        return task.run()
    except Exception as error:
        return reason(error)


def reason(error: Exception) -> str:
    """Return what was wrong, in one line."""
    if isinstance(error, FdglungError):
        return error.problem
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _ready_worker() -> None:
    """Leave Ctrl-C to the parent, and one thread to each process."""
    import signal

    import SimpleITK as sitk

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    limits = _thread_limits()
    if limits is not None:
        limits(1)
    # What tasks import, so that the first of them does not wait for it.
    import pywt  # type: ignore[import-untyped]  # noqa: F401
    import radiomics  # noqa: F401
    import skimage.measure  # noqa: F401

    import fdglung.radiomics.ibsi_mode
    import fdglung.radiomics.pyradiomics_mode  # noqa: F401


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Keep linear algebra to one thread: its matrices are small, and the last bit does not depend on the machine."""
    limits = _thread_limits()
    if limits is None:
        yield
        return
    with limits(1):
        yield


def _thread_limits() -> Any:
    try:
        from threadpoolctl import threadpool_limits  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        return None
    return threadpool_limits
