"""A tiny DICOMweb server on loopback: QIDO-RS, WADO-RS and STOW-RS over files in memory, with faults on demand."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pydicom
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

BOUNDARY = b"fdglung-boundary"
PATH = re.compile(
    r"/dicom-web(?:/studies/(?P<study>[0-9.]+))?(?:/series/(?P<series>[0-9.]+))?"
    r"(?:/instances/(?P<one>[0-9.]+))?(?:/(?P<what>\w+))?$"
)


class DicomWebServer:
    """Serves while it is entered; `faults` holds what goes wrong, `asked` each request's method and path."""

    def __init__(self, files: Iterable[Path] = (), *, authorization: str | None = None):
        self.objects: dict[str, bytes] = {}
        self.headers: dict[str, Dataset] = {}
        self.faults: set[str] = set()
        self.asked: list[str] = []
        self.authorization = authorization
        for path in files:
            self.add(Path(path).read_bytes())

    def add(self, content: bytes) -> str:
        header = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)
        uid = str(header.SOPInstanceUID)
        self.objects[uid] = content
        self.headers[uid] = header
        return uid

    def __enter__(self):
        store = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                pass

            def do_GET(self):
                answer(self, store)

            do_POST = do_GET  # noqa: N815

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/dicom-web"
        return self

    def __exit__(self, *exception):
        self.server.shutdown()
        self.server.server_close()

    def matching(self, study, series, one, query):
        wanted = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": one}
        wanted |= {key: values[0] for key, values in query.items() if tag_for_keyword(key) is not None}
        return [
            header
            for header in self.headers.values()
            if all(str(header.get(key)) == value for key, value in wanted.items() if value)
        ]


def answer(request, store):
    parts = urlsplit(request.path)
    store.asked.append(f"{request.command} {request.path}")
    body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
    if request.headers.get("Transfer-Encoding") == "chunked":
        body = unchunked(request.rfile)
    match = PATH.match(parts.path)
    if "down" in store.faults:
        request.connection.close()
    elif store.authorization and request.headers.get("Authorization") != store.authorization:
        send(request, 401, b"", "text/plain")
    elif "page" in store.faults:
        send(request, 200, b"<html>Welcome</html>", "text/html")
    elif match is None:
        send(request, 404, b"", "text/plain")
    elif request.command == "POST":
        stow(request, store, body)
    else:
        retrieve(request, store, match, parse_qs(parts.query))


def retrieve(request, store, match, query):
    study, series, one, what = match["study"], match["series"], match["one"], match["what"]
    found = store.matching(study, series, one, query)
    if what in ("series", "instances"):
        level = "SeriesInstanceUID" if what == "series" else "SOPInstanceUID"
        listed = {str(header[level].value): header for header in found}
        limit = int(query.get("limit", ["1000000"])[0])
        offset = int(query.get("offset", ["0"])[0])
        send_json(request, [described(store, header) for header in listed.values()][offset : offset + limit])
    elif what == "metadata":
        send_json(request, [header.to_json_dict() for header in found])
    else:
        contents = [store.objects[str(header.SOPInstanceUID)] for header in found]
        if "short" in store.faults:
            contents = contents[: len(contents) // 2]
        if "garbage" in store.faults:
            contents[0] = b"\0" * 100
        if "cut" in store.faults:
            contents = [content[: len(content) * 3 // 4] for content in contents]
        parts = [b"\r\n--" + BOUNDARY + b"\r\nContent-Type: application/dicom\r\n\r\n" + one for one in contents]
        kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY.decode()}'
        send(request, 200, b"".join(parts) + b"\r\n--" + BOUNDARY + b"--", kind)


def described(store, header):
    short = Dataset()
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "Modality", "StudyDate"):
        if keyword in header:
            short[keyword] = header[keyword]
    short.NumberOfSeriesRelatedInstances = len(store.matching(None, str(header.SeriesInstanceUID), None, {}))
    return short.to_json_dict()


def stow(request, store, body):
    if "full" in store.faults:
        refused = Dataset()
        refused.FailureReason = 0xA700
        response = Dataset()
        response.FailedSOPSequence = [refused]
        send_json(request, response.to_json_dict(), status=202)
        return
    confirmed = []
    boundary = re.search(r'boundary="?([^";]+)', request.headers["Content-Type"])[1].encode()
    for part in body.split(b"--" + boundary):
        _, found, content = part.partition(b"\r\n\r\n")
        if found:
            stored = Dataset()
            stored.ReferencedSOPInstanceUID = store.add(content.removesuffix(b"\r\n"))
            confirmed.append(stored)
    response = Dataset()
    response.ReferencedSOPSequence = confirmed
    send_json(request, response.to_json_dict())


def unchunked(stream):
    body = b""
    while size := int(stream.readline(), 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return body


def send_json(request, content, status=200):
    send(request, status, json.dumps(content).encode(), "application/dicom+json")


def send(request, status, body, kind):
    request.send_response(status)
    request.send_header("Content-Type", kind)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
