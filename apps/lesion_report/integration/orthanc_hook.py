"""Orthanc plug-in in Python: sends a stable PET/CT study to the application and stores the results back.

Research software. Not a medical device. docs/integration.md says how it is set up. It needs the plug-in orthanc-python
and Python's standard library alone; the application runs as a process or a container of its own, one study at a time.
"""

from __future__ import annotations

import hashlib
import json
import queue
import string
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

import orthanc  # type: ignore[import-not-found]  # made by Orthanc, in its own interpreter

SECTION = "FdgLung"
"""Section of Orthanc's configuration, with ``Command`` and, if need be, ``Folder`` and ``TimeoutSeconds``."""

FINGERPRINT = 4711
"""Number of the study's metadata that says which images and which command its results come from."""

STATUS = 4712
"""Number of the study's metadata that holds the status.json of the last run."""

INPUT_MODALITIES = ("PT", "CT")
"""Series that the application is given; its own results are not among them."""

FINAL_EXIT_CODES = (0, 2)
"""Done, and unusable input: neither becomes another by a second run on the same images."""


class Worker:
    """Runs the application on one study after the other.

    Parameters
    ----------
    command
        Program and arguments; ``$input`` and ``$output`` stand for the folders.
    folder
        Where the studies are put for the time of a run; None for the system's folder of temporary files.
    timeout_s
        Seconds after which a run is ended.

    """

    def __init__(self, command: list[str], *, folder: str | None = None, timeout_s: float = 1800) -> None:
        self._command, self._folder, self._timeout_s = command, folder, timeout_s
        self._waiting: queue.Queue[tuple[str, bool] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="fdglung", daemon=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def start(self) -> None:
        """Begin to take studies."""
        self._thread.start()

    def add(self, study: str, *, again: bool = False) -> None:
        """Put a study into the queue; `again` runs it even if its results are there."""
        self._waiting.put((study, again))

    def stop(self) -> None:
        """End the run in progress, which leaves nothing stored, and take no further study."""
        self._stopped = True
        self._waiting.put(None)
        if (process := self._process) is not None:
            process.terminate()
        if self._thread.is_alive():
            self._thread.join(timeout=10)

    def process(self, study: str, *, again: bool = False) -> str:
        """Run the application on a study and store what it made.

        Parameters
        ----------
        study
            Orthanc's identifier.
        again
            Whether to run where the results of the same images are there.

        Returns
        -------
        str
            What became of it, in one sentence without anything of the patient.

        """
        instances = input_instances(study)
        if instances is None:
            return "no PET, nothing to do"
        mark = fingerprint(instances.values(), self._command)
        if not again and metadata(study, FINGERPRINT) == mark:
            return "its results are there"
        with tempfile.TemporaryDirectory(prefix="fdglung-", dir=self._folder) as temporary:
            source, out = Path(temporary, "input"), Path(temporary, "output")
            source.mkdir()
            out.mkdir()
            for number, instance in enumerate(instances, 1):
                (source / f"{number:06d}.dcm").write_bytes(orthanc.GetDicomForInstance(instance))
            code = self._call(source, out)
            status = read_status(out)
            if self._stopped:
                return "Orthanc stopped before it was done"
            # A study that became another while the run lasted is stable anew later, and is run then.
            if input_instances(study) != instances:
                return "it changed during the run, whose results were dropped"
            stored = store(out) if code == 0 else 0
        put_metadata(study, STATUS, json.dumps(status or {"status": "failed", "exit_code": code}))
        if code in FINAL_EXIT_CODES:
            put_metadata(study, FINGERPRINT, mark)
        kind = ((status or {}).get("error") or {}).get("kind", "")
        return f"{stored} objects stored" if code == 0 else f"exit code {code} {kind}".rstrip()

    def _call(self, source: Path, out: Path) -> int:
        """Run the command; an exit code as a shell has it, 124 after the time-out."""
        folders = {"input": str(source), "output": str(out)}
        command = [string.Template(part).safe_substitute(folders) for part in self._command]
        try:
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        except OSError:
            return 127
        try:
            return self._process.wait(timeout=self._timeout_s)
        except subprocess.TimeoutExpired:
            self._end(self._process)
            return 124
        finally:
            self._process = None

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        """Ask the process to end, which a container's client hands on, and kill it if it does not."""
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _run(self) -> None:
        while (item := self._waiting.get()) is not None and not self._stopped:
            study, again = item
            try:
                orthanc.LogWarning(f"fdglung: study {study}: {self.process(study, again=again)}")
            except Exception as error:  # the next study must not suffer
                orthanc.LogError(f"fdglung: study {study}: {type(error).__name__}")


def input_instances(study: str) -> dict[str, str] | None:
    """Return Orthanc's identifier and the SOPInstanceUID of each PET and CT image of a study; None without a PET."""
    found: dict[str, str] = {}
    modalities = set()
    for series in get(f"/studies/{study}/series"):
        modality = series["MainDicomTags"].get("Modality", "")
        if modality in INPUT_MODALITIES:
            modalities.add(modality)
            for instance in get(f"/series/{series['ID']}/instances"):
                found[instance["ID"]] = instance["MainDicomTags"]["SOPInstanceUID"]
    return dict(sorted(found.items())) if "PT" in modalities else None


def fingerprint(uids: Any, command: list[str]) -> str:
    """Return what names these images and this command, which names the version (an image's tag, an environment)."""
    return hashlib.sha256("\n".join([*command, *sorted(uids)]).encode()).hexdigest()


def read_status(out: Path) -> dict[str, Any] | None:
    """Return status.json of the application; None where it left none."""
    try:
        status = json.loads((out / "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return status if isinstance(status, dict) else None


def store(out: Path) -> int:
    """Store the DICOM objects of a folder; one that is there already, by its UID, is not stored twice."""
    paths = sorted(out.glob("*.dcm"))
    for path in paths:
        orthanc.RestApiPost("/instances", path.read_bytes())
    return len(paths)


def metadata(study: str, number: int) -> str | None:
    """Return metadata of a study; None where there is none."""
    try:
        return bytes(orthanc.RestApiGet(f"/studies/{study}/metadata/{number}")).decode()
    except orthanc.OrthancException:
        return None


def put_metadata(study: str, number: int, text: str) -> None:
    """Set metadata of a study, whatever was there."""
    orthanc.RestApiPut(f"/studies/{study}/metadata/{number}", text.encode())


def get(path: str) -> Any:
    """Return what Orthanc's REST interface answers."""
    return json.loads(orthanc.RestApiGet(path))


def on_change(change: int, level: int, resource: str) -> None:
    """Take stable studies, and stop with Orthanc."""
    if change == orthanc.ChangeType.ORTHANC_STARTED:
        worker.start()
    elif change == orthanc.ChangeType.STABLE_STUDY:
        worker.add(resource)
    elif change == orthanc.ChangeType.ORTHANC_STOPPED:
        worker.stop()


def on_request(output: Any, uri: str, **request: Any) -> None:
    """Answer ``POST /fdglung/studies/ID``: run the application on a study again."""
    if request["method"] != "POST":
        output.SendMethodNotAllowed("POST")
        return
    worker.add(request["groups"][0], again=True)
    output.AnswerBuffer("{}", "application/json")


def from_configuration(configuration: dict[str, Any]) -> Worker:
    """Make the worker that Orthanc's configuration asks for.

    Raises
    ------
    ValueError
        There is no command, a key is unknown, or a value cannot be.

    """
    section = configuration.get(SECTION) or {}
    unknown = sorted(set(section) - {"Command", "Folder", "TimeoutSeconds"})
    command = section.get("Command")
    if unknown:
        raise ValueError(f"{SECTION}.{unknown[0]}: there is no such key; give Command, Folder or TimeoutSeconds")
    if not isinstance(command, list) or not command or not all(isinstance(part, str) for part in command):
        raise ValueError(f"{SECTION}.Command is no list of texts; give the program and its arguments")
    if not all(any(f"${name}" in part for part in command) for name in ("input", "output")):
        raise ValueError(f"{SECTION}.Command lacks $input or $output; give both, as in docs/integration.md")
    timeout_s = section.get("TimeoutSeconds", 1800)
    if not isinstance(timeout_s, (int, float)) or timeout_s <= 0:
        raise ValueError(f"{SECTION}.TimeoutSeconds is no positive number")
    return Worker(command, folder=section.get("Folder"), timeout_s=timeout_s)


worker = from_configuration(json.loads(orthanc.GetConfiguration()))
orthanc.RegisterOnChangeCallback(on_change)
orthanc.RegisterRestCallback("/fdglung/studies/([0-9a-f-]+)", on_request)
