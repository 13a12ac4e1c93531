"""A training run: steps until the last one, until the score gets no better, or until asked to stop."""

from __future__ import annotations

import json
import math
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from nicegan.atomic import write_atomically
from nicegan.config import RunConfig
from nicegan.data.stream import Share
from nicegan.errors import TrainingError
from nicegan.machine import choose_machine, forget_peak, keep_freed_memory, make_deterministic, peak_bytes
from nicegan.nn import kernels
from nicegan.processes import ALONE, Team, joined
from nicegan.run_folder import RunFolder
from nicegan.shapes import Terms
from nicegan.training.data import TrainingData
from nicegan.training.graphs import WARM_UP_CALLS
from nicegan.training.health import CollapseWatch, NotFinite, StopVote
from nicegan.training.interrupt import StopRequest
from nicegan.training.judge import build_judge
from nicegan.training.keeper import Keeper
from nicegan.training.memory import shortage
from nicegan.training.records import MetricsWriter, NoMetrics, ProgressLine, describe_origin, say, summarised
from nicegan.training.samples import save_grid
from nicegan.training.state import Best, TrainingState, load_checkpoint, new_state, standing
from nicegan.training.step import Stepper, mean_terms


class Outcome(NamedTuple):
    """How a run ended: done (exit code 0), or saved because it was asked to stop."""

    run: Path
    step: int
    exit_code: int


OnStep = Callable[[TrainingState], None]


def _nothing(state: TrainingState) -> None:
    """The hook of a run that nobody watches."""


class Run:
    """One training run: its state, its data and its folder. Of several processes, the first one writes and speaks.

    Args:
        config: what to train.
        out: the run folder.
        console: where to show progress.
        team: the processes that train together.
        on_step: called with the state after every step, and after what the step left on the disk.

    Raises:
        NiceganError: settings, data or a folder that cannot be used.
    """

    def __init__(
        self, config: RunConfig, out: Path, console: Console, team: Team = ALONE, on_step: OnStep = _nothing
    ) -> None:
        self.config, self.team, self.on_step = config, team, on_step
        self.console = console if team.is_first else Console(quiet=True)
        self.folder = RunFolder(out)
        team.first(lambda: self.folder.check(config))
        keep_freed_memory()
        if config.deterministic:
            make_deterministic()
        self.machine = team.each(lambda: choose_machine(config.device, config.precision, config.num_threads))
        self.data = team.first_here(self._open_data)
        self.judge = team.first_here(lambda: build_judge(config, self.data.scored, self.machine.device))
        images = "training images" if self.data.without_test else "test images"
        self.keeper = Keeper(self.folder, config, f"smallest {self.judge.yardstick.words} of translated {images}")
        team.first(lambda: self.folder.claim(config, describe_origin(str(self.machine), team.size)))
        if warning := shortage(config, self.machine):
            say(self.console, f"warning: {warning}")
        forget_peak(self.machine.device)
        self._begin()
        self._restore()
        self.metrics = self._open_metrics()
        self.scored: dict[str, float] = {}
        self.collapse = CollapseWatch(config.loss.adversarial)
        self.vote = StopVote(team, self.machine.device)
        self.samples = self.data.samples(self.machine.device)

    def train(self) -> Outcome:
        """Train until it is done, or until asked to stop."""
        self._announce()
        images_per_step = 2 * self.state.images_per_step * self.team.size
        self.first_step = self.state.step
        line = ProgressLine(self.state.step, self.config.steps, images_per_step, self.console)
        signal_number = 0
        try:
            with line, StopRequest(insistent=self.team.size > 1) as stop:
                while not self._is_done() and not signal_number:
                    try:
                        self._step(line)
                        signal_number = self.vote.take(self.state.step, stop.signal_number)
                        if signal_number:
                            self.stepper.watch.settle()
                    except NotFinite as problem:
                        self._recover(problem)
                if signal_number and self.saved_step != self.state.step:
                    self._save()
        finally:
            self.metrics.close()
            self.data.close()
            self.folder.release()
        self._conclude(signal_number)
        return Outcome(self.folder.root, self.state.step, 128 + signal_number if signal_number else 0)

    def _step(self, line: ProgressLine) -> None:
        state = self.state
        terms = self.stepper(self.data.batch(state.drawn, self.machine.device, state.rollbacks))
        line.advance(state.step)
        if self.machine.device.type == "cuda" and state.step - self.first_step == WARM_UP_CALLS + 1:
            say(self.console, f"{self.stepper.graphs_described()}; {kernels.described()}")
        self._after_step(terms, line)
        self.on_step(state)

    def _after_step(self, terms: Terms, line: ProgressLine) -> None:
        saving, scoring = self._at(self.config.checkpoint_every), self._at(self.config.score_every)
        if saving or scoring:
            self.stepper.watch.settle()
        if saving or scoring or self._at(self.config.log_every):
            self._log(terms, line)
        if self._at(self.config.sample_every) or self.state.step == 1:
            self.team.first(self._save_grid)
        is_best = scoring and self._is_best()
        if saving or is_best or self._is_done():
            self._save()

    def _save_grid(self) -> None:
        self.folder.require()
        save_grid(self.folder.samples / f"{self.state.step:09d}.png", self.state.average, self.samples)

    def _at(self, interval: int) -> bool:
        """Whether the last step was one of every `interval`, or the run's last."""
        return self.state.step % interval == 0 or self.state.step == self.config.steps

    def _is_done(self) -> bool:
        return self.state.step >= self.config.steps or self._is_exhausted()

    def _is_exhausted(self) -> bool:
        """Whether the score has not improved for as long as the run's patience lasts."""
        return 0 < self.config.patience <= self.state.num_worse

    def _log(self, terms: Terms, line: ProgressLine) -> None:
        values = mean_terms(terms, self.team)
        if warning := self.collapse.look(values, self.state.streaks):
            say(self.console, f"warning: {warning}")
        rate = float(self.state.optimizers[0].param_groups[0]["lr"])
        speed = line.images_per_second(self.state.step)
        cost = {"images_per_second": speed, "memory_bytes": peak_bytes(self.machine.device)}
        self.metrics.write(self.state.step, {**values, "learning_rate": rate, **cost})
        line.losses(self.state.step, {**summarised(values), **self.scored})

    def _is_best(self) -> bool:
        """Score the averaged networks; whether none was better before."""
        state, name = self.state, self.judge.yardstick.name
        score, untranslated = self.team.first(lambda: (self.judge.score(state.average), self.judge.untranslated))
        if not math.isfinite(score):
            raise NotFinite(state.step, [f"score/{name}"])
        self.metrics.write(state.step, {f"score/{name}": score, "score/no_translation": untranslated})
        self.scored = {"score": score}
        if state.best is not None and state.best.score <= score:
            state.num_worse += 1
            return False
        state.best, state.num_worse = Best(state.step, score), 0
        return True

    def _save(self) -> None:
        self.state.position, self.state.data = self.data.position(), self.data.identity
        self.team.first(lambda: self.keeper.save(self.state))
        self.saved_step = self.state.step

    def _begin(self) -> None:
        """The state before the first step."""
        self.state = new_state(self.config, self.machine.device)
        self.stepper = Stepper(self.state, self.config, self.machine, self.team)
        self.saved_step = 0

    def _restore(self) -> None:
        """Go on where the run in the folder stands; finish what a kill between a checkpoint and its pointers left."""
        place = self.team.first(self.keeper.find)
        if place is not None:
            self.team.first_here(lambda: load_checkpoint(place, self.state))
            self.stepper.record_anew()
            self.data.restore(self.state.position)
            if self.state.data not in ("", self.data.identity):
                say(
                    self.console,
                    "warning: the training images are not those of the checkpoint, nor is their order",
                )
            self.saved_step = self.state.step
            self.team.first(lambda: self.keeper.publish(self.state, place))
        # Gone back since that checkpoint: the images that follow are others.
        self.state.rollbacks = max(self.state.rollbacks, self.team.first(self.folder.read_rollbacks))

    def _recover(self, problem: NotFinite) -> None:
        """Write down what went wrong; go back to the last checkpoint if that is wanted, else stop."""
        seen = [name for names in self.team.gathered(problem.where) for name in names]
        problem = NotFinite(problem.step, list(dict.fromkeys(seen)))
        files = self._files_of(problem.step)
        goes_back = self.config.on_nan == "rollback" and self.state.rollbacks < self.config.max_rollbacks
        rollbacks = self.state.rollbacks + goes_back
        place = self.team.first(lambda: self._write_problem(problem, files, rollbacks))
        if not goes_back:
            self.team.first(lambda: fail(self._epitaph(problem, place)))
        self.vote.forget()
        for optimizer in self.state.optimizers:
            optimizer.zero_grad(set_to_none=True)
        if place is None:
            self._begin()
        self._restore()
        self.metrics.close()
        self.metrics = self._open_metrics()
        count = f"{rollbacks} of {self.config.max_rollbacks}"
        say(self.console, f"{problem}; back to step {self.state.step} and on with other images ({count})")

    def _epitaph(self, problem: NotFinite, place: Path | None) -> str:
        """What went wrong, what is left, and what to do."""
        kept = f"the last checkpoint is {place}" if place else "no checkpoint was written yet"
        names = f"{self.folder.problem} names the images"
        way_out = "start a new --out with a smaller --optimizer.learning-rate or --precision float32"
        if self.config.on_nan == "rollback":
            way_out = f"It went back {self.state.rollbacks} times already (--max-rollbacks): {way_out}"
        else:
            way_out = f"Go on with --on-nan rollback, or {way_out}"
        return f"{problem}; {kept}, and {names}. {way_out}"

    def _files_of(self, step: int) -> dict[str, list[str]]:
        """The images of a step, counted from 1, of all processes."""
        state = self.state
        drawn = state.drawn - (state.step + 1 - step) * state.images_per_step * self.team.size
        everyones = self.team.gathered(self.team.each(lambda: self.data.names(drawn, state.rollbacks)))
        return {domain: [name for names in everyones for name in names[domain]] for domain in "AB"}

    def _write_problem(self, problem: NotFinite, files: dict[str, list[str]], rollbacks: int) -> Path | None:
        """problem.json; returns where the run last stood."""
        facts = {"step": problem.step, "where": problem.where, "files": files, "rollbacks": rollbacks}
        write_atomically(self.folder.problem, (json.dumps(facts, indent=1) + "\n").encode())
        return standing(self.folder.latest, self.folder.checkpoints)

    def _open_data(self) -> TrainingData:
        with self.console.status("reading images") as status:
            return TrainingData(
                self.config,
                lambda what, done, count: status.update(f"decoding {what}: {done}/{count}"),
                Share(self.team.rank, self.team.size),
            )

    def _open_metrics(self) -> MetricsWriter | NoMetrics:
        return MetricsWriter(self.folder, self.state.step, self.config.steps) if self.team.is_first else NoMetrics()

    def _announce(self) -> None:
        start = f"resuming at step {self.state.step}" if self.state.step else "training"
        processes = f", {self.team.size} processes" if self.team.size > 1 else ""
        say(self.console, f"{start}: {self.data.described()}, {self.machine}{processes}, into {self.folder.root}")
        for name in self.data.without_test:
            say(self.console, f"no test images of {name}: samples and scores use training images")

    def _conclude(self, signal_number: int) -> None:
        state = self.state
        if state.best:
            say(self.console, f"best: step {state.best.step}, {self.keeper.why}: {state.best.score:.4g}")
        if state.step >= self.config.steps:
            return
        command = f"nicegan train --resume {shlex.quote(str(self.folder.root))}"
        if signal_number:
            say(self.console, f"stopped and saved at step {state.step}; go on with: {command}")
        elif state.best:
            say(
                self.console,
                f"stopped at step {state.step}: {state.num_worse} scores in a row were no better than that of step "
                f"{state.best.step}; go on all the same with: {command} --patience 0",
            )


def fail(words: str) -> None:
    """End a run that cannot go on."""
    raise TrainingError(words)


def train(
    config: RunConfig, out: str | os.PathLike[str], console: Console | None = None, on_step: OnStep = _nothing
) -> Outcome:
    """Train a translator, or go on where the run in `out` stands. Under torchrun, all its processes train one.

    Args:
        config: what to train; see `nicegan.recipes.recipe` for presets.
        out: the run folder; new, or one that holds a run of the same configuration.
        console: where to show progress; standard error if None.
        on_step: called with the state after every step, and after what the step left on the disk.

    Raises:
        NiceganError: settings, data or a folder that cannot be used, each with the way out.
    """
    with joined() as team:
        return Run(config, Path(out), console or Console(stderr=True), team, on_step).train()
