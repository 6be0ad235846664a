"""A session with a real Orthanc and our plug-in: `python -m tests.apps.orthanc_session WORK STUDY BROKEN`.

Run in a network namespace of its own (`unshare -rn`), since Orthanc cannot be told to listen on the loopback alone.
Prints what was seen as JSON in its last line; `test_orthanc_hook.py` judges it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.cases import ROOT

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancPython.so")
HOOK = ROOT / "apps" / "lesion_report" / "integration" / "orthanc_hook.py"
SERVER = "http://127.0.0.1:8042"


def call(path, data=None):
    with urllib.request.urlopen(urllib.request.Request(SERVER + path, data=data), timeout=60) as answer:
        return answer.read()


def ask(path):
    return json.loads(call(path))


def until(met, *, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if (found := met()) is not None:
                return found
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.5)
    raise TimeoutError(what)


def upload(folder):
    answers = [json.loads(call("/instances", path.read_bytes())) for path in sorted(folder.rglob("*.dcm"))]
    (study,) = {answer["ParentStudy"] for answer in answers}
    return study


def status(study):
    return until(lambda: ask(f"/studies/{study}/metadata/4712"), seconds=900, what="status of the study")


def stored(study):
    """Modality and SHA-256 of each result by SOPInstanceUID, and the number of all instances."""
    found = {}
    for series in ask(f"/studies/{study}/series"):
        if series["MainDicomTags"]["Modality"] in ("SEG", "SR", "DOC"):
            for instance in ask(f"/series/{series['ID']}/instances"):
                content = hashlib.sha256(call(f"/instances/{instance['ID']}/file")).hexdigest()
                uid = instance["MainDicomTags"]["SOPInstanceUID"]
                found[uid] = [series["MainDicomTags"]["Modality"], content]
    return {"results": found, "instances": len(ask(f"/studies/{study}/instances"))}


def runs(log):
    return [line.split(": ", 2)[-1].strip() for line in log.read_text().splitlines() if "fdglung: study" in line]


def configure(work):
    command = [sys.executable, "-m", "apps.lesion_report", "-i", "$input", "-o", "$output"]
    path = work / "orthanc.json"
    content = {
        "StorageDirectory": str(work / "storage"),
        "IndexDirectory": str(work / "storage"),
        "RemoteAccessAllowed": False,
        "HttpPort": 8042,
        "DicomPort": 4242,
        "StableAge": 2,
        "Plugins": [str(PLUGIN)],
        "PythonScript": str(HOOK),
        "FdgLung": {"Command": command, "Folder": str(work)},
    }
    path.write_text(json.dumps(content))
    return path


def session(work, study, broken):
    log = work / "orthanc.log"
    seen = {}
    orthanc = shutil.which("Orthanc")
    variables = os.environ | {"PYTHONPATH": str(ROOT)}
    with log.open("wb") as stream:
        server = subprocess.Popen([orthanc, str(configure(work))], stdout=stream, stderr=stream, env=variables)
        try:
            seen["version"] = until(lambda: ask("/system")["Version"], seconds=60, what="start of Orthanc")
            identifier = upload(study)
            seen["status"] = status(identifier)
            seen["first"] = stored(identifier)
            # The stored results make the study stable once more, which must not run it once more.
            until(lambda: runs(log)[1:] or None, seconds=60, what="second stable study")
            call(f"/fdglung/studies/{identifier}", b"")
            until(lambda: runs(log)[2:] or None, seconds=900, what="run on demand")
            seen["again"] = stored(identifier)
            seen["failed"] = status(upload(broken))
            seen["runs"] = runs(log)
            # What a run left behind in the folder for studies.
            seen["left"] = [path.name for path in work.glob("fdglung-*")]
        finally:
            server.terminate()
            seen["exit_code"] = server.wait(timeout=60)
    return seen


def main():
    work, study, broken = map(Path, sys.argv[1:4])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    print(json.dumps(session(work, study, broken)))


if __name__ == "__main__":
    main()
