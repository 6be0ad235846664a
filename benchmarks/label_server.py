"""A label server on loopback with a few studies of a cohort, for timing."""

from __future__ import annotations

import http.client
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

_LONGEST_START_S = 900


@dataclass(frozen=True)
class RunningServer:
    """A server that answers.

    Attributes
    ----------
    port
        On 127.0.0.1.
    names
        Of its studies.
    folder
        For the client's files.
    start_s, start_cpu_s
        Time from its start to its first answer, and what it needed of the processors meanwhile, in seconds.

    """

    port: int
    names: tuple[str, ...]
    folder: Path
    start_s: float = 0.0
    start_cpu_s: float = 0.0

    def seconds_of(self, path: str) -> float:
        """Return how long a GET takes, the connection included."""
        started = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                raise RuntimeError(f"{path} was answered by {response.status}")
        finally:
            connection.close()
        return time.perf_counter() - started

    def infer(self, model: str, name: str) -> None:
        """Run a tool on a study by MONAI Label's client."""
        from monailabel.client import MONAILabelClient

        client = MONAILabelClient(f"http://127.0.0.1:{self.port}", str(self.folder))
        file, _ = client.infer(model, name, {"result_extension": ".nrrd"})
        Path(file).unlink()


@contextmanager
def running_server(studies: Sequence[Path]) -> Iterator[RunningServer]:
    """Serve copies of NIfTI studies while the block runs."""
    with tempfile.TemporaryDirectory(prefix="fdglung_benchmark_") as home:
        root = Path(home) / "studies"
        for study in studies:
            (root / study.name).mkdir(parents=True)
            for name in ("pet.nii.gz", "ct.nii.gz"):
                shutil.copyfile(study / name, root / study.name / name)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with (Path(home) / "server.log").open("wb") as log:
            command = [sys.executable, "-m", "fdglung", "label", str(root), "--port", str(port)]
            started = time.monotonic()
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        server = RunningServer(port, tuple(study.name for study in studies), Path(home))
        try:
            _wait(server, process)
            spent = psutil.Process(process.pid).cpu_times()
            yield replace(server, start_s=time.monotonic() - started, start_cpu_s=spent.user + spent.system)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _wait(server: RunningServer, process: subprocess.Popen[bytes]) -> None:
    started = time.monotonic()
    while True:
        try:
            server.seconds_of("/info/")
        except OSError:
            if process.poll() is not None or time.monotonic() - started > _LONGEST_START_S:
                raise RuntimeError("the server did not start") from None
            time.sleep(0.2)
        else:
            return
