"""``python -m labelapp.demo FOLDER``: Orthanc, synthetic studies, the label server and the viewers, until Ctrl-C."""

from __future__ import annotations

import argparse
import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pydicom

from fdglung import RESEARCH_NOTICE
from fdglung.annotation.pacs import Pacs, RemoteSeries, Service
from fdglung.cli_progress import ProgressBar
from fdglung.errors import BackendError, FdglungError
from labelapp.demo.orthanc import orthanc
from labelapp.demo.processes import running
from labelapp.demo.site import PROTOCOL, fetch_viewer, serving, site

_START_SECONDS = 600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration until Ctrl-C or SIGTERM; return 0, or 2 where it could not start."""
    options = _parser().parse_args(arguments)
    # Also where a script's background job would ignore Ctrl-C.
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            _start(options, stack)
            signal.pause()
    except KeyboardInterrupt:
        print("Everything is stopped; the studies and labels are kept.")
    except FdglungError as error:
        print(f"{error.kind}: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="labelapp.demo", description=f"{__doc__} {RESEARCH_NOTICE}")
    parser.add_argument("folder", type=Path, help="for the studies, the PACS' database and the labels")
    parser.add_argument("--studies", type=int, default=2, metavar="N", help="synthetic studies (default: 2)")
    parser.add_argument("--dicom", type=Path, metavar="FOLDER", help="studies of yours instead")
    parser.add_argument("--port", type=int, default=8000, help="of MONAI Label (default: 8000)")
    parser.add_argument("--viewer-port", type=int, default=3000, help="of the OHIF viewer (default: 3000)")
    parser.add_argument("--pacs-port", type=int, default=8042, help="of Orthanc (default: 8042)")
    parser.add_argument("--viewer", type=Path, metavar="FOLDER", help="where that is kept (default: within FOLDER)")
    parser.add_argument("--no-viewer", action="store_true", help="without the viewer of the npm registry")
    parser.add_argument("--checkpoint", default="", metavar="FILE", help="network that proposes lesions")
    return parser


def _start(options: argparse.Namespace, stack: ExitStack) -> None:
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    built = None if options.no_viewer else fetch_viewer(options.viewer or folder / "viewer")
    studies = options.dicom or _phantoms(folder, options.studies)
    service = stack.enter_context(orthanc(folder / "orthanc", options.pacs_port))
    pacs = Pacs(service)
    _load(pacs, studies)
    _serve_labels(options, folder, service, stack)
    if built is not None:
        stack.enter_context(serving(site(built, service), options.viewer_port))
    _tell(options, pacs, folder, with_viewer=built is not None)


def _phantoms(folder: Path, count: int) -> Path:
    """Make synthetic studies, the first of them analysed, unless an earlier demonstration did."""
    studies = folder / "studies"
    # Makes what is missing of them.
    subprocess.run([sys.executable, "-m", "fdglung", "phantom", str(studies), "--studies", str(count)], check=True)
    first = sorted(path for path in studies.iterdir() if path.is_dir())[0]
    report = folder / "report"
    if not report.is_dir():
        command = ["analyze", str(first / "dicom" if (first / "dicom").is_dir() else first), str(report)]
        subprocess.run([sys.executable, "-m", "fdglung", *command], check=True)
    return folder


def _load(pacs: Pacs, folder: Path) -> None:
    """Store all DICOM files of a folder and of the report beside it that the PACS has not got."""
    there = {one.uid: one.instances for name in ("PT", "CT", "SEG", "SR", "DOC") for one in pacs.series(name)}
    series: dict[str, list[Path]] = {}
    for path in _dicom_files(folder):
        header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"])
        series.setdefault(str(header.SeriesInstanceUID), []).append(path)
    missing = [path for uid, paths in series.items() if (there.get(uid) or 0) < len(paths) for path in paths]
    with ProgressBar() as tell:
        for start in range(0, len(missing), 20):
            pacs.store([pydicom.dcmread(path) for path in missing[start : start + 20]])
            tell("Storing studies in the PACS", min(1.0, (start + 20) / len(missing)))


def _dicom_files(folder: Path) -> Iterator[Path]:
    for part in ("studies", "report") if (folder / "studies").is_dir() else ("",):
        yield from sorted((folder / part).rglob("*.dcm"))


def _serve_labels(options: argparse.Namespace, folder: Path, service: Service, stack: ExitStack) -> None:
    command = ["label", service.url, "--port", str(options.port), "--labels", str(folder / "labels")]
    if options.checkpoint:
        command += ["--checkpoint", options.checkpoint]
    log = folder / "label.log"
    server = stack.enter_context(running([sys.executable, "-m", "fdglung", *command], log, stop=signal.SIGINT))
    end = time.monotonic() + _START_SECONDS
    while not _answers(options.port):
        if server.poll() is not None or time.monotonic() > end:
            raise BackendError("MONAI Label did not start", attribute="label-demo", remedy=f"See {log}")
        time.sleep(0.3)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/info/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _tell(options: argparse.Namespace, pacs: Pacs, folder: Path, *, with_viewer: bool) -> None:
    pets: Sequence[RemoteSeries] = pacs.series("PT")
    print(f"\nMONAI Label for 3D Slicer: http://127.0.0.1:{options.port}")
    print(f"OHIF with MONAI Label:     http://127.0.0.1:{options.port}/ohif/")
    for pet in pets:
        print(f"  http://127.0.0.1:{options.port}/ohif/monai-label?StudyInstanceUIDs={pet.study}")
    if with_viewer:
        viewer = f"http://127.0.0.1:{options.viewer_port}/"
        print(f"OHIF, the current viewer:  {viewer}")
        for pet in pets:
            print(f"  {viewer}viewer?StudyInstanceUIDs={pet.study}&hangingProtocolId={PROTOCOL}")
    else:
        print("The current OHIF viewer is left out: it is fetched by npm, which is not installed or not wanted.")
    print(f"Labels:                    {folder / 'labels'}")
    print(f"Ctrl-C stops everything. {RESEARCH_NOTICE}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
