"""The commands `fdglung label` and `fdglung label-export`."""

from __future__ import annotations

import argparse
import importlib
import tempfile
from pathlib import Path
from typing import Any

from fdglung import RESEARCH_NOTICE
from fdglung.cli_progress import ProgressBar
from fdglung.cli_segment import add_lung_weights


def add_label(commands: Any) -> None:
    """Add the command that starts the server for annotators."""
    command = commands.add_parser(
        "label",
        help="serve studies to annotators with 3D Slicer or OHIF, by MONAI Label",
        description="Serve studies by MONAI Label: proposed lesions, clicks, thresholds, saving in versions, the next "
        f"study. It stops at Ctrl-C. {RESEARCH_NOTICE}",
    )
    command.add_argument(
        "studies",
        metavar="STUDIES",
        help="folder of DICOM studies or of NIfTI pairs, or the address of a DICOMweb service (http://...)",
    )
    command.add_argument("--port", type=int, default=8000, metavar="N", help="port (default: 8000)")
    command.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="where to listen (default: 127.0.0.1, this machine alone)",
    )
    command.add_argument(
        "--labels", type=Path, metavar="FOLDER", help="where labels go (default: STUDIES/labels; labels)"
    )
    command.add_argument(
        "--checkpoint",
        action="append",
        default=[],
        metavar="FILE",
        help="network that proposes lesions (.onnx or .pt), several for their mean; `none` for thresholds",
    )
    add_lung_weights(command)
    command.set_defaults(run=_label, json=False)


def add_label_export(commands: Any) -> None:
    """Add the command that writes labels as a datalist for training."""
    command = commands.add_parser(
        "label-export",
        help="write the annotators' labels as a datalist for training",
        description="Write the latest submitted label of each study, with its PET and CT, as the datalist that "
        f"the bundle's training reads, and how well annotators agree. {RESEARCH_NOTICE}",
    )
    command.add_argument(
        "studies",
        metavar="STUDIES",
        help="folder of studies that was annotated, or the address of a DICOMweb service (http://...)",
    )
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="datalist to write (.json)")
    command.add_argument(
        "--labels", type=Path, metavar="FOLDER", help="where labels are (default: STUDIES/labels; labels)"
    )
    command.add_argument("--annotator", metavar="NAME", help="whose labels (default: the latest, whoever made it)")
    command.add_argument("--key", default="training", metavar="NAME", help="name of the list (default: training)")
    command.add_argument("--overwrite", action="store_true", help="replace an earlier datalist")
    command.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    command.set_defaults(run=_export)


def _label(options: argparse.Namespace) -> dict[str, object]:
    from fdglung.annotation.pacs import is_address
    from fdglung.errors import BackendError, ParameterError

    count = _count_studies(options.studies, options.labels)
    if not 0 < options.port < 65536:
        raise ParameterError("there is no such port", attribute="--port", remedy="Give a number from 1 to 65535")
    # A face above the library: it is looked up by its name only when it is asked for.
    server = importlib.import_module("labelapp.server")
    if not importlib.util.find_spec("monailabel"):
        raise BackendError("MONAI Label is not installed", attribute="label", remedy="Install fdglung[label]")
    given = {
        "labels": options.labels and str(options.labels.resolve()),
        "checkpoint": ",".join(options.checkpoint),
        "lung_weights": options.lung_weights and str(options.lung_weights.resolve()),
        # Who names another address wants other machines to ask.
        "allow_remote": "true" if options.host not in ("127.0.0.1", "localhost", "::1") else "",
    }
    conf = [part for key, value in given.items() if value for part in (key, value)]
    print(f"{count} studies; MONAI Label at http://{options.host}:{options.port} in a moment. {RESEARCH_NOTICE}")
    with tempfile.TemporaryDirectory(prefix="fdglung_label_") as home:
        studies = options.studies if is_address(options.studies) else Path(options.studies).resolve()
        server.serve(studies, app_dir=home, host=options.host, port=options.port, conf=conf)
    return {}


def _count_studies(studies: str, labels: Path | None) -> int:
    """Count the studies before anything slow is started, so that what cannot be used is refused at once."""
    from fdglung.annotation.pacs import Pacs, Service, is_address
    from fdglung.annotation.pacs_studies import PacsStudies
    from fdglung.annotation.studies import find_studies

    if not is_address(studies):
        return len(find_studies(studies, labels=labels))
    home = labels or Path("labels")
    return len(PacsStudies(Pacs(Service.of(studies)), home, labels=home).listing().studies)


def _export(options: argparse.Namespace) -> dict[str, object]:
    from fdglung.annotation.export import export_datalist

    with ProgressBar() as tell:
        document = export_datalist(
            options.studies,
            options.out,
            labels=options.labels,
            annotator=options.annotator,
            key=options.key,
            overwrite=options.overwrite,
            progress=tell,
        )
    if not options.json:
        print(f"{len(document[options.key])} labelled studies written to {options.out}")
        for pair in document["agreement"]:
            who = " and ".join(pair["annotators"])
            print(f"  {pair['study']}: {who} agree with Dice {pair['dice']:.2f}, lesions {pair['lesion_f1']:.2f}")
        print(RESEARCH_NOTICE)
    return {"file": str(options.out), **document}
