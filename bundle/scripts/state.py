"""A training run: its steps, its checkpoints, taking it up again, and when it ends early."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from fdglung.errors import CheckpointError, FdglungError
from fdglung.network.checkpoint import WEIGHTS_KEY, fill, read_checkpoint, read_torch, write_torch
from fdglung.network.spec import NetworkSpec, check_same
from scripts.ema import Ema
from scripts.patches import PatchLoader
from scripts.setup import loss_of

LAST, BEST, FINAL = "last.pt", "best.pt", "model.pt"
"""Checkpoints of a run: after each epoch, of the best validation, and the best (or last) one to be used."""

_LOG = logging.getLogger(__name__)


class DivergedError(FdglungError, ArithmeticError):
    """Training produced a loss that is no number."""


class TrainingState:
    """What changes while a network is trained.

    Parameters
    ----------
    network
        What is trained, perhaps wrapped for several processes.
    optimizer, schedule, ema, loader
        Of the run.
    spec
        What the network is; written into each checkpoint.
    ckpt_dir
        Folder of the checkpoints.
    patience
        Validations without a better one before training ends; 0 for never.
    writes
        Whether this process writes checkpoints (the first of several).

    """

    def __init__(
        self,
        network: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        schedule: torch.optim.lr_scheduler.LRScheduler,
        ema: Ema,
        loader: PatchLoader,
        spec: NetworkSpec,
        ckpt_dir: str,
        patience: int = 0,
        writes: bool = True,
    ) -> None:
        self.network = getattr(network, "module", network)
        self.optimizer = optimizer
        self.schedule = schedule
        self.ema = ema
        self.loader = loader
        self.spec = spec
        self.folder = Path(ckpt_dir)
        self.patience = patience
        self.writes = writes
        self.best = -math.inf
        self.without_better = 0
        self.epoch = 0
        self._trainer: Engine | None = None
        self._losses: list[float] = []
        self._began = 0.0

    def attach(self, engine: Engine) -> None:
        """Hook into the trainer; after the validation handler, so that a checkpoint knows the epoch's validation."""
        self._trainer = engine
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin_epoch)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._step)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._end_epoch)

    def run(self, trainer: Any, resume: str = "") -> None:
        """Train from the start or on from a checkpoint, and leave ``model.pt``.

        Parameters
        ----------
        trainer
            That this is attached to.
        resume
            A checkpoint of a run; ``auto`` takes ``last.pt`` if it is there; empty for a new run.

        Raises
        ------
        CheckpointError
            The checkpoint is of another network, or holds no run.
        DivergedError
            The loss is no number.

        """
        path = self.folder / LAST if resume == "auto" else Path(resume) if resume else None
        if path is not None and (resume != "auto" or path.is_file()):
            self.load(path)
            trainer.state.epoch = self.epoch
            trainer.state.epoch_length = len(self.loader)
            trainer.state.iteration = self.epoch * len(self.loader)
        if self.epoch < trainer.state.max_epochs and not self._is_over():
            trainer.run()
        self._finish()

    def load(self, path: Path) -> None:
        """Take a run up where its checkpoint left it."""
        checkpoint = read_checkpoint(path)
        check_same(self.spec, checkpoint.spec, names=("the configuration", path.name))
        content = read_torch(path)
        try:
            fill(self.network, content["trained"], spec=self.spec, name=path.name)
            fill(self.ema.network, content[WEIGHTS_KEY], spec=self.spec, name=path.name)
            self.optimizer.load_state_dict(content["optimizer"])
            self.schedule.load_state_dict(content["schedule"])
            progress = content["progress"]
            self.ema.steps, self.epoch = progress["ema_steps"], progress["epoch"]
            self.best, self.without_better = progress["best"], progress["without_better"]
        except (KeyError, ValueError) as error:
            raise CheckpointError(
                f"{path.name} holds no run that can be taken up ({error})",
                attribute="resume",
                remedy="Give last.pt or best.pt of a run with the same optimizer, or start from it with --pretrained",
            ) from error
        _LOG.info("taken up after epoch %d", self.epoch)

    def validated(self, metric: float) -> None:
        """Hear a validation: keep the best, and end training where it gets no better."""
        self.epoch = self._trainer.state.epoch if self._trainer else self.epoch
        if math.isfinite(metric) and metric > self.best:
            self.best, self.without_better = float(metric), 0
            self._write(BEST)
        else:
            self.without_better += 1
        if self._is_over() and self._trainer is not None:
            _LOG.info("no better for %d validations: training ends", self.without_better)
            self._trainer.terminate()

    def _is_over(self) -> bool:
        return bool(self.patience) and self.without_better >= self.patience

    def _begin_epoch(self, engine: Engine) -> None:
        self._losses, self._began = [], time.monotonic()
        self.loader.set_epoch(engine.state.epoch)

    def _step(self, engine: Engine) -> None:
        loss = loss_of(engine.state.output)
        self._losses.append(loss)
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss is no number at step {engine.state.iteration}",
                attribute="learning_rate",
                remedy=f"Lower the learning rate and resume from {LAST}",
            )
        self.schedule.step()
        self.ema.update()

    def _end_epoch(self, engine: Engine) -> None:
        self.epoch = engine.state.epoch
        self._write(LAST)
        _LOG.info(
            "epoch %d: mean loss %.4f, learning rate %.3g, %.1f s",
            self.epoch,
            sum(self._losses) / max(1, len(self._losses)),
            self.optimizer.param_groups[0]["lr"],
            time.monotonic() - self._began,
        )

    def _finish(self) -> None:
        if not self.writes:
            return
        best = self.folder / BEST
        weights = read_torch(best)[WEIGHTS_KEY] if best.is_file() else self.ema.network.state_dict()
        write_torch(self.folder / FINAL, self.spec, weights)

    def _write(self, name: str) -> None:
        if not self.writes:
            return
        write_torch(
            self.folder / name,
            self.spec,
            self.ema.network.state_dict(),
            trained=self.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            schedule=self.schedule.state_dict(),
            progress={
                "ema_steps": self.ema.steps,
                "epoch": self.epoch,
                "best": self.best,
                "without_better": self.without_better,
            },
        )


class Steps:
    """A handler of the trainer that lets a run take its steps, schedule, averages and checkpoints."""

    def __init__(self, state: TrainingState) -> None:
        self.state = state

    def attach(self, engine: Engine) -> None:
        """Hook into the trainer."""
        self.state.attach(engine)


class Watch:
    """A handler of the validation that tells a run its metric."""

    def __init__(self, state: TrainingState) -> None:
        self.state = state

    def attach(self, engine: Engine) -> None:
        """Hook into the evaluator."""
        engine.add_event_handler(Events.COMPLETED, self._tell)

    def _tell(self, engine: Engine) -> None:
        name = engine.state.key_metric_name
        self.state.validated(float(engine.state.metrics[name]))
