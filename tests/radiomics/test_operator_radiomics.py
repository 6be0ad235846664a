from __future__ import annotations

from types import SimpleNamespace

import pytest

from fdglung.radiomics import RadiomicsSettings, to_yaml
from fdglung.radiomics.settings import ImageSettings
from tests.radiomics import lesions as cases


def test_the_operator_gives_the_table_of_an_analysis(tmp_path):
    pytest.importorskip("monai.deploy.core")
    from fdglung.study import Study
    from operators import RadiomicsOperator

    found = SimpleNamespace(lesions=(SimpleNamespace(label=cases.PLAIN, tracking_uid="1.2"),))
    study = Study(pet=cases.pet_and_ct()["PET"], ct=None)
    analysis = SimpleNamespace(study=study, lesions=cases.mask(), findings=found)
    settings = RadiomicsSettings(modalities={"PET": ImageSettings(bin_width=0.25)}, families=("stat",))
    operator = SimpleNamespace(_settings=settings, _output_file=tmp_path / "features.csv", _workers=1, _overwrite=False)
    emitted = {}
    RadiomicsOperator.compute(
        operator,
        SimpleNamespace(receive=lambda name: {"analysis": analysis}[name]),
        SimpleNamespace(emit=lambda value, name: emitted.update({name: value})),
        None,
    )
    (lesion,) = emitted["features"].lesions
    assert (lesion.tracking_uid, lesion.status) == ("1.2", "ok")
    assert (tmp_path / "features.settings.yaml").read_text().split("\n", 1)[1] == to_yaml(settings)
