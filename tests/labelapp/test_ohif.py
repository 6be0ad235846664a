from __future__ import annotations

import io
import json
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import pydicom
import pytest
from pydicom.uid import generate_uid

pytest.importorskip("monailabel")

from fastapi import FastAPI
from starlette.testclient import TestClient

import labelapp.pydicom3  # noqa: F401
from fdglung.annotation.pacs import Service
from labelapp.demo.site import PROTOCOL, app_config, site
from labelapp.ohif import add_routes, is_dicomweb, viewer_file, without_unusual_sex
from labelapp.ohif import app_config as ohif_config
from tests.dicomweb_server import DicomWebServer
from tests.simple_thorax import simple_thorax, write_dicom

UPSTREAM = Path(find_spec("monailabel").origin).parent / "endpoints" / "static" / "ohif"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    phantom = simple_thorax(ct_matrix=32, pet_matrix=32, slice_spacing_mm=20.0)
    return sorted(write_dicom(phantom, tmp_path_factory.mktemp("study")).rglob("*.dcm"))


@pytest.fixture
def server(files):
    with DicomWebServer(files, authorization="Bearer secret") as running:
        yield running


@pytest.fixture
def viewer(server):
    web = FastAPI()
    add_routes(web, Service(server.url, token="secret"))
    return TestClient(web, base_url="http://127.0.0.1:8000")


def test_the_page_tells_the_panel_its_servers_address_and_loads_from_it_alone(viewer):
    for path in ("/ohif/", "/ohif/monai-label?StudyInstanceUIDs=1.2.3", "/ohif/viewer"):
        page = viewer.get(path)
        assert "<title>OHIF" in page.text
        (cookie,) = [one for one in page.headers.get_list("set-cookie") if one.startswith("MONAILABEL_SERVER_URL=")]
        assert unquote(cookie.split(";")[0].split("=", 1)[1]) == "http://127.0.0.1:8000/"
        assert "connect-src 'self'" in page.headers["content-security-policy"]


def test_nested_assets_are_themselves_and_what_is_not_there_is_no_page(viewer):
    assert viewer.get("/ohif/assets/images/CT-AAA.png").content.startswith(b"\x89PNG")
    icon = viewer.get("/ohif/assets/favicon.ico")
    assert (icon.status_code, b"<html" in icon.content) == (200, False)
    assert viewer.get("/ohif/assets/nothing.js").status_code == 404


def test_its_settings_open_the_pet_and_keep_upstreams(viewer):
    settings = viewer.get("/ohif/app-config.js")
    assert settings.headers["content-type"].startswith("text/javascript")
    assert "/proxy/dicom/wado" in settings.text
    assert "Modality', { equals: 'PT' }" in settings.text


@pytest.mark.parametrize(
    "path", ["../../../../etc/hostname", "/etc/hostname", "..%2f..%2fapp.py", "assets/../../ohif.py"]
)
def test_no_path_leads_out_of_the_viewer(tmp_path, path):
    (tmp_path / "index.html").touch()
    assert viewer_file(tmp_path, path) in (None, tmp_path / "index.html")


def test_the_query_reaches_the_pacs(viewer, server, files):
    uid = str(pydicom.dcmread(files[0]).SeriesInstanceUID)
    assert len(viewer.get("/proxy/dicom/qido/series").json()) == 2
    (one,) = viewer.get(f"/proxy/dicom/qido/series?SeriesInstanceUID={uid}&limit=5").json()
    assert one["0020000E"]["Value"] == [uid]
    assert server.asked[-1] == f"GET /dicom-web/series?SeriesInstanceUID={uid}&limit=5"


def test_objects_come_and_go_as_they_are_and_the_token_stays_here(viewer, server, files):
    header = pydicom.dcmread(files[0])
    path = f"studies/{header.StudyInstanceUID}/series/{header.SeriesInstanceUID}/instances/{header.SOPInstanceUID}"
    got = viewer.get(f"/proxy/dicom/wado/{path}", headers={"Authorization": "Bearer of the viewer"})
    assert files[0].read_bytes() in got.content
    assert got.headers["content-type"].startswith("multipart/related")
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    stream = io.BytesIO()
    header.save_as(stream)
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + stream.getvalue() + b"\r\n--b--"
    kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
    assert viewer.post("/proxy/dicom/wado/studies", content=body, headers=kind).status_code == 200
    assert server.objects[str(header.SOPInstanceUID)] == stream.getvalue()


def test_a_sex_that_makes_ohif_throw_is_emptied_and_others_stay(viewer, server, files):
    header = pydicom.dcmread(files[0])
    header.PatientSex = "O"
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    stream = io.BytesIO()
    header.save_as(stream)
    server.add(stream.getvalue())
    path = f"/proxy/dicom/wado/studies/{header.StudyInstanceUID}/series/{header.SeriesInstanceUID}/metadata"
    sexes = [one["00100040"].get("Value") for one in viewer.get(path).json()]
    assert sexes.count(["M"]) == len(sexes) - 1
    assert None in sexes
    assert without_unusual_sex(b"no json") == b"no json"


def test_addresses_of_bulk_data_lead_through_the_proxy(viewer, server, files):
    header = next(iter(server.headers.values()))
    header.RetrieveURL = f"{server.url}/studies/1.2/bulk/3"
    path = f"/proxy/dicom/wado/studies/{header.StudyInstanceUID}/series/{header.SeriesInstanceUID}/metadata"
    assert "http://127.0.0.1:8000/proxy/dicom/studies/1.2/bulk/3" in viewer.get(path).text
    assert server.url not in viewer.get(path).text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "studies", True),
        ("GET", "studies/1.2/series/3.4/metadata", True),
        ("POST", "studies/1.2", True),
        ("POST", "studies/1.2/series", False),
        ("POST", "instances", False),
        ("GET", "../system", False),
        ("GET", "studies/../../system", False),
        ("GET", "servers", False),
        ("GET", "studies//x", False),
    ],
)
def test_only_qido_wado_and_stow_are_passed_on(method, path, allowed):
    assert is_dicomweb(method, path.split("/")) is allowed


def test_a_pacs_that_is_gone_is_said_to_be_and_a_folder_too(viewer, server):
    server.faults.add("down")
    answer = viewer.get("/proxy/dicom/qido/studies")
    assert answer.status_code == 502
    assert "does not answer" in answer.json()["detail"]
    web = FastAPI()
    add_routes(web, None)
    answer = TestClient(web).get("/proxy/dicom/qido/studies")
    assert answer.status_code == 404
    assert "DICOMweb address" in answer.json()["detail"]


def test_the_other_viewer_stands_beside_the_pacs_isolated_from_other_pages(server, tmp_path):
    (tmp_path / "index.html").write_text("<title>OHIF</title>")
    (tmp_path / "a.wasm").write_bytes(b"wasm")
    web = site(tmp_path, Service(server.url, token="secret"))
    client = TestClient(web, base_url="http://127.0.0.1:3000", client=("127.0.0.1", 5))
    page = client.get("/viewer?StudyInstanceUIDs=1.2.3")
    assert "OHIF" in page.text
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert page.headers["cross-origin-embedder-policy"] == "require-corp"
    assert client.get("/a.wasm").headers["content-type"] == "application/wasm"
    assert len(client.get("/dicom-web/series").json()) == 2
    assert client.get("/dicom-web/servers").status_code == 404
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 403
    settings, _ = json.JSONDecoder().raw_decode(app_config().removeprefix("window.config = "))
    assert settings["dataSources"][0]["configuration"]["qidoRoot"] == "/dicom-web"
    assert f"id: '{PROTOCOL}'" in client.get("/app-config.js").text
    assert client.get("/app-config.js").text == app_config()


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize("which", [app_config, lambda: ohif_config(UPSTREAM)])
def test_the_viewers_settings_are_a_script_that_leaves_a_list_of_extensions(tmp_path, which):
    (tmp_path / "config.js").write_text(
        "globalThis.window = {localStorage: {}}; globalThis.XMLHttpRequest = class { open() {} };\n"
        "globalThis.document = {createElement: () => ({style: {}})};\n"
        f"{which()}\nconsole.log(JSON.stringify(window.config.extensions.map(one => one.id)));"
    )
    done = subprocess.run(["node", str(tmp_path / "config.js")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert any(name.startswith("fdglung.") for name in json.loads(done.stdout.splitlines()[-1]))
