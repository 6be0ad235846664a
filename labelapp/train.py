"""Training from the app: the network of `lesions` tuned to what was labelled, kept, and used if it is better."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.train import TrainTask

from fdglung import RESEARCH_NOTICE
from fdglung.annotation.export import export_datalist
from fdglung.annotation.held_out import held_out_dice, split_held_out
from fdglung.annotation.networks import NETWORKS_FOLDER, active_network, keep_network
from fdglung.errors import ParameterError
from fdglung.files import write_files
from fdglung.network.checkpoint import Checkpoint, read_checkpoint
from labelapp.datastore import FolderStore

BUNDLE = Path(__file__).resolve().parents[1] / "bundle"

DEFAULTS: Mapping[str, float] = {
    "max_epochs": 10,
    "steps_per_epoch": 50,
    "batch_size": 2,
    "learning_rate": 1e-4,
    "held_out": 0.25,
    "threads": 0,
    "seed": 0,
}
"""What a client may set."""

_BOUNDS = {
    "max_epochs": (1, 10000),
    "steps_per_epoch": (1, 10000),
    "batch_size": (1, 64),
    "learning_rate": (0, 1),
    "held_out": (0.05, 0.95),
    "threads": (0, 256),
    "seed": (0, 2**31),
}
_RUN, _STATS = "run", "stats.json"


class FineTune(TrainTask):  # type: ignore[misc]
    """Tunes the network to the labels by the bundle's own training (`bundle/configs/train.yaml`).

    MONAI Label runs it in a process of its own, tells its last lines and kills it when it is to stop. What is active
    changes at the very end, by one file, so that an interrupted training leaves the earlier network.
    """

    def __init__(self, labels: Path, checkpoint: str) -> None:
        super().__init__(f"Tune the network of `lesions` to the labels; kept, and used if better. {RESEARCH_NOTICE}")
        self.home = labels / NETWORKS_FOLDER
        self.labels = labels
        self.checkpoint = checkpoint

    def config(self) -> dict[str, Any]:
        """Return the options with their defaults."""
        return dict(DEFAULTS)

    def stats(self) -> dict[str, Any]:
        """Return how far the last training came, and how well its network did."""
        with suppress(OSError, ValueError):
            return dict(json.loads((self.home / _STATS).read_text(encoding="utf-8")))
        return {}

    def __call__(self, request: Mapping[str, Any], datastore: FolderStore) -> dict[str, Any]:
        """Train, compare with the network that is active on studies held out, keep, and activate if better.

        Raises
        ------
        TooFewCasesError
            Fewer than two studies have a label.
        ParameterError
            An option is no number in its range.

        """
        options = {name: _number(request, name) for name in DEFAULTS}
        active = active_network(self.labels)
        before = read_checkpoint(active.path if active else self.checkpoint)
        run = self.home / _RUN
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir(parents=True)
        try:
            document = export_datalist(datastore.source, run / "datalist.json", labels=self.labels)
            training, held_out = split_held_out(document["training"], options["held_out"])
            lists = {"training": list(training), "validation": list(held_out)}
            write_files({run / "datalist.json": json.dumps(lists).encode()})
            self._tell(epoch=0, total_epochs=int(options["max_epochs"]))
            model = self._train(run, before, options, len(training))
            dice = {
                name: statistics.fmean(held_out_dice(held_out, run, path).values())
                for name, path in (("before", before.path), ("after", model))
            }
            better = dice["after"] > dice["before"]
            kept = keep_network(
                self.labels,
                model,
                {
                    "started_from": {"file": before.path.name, "sha256": before.sha256},
                    "held_out_dice": dice,
                    "trained_on": [entry["name"] for entry in training],
                    "held_out": [entry["name"] for entry in held_out],
                    "options": options,
                    "active": better,
                },
                activate=better,
            )
        finally:
            shutil.rmtree(run, ignore_errors=True)
        told = {
            "epoch": int(options["max_epochs"]),
            "total_epochs": int(options["max_epochs"]),
            "best_metric": round(max(dice.values()), 4),
            "held_out_dice": {name: round(value, 4) for name, value in dice.items()},
            "held_out_studies": len(held_out),
            "version": kept.number,
            "active": better,
            "notice": RESEARCH_NOTICE,
        }
        self._tell(**told)
        return told

    def _train(self, run: Path, before: Checkpoint, options: Mapping[str, float], studies: int) -> Path:
        """Run the bundle's training and return the network as ONNX."""
        if str(BUNDLE) not in sys.path:
            sys.path.insert(0, str(BUNDLE))
        from ignite.engine import Engine, Events
        from monai.bundle import ConfigWorkflow

        spec = before.spec
        workflow = ConfigWorkflow(
            str(BUNDLE / "configs" / "train.yaml"),
            meta_file=str(BUNDLE / "configs" / "metadata.json"),
            logging_file=False,
            workflow_type="train",
            dataset_dir=str(run),
            output_dir=str(run / "out"),
            pretrained=str(before.path),
            **{name: list(getattr(spec, name)) for name in ("features", "channels", "outputs")},
            **{name: getattr(spec, name) for name in ("architecture", "residual_units", "spacing_mm")},
            normalisation={name: [list(point) for point in table] for name, table in spec.normalisation.items()},
            patch_size=list(spec.window),
            ct_dropout=0.1 if spec.optional else 0.0,
            preprocess_workers=0,
            # The last weights are taken: choosing an epoch by the held-out studies would flatter it.
            val_interval=int(options["max_epochs"]) + 1,
            **{name: int(options[name]) for name in DEFAULTS if name not in ("learning_rate", "held_out")},
            learning_rate=options["learning_rate"],
        )
        workflow.initialize()

        def tell(engine: Engine) -> None:
            self._tell(epoch=engine.state.epoch, total_epochs=engine.state.max_epochs)

        workflow.parser.get_parsed_content("train#trainer").add_event_handler(Events.EPOCH_COMPLETED, tell)
        workflow.run()
        from scripts.publish import publish  # type: ignore[import-not-found]

        known = spec.trained_on or "data that its file does not name"
        paths = publish(
            [str(run / "out" / "checkpoints" / "model.pt")],
            str(run / "model"),
            trained_on=f"{known}; tuned to {studies} annotated stud{'y' if studies == 1 else 'ies'}",
            half=False,
        )
        return Path(paths[-1])

    def _tell(self, **values: Any) -> None:
        write_files({self.home / _STATS: (json.dumps(values) + "\n").encode()})


def _number(request: Mapping[str, Any], name: str) -> float:
    low, high = _BOUNDS[name]
    try:
        value = float(request.get(name, DEFAULTS[name]))
    except (TypeError, ValueError):
        value = float("nan")
    if not low <= value <= high:
        raise ParameterError(
            f"the {name} is no number from {low} to {high}", attribute=name, remedy="Correct the option"
        )
    return value
