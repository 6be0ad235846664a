from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import fdglung
from apps.lesion_report.packager.staging import TIMEOUT_SECONDS
from fdglung.cli import EXIT_BAD_INPUT
from tests.cases import ROOT

FOLDER = ROOT / "apps" / "lesion_report" / "integration"
IMAGE = f"fdglung-lesion-report-x64-workstation-dgpu-linux-amd64:{fdglung.__version__}"
RESOURCES = yaml.safe_load((ROOT / "apps" / "lesion_report" / "app.yaml").read_text())["resources"]


def read(name):
    return yaml.safe_load((FOLDER / name).read_text())


def tasks():
    return {task["id"]: task for task in read("express.json")["tasks"]}


def test_all_files_name_the_image_that_the_packager_makes():
    packager = pytest.importorskip("apps.lesion_report.packager.__main__", exc_type=ImportError)
    assert f"fdglung-lesion-report:{fdglung.__version__}" == packager.TAG
    assert tasks()["lesion-report"]["args"]["container_image"] == IMAGE
    assert read("argo.yaml")["spec"]["templates"][0]["container"]["image"] == IMAGE
    assert read("kubernetes_job.yaml")["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE


def test_the_workflow_of_express_leads_from_studies_with_pet_to_the_export():
    workflow = read("express.json")
    assert workflow["version"] == fdglung.__version__
    by_id = tasks()
    assert workflow["tasks"][0]["type"] == "router"
    (condition,) = by_id["router"]["task_destinations"][0]["conditions"]
    assert condition == "{{ context.dicom.series.any('0008','0060') }} == 'PT'"
    followed = [task["name"] for one in by_id.values() for task in one.get("task_destinations", [])]
    assert followed == ["lesion-report", "export"]
    (destination,) = by_id["export"]["export_destinations"]
    assert destination["Name"] in workflow["informatics_gateway"]["export_destinations"]
    (exported,) = by_id["export"]["artifacts"]["input"]
    (made,) = by_id["lesion-report"]["artifacts"]["output"]
    assert exported["value"] == f"{{{{ context.executions.lesion-report.artifacts.{made['name']} }}}}"


def test_the_task_of_express_sets_the_variables_that_the_application_reads():
    arguments = tasks()["lesion-report"]["args"]
    variables = {key.removeprefix("env_") for key in arguments if key.startswith("env_")}
    sources = "".join(path.read_text() for path in (ROOT / "apps" / "lesion_report").glob("*.py"))
    read_by_us = set(re.findall(r"HOLOSCAN_(?:INPUT|OUTPUT|CONFIG|MODEL)_PATH", sources))
    assert read_by_us <= variables
    assert int(arguments["task_timeout_minutes"]) * 60 == TIMEOUT_SECONDS
    required = ("server_url", "entrypoint", "command", "container_image", "temp_storage_container_path")
    assert all(arguments[key] for key in required)


def test_argo_takes_a_study_and_gives_a_report_and_does_not_retry_what_cannot_be_used():
    spec = read("argo.yaml")["spec"]
    (template,) = spec["templates"]
    assert template["name"] == spec["entrypoint"]
    assert [one["name"] for one in spec["arguments"]["artifacts"]] == [
        one["name"] for one in template["inputs"]["artifacts"]
    ]
    assert template["inputs"]["artifacts"][0]["path"] == "/var/holoscan/input"
    assert template["outputs"]["artifacts"][0]["path"] == "/var/holoscan/output"
    assert template["retryStrategy"]["expression"].endswith(f"asInt(lastRetry.exitCode) != {EXIT_BAD_INPUT}")
    assert template["activeDeadlineSeconds"] == TIMEOUT_SECONDS


def test_the_job_of_kubernetes_does_not_retry_what_cannot_be_used():
    spec = read("kubernetes_job.yaml")["spec"]
    (rule,) = spec["podFailurePolicy"]["rules"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailJob", [EXIT_BAD_INPUT])
    assert rule["onExitCodes"]["containerName"] == container["name"]
    assert pod["restartPolicy"] == "Never"
    assert spec["activeDeadlineSeconds"] == (spec["backoffLimit"] + 1) * TIMEOUT_SECONDS
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
    variables = {one["name"]: one["value"] for one in container["env"]}
    assert variables["HOLOSCAN_INPUT_PATH"].startswith(mounts["studies"] + "/")
    assert variables["HOLOSCAN_OUTPUT_PATH"].startswith(mounts["reports"] + "/")


@pytest.mark.parametrize(
    "container",
    [
        read("argo.yaml")["spec"]["templates"][0]["container"],
        read("kubernetes_job.yaml")["spec"]["template"]["spec"]["containers"][0],
    ],
    ids=["argo", "kubernetes"],
)
def test_a_container_gets_the_resources_that_the_package_states(container):
    requests = container["resources"]["requests"]
    assert (int(requests["cpu"]), requests["memory"]) == (RESOURCES["cpu"], RESOURCES["memory"])


def router(tmp_path, code):
    """Run router.sh with stand-ins for the application and for storescu, which writes its arguments down."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "storescu").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/sent\n')
    (programs / "application").write_text(
        '#!/bin/sh\nmkdir -p "$4"\necho "{}" > "$4/status.json"\n'
        f'[ {code} -ne 0 ] || echo x > "$4/lesions.seg.dcm"\nexit {code}\n'
    )
    for path in programs.iterdir():
        path.chmod(0o755)
    (tmp_path / "temporary").mkdir()
    (tmp_path / "study").mkdir()
    variables = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "TMPDIR": str(tmp_path / "temporary"),
        "FDGLUNG_COMMAND": "application",
        "PACS": "ARCHIVE 127.0.0.1 104",
    }
    return subprocess.run([FOLDER / "router.sh", tmp_path / "study"], env=variables, check=False).returncode


@pytest.mark.parametrize("code", [0, 2])
def test_the_router_s_step_sends_a_report_or_nothing_and_leaves_the_status_beside_the_study(tmp_path, code):
    assert router(tmp_path, code) == code
    assert (tmp_path / "study.status.json").is_file()
    assert list((tmp_path / "temporary").iterdir()) == []
    sent = (tmp_path / "sent").read_text().split() if code == 0 else []
    assert (tmp_path / "sent").exists() == (code == 0)
    assert [*sent[:5], *(Path(one).name for one in sent[5:])] == (
        ["-R", "-aec", "ARCHIVE", "127.0.0.1", "104", "lesions.seg.dcm"] if code == 0 else []
    )


def test_the_page_names_every_file_and_its_examples_are_those_of_the_files():
    page = (ROOT / "docs" / "integration.md").read_text()
    for path in FOLDER.iterdir():
        if path.is_file():
            assert path.name in page, path.name
    (section,) = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", page, flags=re.S)]
    assert set(section["FdgLung"]) <= {"Command", "Folder", "TimeoutSeconds"}
    assert {"$input", "$output"} <= set(" ".join(section["FdgLung"]["Command"]).replace(":", " ").split())
    assert IMAGE in section["FdgLung"]["Command"]


@pytest.mark.validator
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("storescp"), reason="dcmtk is not installed")
def test_a_study_sent_to_a_router_comes_out_as_a_report(tmp_path):
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rn", "true"], check=False).returncode:
        pytest.skip("this machine allows no namespaces, in which the receivers are alone")
    ended = subprocess.run(
        ["unshare", "-rn", sys.executable, "-m", "tests.apps.router_session", tmp_path],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert sorted(json.loads(ended.stdout.splitlines()[-1])["received"]) == ["DOC", "SEG", "SR"]
