"""A training run: steps until the last one, until the score gets no better, or until asked to stop."""

from __future__ import annotations

import math
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from rich.console import Console

from nicegan.checkpoint import resume_point
from nicegan.console import say
from nicegan.data.sampler import Share
from nicegan.data.training_data import TrainingData
from nicegan.device import forget_peak, keep_freed_memory, make_deterministic, peak_bytes, set_up_machine
from nicegan.distributed import ALONE, ProcessGroup, joined
from nicegan.extras import TRAINING, require
from nicegan.metric_names import NO_TRANSLATION, score_name
from nicegan.nn import kernels
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.shapes import Terms
from nicegan.training.changes import note_images, take_note_of_changes
from nicegan.training.checkpoint_manager import CheckpointManager
from nicegan.training.checkpoint_score import build_checkpoint_score
from nicegan.training.collapse import CollapseWatch
from nicegan.training.finite import NotFinite
from nicegan.training.graphs import WARM_UP_CALLS
from nicegan.training.logger import MetricsWriter, NoMetrics, ProgressLine, describe_origin, summarised
from nicegan.training.memory import shortage
from nicegan.training.outcome import OnStep, Outcome, last_words, no_watch
from nicegan.training.rollback import Rollback
from nicegan.training.samples import save_grid
from nicegan.training.start import load_start
from nicegan.training.state import Best, load_state, new_state
from nicegan.training.step import Stepper, mean_terms
from nicegan.training.stop import StopRequest, StopVote


class Run:
    """One training run: its state, its data and its folder. Of several processes, the first one writes and speaks.

    A context manager: entering it reads the images, claims the folder and restores the state; leaving it closes and
    releases them.

    Args:
        config: what to train.
        out: the run folder.
        console: where to show progress.
        processes: the processes that train together.
        on_step: called with the state after every step, and after what the step left on the disk.
    """

    def __init__(
        self,
        config: RunConfig,
        out: Path | RunFolder,
        console: Console,
        processes: ProcessGroup = ALONE,
        on_step: OnStep = no_watch,
    ) -> None:
        self.config, self.processes, self.on_step = config, processes, on_step
        self.console = console if processes.is_first else Console(quiet=True)
        self.folder = out if isinstance(out, RunFolder) else RunFolder(out)
        self.rollback = Rollback(self.folder, config, processes)
        self.scored: dict[str, float] = {}
        self.opened = ExitStack()

    def __enter__(self) -> Self:
        """Open everything.

        Raises:
            NiceganError: settings, data or a folder that cannot be used.
        """
        with ExitStack() as opened:
            self._open(opened)
            self.opened = opened.pop_all()
        return self

    def __exit__(self, *problem: object) -> None:
        self.opened.close()

    def _open(self, opened: ExitStack) -> None:
        processes = self.processes
        config = self.config = self.folder.settled(self.config)
        opened.callback(self.folder.release)
        processes.on_first(lambda: self.folder.refuse_misuse(config))
        keep_freed_memory()
        if config.deterministic:
            make_deterministic()
        self.machine = processes.on_each(lambda: set_up_machine(config.device, config.precision, config.num_threads))
        self.data = processes.on_first_here(self._open_data)
        opened.callback(self.data.close)
        config = self.config = config.model_copy(update={"value_range": self.data.value_range})
        processes.on_first(lambda: self.data.refuse_inside(self.folder.root))
        self.score = processes.on_first_here(
            lambda: build_checkpoint_score(config, self.data.scored, self.machine.device)
        )
        kind = "training" if self.data.without_test else "test"
        why = f"smallest {self.score.yardstick.words} of translated {kind} images"
        self.checkpoints = CheckpointManager(self.folder, config, why)
        processes.on_first(lambda: self.folder.claim(config, describe_origin(str(self.machine), processes.size)))
        if warning := shortage(config, self.machine):
            say(self.console, f"warning: {warning}")
        forget_peak(self.machine.device)
        self._begin()
        self._restore()
        self.metrics = self._open_metrics()
        opened.callback(lambda: self.metrics.close())
        self.collapse = CollapseWatch(self.state.method.phases)
        self.vote = StopVote(processes, self.machine.device)
        self.samples = self.data.samples(self.machine.device)

    def train(self) -> Outcome:
        """Train until it is done, or until asked to stop."""
        self._announce()
        images_per_step = 2 * self.state.images_per_step * self.processes.size
        self.first_step = self.state.step
        line = ProgressLine(self.state.step, self.config.steps, images_per_step, self.console)
        signal_number = 0
        with line, StopRequest(insistent=self.processes.size > 1) as stop:
            while not self._is_done() and not signal_number:
                try:
                    self._step(line)
                    signal_number = self.vote.take(self.state.step, stop.signal_number)
                    is_asked_to_save = stop.is_asked_to_save()
                    if signal_number or is_asked_to_save:
                        self.stepper.finite.settle()
                    if is_asked_to_save and self.saved_step != self.state.step:
                        self._save()
                except NotFinite as problem:
                    self._recover(problem)
            if signal_number and self.saved_step != self.state.step:
                self._save()
        for words in last_words(self.state, self.config, self.folder, self.score.yardstick.words, signal_number):
            say(self.console, words)
        return Outcome(self.folder.root, self.state.step, 128 + signal_number if signal_number else 0)

    def _step(self, line: ProgressLine) -> None:
        state = self.state
        terms = self.stepper(self.data.batch(state.samples_seen, self.machine.device, state.rollbacks))
        line.advance(state.step)
        if self.machine.device.type == "cuda" and state.step - self.first_step == WARM_UP_CALLS + 1:
            say(self.console, f"{self.stepper.graphs_described()}; {kernels.described()}")
        self._after_step(terms, line)
        self.on_step(state)

    def _after_step(self, terms: Terms, line: ProgressLine) -> None:
        saving, scoring = self._at(self.config.checkpoint_every), self._at(self.config.score_every)
        if saving or scoring:
            self.stepper.finite.settle()
        if saving or scoring or self._at(self.config.log_every):
            self._log(terms, line)
        if self._at(self.config.sample_every) or self.state.step == 1:
            self.processes.on_first(self._save_grid)
        has_new_best = scoring and self._take_score()
        if saving or has_new_best or self._is_done():
            self._save()

    def _save_grid(self) -> None:
        self.folder.require()
        grid = self.folder.samples / f"{self.state.step:09d}.png"
        self.metrics.show(self.state.step, grid, save_grid(grid, self.state.ema, self.samples))

    def _at(self, interval: int) -> bool:
        """Return whether the last step was one of every `interval`, or the run's last."""
        return self.state.step % interval == 0 or self.state.step == self.config.steps

    def _is_done(self) -> bool:
        return self.state.step >= self.config.steps or self._is_exhausted()

    def _is_exhausted(self) -> bool:
        """Return whether the score has not improved for as long as the run's patience lasts."""
        return 0 < self.config.patience <= self.state.num_worse

    def _log(self, terms: Terms, line: ProgressLine) -> None:
        values = mean_terms(terms, self.processes)
        if warning := self.collapse.look(values, self.state.streaks):
            say(self.console, f"warning: {warning}")
        rate = float(next(iter(self.state.optimizers.values())).param_groups[0]["lr"])
        speed = line.images_per_second(self.state.step)
        cost = {"images_per_second": speed, "memory_bytes": peak_bytes(self.machine.device)}
        self.metrics.write(self.state.step, {**values, "learning_rate": rate, **cost})
        line.losses(self.state.step, {**summarised(values), **self.scored})

    def _take_score(self) -> bool:
        """Score the averaged networks and note the result; return whether none was better before."""
        state, name = self.state, score_name(self.score.yardstick.name)
        score, untranslated = self.processes.on_first(lambda: (self.score.score(state.ema), self.score.untranslated))
        if not math.isfinite(score):
            raise NotFinite(state.step, [name])
        self.metrics.write(state.step, {name: score, NO_TRANSLATION: untranslated})
        self.scored = {"score": score}
        if state.best is not None and state.best.score <= score:
            state.num_worse += 1
            return False
        state.best, state.num_worse = Best(state.step, score), 0
        return True

    def _save(self) -> None:
        note_images(self.state, self.data, self.score)
        of_processes = self.processes.all_gather(self.state.process_state())
        self.processes.on_first(lambda: self.checkpoints.save(self.state, of_processes))
        self.saved_step = self.state.step

    def _begin(self) -> None:
        """Make the state before the first step."""
        self.state = new_state(self.config, self.machine.device)
        if self.config.start_from is not None and resume_point(self.folder) is None:
            say(self.console, f"weights {load_start(self.state, self.config, self.config.start_from)}")
        self.stepper = Stepper(self.state, self.config, self.machine, self.processes)
        self.saved_step = 0

    def _restore(self) -> None:
        """Go on where the run in the folder stopped; finish what a kill between checkpoint and pointers left."""
        checkpoint = self.processes.on_first(self.checkpoints.clean_up)
        if checkpoint is not None:
            self.processes.on_first_here(lambda: load_state(checkpoint, self.state, self.processes.rank))
            self.stepper.record_anew()
            self.data.restore(self.state.position)
            self.saved_step = self.state.step
            self.processes.on_first(lambda: self.checkpoints.publish(self.state, checkpoint))
            for change in take_note_of_changes(self.state, self.data, self.score):
                say(self.console, change)
        # Gone back since that checkpoint: the images that follow are others.
        self.state.rollbacks = max(self.state.rollbacks, self.processes.on_first(self.folder.read_rollbacks))

    def _recover(self, problem: NotFinite) -> None:
        """Go back to the last checkpoint and on with other images, if that is wanted; else raise TrainingError."""
        problem, checkpoint = self.rollback.record(problem, self.state, self.data)
        self.vote.forget()
        for optimizer in self.state.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        if checkpoint is None:
            self._begin()
        self._restore()
        self.metrics.close()
        self.metrics = self._open_metrics()
        count = f"{self.state.rollbacks} of {self.config.max_rollbacks}"
        say(self.console, f"{problem}; back to step {self.state.step} and on with other images ({count})")

    def _open_data(self) -> TrainingData:
        with self.console.status("reading images") as status:
            return TrainingData(
                self.config,
                lambda what, done, count: status.update(f"decoding {what}: {done}/{count}"),
                Share(self.processes.rank, self.processes.size),
            )

    def _open_metrics(self) -> MetricsWriter | NoMetrics:
        if not self.processes.is_first:
            return NoMetrics()
        return MetricsWriter(self.folder, self.state.step, self.config.steps)

    def _announce(self) -> None:
        start = f"resuming at step {self.state.step}" if self.state.step else "training"
        processes = f", {self.processes.size} processes" if self.processes.size > 1 else ""
        for note in self.data.notes:
            say(self.console, note)
        say(self.console, f"{start}: {self.data.described()}, {self.machine}{processes}, into {self.folder.root}")
        weight = f"{self.checkpoints.weight(self.state) / 1e6:,.0f} MB with --keep {self.config.keep}"
        say(self.console, f"the run folder will take about {weight}, and what its sample grids take")
        for name in self.data.without_test:
            say(self.console, f"no test images of {name}: samples and scores use training images")


def train(
    config: RunConfig,
    out: str | os.PathLike[str],
    console: Console | None = None,
    on_step: OnStep = no_watch,
    *,
    resume: bool = False,
) -> Outcome:
    """Train a translator, or go on where the run in `out` stands. Under torchrun, all its processes train one.

    Args:
        config: what to train; see `nicegan.recipes.recipe` for presets.
        out: the run folder; new, or one that holds a run of the same configuration.
        console: where to show progress; standard error if None.
        on_step: called with the state after every step, and after what the step left on the disk.
        resume: whether the images and the feature network of the run in `out` may be elsewhere now, or others.

    Raises:
        NiceganError: settings, data or a folder that cannot be used, each with the way out.
    """
    require("training", TRAINING)
    folder, console = RunFolder(Path(out), may_move=resume), console or Console(stderr=True)
    with joined() as processes, Run(config, folder, console, processes, on_step) as run:
        return run.train()
