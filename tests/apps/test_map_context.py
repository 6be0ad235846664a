"""The proof of the package: its build context, unpacked to the image's own paths and run without network."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import dcmread

pytest.importorskip("holoscan_cli.packager")

from apps.lesion_report.packager.__main__ import build_context
from apps.lesion_report.packager.build_tools import BuildError, find_python, make_tools
from apps.lesion_report.packager.models import sha256
from apps.lesion_report.packager.wheels import build_own, build_source_only
from fdglung import cli
from fdglung.pipeline import analyze
from fdglung.radiomics import extract
from fdglung.study import load
from tests.cases import ROOT
from tests.classification.study_model import SETTINGS, write_model, write_study

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("module_with_own_lungs"), pytest.mark.timeout(3600)]

TOOLS = ROOT / "build" / "map-tools"

# The image's file system in a namespace of its own, without network: $1 context, $2 study, $3 output, $4 exported.
# /etc cannot be covered, so the manifests stay in the context and their variables name them there.
IMAGE = """
set -e
mount -t tmpfs none /opt && mkdir /opt/holoscan && cp -r "$1/app" "$1/docs" /opt/holoscan/
[ ! -d "$1/models" ] || cp -r "$1/models" /opt/holoscan/models
[ -z "$CLASSIFIERS" ] || cp -r "$CLASSIFIERS" /opt/holoscan/models/classifiers
mount -t tmpfs none /var && mkdir -p /var/holoscan/input /var/holoscan/output /var/run/holoscan/export
cp "$1/tools" /var/holoscan/tools && cp "$1/app.config" /var/holoscan/app.yaml
mount --bind "$2" /var/holoscan/input
mount --bind "$3" /var/holoscan/output
mount --bind "$4" /var/run/holoscan/export
cd /var/holoscan
shift 4
exec /var/holoscan/tools "$@"
"""


def namespaces() -> bool:
    return bool(shutil.which("unshare")) and not subprocess.run(["unshare", "-rmn", "true"], check=False).returncode


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    try:
        find_python()
    except BuildError as error:
        pytest.skip(str(error))
    out = tmp_path_factory.mktemp("map") / "context"
    build_context(out, tools=TOOLS)
    return out


@pytest.fixture(scope="module")
def python(context, tmp_path_factory):
    """A clean environment from the context's requirements.txt and nothing else."""
    if not namespaces():
        pytest.skip("this machine allows no namespaces, in which the image's paths are made")
    folder = tmp_path_factory.mktemp("clean") / "environment"
    subprocess.run([find_python(), "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", context / "pip" / "requirements.txt"]
    subprocess.run(pip, check=True, cwd="/")
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    out = tmp_path_factory.mktemp("phantom")
    assert cli.main(["phantom", str(out / "cohort"), "--seed", "1"]) == 0
    return out / "cohort" / "study_0001" / "dicom"


def run_image(context, python, study, out, *command, exported=None, **changed):
    """Run the entry script with the image's own variables and those that are changed; return the process that ended."""
    out.mkdir(exist_ok=True)
    exported = exported or out.parent
    variables = dict(re.findall(r"^ENV (HOLOSCAN_\w+)=(\S+)$", (context / "Dockerfile").read_text(), flags=re.M))
    assert variables["HOLOSCAN_APPLICATION"] == "/opt/holoscan/app"
    variables |= {f"HOLOSCAN_{name.upper()}_MANIFEST_PATH": f"{context}/map/{name}.json" for name in ("app", "pkg")}
    variables |= {"PATH": f"{python.parent}:/usr/bin:/bin", "HOME": str(out.parent), "LC_ALL": "C.UTF-8", **changed}
    arguments = [str(part) for part in (context, study, out, exported)]
    return subprocess.run(
        ["unshare", "-rmn", "bash", "-c", IMAGE, "bash", *arguments, *command],
        env=variables,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )


@pytest.fixture(scope="module")
def by_image(context, python, study, tmp_path_factory):
    out = tmp_path_factory.mktemp("image") / "out"
    ended = run_image(context, python, study, out)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return out


def lesion_mask(folder):
    volume = hd.seg.segread(folder / "lesions.seg.dcm").get_volume(combine_segments=True)
    return np.asarray(volume.array), volume.affine


def test_the_image_finds_the_lesions_of_the_command(by_image, study, tmp_path):
    assert cli.main(["analyze", str(study), str(tmp_path / "cli")]) == 0
    (mask, affine), (expected, expected_affine) = lesion_mask(by_image), lesion_mask(tmp_path / "cli")
    assert expected.max() >= 1
    assert (mask == expected).all()
    assert np.allclose(affine, expected_affine)
    rows, expected_rows = (
        list(csv.DictReader((folder / "lesions.csv").open())) for folder in (by_image, tmp_path / "cli")
    )
    assert rows == expected_rows
    assert {path.name for path in by_image.iterdir()} == {path.name for path in (tmp_path / "cli").iterdir()} | {
        "status.json"
    }
    assert json.loads((by_image / "status.json").read_text())["status"] == "done"
    assert "lungmask narrow_sides.onnx" in (by_image / "findings.json").read_text()


def test_the_image_finds_lesions_by_the_network_that_it_carries(context, python, study, tmp_path):
    network = {"HOLOSCAN_CONFIG_PATH": "/opt/holoscan/app/network.yaml"}
    ended = run_image(context, python, study, tmp_path / "image", **network)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert cli.main(["analyze", str(study), str(tmp_path / "cli"), "--method", "network"]) == 0
    (mask, _), (expected, _) = lesion_mask(tmp_path / "image"), lesion_mask(tmp_path / "cli")
    assert expected.max() >= 1
    assert (mask == expected).all()
    (used,) = json.loads((tmp_path / "image" / "findings.json").read_text())["provenance"]["lesions"]["networks"]
    assert used == {
        "file": "model.onnx",
        "sha256": sha256(context / "models/lesions/model.onnx"),
        "backend": "openvino",
    }


def test_the_image_applies_a_classifier_of_one_s_own(context, python, tmp_path):
    study = write_study(tmp_path / "dicom")
    analysis = analyze(load(study))
    uids = {lesion.label: lesion.tracking_uid for lesion in analysis.findings.lesions}
    features = extract(analysis.study, analysis.lesions, SETTINGS, tracking_uids=uids, workers=1)
    (tmp_path / "classifiers").mkdir()
    write_model(tmp_path / "classifiers" / "model.skops", features)
    (tmp_path / "app.yaml").write_text("classification: {model: model.skops}\n")
    paths = {"CLASSIFIERS": f"{tmp_path}/classifiers", "HOLOSCAN_CONFIG_PATH": f"{tmp_path}/app.yaml"}
    ended = run_image(context, python, study, tmp_path / "out", **paths)
    assert ended.returncode == 0, ended.stderr[-3000:]
    rows = list(csv.DictReader((tmp_path / "out" / "lesions.csv").open()))
    assert [row["class"] for row in rows] == ["hottest", "hot", "cool"]


def test_the_image_has_neither_torch_nor_anything_but_its_requirements(python, by_image):
    packages = json.loads((by_image / "findings.json").read_text())["provenance"]["packages"]
    assert packages["torch"] is None
    assert packages["openvino"] is not None
    assert subprocess.run([python, "-m", "pip", "check"], check=False).returncode == 0
    assert not subprocess.run([python, "-c", "import radiomics"], check=False).returncode


@pytest.mark.validator
@pytest.mark.skipif(not shutil.which("dciodvfy"), reason="dicom3tools is not installed")
@pytest.mark.parametrize("name", ["lesions.seg.dcm", "measurements.sr.dcm", "report.dcm"])
def test_what_the_image_writes_is_valid_dicom(by_image, name):
    assert dcmread(by_image / name).SOPClassUID
    said = subprocess.run(["dciodvfy", by_image / name], capture_output=True, text=True, check=False).stderr
    assert not [line for line in said.splitlines() if line.startswith("Error")]


def test_a_broken_study_gives_an_exit_code_a_reason_and_no_partial_output(context, python, study, tmp_path):
    broken = shutil.copytree(study, tmp_path / "broken")
    pets = sorted(
        (path for path in broken.rglob("*.dcm") if dcmread(path, stop_before_pixels=True).Modality == "PT"),
        key=lambda path: float(dcmread(path, stop_before_pixels=True).ImagePositionPatient[2]),
    )
    pets[len(pets) // 2].unlink()
    ended = run_image(context, python, broken, tmp_path / "out")
    assert ended.returncode == 2, ended.stderr[-3000:]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["status.json"]
    status = json.loads((tmp_path / "out" / "status.json").read_text())
    assert (status["status"], status["exit_code"], status["error"]["kind"]) == ("failed", 2, "MissingSliceError")


def test_the_image_shows_its_manifests_and_gives_its_parts(context, python, study, tmp_path):
    shown = run_image(context, python, study, tmp_path / "out", "show", "app")
    assert shown.returncode == 0
    assert json.loads(shown.stdout[shown.stdout.index("{") :]) == json.loads((context / "map" / "app.json").read_text())
    (tmp_path / "export").mkdir()
    assert run_image(context, python, study, tmp_path / "out", "extract", exported=tmp_path / "export").returncode == 0
    assert {"app", "config", "docs"} <= {path.name for path in (tmp_path / "export").iterdir()}
    assert (tmp_path / "export" / "docs" / "sbom.cdx.json").is_file()


def test_the_sbom_names_every_requirement_and_wheels_and_weights_have_their_checksums(context):
    components = json.loads((context / "docs" / "sbom.cdx.json").read_text())["components"]
    lines = (context / "pip" / "requirements.txt").read_text().splitlines()
    assert {f"{one['name']}=={one['version']}" for one in components} == {line for line in lines if "==" in line}
    assert [one["name"] for one in components if not one.get("licenses")] == []
    checksums = json.loads((context / "docs" / "checksums.json").read_text())
    carried = [*(context / "pip" / "packages").iterdir(), *(context / "models").rglob("*.onnx")]
    assert "model.onnx" in checksums
    assert checksums == {path.name: sha256(path) for path in carried}


def test_the_same_sources_give_the_same_wheels(context, tmp_path):
    python = make_tools(TOOLS)
    build_own(python, ROOT, tmp_path)
    build_source_only(python, tmp_path)
    first: dict[str, str] = {path.name: sha256(Path(path)) for path in (context / "pip" / "packages").iterdir()}
    assert {path.name: sha256(path) for path in tmp_path.iterdir()} == first
