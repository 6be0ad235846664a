"""The built OHIF viewer of the npm registry beside a PACS, from one address of the loopback."""

from __future__ import annotations

import base64
import hashlib
import json
import mimetypes
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, Response
from starlette.concurrency import run_in_threadpool

from fdglung.annotation.pacs import Service
from fdglung.errors import BackendError, DownloadError
from labelapp.guard import Guard
from labelapp.ohif import CONTENT_POLICY, forward, is_dicomweb, viewer_file

PACKAGE = "@ohif/app@3.13.2"
"""The viewer on the npm registry, MIT licence."""

SHA512 = "WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA=="
"""Of the package's file, base64, as the registry gives it."""

HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    # Several threads share the volumes' memory, which browsers allow to isolated pages only.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Sent with every file of the viewer."""

_LIMIT_BYTES = 512_000_000


def fetch_viewer(folder: Path) -> Path | None:
    """Return the folder of the built viewer, fetched by npm where it is not there.

    Parameters
    ----------
    folder
        Where it is kept.

    Returns
    -------
    Path or None
        None where there is no npm.

    Raises
    ------
    DownloadError
        npm could not fetch it, or its checksum is wrong.

    """
    target = folder / PACKAGE.replace("/", "-").lstrip("@")
    built = target / "package" / "dist"
    if (built / "index.html").is_file():
        return built
    npm = shutil.which("npm")
    if npm is None:
        return None
    target.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [npm, "pack", PACKAGE, "--pack-destination", str(target)], capture_output=True, text=True, check=False
    )
    files = sorted(target.glob("*.tgz"))
    if done.returncode or not files:
        raise DownloadError(
            f"npm could not fetch {PACKAGE}",
            attribute="label-demo",
            remedy="Check the network, or go without: --no-viewer",
        )
    content = files[0].read_bytes()
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != SHA512:
        files[0].unlink()
        raise DownloadError(
            f"the checksum of {PACKAGE} is wrong",
            attribute="label-demo",
            remedy="Fetch it again, from another registry",
        )
    with tarfile.open(files[0]) as archive:
        archive.extractall(target, filter="data")
    files[0].unlink()
    return built


PROTOCOL = "fdglung.petct"
"""Hanging protocol of `app_config`: CT, PET and segmentation over each other."""


def app_config() -> str:
    """Return the viewer's settings: the PACS at the viewer's own address, nothing else; and what mends it here."""
    source = {
        "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
        "sourceName": "pacs",
        "configuration": {
            "friendlyName": "PACS",
            "name": "pacs",
            "wadoUriRoot": "/dicom-web",
            "qidoRoot": "/dicom-web",
            "wadoRoot": "/dicom-web",
            "qidoSupportsIncludeField": False,
            "imageRendering": "wadors",
            "thumbnailRendering": "wadors",
            "enableStudyLazyLoad": True,
            "supportsFuzzyMatching": False,
            "supportsWildcard": True,
            "dicomUploadEnabled": False,
            "bulkDataURI": {"enabled": True},
        },
    }
    settings = {
        "name": "fdglung",
        "routerBasename": "/",
        "extensions": [],
        "modes": [],
        "customizationService": {},
        "showStudyList": True,
        "maxNumberOfWebWorkers": 2,
        "showCPUFallbackMessage": True,
        "showLoadingIndicator": True,
        "strictZSpacingForVolumeViewport": True,
        "groupEnabledModesFirst": True,
        "investigationalUseDialog": {"option": "always"},
        "defaultDataSourceName": "pacs",
        "dataSources": [source],
    }
    ours = Path(__file__).with_name("viewer_config.js").read_text(encoding="utf-8")
    return f"window.config = {json.dumps(settings, indent=2)};\n{ours}"


def site(built: Path, service: Service) -> Any:
    """Return the ASGI application: the viewer at ``/``, the PACS at ``/dicom-web``."""
    web = FastAPI(openapi_url=None)

    async def pacs(path: str, request: Request) -> Response:
        if not is_dicomweb(request.method, path.split("/")):
            raise HTTPException(404, detail="That is no address of QIDO-RS, WADO-RS or STOW-RS")
        body = await request.body()
        answer = await run_in_threadpool(forward, service, request, path, body, f"{request.base_url}dicom-web")
        answer.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return answer

    def viewer(path: str) -> Response:
        if path == "app-config.js":
            return Response(app_config(), media_type="text/javascript", headers=HEADERS)
        file = viewer_file(built, path)
        if file is None:
            raise HTTPException(404, detail="The viewer has no such file")
        return FileResponse(file, media_type=mimetypes.guess_type(file.name)[0], headers=HEADERS)

    web.add_api_route("/dicom-web/{path:path}", pacs, methods=["GET", "POST"])
    web.add_api_route("/{path:path}", viewer, methods=["GET"])
    return Guard(web, limit_bytes=_LIMIT_BYTES, allow_remote=False)


@contextmanager
def serving(application: Any, port: int) -> Iterator[None]:
    """Serve an ASGI application on a port of the loopback as long as the block runs.

    Raises
    ------
    BackendError
        The port is taken.

    """
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(application, host="127.0.0.1", port=port, log_level="warning"))
    taken = socket.socket()
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
    except OSError as error:
        taken.close()
        raise BackendError(
            f"port {port} is taken", attribute="label-demo", remedy="End what listens there, or name another port"
        ) from error
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, name="viewer", daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.05)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)
        taken.close()
