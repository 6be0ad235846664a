"""What belongs to the region of a trunk with real organs and uptake, and what does not."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk

from fdglung.lungs import holding_avid_tissue, segment
from fdglung.phantom import Subject, make_study
from fdglung.phantom.lesions.chest import read_chest
from fdglung.phantom.organs import LOBES, Organ

GRID_MM = 4.0
MARGIN_MM = 15.0
NODE_MM = 12.0

TRUNKS = {
    # Arms beside the trunk, a brain of 7 g/ml and a heart of 6.
    "arms down": (5, "down"),
    # A brain of 14 g/ml, and a liver of 2.8 that joins both kidneys.
    "avid liver": (6, "up"),
}


@cache
def trunk(name):
    """Return a study without lesions from the upper thighs to the ears, its region and this with avid tissue."""
    seed, arms = TRUNKS[name]
    person = Subject("M" if seed % 2 else "F", 60, 172, 74, breath=0.5, arms=arms, shape_seed=seed)
    study = make_study(seed=seed, region="trunk", subject=person, lesions=(), grid_mm=GRID_MM)
    return study, holding_avid_tissue(segment(study.ct), study.pet)


def share_inside(study, box, *organs):
    """Return the share of the voxels of organs, on the PET's grid, that lie in a box."""
    voxels = np.argwhere(np.isin(sitk.GetArrayViewFromImage(study.organs), organs))[:, ::-1]
    points = np.array(study.organs.GetOrigin()) + voxels * np.array(study.organs.GetSpacing())
    assert len(points) > 10
    return float(((points >= box[0]) & (points <= box[1])).all(axis=1).mean())


@pytest.mark.parametrize("name", TRUNKS)
def test_brain_belly_and_pelvis_are_out_whatever_their_uptake(name):
    study, region = trunk(name)
    organs = (Organ.BRAIN, Organ.URINARY_BLADDER, Organ.HIP_BONES)
    assert [share_inside(study, region.box_mm, organ) for organ in organs] == [0, 0, 0]
    # Liver, spleen, bowel and kidneys lie beside the lungs' lower ends too: what is below them is out.
    lowest, highest = ends_of_lungs_mm(study)
    assert region.box_mm[0][2] > lowest - MARGIN_MM - 2 * GRID_MM
    assert region.box_mm[1][2] < highest + MARGIN_MM + 2 * GRID_MM


def ends_of_lungs_mm(study):
    """Return the true z coordinates between which the lungs lie on the CT."""
    planes = np.flatnonzero(np.isin(sitk.GetArrayViewFromImage(study.ct_organs), LOBES).any(axis=(1, 2)))
    return (study.ct.GetOrigin()[2] + (planes[i] + 0.5 * side) * GRID_MM for i, side in ((0, -1), (-1, 1)))


@pytest.mark.parametrize("name", TRUNKS)
def test_arms_are_out_but_for_the_shoulder_beside_the_apex(name):
    study, region = trunk(name)
    assert share_inside(study, region.box_mm, Organ.HUMERI) < 0.15


@pytest.mark.parametrize("name", TRUNKS)
def test_lungs_hila_and_mediastinum_are_in(name):
    study, region = trunk(name)
    assert share_inside(study, region.box_mm, *LOBES) > 0.999
    assert share_inside(study, region.box_mm, Organ.MYOCARDIUM, Organ.PULMONARY_ARTERY, Organ.THYMUS) == 1
    chest = read_chest(study.organs, ())
    for middle in (*chest.hila, chest.carina):
        # A node of 24 mm.
        assert (np.array(middle) - NODE_MM >= region.box_mm[0]).all()
        assert (np.array(middle) + NODE_MM <= region.box_mm[1]).all()
