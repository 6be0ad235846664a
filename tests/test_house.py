from __future__ import annotations

import ast

import pytest

from tests.cases import ROOT

LEVELS = [
    {"errors", "files", "image_files"},
    {"leaks", "settings_checks"},
    {"dicom"},
    {"hounsfield"},
    {"study"},
    {"nifti"},
    {"lungs", "network"},
    {
        "anatomy",
        "basins",
        "reference_uptake",
        "segmentation",
        "segmentation_network",
        "segmentation_threshold",
        "suv_peak",
        "suv_threshold",
        "uptake_map",
    },
    {"clicks", "lesion_classes", "simulated_clicks"},
    {"clicks_network"},
    {"lesions"},
    {"radiomics"},
    {"classification"},
    {"findings"},
    {"pipeline"},
    {"segmentation_files"},
    {"reporting"},
    {"annotation"},
    {"experiment"},
    {"cli_output", "cli_progress"},
    {"cli_radiomics"},
    {"cli_image_classifier"},
    {
        "cli_classify",
        "cli_delta",
        "cli_evaluate",
        "cli_harmonise",
        "cli_label",
        "cli_lungs",
        "cli_segment",
        "cli_statistics",
        "cli_study",
        "cli_weights",
    },
    {"cli"},
    {"__main__"},
]
ALONE = {"evaluation": {"errors", "files", "image_files", "leaks"}, "phantom": {"errors", "files"}}
BESIDE = {"annotation": {"evaluation"}, "experiment": {"evaluation"}}
FACES = {
    "cli",
    "cli_classify",
    "cli_delta",
    "cli_evaluate",
    "cli_harmonise",
    "cli_image_classifier",
    "cli_label",
    "cli_output",
    "cli_progress",
    "cli_radiomics",
    "cli_segment",
    "cli_statistics",
    "cli_study",
    "__main__",
}


def level(module):
    return next(i for i, names in enumerate(LEVELS) if module in names)


def imported(path):
    """Return the parts of `fdglung` that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "fdglung":
            names = [alias.name for alias in node.names] if node.module == "fdglung" else [node.module.split(".")[1]]
            yield from (name for name in names if not name.isupper() and not name.startswith("__"))


FILES = sorted((ROOT / "fdglung").rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_run_downwards_only(path):
    part = path.relative_to(ROOT / "fdglung").parts[0].removesuffix(".py")
    if part == "__init__":
        assert not list(imported(path))
    elif part in ALONE:
        assert set(imported(path)) <= {part} | ALONE[part]
    else:
        beside = set(ALONE) if part in FACES else BESIDE.get(part, set())
        assert all(level(other) <= level(part) for other in set(imported(path)) - beside)


def test_nothing_in_the_library_imports_operators_apps_or_the_label_app():
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert "from operators" not in text
        assert "from apps" not in text
        assert "from labelapp" not in text
