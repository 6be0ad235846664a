from __future__ import annotations

import json
import re
import subprocess
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

pytest.importorskip("holoscan_cli.packager")

import fdglung
from apps.lesion_report.configuration import read_configuration, with_models
from apps.lesion_report.packager import __main__ as packager
from apps.lesion_report.packager.build_tools import PYTHON_VARIABLE, BuildError, find_python
from apps.lesion_report.packager.builder import ContextBuilder, MapBuilder, replaced_once
from apps.lesion_report.packager.manifests import (
    complete_application,
    complete_files,
    complete_package,
    problems_of_application,
    problems_of_package,
)
from apps.lesion_report.packager.models import find_weights, stage_models
from apps.lesion_report.packager.staging import SOURCE_MANIFEST, Staged, requirements
from fdglung.lungs.unet import build
from fdglung.lungs.weights import R231_FILE, cache_folder, read_weights
from tests.cases import ROOT

APP = ROOT / "apps" / "lesion_report"


@pytest.fixture(scope="module")
def staged(tmp_path_factory):
    """The application as the packager is given it, with stand-ins for wheels, which take minutes to build."""
    folder = tmp_path_factory.mktemp("staged")
    for name in ("packages", "docs", "models/lesions", "app"):
        (folder / name).mkdir(parents=True)
    for name in ("packages/a.whl", "docs/LICENSE", "models/lesions/model.onnx", "app/__main__.py"):
        (folder / name).write_text(name)
    (folder / "app" / "requirements.txt").write_text(requirements("docopt==0.6.2\nnumpy==1.26.4"))
    (folder / "app" / "app.yaml").write_text((APP / "app.yaml").read_text())
    return Staged(folder / "app", folder / "packages", folder / "docs", folder / "models", ())


@pytest.fixture(scope="module")
def context(staged, tmp_path_factory):
    ContextBuilder.out = tmp_path_factory.mktemp("context") / "context"
    packager._package(staged, ContextBuilder, "lesions:1.2.3")
    return ContextBuilder.out


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_engine_is_called_with_the_same_context(staged, context, monkeypatch):
    from holoscan_cli.packager import container_builder

    seen = {}

    def build(**options):
        seen.update(options, contents=contents(Path(options["context_path"])))

    monkeypatch.setattr(container_builder, "create_and_get_builder", lambda name: name)
    monkeypatch.setattr(container_builder, "build_docker_image", build)
    packager._package(staged, MapBuilder, "lesions:1.2.3")
    assert seen["tags"] == ["lesions-x64-workstation-dgpu-linux-amd64:1.2.3"]
    assert seen["platforms"] == ["linux/amd64"]
    assert seen["contents"] == contents(context)


def test_a_failure_of_the_engine_is_no_success(staged, monkeypatch):
    from holoscan_cli.packager import container_builder

    def build(**options):
        raise OSError("the disk is full")

    monkeypatch.setattr(container_builder, "create_and_get_builder", lambda name: name)
    monkeypatch.setattr(container_builder, "build_docker_image", build)
    with pytest.raises(BuildError):
        packager._package(staged, MapBuilder, "lesions:1.2.3")


def test_the_context_holds_what_its_dockerfile_copies(context):
    sources = re.findall(r"^COPY (\S+) ", (context / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert {"./pip/packages", "./models", "./docs", "./app", "./tools"} <= set(sources)
    assert all((context / source).exists() for source in sources)


def test_nothing_of_the_context_is_kept_from_the_engine_by_dockerignore(context):
    lines = (context / ".dockerignore").read_text().splitlines()
    patterns = [line.removeprefix("**/").strip("/") for line in lines if line and line[0] != "#"]
    parts = {part for path in context.rglob("*") for part in path.relative_to(context).parts}
    assert not [(part, pattern) for part in parts for pattern in patterns if fnmatch(part, pattern)]


def test_requirements_bring_our_wheels_from_beside_them_and_compile_nothing(context):
    lines = (context / "pip" / "requirements.txt").read_text().splitlines()
    options, own = lines[:2], [f"fdglung=={fdglung.__version__}", "pyradiomics==3.0.1"]
    assert options == ["--only-binary :all:", "--find-links packages"]
    assert lines[2:] == [*own, "docopt==0.6.2", "numpy==1.26.4"]
    assert (context / "pip" / "packages" / "a.whl").exists()


def test_manifests_of_the_context_meet_the_specification_and_the_packager_s_own_do_not(context):
    application, package = (json.loads((context / "map" / name).read_text()) for name in ("app.json", "pkg.json"))
    assert problems_of_application(application) == []
    assert problems_of_package(package) == []
    assert application["version"] == package["version"] == fdglung.__version__
    assert package["models"] == [{"name": "lesions", "path": "lesions"}]
    by_packager = {key: value for key, value in application.items() if key != "type"}
    assert problems_of_application(by_packager) == ["type is missing", "type is neither application nor service"]
    assert problems_of_package({**package, "models": {"lesions": "/opt/holoscan/models/lesions"}})


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("command", "", "command"),
        ("version", "0.1", "version"),
        ("input", {"path": "input/", "formats": ["file"]}, "input.formats"),
        ("output", {"path": "output/"}, "output.format"),
        ("readiness", {"command": []}, "readiness"),
        ("workingDirectory", "var", "workingDirectory"),
        ("environment", {"A": 1}, "environment.A"),
    ],
)
def test_an_application_manifest_that_breaks_the_specification_is_found(context, key, value, problem):
    good = json.loads((context / "map" / "app.json").read_text())
    assert any(problem in found for found in problems_of_application({**good, key: value}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("resources", {"memory": "4GB"}),
        ("resources", {"cpu": -1}),
        ("resources", {"cpu": 0.25}),
        ("models", [{"name": "two words"}]),
        ("applicationRoot", "app"),
    ],
)
def test_a_package_manifest_that_breaks_the_specification_is_found(context, key, value):
    good = json.loads((context / "map" / "pkg.json").read_text())
    assert problems_of_package({**good, key: value})


def test_a_bad_app_yaml_is_refused_when_manifests_are_completed(tmp_path):
    formats = {"path": "x/", "formats": ["file"]}
    application = {"command": "x", "input": formats, "output": formats, "version": "1.0.0"}
    package = {"applicationRoot": "/a", "modelRoot": "/m", "resources": {"memory": "lots"}}
    (tmp_path / "app.json").write_text(json.dumps(application))
    (tmp_path / "pkg.json").write_text(json.dumps(package))
    with pytest.raises(BuildError, match=r"resources\.memory is no size"):
        complete_files(tmp_path)
    assert problems_of_application(complete_application(application)) == []
    assert problems_of_package(complete_package({**package, "resources": {}})) == []


@pytest.mark.parametrize("code", [0, 2, 7])
def test_the_entry_script_ends_with_the_application_s_exit_code(context, tmp_path, code):
    manifest = json.loads((context / "map" / "app.json").read_text())
    manifest["command"] = json.dumps(["bash", str(tmp_path / "app.sh")])
    (tmp_path / "app.json").write_text(json.dumps(manifest))
    (tmp_path / "app.sh").write_text(f"exit {code}\n")
    variables = {"HOLOSCAN_APP_MANIFEST_PATH": str(tmp_path / "app.json"), "PATH": "/usr/bin:/bin"}
    assert subprocess.run([context / "tools"], env=variables, capture_output=True, check=False).returncode == code


def test_networks_are_carried_as_onnx_and_a_torch_file_alone_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "models").mkdir()
    assert "thresholds only" in find_weights(tmp_path / "models").notes[0]
    assert stage_models(find_weights(tmp_path / "models"), tmp_path / "none") is None
    for name in ("a.onnx", "a.pt", "b.pt"):
        (tmp_path / "models" / name).touch()
    found = find_weights(tmp_path / "models")
    assert [path.name for path in found.carried] == ["a.onnx"]
    assert found.notes[0] == "b.pt stays behind: the image has no torch; export it to ONNX."
    assert (stage_models(found, tmp_path / "out") / "lesions" / "a.onnx").is_file()


def test_r231_of_lungmasks_cache_is_carried_as_onnx_and_taken_by_the_application(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    assert "fdglung weights fetch R231" in find_weights(tmp_path / "none").notes[-1]
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    published = cache_folder() / R231_FILE
    published.parent.mkdir(parents=True)
    torch.save(build(2, 3).state_dict(), published)
    found = find_weights(tmp_path / "none")
    assert found.lungs == (published,)
    assert not any("R231" in note for note in found.notes)
    models = stage_models(found, tmp_path / "models")
    asked = read_configuration(APP / "app.yaml")
    taken = with_models(asked, models).lung_weights
    assert taken == models / "lungs" / "unet_r231-d5d2fc3d.onnx"
    assert (read_weights(taken).width, read_weights(taken).classes) == (2, 3)
    assert with_models(asked, tmp_path / "none").lung_weights is None


def test_no_image_is_promised_where_no_engine_answers(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(packager, "has_engine", lambda: False)
    assert packager.main(["image", "--tools", str(tmp_path)]) == 2
    assert "make map-context" in capsys.readouterr().err


def test_a_python_of_another_version_is_refused(monkeypatch, tmp_path):
    (tmp_path / "python").write_text("#!/bin/sh\necho False\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setenv(PYTHON_VARIABLE, str(tmp_path / "python"))
    with pytest.raises(BuildError, match=PYTHON_VARIABLE):
        find_python()


def test_a_packager_of_another_version_is_refused():
    with pytest.raises(BuildError, match=r"holoscan-cli==4\.2\.0"):
        replaced_once("COPY nothing", "COPY ./pip", "x")


def test_the_shipped_source_manifest_is_of_the_packager_s_version():
    assert list(json.loads(SOURCE_MANIFEST.read_text())) == [version("holoscan-cli")]


def test_app_yaml_has_the_version_of_the_package():
    assert yaml.safe_load((APP / "app.yaml").read_text())["application"]["version"] == fdglung.__version__


def test_the_image_s_requirements_hold_nothing_that_it_does_not_need():
    names = {line.split("==")[0] for line in Path(APP / "requirements.txt").read_text().splitlines()}
    assert not names & {"torch", "torchvision", "mlflow", "tensorboard", "monailabel", "pandas", "itk"}
