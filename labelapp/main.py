"""The MONAI Label application: ``monailabel start_server --app labelapp --studies FOLDER``."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

if importlib.util.find_spec("labelapp") is None:
    # The stock command loads this file by its path, from whatever folder it was started in.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import labelapp.pydicom3  # noqa: F401  (before MONAI Label, which imports pydicom_seg)

os.environ.setdefault("MONAI_LABEL_TRACKING_ENABLED", "false")

from monailabel.config import settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.exception import MONAILabelError, MONAILabelException
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask

from fdglung import RESEARCH_NOTICE, __version__
from fdglung.annotation import export
from fdglung.annotation.networks import active_network
from fdglung.annotation.sampling import Leases, Signs
from fdglung.annotation.versions import FINAL
from fdglung.errors import ParameterError
from labelapp.configuration import configuration
from labelapp.datastore import FolderStore
from labelapp.open_studies import OpenStudies
from labelapp.pacs_store import PacsStore
from labelapp.scoring import ProposalScore
from labelapp.strategies import DESCRIPTIONS, NextStudy
from labelapp.tools import LesionClick, Lesions, Lungs, SuvClick, SuvThreshold, Tool
from labelapp.train import FineTune
from labelapp.warm_up import open_networks, warm_up


class FdgLungApp(MONAILabelApp):  # type: ignore[misc]
    """Lesions of PET/CT studies, proposed, clicked, saved in versions, given out one by one."""

    def __init__(self, app_dir: str, studies: str, conf: Mapping[str, str]) -> None:
        self.configuration = configuration(studies, conf)
        self._given = self.configuration.checkpoints
        self._take_active_network()
        settings.MONAI_LABEL_TRACKING_ENABLED = False
        # Scores would be counted by a process of their own, which takes half a minute to start.
        settings.MONAI_LABEL_AUTO_UPDATE_SCORING = False
        # A session is an uploaded image, which has neither CT nor SUV record.
        settings.MONAI_LABEL_SESSIONS = False
        self.leases = Leases()
        self._changing = threading.Lock()
        self._signs: dict[str, Signs] = {}
        self._opened = OpenStudies(
            self.configuration.settings,
            keep=self.configuration.open_studies,
            predictors=open_networks(self.configuration.settings),
        )
        super().__init__(
            app_dir=app_dir,
            studies=studies,
            conf=dict(conf),
            name="fdglung",
            description=f"Avid lung lesions in FDG PET/CT. {RESEARCH_NOTICE}",
            version=__version__,
        )

    def init_datastore(self) -> Datastore:
        """Open the folder of studies, or the PACS."""
        chosen = self.configuration
        if chosen.pacs is None:
            return FolderStore(self.studies, chosen.labels, self._opened)
        return PacsStore(chosen.pacs, chosen.labels, self._opened, cache=chosen.cache, cache_gb=chosen.cache_gb)

    def init_infers(self) -> dict[str, InferTask]:
        """Return the tools."""
        tools: dict[str, type[Tool]] = {
            "lesions": Lesions,
            "suv_threshold": SuvThreshold,
            "suv_click": SuvClick,
            "lungs": Lungs,
        }
        if self._opened.predictors:
            tools["lesion_click"] = LesionClick
        return {name: tool(self._datastore) for name, tool in tools.items()}

    def init_trainers(self) -> dict[str, TrainTask]:
        """Return the training of the network, where there is one."""
        return {"lesions": FineTune(self.configuration.labels, self._given[0])} if self._given else {}

    def init_strategies(self) -> dict[str, Strategy]:
        """Return the strategies."""
        return {kind: NextStudy(kind, self.leases, self._signs.get) for kind in DESCRIPTIONS}

    def init_scoring_methods(self) -> dict[str, ScoringMethod]:
        """Return how well what was proposed agrees with what annotators made of it."""
        return {"dice": ProposalScore()}

    def init_batch_infer(self) -> Callable[..., Any]:
        """Return what runs a tool on many studies, one after the other: upstream's divides by the number of GPUs."""
        return self._infer_all

    def on_init_complete(self) -> None:
        """Warm everything up, then let the server answer."""
        warm_up(self._opened)
        web = sys.modules.get("monailabel.app")
        if web is not None:
            from labelapp.server import mend

            mend(web.app, self)
            # Behind the mending of the logs, in which no UIDs shall be; and not in the process that trains.
            self._datastore.start()

    def infer(self, request: Mapping[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Run a tool on a study of the folder; unlike upstream's, never on a path."""
        tool = self._infers.get(request.get("model"))
        if tool is None:
            raise MONAILabelException(
                MONAILabelError.INVALID_INPUT, f"There is no such tool. Use {', '.join(self._infers)}."
            )
        if request.get("session") or not isinstance(request.get("image"), str):
            raise ParameterError(
                "images cannot be sent to the server", attribute="image", remedy="Put the study into its folder"
            )
        with self._changing:
            if self._take_active_network():
                self._opened.use(self.configuration.settings, open_networks(self.configuration.settings))
                self._signs.clear()
        name = self._datastore.entry(request["image"]).name
        file, told = tool({**request, "image": name})
        opened = self._datastore.open(name)
        if request["model"] == "lesions":
            self._signs[name] = opened.signs
            opened.prepare_clicks()
        label = file
        if str(request.get("save_label", False)).lower() == "true":
            tag = request.get("label_tag") or "original"
            made_by = {"annotator": f"fdglung {request['model']}", "model": request["model"]}
            label = self._datastore.save_label(name, file, tag, made_by)
        return {"label": label, "tag": "original", "file": file, "params": told}

    def infer_wsi(self, request: Mapping[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Refuse: there are no whole slides here, and upstream's reads any path."""
        raise ParameterError("there are no whole slide images here", attribute="model", remedy="Use /infer/")

    def on_save_label(self, image_id: str, label_id: str) -> dict[str, Any]:
        """Tell how well this annotator agrees with the others."""
        version = self._datastore.version(label_id, FINAL)
        if version.tag != FINAL:
            return {"version": version.number, "annotator": version.annotator}
        self.leases.release(version.study, version.annotator)
        found = export.agreements(self._datastore.labels, version.study)
        return {
            "version": version.number,
            "annotator": version.annotator,
            **self._datastore.delivery(version),
            "agreement": [
                {
                    "with": next(name for name in pair.annotators if name != version.annotator),
                    "dice": round(pair.agreement.dice, 4),
                    "lesion_f1": round(pair.agreement.lesion_f1, 4),
                }
                for pair in found
                if version.annotator in pair.annotators
            ],
        }

    def _take_active_network(self) -> bool:
        """Let the network that training made active be the one of the settings; return whether that is another one."""
        active = active_network(self.configuration.labels) if self._given else None
        wanted = self._given if active is None else (str(active.path),)
        changed = wanted != self.configuration.checkpoints
        self.configuration = dataclasses.replace(self.configuration, checkpoints=wanted)
        return changed

    def _infer_all(
        self, request: Mapping[str, Any], datastore: FolderStore, infer: Callable[..., dict[str, Any]]
    ) -> dict[str, Any]:
        wanted = str(getattr(request.get("images"), "value", request.get("images") or "all"))
        lists = {"labeled": datastore.get_labeled_images, "unlabeled": datastore.get_unlabeled_images}
        names = lists.get(wanted, datastore.list_images)()
        limit = int(request.get("max_batch_size") or len(names))
        results: dict[str, Any] = {}
        for name in names[:limit]:
            try:
                found = infer({**request, "image": name, "save_label": True})
            except ValueError as error:
                results[name] = {"error": str(error)}
                continue
            Path(found.pop("file")).unlink(missing_ok=True)
            results[name] = found
        return results
