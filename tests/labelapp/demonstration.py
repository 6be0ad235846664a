"""`make label-demo` on studies of a test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom

from tests.cases import ROOT


@contextmanager
def running_demonstration(folder: Path, *options: str) -> Iterator[str]:
    """Run it on ``folder/dicom``, by thresholds; yield what it printed once everything answers."""
    ports = [part for name in ("--port", "--pacs-port", "--viewer-port") for part in (name, str(free_port()))]
    command = ["-m", "labelapp.demo", str(folder), "--dicom", str(folder / "dicom"), "--checkpoint", "none"]
    log = folder / "demo.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, *command, *ports, *options],
            cwd=ROOT,
            stdout=stream,
            stderr=stream,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            while "Ctrl-C stops" not in log.read_text():
                assert process.poll() is None, log.read_text()
                time.sleep(0.5)
            yield log.read_text()
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(120) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def study_uid(folder: Path) -> str:
    return str(pydicom.dcmread(next(folder.rglob("*.dcm")), stop_before_pixels=True).StudyInstanceUID)
