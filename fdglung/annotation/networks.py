"""Networks that were trained on annotators' labels: each kept, one of them active."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdglung import RESEARCH_NOTICE, __version__
from fdglung.files import write_files, written_together

NETWORKS_FOLDER = ".networks"
"""In the labels' folder: ``v0001/`` and on, and which of them is active."""

ACTIVE_FILE = "active.json"
"""Names the active version; without it the network that the server was started with is."""

_MODEL, _INFO = "model.onnx", "network.json"


@dataclass(frozen=True)
class TunedNetwork:
    """A network that was trained on labels.

    Attributes
    ----------
    number
        From 1.
    path
        The ONNX file.
    info
        What it was trained on and how well it did.

    """

    number: int
    path: Path
    info: Mapping[str, Any]


def tuned_networks(labels: Path | str) -> tuple[TunedNetwork, ...]:
    """Return the networks kept beside labels, oldest first."""
    found = []
    for path in sorted((Path(labels) / NETWORKS_FOLDER).glob("v[0-9]*")):
        try:
            info = json.loads((path / _INFO).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if path.name[1:].isdigit() and (path / _MODEL).is_file():
            found.append(TunedNetwork(int(path.name[1:]), path / _MODEL, info))
    return tuple(found)


def active_network(labels: Path | str) -> TunedNetwork | None:
    """Return the network to use in place of the one that was given; None for that one."""
    try:
        text = (Path(labels) / NETWORKS_FOLDER / ACTIVE_FILE).read_text(encoding="utf-8")
        number = int(json.loads(text)["version"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return next((network for network in tuned_networks(labels) if network.number == number), None)


def keep_network(labels: Path | str, model: Path | str, info: Mapping[str, Any], *, activate: bool) -> TunedNetwork:
    """Keep a trained network as the next version.

    Parameters
    ----------
    labels
        Folder of all labels.
    model
        The ONNX file, copied.
    info
        Plain JSON values to keep beside it.
    activate
        Whether it is used from now on. That is written last, so that an interruption leaves the earlier one active.

    Raises
    ------
    OutputWriteError
        Writing failed, for a full disk for example; the earlier network stays active.

    """
    home = Path(labels) / NETWORKS_FOLDER
    number = max((network.number for network in tuned_networks(labels)), default=0) + 1
    target = home / f"v{number:04d}"
    content = {
        **info,
        "version": number,
        "trained": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "software": f"fdglung {__version__}",
        "notice": RESEARCH_NOTICE,
    }
    with written_together(target) as temporary:
        shutil.copyfile(model, temporary / _MODEL)
        (temporary / _INFO).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if activate:
        write_files({home / ACTIVE_FILE: (json.dumps({"version": number}) + "\n").encode()})
    return TunedNetwork(number, target / _MODEL, content)
