from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import time
import types

import pytest
from pydicom import dcmread

from fdglung import cli
from tests.apps.orthanc_session import HOOK, PLUGIN
from tests.cases import ROOT
from tests.simple_thorax import simple_thorax, write_dicom

# Stands in for the application: counts its runs, writes two objects named after what it was given, ends as told.
APPLICATION = """
import json, pathlib, sys
source, out, runs, code = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), sys.argv[4]
given = sorted(path.read_bytes().decode() for path in source.iterdir())
with runs.open("a") as stream:
    stream.write(",".join(given) + "\\n")
code = int(pathlib.Path(code).read_text())
if code == 0:
    for name in ("a.dcm", "b.dcm"):
        (out / name).write_text(f"result {name} of {','.join(given)}")
    (out / "lesions.csv").write_text("no object")
error = {"kind": "MissingSliceError"} if code else None
(out / "status.json").write_text(json.dumps({"status": "failed" if code else "done", "error": error}))
sys.exit(code)
"""


class OrthancException(Exception):  # noqa: N818
    pass


class Orthanc(types.ModuleType):
    """As much of the plug-in's module as the hook calls, over a dict of studies: series to (modality, instances)."""

    def __init__(self, configuration, studies):
        super().__init__("orthanc")
        self.OrthancException = OrthancException
        self.ChangeType = types.SimpleNamespace(ORTHANC_STARTED=1, STABLE_STUDY=2, ORTHANC_STOPPED=3, NEW_STUDY=4)
        self.configuration, self.studies = configuration, studies
        self.metadata, self.stored, self.log, self.registered = {}, [], [], []

    def GetConfiguration(self):  # noqa: N802
        return json.dumps(self.configuration)

    def RegisterOnChangeCallback(self, callback):  # noqa: N802
        self.registered.append(callback)

    def RegisterRestCallback(self, uri, callback):  # noqa: N802
        self.registered.append(callback)

    def LogWarning(self, text):  # noqa: N802
        self.log.append(text)

    LogError = LogWarning

    def GetDicomForInstance(self, instance):  # noqa: N802
        return instance.encode()

    def RestApiGet(self, uri):  # noqa: N802
        match uri.strip("/").split("/"):
            case ["studies", study, "series"]:
                series = self.studies[study].items()
                return json.dumps([{"ID": name, "MainDicomTags": {"Modality": kind}} for name, (kind, _) in series])
            case ["series", name, "instances"]:
                (found,) = [series[name][1] for series in self.studies.values() if name in series]
                return json.dumps([{"ID": one, "MainDicomTags": {"SOPInstanceUID": f"1.{one}"}} for one in found])
            case ["studies", study, "metadata", number] if (study, number) in self.metadata:
                return self.metadata[study, number]
        raise OrthancException(uri)

    def RestApiPost(self, uri, content):  # noqa: N802
        assert uri == "/instances"
        self.stored.append(content.decode())

    def RestApiPut(self, uri, content):  # noqa: N802
        _, _, study, _, number = uri.split("/")
        self.metadata[study, number] = content


@pytest.fixture
def orthanc(tmp_path, monkeypatch):
    (tmp_path / "code").write_text("0")
    (tmp_path / "folder").mkdir()
    program = [sys.executable, "-c", APPLICATION, "$input", "$output", str(tmp_path / "runs"), str(tmp_path / "code")]
    section = {"Command": program, "Folder": str(tmp_path / "folder"), "TimeoutSeconds": 60}
    study = {"ct": ("CT", ["c1"]), "pet": ("PT", ["p1", "p2"]), "old": ("SEG", ["s1"])}
    fake = Orthanc({"FdgLung": section}, {"S": study, "T": {"only": ("CT", ["c9"])}})
    fake.tmp_path = tmp_path
    monkeypatch.setitem(sys.modules, "orthanc", fake)
    return fake


def load_hook():
    spec = importlib.util.spec_from_file_location("orthanc_hook", HOOK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def runs(orthanc):
    path = orthanc.tmp_path / "runs"
    return path.read_text().splitlines() if path.exists() else []


def test_pet_and_ct_go_to_the_application_and_its_objects_come_back(orthanc):
    hook = load_hook()
    assert hook.worker.process("S") == "2 objects stored"
    assert runs(orthanc) == ["c1,p1,p2"]
    assert orthanc.stored == ["result a.dcm of c1,p1,p2", "result b.dcm of c1,p1,p2"]
    assert json.loads(orthanc.metadata["S", "4712"])["status"] == "done"
    assert list((orthanc.tmp_path / "folder").iterdir()) == []


def test_the_same_images_are_run_once_and_again_on_demand_and_other_images_are_run(orthanc):
    worker = load_hook().worker
    worker.process("S")
    orthanc.studies["S"]["new"] = ("SEG", ["result"])
    assert worker.process("S") == "its results are there"
    assert worker.process("S", again=True) == "2 objects stored"
    orthanc.studies["S"]["pet"][1].append("p3")
    assert worker.process("S") == "2 objects stored"
    assert runs(orthanc) == ["c1,p1,p2", "c1,p1,p2", "c1,p1,p2,p3"]


def test_another_command_such_as_another_version_s_image_runs_again(orthanc):
    load_hook().worker.process("S")
    orthanc.configuration["FdgLung"]["Command"].append("another")
    assert load_hook().worker.process("S") == "2 objects stored"


def test_a_study_without_pet_is_not_run(orthanc):
    assert load_hook().worker.process("T") == "no PET, nothing to do"
    assert (runs(orthanc), orthanc.stored) == ([], [])


@pytest.mark.parametrize(("code", "count"), [(2, 1), (1, 2)])
def test_an_unusable_study_is_told_and_not_run_again_and_a_fault_is(orthanc, code, count):
    (orthanc.tmp_path / "code").write_text(str(code))
    worker = load_hook().worker
    assert worker.process("S") == f"exit code {code} MissingSliceError"
    worker.process("S")
    assert len(runs(orthanc)) == count
    assert orthanc.stored == []
    assert json.loads(orthanc.metadata["S", "4712"])["error"]["kind"] == "MissingSliceError"


def test_results_of_a_study_that_changed_meanwhile_are_dropped(orthanc, monkeypatch):
    hook = load_hook()
    call = hook.Worker._call

    def slow(self, source, out):
        orthanc.studies["S"]["pet"][1].append("p3")
        return call(self, source, out)

    monkeypatch.setattr(hook.Worker, "_call", slow)
    assert "dropped" in hook.worker.process("S")
    assert (orthanc.stored, orthanc.metadata) == ([], {})


def test_a_run_that_takes_too_long_is_ended(orthanc):
    section = orthanc.configuration["FdgLung"]
    section["Command"] = [sys.executable, "-c", "import time; time.sleep(60)", "$input", "$output"]
    section["TimeoutSeconds"] = 0.2
    assert load_hook().worker.process("S") == "exit code 124"
    assert json.loads(orthanc.metadata["S", "4712"]) == {"status": "failed", "exit_code": 124}


def test_a_program_that_is_not_there_is_an_exit_code(orthanc):
    orthanc.configuration["FdgLung"]["Command"] = ["/nowhere/program", "$input", "$output"]
    assert load_hook().worker.process("S") == "exit code 127"


def test_stable_studies_are_run_one_after_the_other_and_a_fault_of_one_does_not_stop_the_next(orthanc):
    hook = load_hook()
    on_change, on_request = orthanc.registered
    kinds = orthanc.ChangeType
    on_change(kinds.ORTHANC_STARTED, 0, "")
    on_change(kinds.NEW_STUDY, 1, "T")
    on_change(kinds.STABLE_STUDY, 1, "gone")
    on_change(kinds.STABLE_STUDY, 1, "S")
    answers = []
    output = types.SimpleNamespace(
        AnswerBuffer=lambda *said: answers.append(said), SendMethodNotAllowed=lambda said: answers.append(said)
    )
    on_request(output, "/fdglung/studies/S", method="POST", groups=["S"])
    on_request(output, "/fdglung/studies/S", method="GET", groups=["S"])
    hook.worker._waiting.put(None)
    hook.worker._thread.join(timeout=60)
    assert orthanc.log == [
        "fdglung: study gone: KeyError",
        "fdglung: study S: 2 objects stored",
        "fdglung: study S: 2 objects stored",
    ]
    assert answers == [("{}", "application/json"), "POST"]


def test_a_stop_ends_the_run_and_stores_nothing(orthanc):
    orthanc.configuration["FdgLung"]["Command"] = [
        sys.executable, "-c", "import sys, time; open(sys.argv[3], 'w').close(); time.sleep(60)", "$input", "$output",
        str(orthanc.tmp_path / "runs"),
    ]  # fmt: skip
    hook = load_hook()
    on_change, _ = orthanc.registered
    on_change(orthanc.ChangeType.ORTHANC_STARTED, 0, "")
    on_change(orthanc.ChangeType.STABLE_STUDY, 1, "S")
    while not (orthanc.tmp_path / "runs").exists():
        time.sleep(0.02)
    on_change(orthanc.ChangeType.ORTHANC_STOPPED, 0, "")
    assert not hook.worker._thread.is_alive()
    assert (orthanc.stored, orthanc.metadata) == ([], {})
    assert list((orthanc.tmp_path / "folder").iterdir()) == []


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        (None, "FdgLung.Command is no list"),
        ({"Command": "app $input $output"}, "FdgLung.Command is no list"),
        ({"Command": ["app", "$input"]}, r"lacks \$input or \$output"),
        ({"Command": ["app", "$input", "$output"], "Comand": []}, "FdgLung.Comand: there is no such key"),
        ({"Command": ["app", "$input", "$output"], "TimeoutSeconds": 0}, "FdgLung.TimeoutSeconds"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_by_the_name_of_its_key(orthanc, section, problem):
    orthanc.configuration = {"FdgLung": section}
    with pytest.raises(ValueError, match=problem):
        load_hook()


def namespaces():
    return bool(shutil.which("unshare")) and not subprocess.run(["unshare", "-rn", "true"], check=False).returncode


@pytest.mark.slow
@pytest.mark.usefixtures("own_lungs")
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not (PLUGIN.exists() and shutil.which("Orthanc")), reason="orthanc and orthanc-python are missing")
@pytest.mark.skipif(not namespaces(), reason="this machine allows no namespaces, in which Orthanc is alone")
def test_a_real_orthanc_gets_the_results_of_a_stable_study_once(tmp_path):
    study = write_dicom(simple_thorax(seed=3, ct_matrix=96), tmp_path / "study")
    broken = write_dicom(simple_thorax(seed=4, ct_matrix=96), tmp_path / "broken")
    pets = [path for path in broken.rglob("*.dcm") if dcmread(path, stop_before_pixels=True).Modality == "PT"]
    pets.sort(key=lambda path: float(dcmread(path, stop_before_pixels=True).ImagePositionPatient[2]))
    pets[len(pets) // 2].unlink()
    (tmp_path / "work").mkdir()
    command = [sys.executable, "-m", "tests.apps.orthanc_session", tmp_path / "work", study, broken]
    ended = subprocess.run(["unshare", "-rn", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    seen = json.loads(ended.stdout.splitlines()[-1])
    assert cli.main(["analyze", str(study), str(tmp_path / "cli")]) == 0
    names = {"SEG": "lesions.seg.dcm", "SR": "measurements.sr.dcm", "DOC": "report.dcm"}
    expected = {kind: str(dcmread(tmp_path / "cli" / name).SOPInstanceUID) for kind, name in names.items()}
    assert {kind: uid for uid, (kind, _) in seen["first"]["results"].items()} == expected
    assert seen["first"]["instances"] == len(list(study.rglob("*.dcm"))) + 3
    # A second run stores nothing more: neither other objects nor other content under the same UIDs.
    assert seen["again"] == seen["first"]
    assert seen["status"]["status"] == "done"
    assert (seen["failed"]["exit_code"], seen["failed"]["error"]["kind"]) == (2, "MissingSliceError")
    assert seen["runs"] == [
        "3 objects stored", "its results are there", "3 objects stored", "exit code 2 MissingSliceError"
    ]  # fmt: skip
    assert (seen["left"], seen["exit_code"]) == ([], 0)
