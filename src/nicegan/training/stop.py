"""Stopping on request: the first SIGINT, SIGTERM or SIGHUP (the terminal has gone) asks the loop to save and stop, a
second one stops at once. A signal that is ignored when training starts, as under nohup, stays ignored. SIGUSR1 asks for
a checkpoint and lets training go on.

torchrun passes on what the terminal has sent already, and has a deadline of its own: under it, a second is expected.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

import torch

from nicegan.distributed import ProcessGroup
from nicegan.training.readback import DelayedReadback

ASKING = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


class StopRequest:
    """Within: `signal_number` is set once the process has been asked to stop.

    Args:
        insistent: whether to go on saving when asked a second time.
    """

    def __init__(self, *, insistent: bool = False) -> None:
        self.insistent = insistent
        self.signal_number: int | None = None
        self.previous: dict[int, Any] = {}
        self.save_before_going_on = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in ASKING:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self.previous[number] = signal.signal(number, self._ask)
            if hasattr(signal, "SIGUSR1") and not self.insistent:  # several processes would have to agree on the step
                self.previous[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, self._ask_to_save)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()

    def is_asked_to_save(self) -> bool:
        """Return, once for each SIGUSR1, that a checkpoint is wanted now and training goes on."""
        is_asked, self.save_before_going_on = self.save_before_going_on, False
        return is_asked

    def _ask_to_save(self, number: int, frame: FrameType | None) -> None:
        self.save_before_going_on = True

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.signal_number = number
        if not self.insistent:
            self._give_back()

    def _give_back(self) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)
        self.previous = {}


class StopVote:
    """Whether the processes that work together stop after this step: one that was asked to takes the others along."""

    def __init__(self, processes: ProcessGroup, device: torch.device) -> None:
        self.processes, self.device = processes, device
        self.readback = DelayedReadback()
        self.signal_number = 0

    def take(self, step: int, signal_number: int | None) -> int:
        """Return the signal that asked for it, or 0; `signal_number` is what this process was sent."""
        if self.processes.size == 1:
            self.signal_number = signal_number or 0
        else:
            mine = torch.tensor([signal_number or 0], device=self.device)
            self.readback.post(step, ["vote"], self.processes.all_reduce_max(mine))
            self.signal_number = max(self.signal_number, *(int(vote.numbers) for vote in self.readback.read(step)), 0)
        return self.signal_number

    def forget(self) -> None:
        """Let go of votes on their way: the steps that they belong to are made again."""
        self.readback.pending.clear()
