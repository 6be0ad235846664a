from __future__ import annotations

import logging

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.errors import InputError, ParameterError
from fdglung.radiomics import extract, from_pyradiomics
from tests.radiomics.test_pyradiomics_mode import study

WIDTHS = """
setting:
  binWidth: 25
  label: 2
  resampledPixelSpacing: [1, 1, 1]
  padDistance: 10
  interpolator: sitkBSpline
  resegmentRange: [-700, 300]
  distances: [1, 2]
  weightingNorm: manhattan
imageType:
  Original: {}
  LoG:
    sigma: [0.7, 2.5]
    binWidth: 10
  Wavelet:
    wavelet: haar
    level: 2
featureClass:
  shape:
  firstorder: []
  glcm: [JointEntropy, Imc1, Contrast]
  ngtdm:
"""

COUNTS = """
setting:
  binCount: 32
  normalize: true
  normalizeScale: 100
  removeOutliers: 3
  resampledPixelSpacing: [3, 3, 3]
  interpolator: sitkLinear
  resegmentRange: [-2, 2]
  resegmentMode: sigma
  resegmentShape: true
  voxelArrayShift: 300
imageType:
  Original: {}
  Wavelet:
    wavelet: db2
    start_level: 1
  Square: {}
  SquareRoot: {}
  Logarithm: {}
  Exponential: {}
  Gradient:
    gradientUseSpacing: false
featureClass:
  shape:
  firstorder:
  glrlm:
  glszm:
"""

PLANES = """
setting:
  binWidth: 20
  force2D: true
  force2Ddimension: 0
  preCrop: true
  padDistance: 4
  gldm_a: 1
  symmetricalGLCM: false
imageType:
  Original: {}
  LoG:
    sigma: [1.0, 3.0]
  Wavelet:
    wavelet: coif1
  LBP2D:
    binWidth: 1
    lbp2DRadius: 2
    lbp2DMethod: uniform
featureClass:
  firstorder: [Mean, Entropy, 10Percentile]
  glcm:
  gldm:
voxelSetting:
  kernelRadius: 2
  maskedKernel: true
"""


@pytest.mark.parametrize("text", [WIDTHS, COUNTS, PLANES], ids=["widths", "counts", "planes"])
@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_a_parameter_file_gives_the_table_that_pyradiomics_gives(tmp_path, text, kind):
    from radiomics import featureextractor

    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    path = tmp_path / "parameters.yaml"
    path.write_text(text if kind == np.int16 else text.replace("binWidth: 2", "binWidth: 0.2"))
    image, mask = study(kind)
    if kind == np.float32:
        path.write_text(path.read_text().replace("[-700, 300]", "[0, 11]"))
    table = extract({"CT": image}, mask, from_pyradiomics(path), workers=1)
    extractor = featureextractor.RadiomicsFeatureExtractor(str(path))
    extractor.addProvenance(False)
    for lesion in table.lesions:
        truth = {f"CT_{name}": float(value) for name, value in extractor.execute(image, mask, lesion.label).items()}
        assert set(lesion.features) == set(truth)
        assert lesion.features == pytest.approx(truth, rel=1e-6, abs=1e-10, nan_ok=True)
        assert lesion.status == "ok"
        assert any("voxelSetting" in warning for warning in lesion.warnings) == (text == PLANES)
    assert len(table.lesions) == 3


def test_images_that_pyradiomics_would_silently_leave_out_are_refused_by_name():
    image, mask = study()
    with pytest.raises(ParameterError, match="LBP3D") as caught:
        extract({"CT": image}, mask, from_pyradiomics({"imageType": {"LBP3D": {}}}))
    assert caught.value.attribute == "imageType LBP3D"


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"setting": {"noSuchKey": 1}}, "noSuchKey"),
        ({"imageType": {"Sobel": {}}}, "Sobel"),
        ({"featureClass": {"glcm": ["NoSuchFeature"]}}, "NoSuchFeature"),
        ({"setting": {"interpolator": "cubic"}}, "cubic"),
        ({"setting": {"binWidth": 0}}, "binWidth"),
        ({"other": {}}, "other"),
    ],
)
def test_a_key_or_value_that_pyradiomics_does_not_know_is_named(content, key):
    with pytest.raises(ParameterError, match=key):
        from_pyradiomics(content)


def test_values_that_only_the_images_refuse_are_told_by_the_name_of_their_key():
    image, mask = study()
    two = {"setting": {"resampledPixelSpacing": [2, 2]}}
    with pytest.raises(InputError, match="resampledPixelSpacing"):
        extract({"CT": image}, mask, from_pyradiomics(two))
    odd = {"setting": {"resampledPixelSpacing": [2, 2, 2], "interpolator": 3}}
    for lesion in extract({"CT": image}, mask, from_pyradiomics(odd), workers=1).lesions:
        assert lesion.status == "CT: SimpleITK cannot resample (Interpolator not set)"


def test_a_flat_image_cannot_be_normalised_and_says_so():
    image, mask = study(np.float32)
    parameters = {"setting": {"normalize": True}, "imageType": {"Original": {}}}
    found = extract({"CT": image * 0 + 3}, mask, from_pyradiomics(parameters), workers=1)
    assert found.lesions[0].status == "CT: The original image is no finite number everywhere in the lesion"


def test_shape_of_planes_is_given_to_lesions_in_a_plane_and_refused_to_others():
    from radiomics import featureextractor

    image, mask = study()
    labels = sitk.GetArrayFromImage(mask)
    labels[5, 40:50, 20:33] = 4
    flat = sitk.GetImageFromArray(labels)
    flat.CopyInformation(mask)
    parameters = {
        "setting": {"force2D": True, "force2Ddimension": 0},
        "featureClass": {"shape2D": None, "firstorder": ["Mean"]},
    }
    found = extract({"CT": image}, flat, from_pyradiomics(parameters), labels=[1, 4], workers=1)
    extractor = featureextractor.RadiomicsFeatureExtractor(parameters)
    extractor.addProvenance(False)
    truth = {f"CT_{name}": float(value) for name, value in extractor.execute(image, flat, 4).items()}
    assert len(truth) == 10
    assert found.lesions[1].features == pytest.approx(truth, rel=1e-6)
    with pytest.raises(ValueError, match="cannot compute 2D shape"):
        extractor.execute(image, flat, 1)
    assert "force2Ddimension" in found.lesions[0].status
