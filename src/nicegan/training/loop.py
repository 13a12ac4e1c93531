"""The training loop: a step is one update of every phase, in order."""

from __future__ import annotations

import json
import math
import os
import shlex
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console

from nicegan.atomic import write_atomically
from nicegan.config import RunConfig
from nicegan.errors import TrainingError
from nicegan.machine import Machine, choose_machine, keep_freed_memory
from nicegan.methods.base import Batch, Phase, total
from nicegan.metrics.distances import sliced_wasserstein
from nicegan.model_file import ModelCard, save_model
from nicegan.run_folder import RunFolder
from nicegan.shapes import Image, Terms
from nicegan.training.average import update_average
from nicegan.training.data import TrainingData
from nicegan.training.health import CollapseWatch, NotFinite, Watch
from nicegan.training.interrupt import StopRequest
from nicegan.training.memory import shortage
from nicegan.training.records import MetricsWriter, ProgressLine, describe_origin, say, summarised
from nicegan.training.samples import save_grid, translated
from nicegan.training.schedule import average_weight, learning_rate
from nicegan.training.state import (
    Best,
    TrainingState,
    load_checkpoint,
    new_state,
    point_to,
    pointed_at,
    prune,
    save_checkpoint,
    standing,
    sweep,
)

SCORE = "score/sliced_wasserstein"
UNTRANSLATED = "score/no_translation"


class Outcome(NamedTuple):
    """How a run ended: after all its steps (exit code 0), or saved because it was asked to stop."""

    run: Path
    step: int
    exit_code: int


def update(  # noqa: PLR0913
    phase: Phase, optimizer: torch.optim.Optimizer, batch: Batch, machine: Machine, watch: Watch, step: int
) -> Terms:
    """One update of one phase; returns its terms."""
    with machine.autocast():
        terms = phase(batch)
    total(terms).backward()
    watch.look(step, phase, terms)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)  # their memory serves the next phase
    phase.after_update()
    return terms


def train_step(
    state: TrainingState, batch: Batch, config: RunConfig, machine: Machine, watch: Watch | None = None
) -> Terms:
    """Every phase once, then the averaged weights; returns all terms as "phase/domain/term".

    Raises:
        NotFinite: a loss or gradient is no finite number; the weights have not seen it (on a GPU, they may have).
    """
    watch = watch or Watch()
    rate = learning_rate(state.step, config.steps, config.optimizer.learning_rate)
    terms: Terms = {}
    for phase, optimizer in zip(state.method.phases, state.optimizers, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate
        of_phase = update(phase, optimizer, batch, machine, watch, state.step + 1)
        terms |= {f"{phase.name}/{name}": term.detach() for name, term in of_phase.items()}
    update_average(state.average, state.method.translation_paths(), average_weight(state.step, config.average_decay))
    state.step += 1
    return terms


class Run:
    """One training run: its state, its data and its folder.

    Raises:
        NiceganError: settings, data or a folder that cannot be used.
    """

    def __init__(self, config: RunConfig, out: Path, console: Console) -> None:
        self.config = config
        self.console = console
        self.folder = RunFolder(out)
        self.folder.check(config)
        keep_freed_memory()
        self.machine = choose_machine(config.device, config.precision, config.num_threads)
        with console.status("reading images") as status:
            self.data = TrainingData(
                config, lambda what, done, count: status.update(f"decoding {what}: {done}/{count}")
            )
        self.folder.claim(config, describe_origin(str(self.machine)))
        if warning := shortage(config, self.machine):
            say(console, f"warning: {warning}")
        self.state = new_state(config, self.machine.device)
        self._restore()
        self.metrics = MetricsWriter(self.folder, self.state.step)
        self.watch, self.collapse = Watch(), CollapseWatch(config.loss.adversarial)
        self.samples = self.data.samples(self.machine.device)
        self.untranslated = mean_distance(*self.data.scored, *self.data.scored)

    def train(self) -> Outcome:
        """Train to the last step, or until asked to stop."""
        self._announce()
        config = self.config
        line = ProgressLine(self.state.step, config.steps, 2 * config.batch_size, self.console)
        try:
            with line, StopRequest() as stop:
                while self.state.step < config.steps and stop.signal_number is None:
                    try:
                        self._step(line)
                        if stop.signal_number is not None:
                            self.watch.settle()
                    except NotFinite as problem:
                        self._recover(problem)
                if stop.signal_number is not None and not self._at(config.checkpoint_every):
                    self._write_checkpoint()
        finally:
            self.metrics.close()
        self._conclude(stop)
        return Outcome(self.folder.root, self.state.step, stop.exit_code)

    def _step(self, line: ProgressLine) -> None:
        state, device = self.state, self.machine.device
        batch = self.data.batch(state.step, device, state.rollbacks)
        terms = train_step(state, batch, self.config, self.machine, self.watch)
        line.advance(state.step)
        self._after_step(terms, line)

    def _recover(self, problem: NotFinite) -> None:
        """Write down what went wrong; go back to the last checkpoint if that is wanted, else stop."""
        config, rollbacks = self.config, self.state.rollbacks
        files = self.data.names(problem.step - 1, rollbacks)
        facts = {"step": problem.step, "where": problem.where, "files": files, "rollbacks": rollbacks}
        write_atomically(self.folder.problem, (json.dumps(facts, indent=1) + "\n").encode())
        place = standing(self.folder.latest, self.folder.checkpoints)
        kept = f"the last checkpoint is {place}" if place else "no checkpoint was written yet"
        if config.on_nan == "stop" or rollbacks >= config.max_rollbacks:
            raise TrainingError(
                f"{problem}; {kept}, and {self.folder.problem} names the images. Go on with --on-nan rollback, or "
                "start a new --out with a smaller --optimizer.learning-rate or --precision float32"
            )
        for optimizer in self.state.optimizers:
            optimizer.zero_grad(set_to_none=True)
        if place is None:
            self.state = new_state(config, self.machine.device)
        self._restore()
        self.state.rollbacks = rollbacks + 1
        self.metrics.close()
        self.metrics = MetricsWriter(self.folder, self.state.step)
        say(
            self.console,
            f"{problem}; back to step {self.state.step} and on with other images "
            f"({rollbacks + 1} of {config.max_rollbacks})",
        )

    def _restore(self) -> None:
        """Go on where the run in the folder stands; finish what a kill between a checkpoint and its pointers left."""
        sweep(self.folder.checkpoints)
        place = standing(self.folder.latest, self.folder.checkpoints)
        if place is None:
            return
        load_checkpoint(place, self.state)
        best = self.state.best
        if best is not None and best.step == self.state.step:
            self._publish_best(place, best)

    def _after_step(self, terms: Terms, line: ProgressLine) -> None:
        due = self._at(self.config.checkpoint_every)
        if due:
            self.watch.settle()
        if due or self._at(self.config.log_every):
            self._log(terms, line)
        if self._at(self.config.sample_every) or self.state.step == 1:
            save_grid(self.folder.samples / f"{self.state.step:09d}.png", self.state.average, self.samples)
        if due:
            self._judge_and_save()

    def _at(self, interval: int) -> bool:
        """Whether the last step was one of every `interval`, or the run's last."""
        return self.state.step % interval == 0 or self.state.step == self.config.steps

    def _log(self, terms: Terms, line: ProgressLine) -> None:
        values = {name: term.item() for name, term in terms.items()}
        if warning := self.collapse.look(values):
            say(self.console, f"warning: {warning}")
        rate = self.state.optimizers[0].param_groups[0]["lr"]
        speed = line.images_per_second(self.state.step)
        self.metrics.write(self.state.step, {**values, "learning_rate": rate, "images_per_second": speed})
        line.losses(self.state.step, summarised(values))

    def _judge_and_save(self) -> None:
        """Score the averaged networks and write a checkpoint; the best one so far becomes the model."""
        score = self.score()
        if not math.isfinite(score):
            raise NotFinite(self.state.step, [SCORE])
        self.metrics.write(self.state.step, {SCORE: score, UNTRANSLATED: self.untranslated})
        better = self.state.best is None or score < self.state.best.score
        if better:
            self.state.best = Best(self.state.step, score)
        place = self._write_checkpoint()
        if better:
            self._publish_best(place, Best(self.state.step, score))

    def _write_checkpoint(self) -> Path:
        """Write a checkpoint and point `latest` at it; a run without a model yet gets this one."""
        folder = self.folder
        place = save_checkpoint(folder.checkpoints, self.state)
        point_to(folder.latest, place, "the newest")
        if not folder.model.exists():
            save_model(folder.model, self.card(), self.state.average)
        prune(folder.checkpoints, self.config.keep, {place, pointed_at(folder.best)})
        return place

    def _publish_best(self, place: Path, best: Best) -> None:
        """Point `best` at a checkpoint, and make its averaged networks the model."""
        images = "training" if self.data.without_test else "test"
        why = f"smallest sliced Wasserstein distance of translated {images} images"
        save_model(self.folder.model, self.card(), self.state.average)
        point_to(self.folder.best, place, why, score=best.score)

    def score(self) -> float:
        """Sliced Wasserstein distance of both translated test sets from the real ones, by the averaged networks."""
        a, b = self.data.scored
        fake_b = translated(self.state.average, "A", "B", a, self.machine.device)
        fake_a = translated(self.state.average, "B", "A", b, self.machine.device)
        return mean_distance(fake_b, fake_a, a, b)

    def card(self) -> ModelCard:
        """What the model file says of itself."""
        config = self.config
        return ModelCard(
            network=config.network, image_size=config.size, step=self.state.step, origin=f"recipe {config.recipe}"
        )

    def _announce(self) -> None:
        start = f"resuming at step {self.state.step}" if self.state.step else "training"
        say(self.console, f"{start}: {self.data.described()}, {self.machine}, into {self.folder.root}")
        for name in self.data.without_test:
            say(self.console, f"no test images of {name}: samples and scores use training images")

    def _conclude(self, stop: StopRequest) -> None:
        if stop.signal_number is not None and self.state.step < self.config.steps:
            command = f"nicegan train --resume {shlex.quote(str(self.folder.root))}"
            say(self.console, f"stopped and saved at step {self.state.step}; go on with: {command}")


def mean_distance(drawn_b: Image, drawn_a: Image, a: Image, b: Image) -> float:
    """The sliced Wasserstein distance of drawn from real images, mean of both domains."""
    return (sliced_wasserstein(drawn_b, b) + sliced_wasserstein(drawn_a, a)) / 2


def train(config: RunConfig, out: str | os.PathLike[str], console: Console | None = None) -> Outcome:
    """Train a translator, or go on where the run in `out` stands.

    Args:
        config: what to train; see `nicegan.recipes.recipe` for presets.
        out: the run folder; new, or one that holds a run of the same configuration.
        console: where to show progress; standard error if None.

    Raises:
        NiceganError: settings, data or a folder that cannot be used, each with the way out.
    """
    return Run(config, Path(out), console or Console(stderr=True)).train()
