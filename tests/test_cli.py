from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time

import pytest

from fdglung import RESEARCH_NOTICE, cli
from tests.cases import ROOT
from tests.simple_thorax import simple_thorax, write_dicom

PATIENT = "SYNTHETIC^PHANTOM"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return write_dicom(simple_thorax(ct_matrix=128), tmp_path_factory.mktemp("phantom"))


@pytest.fixture(scope="module")
def report(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "report"
    assert cli.main(["analyze", str(study), str(out)]) == 0
    return out


def command(*arguments, program=("-m", "fdglung"), **options):
    return subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_help_imports_none_of_the_heavy_packages():
    code = (
        "import sys, fdglung.cli as c\ntry:\n c.main(['--help'])\nexcept SystemExit: pass\nprint(sorted(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "analyze" in out
    for package in ("numpy", "SimpleITK", "pydicom", "torch", "monai", "matplotlib"):
        assert f"'{package}'" not in out


def test_the_help_of_every_command_says_that_it_is_research_software(capsys):
    for name in ("analyze", "suv", "convert", "evaluate"):
        with pytest.raises(SystemExit) as ended:
            cli.main([name, "--help"])
        assert ended.value.code == 0
        assert "Research software" in " ".join(capsys.readouterr().out.split())


def test_analyze_writes_every_file_that_the_readme_names(report):
    names = {path.name for path in report.iterdir()}
    assert names >= {
        "lesions.seg.dcm",
        "measurements.sr.dcm",
        "report.dcm",
        "report.pdf",
        "lesions.csv",
        "lesions_units.csv",
        "findings.json",
        "mip.png",
        "lesion_01.png",
    }


def test_analyze_prints_findings_as_json_for_machines(study, tmp_path, capsys):
    assert cli.main(["analyze", str(study), str(tmp_path / "out"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["notice"] == RESEARCH_NOTICE
    assert printed["findings"] == json.loads((tmp_path / "out" / "findings.json").read_text())
    assert (tmp_path / "out" / "lesions.csv").read_text().splitlines()[0].startswith("lesion,suv_max,suv_mean")


def test_an_output_folder_in_use_is_left_alone_unless_overwrite_is_given(study, tmp_path, capsys):
    (tmp_path / "findings.json").write_text("mine")
    assert cli.main(["analyze", str(study), str(tmp_path)]) == cli.EXIT_BAD_INPUT
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "findings.json").read_text() == "mine"
    assert cli.main(["analyze", str(study), str(tmp_path), "--overwrite"]) == 0
    assert (tmp_path / "findings.json").read_text() != "mine"


def test_errors_are_json_too_and_name_their_kind(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert cli.main(["suv", str(tmp_path / "empty"), "--json"]) == cli.EXIT_BAD_INPUT
    printed = json.loads(capsys.readouterr().out)
    assert printed["error"] in {"NotDicomError", "NoImageError"}
    assert printed["remedy"]


def test_suv_prints_factors_and_record(study, capsys):
    assert cli.main(["suv", str(study), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    record = printed["record"]
    dose, weight = record["decayed_dose_bq"], record["weight_kg"]
    assert printed["factors"]["suvbw"] == pytest.approx(1000 * weight / dose, rel=1e-9)
    assert {"suvlbm_james128", "suvlbm_janma", "suvbsa", "suvibw"} <= set(printed["factors"])
    assert {"Units", "RadionuclideTotalDose", "PatientWeight"} <= {used["name"] for used in record["attributes"]}


def test_convert_writes_pet_ct_and_study(study, tmp_path):
    assert cli.main(["convert", str(study), str(tmp_path / "out")]) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"pet_suvbw.nii.gz", "ct_hu.nii.gz", "study.json"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--seed-suv", "-3"],
        ["--voi-fraction", "2"],
        ["--method", "network", "--probability", "2"],
        ["--method", "network", "--min-suv", "-1"],
    ],
)
def test_an_impossible_parameter_is_refused_before_anything_is_read(arguments, tmp_path, capsys):
    assert cli.main(["analyze", str(tmp_path / "absent"), str(tmp_path / "out"), *arguments]) == cli.EXIT_BAD_INPUT
    assert "ParameterError" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_run_leaves_nothing_behind(study, tmp_path, tmp_path_factory, number):
    # Writing takes a second, which a busy machine may miss: here it waits just before the output gets its name.
    begun = tmp_path_factory.mktemp("begun") / "waiting"
    waiting = (
        "import pathlib, sys, time; from fdglung import cli, files; "
        f"files._replace = lambda *a, **k: (pathlib.Path({str(begun)!r}).touch(), time.sleep(300)); "
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    # A program started in the background of a shell ignores SIGINT, and so would what it starts.
    heeded = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    running = command("analyze", study, tmp_path / "out", program=["-c", waiting], **heeded)
    deadline = time.monotonic() + 120
    while not begun.exists() and running.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    # The hidden folder beside the output is there, and the output is not.
    (partial,) = tmp_path.iterdir()
    assert partial.name != "out"
    running.send_signal(number)
    _, messages = running.communicate(timeout=60)
    assert running.returncode == cli.EXIT_INTERRUPTED
    assert "interrupted" in messages
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_behind(study, tmp_path, tmp_path_factory):
    def limit():
        # A limit on file size fails a write half-way, as a full disk does.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    # A first use of matplotlib writes its font cache, which is larger than the limit.
    fonts = {**os.environ, "MPLCONFIGDIR": str(tmp_path_factory.mktemp("fonts"))}
    ended = command("analyze", study, tmp_path / "out", preexec_fn=limit, env=fonts)
    _, messages = ended.communicate(timeout=120)
    assert ended.returncode == cli.EXIT_BAD_INPUT
    assert "OutputWriteError" in messages
    assert list(tmp_path.iterdir()) == []


def test_no_name_or_id_of_the_patient_is_printed(study, tmp_path):
    ended = command("analyze", study, tmp_path / "out")
    printed, messages = ended.communicate(timeout=120)
    assert ended.returncode == 0
    assert PATIENT.split("^")[1] not in (printed + messages).replace(str(study), "")
