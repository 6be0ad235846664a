"""What the packager is given: the application, its models, its documents and its wheels, each in a folder."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import fdglung
from apps.lesion_report.packager.build_tools import make_tools, run
from apps.lesion_report.packager.builder import PACKAGES
from apps.lesion_report.packager.licences import add_licences
from apps.lesion_report.packager.models import find_weights, sha256, stage_models
from apps.lesion_report.packager.wheels import SOURCE_ONLY, build_own, build_source_only

ROOT = Path(__file__).resolve().parents[3]
"""The checkout."""

SOURCE_MANIFEST = Path(__file__).with_name("artifacts.json")
"""releases/4.2.0/artifacts.json of nvidia-holoscan/holoscan-cli, so that packaging needs no network for it."""

SBOM = "sbom.cdx.json"
"""Name of the bill of materials among the documents."""

TIMEOUT_SECONDS = 1800
"""After which a host may end a run."""

_VALIDATE = """
import json, sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
text = open(sys.argv[1], encoding="utf-8").read()
sys.exit(JsonStrictValidator(SchemaVersion.from_version(json.loads(text)["specVersion"])).validate_str(text))
"""

_DOCUMENTS = {
    "LICENSE": "LICENSE",
    "README.md": "README.md",
    "docs/operators.md": "operators.md",
    "docs/analyze.md": "analyze.md",
    "docs/lesions.md": "lesions.md",
    "docs/conformance.md": "conformance.md",
    "docs/integration.md": "integration.md",
    "bundle/LICENSE": "models/LICENSE",
    "bundle/docs/README.md": "models/model_card.md",
    "bundle/docs/data_license.txt": "models/data_license.txt",
}


@dataclass(frozen=True)
class Staged:
    """Folders ready for the packager.

    Attributes
    ----------
    application, packages, documents
        Folders of the application, of our wheels and of licences, model cards and SBOM.
    models
        Folder with a sub-folder a model; None where there is none.
    notes
        What whoever builds the package must know.

    """

    application: Path
    packages: Path
    documents: Path
    models: Path | None
    notes: tuple[str, ...]


def stage(folder: Path, *, tools: Path, weights: Path = ROOT / "bundle" / "models") -> Staged:
    """Stage everything into a new folder.

    Parameters
    ----------
    folder
        Must not exist.
    tools
        Where the environment of build tools is, or is made.
    weights
        Folder of the networks; it need not exist.

    Raises
    ------
    BuildError
        A wheel or the SBOM cannot be made.

    """
    python = make_tools(tools)
    packages = folder / PACKAGES
    packages.mkdir(parents=True)
    build_own(python, ROOT, packages)
    build_source_only(python, packages)
    application = _application(folder / "app")
    found = find_weights(weights)
    models = stage_models(found, folder / "models")
    documents = _documents(folder / "docs")
    sbom = ["--output-reproducible", "--output-format", "JSON", "--output-file", str(documents / SBOM)]
    run([python, "-m", "cyclonedx_py", "requirements", *sbom, application / "requirements.txt"])
    unlicensed = add_licences(documents / SBOM)
    run([python, "-c", _VALIDATE, documents / SBOM])
    carried = [*packages.iterdir(), *([] if models is None else models.rglob("*.onnx"))]
    checksums = {path.name: sha256(path) for path in sorted(carried, key=lambda path: path.name)}
    (documents / "checksums.json").write_text(json.dumps(checksums, indent=2) + "\n", encoding="utf-8")
    notes = [f"The bill of materials states no licence of {', '.join(unlicensed)}."] if unlicensed else []
    return Staged(application, packages, documents, models, (*found.notes, *notes))


def packager_arguments(staged: Staged, *, tag: str) -> list[str]:
    """Return the command line of ``monai-deploy package``, with nothing left to its defaults that needs the network."""
    arguments = ["monai-deploy", "package", str(staged.application), "--sdk", "monai-deploy"]
    arguments += ["--config", str(staged.application / "app.yaml"), "--tag", tag, "--platform", "x86_64"]
    arguments += ["--source", str(SOURCE_MANIFEST), "--docs", str(staged.documents), "--timeout", str(TIMEOUT_SECONDS)]
    return [*arguments, "--models", str(staged.models)] if staged.models else arguments


def requirements(pins: str) -> str:
    """Return requirements.txt of the image: our wheels from the folder beside it, all else from the registry."""
    head = ["--only-binary :all:", f"--find-links {PACKAGES}"]
    own = [f"fdglung=={fdglung.__version__}", *(one for one in SOURCE_ONLY if one not in pins.splitlines())]
    return "\n".join([*head, *own, pins.strip()]) + "\n"


def _application(folder: Path) -> Path:
    source = Path(__file__).resolve().parents[1]
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("packager", "integration", "__pycache__"))
    path = folder / "requirements.txt"
    path.write_text(requirements(path.read_text(encoding="utf-8")), encoding="utf-8")
    return folder


def _documents(folder: Path) -> Path:
    for source, name in _DOCUMENTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source, folder / name)
    return folder
