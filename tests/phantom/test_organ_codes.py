from __future__ import annotations

import pytest
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts

from fdglung.phantom.organ_codes import ORGAN_CODES, organ_color, organ_name
from fdglung.phantom.organs import LOBES, Organ


def values_of(cid):
    """Codes of a context group of PS3.16, as pydicom has it."""
    return {next(iter(concepts[scheme][name])) for scheme, names in cid_concepts[cid].items() for name in names}


def test_every_organ_has_a_code():
    assert set(ORGAN_CODES) == set(Organ)


@pytest.mark.parametrize("organ", Organ)
def test_codes_stand_in_dicoms_context_groups(organ):
    code = ORGAN_CODES[organ]
    assert code.category.value in values_of(7150)
    snomed = {value: meaning for entry in concepts["SCT"].values() for value, (meaning, _) in entry.items()}
    assert code.kind.value in snomed
    assert code.kind.scheme_designator == "SCT"
    if organ not in (Organ.PLEURAL_EFFUSION, Organ.MYOCARDIUM):
        assert code.kind.value in values_of(7151) | values_of(7191) | values_of(7192)


def test_codes_and_sides_tell_organs_apart():
    keys = [(code.kind.value, code.laterality) for code in ORGAN_CODES.values()]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("organ", [organ for organ in Organ if organ.name.startswith(("LEFT", "RIGHT"))])
def test_a_side_in_the_name_is_the_side_in_the_code(organ):
    assert ORGAN_CODES[organ].laterality == organ.name.split("_")[0].lower()


def test_names_are_words_and_colours_differ():
    assert organ_name(Organ.RIGHT_UPPER_LOBE) == "right upper lobe"
    assert len({organ_color(organ) for organ in Organ}) == len(Organ)
    assert all(0 <= part <= 255 for organ in LOBES for part in organ_color(organ))
