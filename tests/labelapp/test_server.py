"""MONAI Label's client, as 3D Slicer's module calls it, against a real server on loopback."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from fdglung import study
from fdglung.files import write_nifti_image
from fdglung.pipeline import analyze
from fdglung.segmentation_files import segment_files
from tests.cases import ROOT
from tests.dicomweb_server import DicomWebServer
from tests.simple_thorax import simple_thorax, write_dicom

pytestmark = [pytest.mark.usefixtures("module_with_own_lungs"), pytest.mark.timeout(1800)]
pytest.importorskip("monailabel")

PARAMS = {"result_extension": ".nrrd", "result_dtype": "uint8"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("studies")
    phantom = simple_thorax(ct_matrix=128, seed=5)
    write_dicom(phantom, root / "alpha")
    (root / "beta").mkdir()
    write_nifti_image(phantom.pet, root / "beta" / "pet.nii.gz")
    write_nifti_image(phantom.ct, root / "beta" / "ct.nii.gz")
    write_dicom(simple_thorax(ct_matrix=64, with_pet=False), root / "only_ct")
    write_dicom(simple_thorax(ct_matrix=64), root / "raw")
    for path in (root / "raw").rglob("*.dcm"):
        header = pydicom.dcmread(path)
        if header.Modality == "PT":
            header.CorrectedImage = ["DECY"]
            header.AttenuationCorrectionMethod = "NONE"
            header.save_as(path)
    return root, phantom


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    def __init__(self, command, log, environment=None):
        self.port = free_port()
        self.log = log
        started = time.monotonic()
        with log.open("wb") as stream:
            self.process = subprocess.Popen(
                [sys.executable, *command(self.port)],
                cwd=ROOT,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
            )
        while not self.answers():
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() - started < 900, log.read_text()
            time.sleep(0.2)
        self.seconds_to_start = time.monotonic() - started

    def answers(self):
        try:
            return self.get("/info/")[0] == 200
        except OSError:
            return False

    def request(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)


@pytest.fixture(scope="module")
def server(folder, tmp_path_factory):
    def command(port):
        return ["-m", "fdglung", "label", str(folder[0]), "--port", str(port), "--checkpoint", "none"]

    running = Server(command, tmp_path_factory.mktemp("log") / "server.log")
    yield running
    running.stop()


@pytest.fixture
def client(server, tmp_path):
    from monailabel.client import MONAILabelClient

    def of(name="anna"):
        return MONAILabelClient(f"http://127.0.0.1:{server.port}", str(tmp_path), client_id=name)

    return of


@pytest.fixture(scope="module")
def analysed(folder):
    return analyze(study.load(folder[0] / "alpha"))


def mask_of(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(path)) > 0


def clicks_of(phantom):
    return [list(phantom.pet.TransformPhysicalPointToIndex(lesion.centre_mm)) for lesion in phantom.lesions]


def refusal(call, *arguments, **options):
    from monailabel.client.client import MONAILabelClientException

    with pytest.raises(MONAILabelClientException) as caught:
        call(*arguments, **options)
    return caught.value.msg


def test_info_lists_the_tools_and_strategies_and_that_this_is_research_software(client):
    info = client().info()
    assert set(info["models"]) == {"lesions", "suv_threshold", "suv_click", "lungs"}
    assert set(info["strategies"]) == {
        *("random", "first", "uncertainty", "disagreement", "volume_error", "diversity"),
    }
    assert "Not a medical device" in info["description"]
    assert info["datastore"]["total"] == 4


def test_the_proposed_lesions_are_those_of_fdglung_analyze_to_the_voxel(client, analysed):
    path, told = client().infer("lesions", "alpha", dict(PARAMS))
    assert (mask_of(path) == (sitk.GetArrayFromImage(analysed.lesions) > 0)).all()
    expected = analysed.findings.lesions
    assert len(expected) == 3
    for lesion, true in zip(told["lesions"], expected, strict=True):
        assert lesion["suv_max"] == pytest.approx(true.suv_max, rel=1e-6)
        assert lesion["suv_peak"] == pytest.approx(true.suv_peak, rel=1e-6)
        assert lesion["mtv_ml"] == pytest.approx(true.mtv_ml, rel=1e-6)
        assert lesion["tlg_g"] == pytest.approx(true.tlg_g, rel=1e-6)
    assert "found by thresholds" in told["warnings"][0]
    assert "Not a medical device" in told["notice"]


def test_the_proposed_lesions_of_a_nifti_pair_are_those_of_fdglung_segment(client, folder, tmp_path):
    pair = folder[0] / "beta"
    segment_files(pair / "pet.nii.gz", pair / "ct.nii.gz", tmp_path / "out.nii.gz", method="threshold")
    path, told = client().infer("lesions", "beta", dict(PARAMS))
    assert (mask_of(path) == mask_of(str(tmp_path / "out.nii.gz"))).all()
    assert len(told["lesions"]) == 3


def test_the_result_lies_on_the_grid_of_the_image_that_the_server_sends(client, server, folder, tmp_path):
    status, body = server.get("/datastore/image?image=alpha")
    assert status == 200
    (tmp_path / "pet.nii.gz").write_bytes(body)
    image = sitk.ReadImage(str(tmp_path / "pet.nii.gz"))
    label = sitk.ReadImage(client().infer("lungs", "alpha", dict(PARAMS))[0])
    assert label.GetSize() == image.GetSize()
    assert label.GetOrigin() == pytest.approx(image.GetOrigin(), abs=1e-3)
    assert sitk.GetArrayFromImage(image).max() == pytest.approx(study_max(folder), rel=1e-5)


def study_max(folder):
    return sitk.GetArrayFromImage(study.load(folder[0] / "alpha").pet).max()


def test_the_lungs_cover_what_the_phantom_says_are_lungs(client, folder):
    phantom = folder[1]
    path, told = client().infer("lungs", "beta", dict(PARAMS))
    truth = sitk.Resample(phantom.lungs, phantom.pet, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    truth = sitk.GetArrayFromImage(truth) > 0
    found = mask_of(path)
    assert told["label_names"] == {"right lung": 1, "left lung": 2}
    assert 2 * (truth & found).sum() / (truth.sum() + found.sum()) > 0.9


@pytest.mark.parametrize("key", ["lesion", "foreground"])
def test_a_click_gives_the_lesion_under_it_as_slicer_and_ohif_send_it(client, folder, analysed, key):
    click = clicks_of(folder[1])[0]
    params = {**PARAMS, "start": "empty", key: [click], "background": [], "label": "lesion"}
    path, told = client().infer("suv_click", "alpha", params)
    labels = sitk.GetArrayFromImage(analysed.lesions)
    assert (mask_of(path) == (labels == labels[tuple(click[::-1])])).all()
    assert len(told["lesions"]) == 1


def test_a_click_with_the_background_label_takes_one_proposed_lesion_away(client, folder, analysed):
    click = clicks_of(folder[1])[1]
    path, told = client().infer("suv_click", "alpha", {**PARAMS, "lesion": [], "background": [click]})
    labels = sitk.GetArrayFromImage(analysed.lesions)
    assert (mask_of(path) == ((labels > 0) & (labels != labels[tuple(click[::-1])]))).all()
    assert (told["start"], told["removed"]) == ("lesions", 1)


def test_a_click_starts_from_the_label_that_the_client_sends(client, folder, tmp_path):
    phantom = folder[1]
    label = str(tmp_path / "mine.nrrd")
    sitk.WriteImage(sitk.Cast(phantom.lesion_mask == 2, sitk.sitkUInt8), label)
    params = {**PARAMS, "foreground": [clicks_of(phantom)[0]], "background": []}
    path, told = client().infer("suv_click", "beta", params, label_in=label)
    mine = sitk.GetArrayFromImage(phantom.lesion_mask) == 2
    assert told["start"] == "label"
    assert mask_of(path)[mine].all()
    assert len(told["lesions"]) == 2


@pytest.mark.parametrize(("kind", "value"), [("fixed", 4.0), ("percent", 50.0), ("liver", 1.5)])
def test_thresholds_hold_what_they_say(client, folder, kind, value):
    phantom = folder[1]
    path, told = client().infer("suv_threshold", "beta", {**PARAMS, "kind": kind, "value": value, "min_volume_ml": 0})
    found, suv = mask_of(path), sitk.GetArrayFromImage(phantom.pet)
    for lesion in phantom.lesions:
        centre = phantom.pet.TransformPhysicalPointToIndex(lesion.centre_mm)[::-1]
        assert found[centre] == (kind == "percent" or suv[centre] >= told["threshold_suv"])
    assert found.any()
    if kind == "percent":
        assert told["threshold_suv"] is None
    else:
        assert suv[found].min() >= told["threshold_suv"] - 1e-3
        assert kind == "liver" or told["threshold_suv"] == value


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        ("only_ct", "NoPetError"),
        ("beta_ct", "NotQuantitativePetError"),
        ("raw", "NotAttenuationCorrectedError"),
        ("nothing", "UnknownStudyError"),
        ("../beta", "UnknownStudyError"),
        ("/etc/hostname", "UnknownStudyError"),
        ("tests", "UnknownStudyError"),
    ],
)
def test_what_is_no_quantitative_pet_of_the_folder_is_refused_with_a_remedy(client, image, kind):
    assert kind in refusal(client().infer, "lesions", image, dict(PARAMS))


def test_a_path_in_the_parameters_reaches_nothing(client, analysed):
    path, _ = client().infer("lesions", "alpha", {**PARAMS, "image": "/etc/hostname", "label": "/etc/hostname"})
    assert (mask_of(path) == (sitk.GetArrayFromImage(analysed.lesions) > 0)).all()


@pytest.mark.parametrize(
    ("params", "kind"),
    [
        ({"foreground": [[9999, 0, 0]]}, "ClickError"),
        ({"foreground": "[[1, 2]]"}, "ClickError"),
        ({"voi_percent": "many"}, "ParameterError"),
        ({"start": "somewhere"}, "ParameterError"),
        ({"result_extension": "/../../x"}, "ParameterError"),
    ],
)
def test_impossible_requests_are_refused_with_their_kind(client, params, kind):
    assert kind in refusal(client().infer, "suv_click", "beta", {**PARAMS, **params})


def test_saving_keeps_every_version_and_reports_how_annotators_agree(client, server, folder, tmp_path):
    root, phantom = folder
    label = tmp_path / "label.nrrd"
    answers = []
    for who, which in (("anna", phantom.lesion_mask > 0), ("bela", phantom.lesion_mask == 1), ("anna", None)):
        image = phantom.lesion_mask > 0 if which is None else which
        sitk.WriteImage(sitk.Cast(image, sitk.sitkUInt8), str(label))
        answers.append(client(who).save_label("alpha", str(label), params={"label_info": [{"name": "lesion"}]}))
    assert [answer["version"] for answer in answers] == [1, 2, 3]
    kept = sorted(path.name for path in (root / "labels" / "alpha" / "final").iterdir())
    assert kept == ["v0001", "v0002", "v0003"]
    truth = sitk.GetArrayFromImage(phantom.lesion_mask)
    one, both = (truth == 1).sum(), (truth > 0).sum()
    (agreement,) = answers[1]["agreement"]
    assert agreement == {"with": "anna", "dice": pytest.approx(2 * one / (one + both), abs=1e-3), "lesion_f1": 0.5}
    path = client().download_label("alpha", "final")
    assert (mask_of(path) == (truth > 0)).all()


def test_what_was_saved_is_a_dicom_seg_by_its_annotator_with_the_same_voxels(client, folder, tmp_path):
    from highdicom.seg import segread

    root, phantom = folder
    label = tmp_path / "label.nii.gz"
    sitk.WriteImage(phantom.lesion_mask, str(label))
    answer = client("Żofia").save_label("alpha", str(label))
    seg = segread(root / "labels" / "alpha" / "final" / f"v{answer['version']:04d}" / "label.seg.dcm")
    assert str(seg.ContentCreatorName).rstrip("^") == "Zofia"
    assert {segment.SegmentAlgorithmType for segment in seg.SegmentSequence} == {"SEMIAUTOMATIC"}
    assert seg.number_of_segments == 3
    assert int(seg.pixel_array.sum()) == int((sitk.GetArrayFromImage(phantom.lesion_mask) > 0).sum())


def test_a_label_on_another_grid_is_refused_and_nothing_is_written(client, folder, tmp_path):
    root, phantom = folder
    label = tmp_path / "label.nrrd"
    sitk.WriteImage(sitk.Cast(phantom.lesion_mask[1:, :, :] > 0, sitk.sitkUInt8), str(label))
    assert "LabelGridError" in refusal(client().save_label, "beta", str(label))
    assert not (root / "labels" / "beta" / "final").exists()


@pytest.mark.parametrize("tag", ["../../evil", "a/b", "x" * 40])
def test_a_tag_that_could_leave_the_folder_is_refused(client, folder, tmp_path, tag):
    label = tmp_path / "label.nrrd"
    sitk.WriteImage(sitk.Cast(folder[1].lesion_mask > 0, sitk.sitkUInt8), str(label))
    assert "ParameterError" in refusal(client().save_label, "beta", str(label), tag)


def test_two_annotators_never_get_the_same_study_and_unusable_ones_are_passed_over(client):
    first = client("carl").next_sample("first", {})
    second = client("dora").next_sample("first", {})
    assert {first["id"], second["id"]} == {"alpha", "beta"}
    assert os.path.isfile(first["path"])
    assert client("emil").next_sample("random", {}) == {}
    assert client("carl").next_sample("uncertainty", {})["id"] == first["id"]


def test_info_answers_while_inferences_run(server, client):
    def infer(number):
        return client(f"c{number}").infer("suv_threshold", "alpha", {**PARAMS, "kind": "percent", "value": 45.0})

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        running = [pool.submit(infer, number) for number in range(3)]
        answered = 0
        while not all(future.done() for future in running):
            assert server.get("/info/")[0] == 200
            answered += 1
        assert [future.result()[1]["method"] for future in running] == ["percent"] * 3
    assert answered > 0


def test_pages_of_other_servers_other_hosts_and_large_requests_are_let_in_nowhere(server):
    assert server.get("/info/", Origin="http://evil.example")[0] == 403
    assert server.get("/info/", Host="evil.example")[0] == 403
    assert server.get("/info/", Origin=f"http://127.0.0.1:{server.port}")[0] == 200
    status, body = server.request("PUT", "/datastore/label?image=beta", None, {"Content-Length": str(10**10)})
    assert status == 413
    assert "larger" in json.loads(body)["detail"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/datastore/image?id=beta"),
        ("DELETE", "/datastore/label?id=alpha&tag=final"),
        ("GET", "/datastore/dataset"),
        ("GET", "/datastore/label?label=..%2F..%2Fetc&tag=final"),
        ("GET", "/datastore/image?image=..%2F..%2Fetc%2Fhostname"),
    ],
)
def test_nothing_is_removed_and_no_path_is_read(server, folder, method, path):
    status, body = server.request(method, path)
    assert status in (400, 404)
    assert "Error" in json.loads(body)["detail"]
    assert (folder[0] / "beta" / "pet.nii.gz").is_file()


def test_no_study_uid_or_annotator_is_in_the_log(server, client, folder):
    refusal(client("secret annotator").infer, "lesions", "raw", dict(PARAMS))
    log = server.log.read_text()
    uids = {str(pydicom.dcmread(path, stop_before_pixels=True).SeriesInstanceUID) for path in folder[0].rglob("*.dcm")}
    for word in (*uids, "alpha", "beta", "only_ct", "secret annotator", "Traceback"):
        assert word not in log.replace(str(folder[0]), "")


def test_labels_become_a_datalist_that_training_reads(client, folder, tmp_path):
    from bundle.scripts.datalist import read_cases
    from fdglung.annotation.export import export_datalist

    label = tmp_path / "label.nrrd"
    sitk.WriteImage(sitk.Cast(folder[1].lesion_mask > 0, sitk.sitkUInt8), str(label))
    for name in ("alpha", "beta"):
        client().save_label(name, str(label))
    export_datalist(folder[0], tmp_path / "list" / "datalist.json")
    cases = read_cases(str(tmp_path / "list"), "datalist.json", "training", ["PET", "CT"])
    assert [case["name"] for case in cases] == ["alpha", "beta"]
    for case in cases:
        assert (mask_of(case["label"]) == (sitk.GetArrayFromImage(folder[1].lesion_mask) > 0)).all()
        np.testing.assert_allclose(
            sitk.GetArrayFromImage(sitk.ReadImage(case["pet"])),
            sitk.GetArrayFromImage(folder[1].pet),
            atol=0.02,
        )


@pytest.mark.parametrize("where", ["folder", "PACS"])
def test_the_stock_command_serves_the_app_on_a_folder_and_on_a_pacs(folder, tmp_path, where):
    with DicomWebServer(sorted((folder[0] / "alpha").rglob("*.dcm"))) as pacs:
        studies = str(folder[0]) if where == "folder" else pacs.url
        name = "alpha"

        def command(port):
            place = ["--studies", studies, "--host", "127.0.0.1", "--port", str(port)]
            conf = ["--conf", "checkpoint", "none", "--conf", "labels", str(tmp_path / "labels")]
            return ["-m", "monailabel.main", "start_server", "--app", "labelapp", *place, *conf]

        running = Server(command, tmp_path / "stock.log")
        try:
            from monailabel.client import MONAILabelClient

            client = MONAILabelClient(f"http://127.0.0.1:{running.port}", str(tmp_path), client_id="anna")
            assert client.info()["name"] == "fdglung"
            if where == "PACS":
                name = client.next_sample("first", {})["id"]
                assert name in {str(one.SeriesInstanceUID) for one in pacs.headers.values() if one.Modality == "PT"}
            path, _ = client.infer("suv_threshold", name, {**PARAMS, "kind": "fixed", "value": 4.0, "region": "all"})
            suv = sitk.GetArrayFromImage(folder[1].pet)
            # The file of the PET holds whole numbers.
            assert mask_of(path)[suv > 4.1].mean() > 0.99
            assert not mask_of(path)[suv < 3.9].any()
            log = running.log.read_text().replace(str(folder[0]), "")
            assert not [uid for one in pacs.headers.values() if (uid := str(one.SeriesInstanceUID)) in log]
        finally:
            running.stop()
