"""OHIF of MONAI Label's package and its way to the PACS, which upstream serves with faults."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from fdglung.annotation.pacs import Service

COOKIE = "MONAILABEL_SERVER_URL"
"""Where the MONAI Label panel of OHIF looks for its server's address."""

_LEVELS = ("studies", "series", "instances")
_SEX = "00100040"
_PASSED_ON = ("accept", "content-type")
_PASSED_BACK = ("content-type", "warning")
_CHUNK_BYTES = 1 << 16


def add_routes(web: Any, service: Service | None) -> None:
    """Serve OHIF under ``/ohif/`` and the PACS under ``/proxy/dicom/`` before upstream's own routes.

    Parameters
    ----------
    web
        ``monailabel.app.app``.
    service
        The PACS; None where a folder has the studies, which OHIF cannot read.

    """
    from monailabel.config import settings
    from monailabel.endpoints import ohif as upstream
    from monailabel.endpoints.user.auth import RBAC

    root = (Path(upstream.__file__).parent / "static" / "ohif").resolve()
    router = APIRouter(dependencies=[Depends(RBAC(settings.MONAI_LABEL_AUTH_ROLE_USER))])

    def viewer(path: str, request: Request) -> Response:
        if path == "app-config.js":
            return Response(app_config(root), media_type="text/javascript")
        file = viewer_file(root, path)
        if file is None:
            raise HTTPException(404, detail="The viewer has no such file")
        answer = FileResponse(file, media_type=mimetypes.guess_type(file.name)[0])
        if file.name == "index.html":
            answer.headers["Content-Security-Policy"] = CONTENT_POLICY
            # The panel unescapes it; set at each visit, so that another server's address does not stay.
            answer.headers["Set-Cookie"] = f"{COOKIE}={quote(str(request.base_url), safe='')}; Path=/; SameSite=Strict"
        return answer

    async def pacs(path: str, request: Request) -> Response:
        parts = path.split("/")
        if parts[0] in ("wado", "qido", "stow"):
            parts = parts[1:]
        if service is None:
            raise HTTPException(404, detail="The studies are in a folder. Start the server with a DICOMweb address.")
        if not is_dicomweb(request.method, parts):
            raise HTTPException(404, detail="That is no address of QIDO-RS, WADO-RS or STOW-RS")
        body = await request.body()
        return await run_in_threadpool(
            forward, service, request, "/".join(parts), body, f"{request.base_url}proxy/dicom"
        )

    router.add_api_route("/ohif/{path:path}", viewer, methods=["GET"], include_in_schema=False)
    router.add_api_route("/proxy/dicom/{path:path}", pacs, methods=["GET", "POST"], include_in_schema=False)
    before = len(web.router.routes)
    web.include_router(router, prefix=settings.MONAI_LABEL_API_STR)
    # Of two routes to one path the first one answers.
    web.router.routes[:] = web.router.routes[before:] + web.router.routes[:before]


CONTENT_POLICY = (
    "default-src 'self' blob: data:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' blob: data:; frame-ancestors 'none'"
)
"""The viewer shows patients: it loads from and sends to this server alone, fonts among it."""


def app_config(root: Path) -> str:
    """Return the settings of MONAI Label's OHIF with ours behind them, by which it opens the PET."""
    ours = Path(__file__).with_name("ohif_config.js")
    return "\n".join(path.read_text(encoding="utf-8") for path in (root / "app-config.js", ours))


def viewer_file(root: Path, path: str) -> Path | None:
    """Return the file of a path below the viewer's address, or its page for an address within the viewer.

    Parameters
    ----------
    root
        Folder of the built viewer.
    path
        As asked for; what leads out of the folder is no file of it.

    Returns
    -------
    Path or None
        None for a file that is not there: upstream answers such with its page, which then is parsed as a script.

    """
    file = (root / path).resolve()
    if file.is_relative_to(root.resolve()) and file.is_file():
        return file
    return None if Path(path).suffix and not path.startswith("viewer") else root / "index.html"


def is_dicomweb(method: str, parts: list[str]) -> bool:
    """Whether a path below the PACS' root is one of QIDO-RS or WADO-RS, or for POST of STOW-RS."""
    if any(part in ("", ".", "..") for part in parts) or not parts or parts[0] not in _LEVELS:
        return False
    return method == "GET" or (parts[0] == "studies" and len(parts) <= 2)


def without_unusual_sex(metadata: bytes) -> bytes:
    """Empty Patient's Sex where it is neither M nor F in DICOM JSON: OHIF throws when it computes SUV by lean mass."""
    try:
        found = json.loads(metadata)
    except ValueError:
        return metadata
    for one in found if isinstance(found, list) else ():
        if isinstance(one, dict) and one.get(_SEX, {}).get("Value") not in (None, ["M"], ["F"]):
            one[_SEX] = {"vr": "CS"}
    return json.dumps(found).encode()


def forward(service: Service, request: Request, path: str, body: bytes, root: str) -> Response:
    """Return the PACS' answer to a request of the viewer, with its query string and as it streams.

    Parameters
    ----------
    service
        The PACS; it is entered with its own password or token, whatever the viewer sends.
    request
        Of the viewer.
    path
        Below the PACS' root, of which `is_dicomweb` holds.
    body
        Of the request.
    root
        Address that stands for the PACS' root in the viewer; metadata's addresses of bulk data are changed to it.

    Raises
    ------
    fastapi.HTTPException
        With status 502, where the PACS does not answer.

    """
    import requests

    session = service.session()
    try:
        answer = session.request(
            request.method,
            f"{service.url.rstrip('/')}/{quote(path)}",
            params=request.url.query,
            data=body or None,
            headers={name: request.headers[name] for name in _PASSED_ON if name in request.headers},
            stream=True,
            timeout=(5, service.timeout_s),
        )
        headers = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
        if path.endswith("/metadata") and answer.ok:
            content = without_unusual_sex(answer.content).replace(service.url.rstrip("/").encode(), root.encode())
            session.close()
            return Response(content, status_code=answer.status_code, headers=headers)
    except requests.RequestException as error:
        session.close()
        raise HTTPException(502, detail=f"The PACS does not answer ({type(error).__name__})") from error

    def stream() -> Iterator[bytes]:
        with session, answer:
            yield from answer.iter_content(_CHUNK_BYTES)

    return StreamingResponse(stream(), status_code=answer.status_code, headers=headers)
