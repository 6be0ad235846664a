"""Orthanc with its DICOMweb plug-in, reached from this machine alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from fdglung.annotation.pacs import Pacs, Service
from fdglung.errors import BackendError, PacsError
from labelapp.demo.processes import in_background, running

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
"""Where Debian's package puts it."""

_START_SECONDS = 60.0


def missing() -> str | None:
    """Return what is to be installed before there is an Orthanc; None for nothing."""
    if _program() is None:
        return "orthanc"
    return None if PLUGIN.is_file() else "orthanc-dicomweb"


@contextmanager
def orthanc(folder: Path, port: int) -> Iterator[Service]:
    """Run Orthanc as long as the block does.

    Parameters
    ----------
    folder
        For its database, its settings and its log.
    port
        Of the loopback.

    Yields
    ------
    Service
        Its DICOMweb service, which answers.

    Raises
    ------
    BackendError
        Orthanc or its plug-in is not installed, or did not start.

    """
    program, lacking = _program(), missing()
    if lacking or program is None:
        raise BackendError(
            "Orthanc is not installed as it is needed here", attribute=lacking, remedy=f"apt-get install {lacking}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    command = [program, str(_settings(folder, port))]
    with ExitStack() as stack:
        if _may_have_own_network():
            # The path of a socket may have a hundred signs.
            socket = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fdglung_"))) / "orthanc"
            relay = [sys.executable, "-m", "labelapp.demo.relay", str(socket), str(port)]
            command = ["unshare", "--user", "--map-root-user", "--net", "--", *relay, *command]
            stack.enter_context(in_background(port, str(socket)))
        else:
            print("Orthanc listens on every address of this machine, and answers this machine alone.")
        server = stack.enter_context(running(command, folder / "orthanc.log"))
        service = Service(f"http://127.0.0.1:{port}/dicom-web")
        _wait(service, server, folder)
        yield service


def _program() -> str | None:
    return shutil.which("Orthanc") or shutil.which("/usr/sbin/Orthanc")


def _settings(folder: Path, port: int) -> Path:
    path = folder / "orthanc.json"
    content = {
        "Name": "fdglung demonstration",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "DicomServerEnabled": False,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "StudiesMetadata": "Full", "SeriesMetadata": "Full"},
    }
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
    return path


def _may_have_own_network() -> bool:
    tried = shutil.which("unshare") and subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", "true"], capture_output=True, check=False
    )
    return bool(tried) and tried.returncode == 0  # type: ignore[union-attr]


def _wait(service: Service, server: subprocess.Popen[bytes], folder: Path) -> None:
    pacs = Pacs(service)
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            pacs.series("PT")
        except PacsError as error:
            if server.poll() is not None or time.monotonic() > end:
                raise BackendError(
                    "Orthanc did not start", attribute="label-demo", remedy=f"See {folder / 'orthanc.log'}"
                ) from error
            time.sleep(0.2)
        else:
            return
