"""A session with dcmtk as a DICOM router, in a network namespace: `python -m tests.apps.router_session WORK`.

Prints the modalities that the archive received as JSON in its last line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from pydicom import dcmread

from tests.cases import ROOT
from tests.simple_thorax import simple_thorax, write_dicom

STEP = ROOT / "apps" / "lesion_report" / "integration" / "router.sh"


def main():
    work = Path(sys.argv[1])
    incoming, archive = work / "in", work / "archive"
    incoming.mkdir()
    archive.mkdir()
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    study = write_dicom(simple_thorax(seed=3, ct_matrix=96), work / "study")
    variables = os.environ | {
        "PYTHONPATH": str(ROOT),
        "FDGLUNG_COMMAND": f"{sys.executable} -m apps.lesion_report",
        "PACS": "ARCHIVE 127.0.0.1 11113",
        "TMPDIR": str(work),
    }
    sorting = ["--sort-on-study-uid", "study", "--eostudy-timeout", "3", "--exec-on-eostudy", f"{STEP} #p"]
    router = subprocess.Popen(["storescp", "11112", "--output-directory", incoming, *sorting], env=variables)
    receiver = subprocess.Popen(["storescp", "11113", "--output-directory", archive])
    try:
        time.sleep(2)
        files = sorted(study.rglob("*.dcm"))
        subprocess.run(["storescu", "-R", "127.0.0.1", "11112", *files], check=True)
        end = time.monotonic() + 900
        while time.monotonic() < end and not list(incoming.glob("*.status.json")):
            time.sleep(1)
        print(json.dumps({"received": [dcmread(path).Modality for path in archive.iterdir()]}))
    finally:
        for server in (router, receiver):
            server.terminate()
            server.wait(timeout=30)


if __name__ == "__main__":
    main()
