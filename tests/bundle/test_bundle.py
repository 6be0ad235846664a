from __future__ import annotations

import json
import re

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from monai.bundle import ckpt_export, onnx_export, verify_metadata, verify_net_in_out

from fdglung import RESEARCH_NOTICE
from fdglung.segmentation_files import segment_files
from tests.bundle.bundles import CONFIGS, TINY, train, workflow
from tests.cases import ROOT

BUNDLE = ROOT / "bundle"
META = str(CONFIGS / "metadata.json")
SMALL = {"features": TINY["features"], "patch_size": TINY["patch_size"]}


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    train(dataset=dataset, out=out, max_epochs=2, steps_per_epoch=30, learning_rate=0.01, ema_decay=0.8)
    return out / "checkpoints" / "model.pt"


def test_the_files_that_a_bundle_has_are_there():
    for name in ("LICENSE", "docs/README.md", "docs/data_license.txt", "configs/metadata.json", "configs/logging.conf"):
        assert (BUNDLE / name).stat().st_size > 100
    names = {path.stem for path in CONFIGS.glob("*.yaml")}
    assert names == {
        *("train", "evaluate", "inference", "multi_gpu_train", "multi_gpu_evaluate"),
        *("pet_only", "ct_only", "organs", "deep_supervision", "clicks"),
        *("train_classifier", "inference_classifier"),
    }


def test_the_metadata_hold_to_the_schema_that_ships(tmp_path):
    schema = str(BUNDLE / "schema" / "metadata_schema.json")
    verify_metadata(meta_file=META, filepath=schema)
    wrong = json.loads((CONFIGS / "metadata.json").read_text())
    del wrong["network_data_format"]["inputs"]["image"]["normalisation"]
    (tmp_path / "metadata.json").write_text(json.dumps(wrong))
    with pytest.raises(ValueError, match="normalisation"):
        verify_metadata(meta_file=str(tmp_path / "metadata.json"), filepath=schema)


def test_the_metadata_state_the_latest_version_and_the_intended_use():
    meta = json.loads((CONFIGS / "metadata.json").read_text())
    assert next(iter(meta["changelog"])) == meta["version"]
    assert "Research" in meta["intended_use"]
    assert RESEARCH_NOTICE.split(".")[0] in (BUNDLE / "docs" / "README.md").read_text()


@pytest.mark.parametrize(
    ("names", "kind"),
    [(["train"], "train"), (["train", "evaluate"], "train"), (["inference"], "infer")],
)
def test_every_property_that_tools_ask_a_bundle_for_is_there(dataset, tmp_path, trained, names, kind):
    changes = {**(TINY if kind == "train" else SMALL), "output_dir": str(tmp_path)}
    changes |= {"checkpoint": str(trained)} if names != ["train"] else {}
    assert workflow(*names, dataset=dataset, kind=kind, **changes).check_properties() == []


@pytest.mark.parametrize("architecture", ["unet", "segresnet_ds", "dynunet"])
def test_every_network_takes_in_and_gives_out_what_the_metadata_say(architecture):
    verify_net_in_out(
        "network_def",
        meta_file=META,
        config_file=str(CONFIGS / "inference.yaml"),
        device="cpu",
        n=2,
        architecture=architecture,
        features=[4, 8, 16],
    )


def test_the_default_network_takes_in_and_gives_out_what_the_metadata_say():
    verify_net_in_out("network_def", meta_file=META, config_file=str(CONFIGS / "train.yaml"), device="cpu", n=2)


def test_a_checkpoint_exports_to_torchscript_and_onnx_and_answers_alike(trained, tmp_path):
    import onnxruntime
    import torch

    config = str(CONFIGS / "inference.yaml")
    common = {"ckpt_file": str(trained), "config_file": config, "meta_file": META, "key_in_ckpt": "network", **SMALL}
    ckpt_export("network_def", filepath=str(tmp_path / "model.ts"), **common)
    onnx_export(
        "network_def",
        filepath=str(tmp_path / "model.onnx"),
        input_shape=[1, 2, 32, 32, 32],
        use_trace=True,
        converter_kwargs={"dynamo": False, "input_names": ["image"]},
        **common,
    )
    image = np.random.default_rng(0).normal(size=(1, 2, 32, 32, 32)).astype(np.float32)
    script = torch.jit.load(str(tmp_path / "model.ts")).eval()
    with torch.inference_mode():
        expected = script(torch.from_numpy(image)).numpy()
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    # Single precision through some twenty layers, sums in another order.
    assert np.abs(session.run(None, {"image": image})[0] - expected).max() < 2e-3


def test_the_bundles_inference_and_fdglung_segment_give_the_same_mask(trained, dataset, tmp_path):
    run = workflow(
        "inference", dataset=dataset, kind="infer", checkpoint=str(trained), output_dir=str(tmp_path), **SMALL
    )
    run.run()
    folder = dataset / "case_2"
    files = [folder / "pet.nii.gz", folder / "ct.nii.gz", tmp_path / "library.nii.gz"]
    result = segment_files(*files, method="network", checkpoints=(str(trained),), backend="torch")
    masks = [
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / name))) for name in ("case_2.nii.gz", "library.nii.gz")
    ]
    assert result.lesions
    assert (masks[0] == masks[1]).all()


def test_evaluation_writes_the_dice_of_each_case(trained, dataset, tmp_path):
    run = workflow(
        "train", "evaluate", dataset=dataset, checkpoint=str(trained), **{**TINY, "output_dir": str(tmp_path)}
    )
    run.run()
    metric = run.evaluator.state.metrics["val_mean_dice"]
    assert 0.3 < metric <= 1
    raw = (tmp_path / "evaluation" / "val_mean_dice_raw.csv").read_text()
    assert "case_2" in raw
    assert float(raw.split()[-1].split(",")[-1]) == pytest.approx(metric, abs=1e-3)


def test_a_number_that_a_user_may_change_is_a_key_at_the_top():
    config = yaml.safe_load((CONFIGS / "train.yaml").read_text())
    for part in ("train", "validate"):
        for path, value in _leaves(config[part]):
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            assert not is_number or path[-1] in {"rank", "batch_size", "num_workers"}, path


def test_expressions_are_short():
    for path in CONFIGS.glob("*.yaml"):
        for _, value in _leaves(yaml.safe_load(path.read_text())):
            if isinstance(value, str) and value.startswith("$"):
                assert len(value) < 160, value
                assert not re.search(r"\blambda\b|;", value), value


def _leaves(node, path=()):
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _leaves(value, (*path, index))
    else:
        yield path, node
