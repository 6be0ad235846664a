"""Programs and servers that run as long as a block does."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from labelapp.demo.relay import outside

_STOP_SECONDS = 30.0


@contextmanager
def running(
    command: Sequence[str], log: Path, *, stop: signal.Signals = signal.SIGTERM
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program, and end it with all that it started.

    Parameters
    ----------
    command
        Program and arguments.
    log
        File for what it prints.
    stop
        Signal that ends it; what is left of its session after 30 seconds is killed.

    """
    with log.open("wb") as stream:
        # A session of its own, so that Ctrl-C reaches us alone and the order of ending is ours.
        process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
        )
        try:
            yield process
        finally:
            process.send_signal(stop)
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            with _nobody_left():
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def in_background(port: int, path: str) -> Iterator[None]:
    """Hand on connections from a port of the loopback to a socket in the file system."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(outside(port, path))
    thread = threading.Thread(target=loop.run_forever, name="relay", daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.close()


@contextmanager
def _nobody_left() -> Iterator[None]:
    try:
        yield
    except (ProcessLookupError, PermissionError):
        return
