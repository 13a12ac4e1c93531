"""Sides that take turns: each in a process of its own, one at work while the others wait."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import torch

from nicegan.errors import NiceganError

SHORTEST_TURN_SECONDS = 0.2  # work that takes less is repeated within a turn
NUM_WARM_UPS = 2
NUM_WARM_UPS_ON_GPU = 6  # the fourth step of ours is recorded as a CUDA graph


class Side(NamedTuple):
    """Something to measure."""

    work: Callable[[], object]
    facts: Callable[[], dict[str, float]]  # counted, not timed; asked for once, after the last turn
    is_on_gpu: bool = False
    pieces: int = 1  # that one call of `work` makes; seconds are those of one


MakeSide = Callable[..., Side]  # builds a side, in the side's own process; a function that can be pickled


class Measured(NamedTuple):
    """Seconds of one piece of work, one number a round, and what was counted."""

    seconds: list[float]
    facts: dict[str, float]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def as_json(self) -> dict[str, Any]:
        """For a results file."""
        spread = {"median": self.median, "min": min(self.seconds), "max": max(self.seconds)}
        return {"seconds": spread, "rounds": len(self.seconds), **self.facts}


def take_turns(
    sides: dict[str, tuple[MakeSide, dict[str, Any]]], rounds: int, progress: Callable[[str], None]
) -> dict[str, Measured]:
    """Measure every side once a round, `rounds` times, after warming up.

    Args:
        sides: name -> how to build it, and with which settings.
        rounds: turns of each side.
        progress: told what happens now.

    Raises:
        NiceganError: a side cannot be built or breaks; names it and says why.
    """
    context = get_context("spawn")
    pipes: dict[str, Connection] = {}
    try:
        progress(f"starting {', '.join(sides)}")
        for name, (make, settings) in sides.items():
            pipes[name], theirs = context.Pipe()
            context.Process(target=_serve, args=(theirs, make, settings), daemon=True).start()
            theirs.close()
        for name, pipe in pipes.items():  # they warm up side by side, and are measured one by one
            _answer(name, pipe)
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for turn in range(rounds):
            for name, pipe in pipes.items():
                progress(f"round {turn + 1} of {rounds}: {name}")
                seconds[name].append(_ask(name, pipe, "turn"))
        return {name: Measured(seconds[name], _ask(name, pipe, "facts")) for name, pipe in pipes.items()}
    finally:
        for pipe in pipes.values():
            pipe.close()


def _ask(name: str, pipe: Connection, question: str) -> Any:
    with suppress(OSError):  # `_answer` says that it died
        pipe.send(question)
    return _answer(name, pipe)


def _answer(name: str, pipe: Connection) -> Any:
    try:
        kind, answer = pipe.recv()
    except (EOFError, OSError):
        raise NiceganError(f"the benchmark's side {name!r} died, perhaps of too little memory") from None
    if kind == "problem":
        raise NiceganError(f"the benchmark's side {name!r}: {answer}")
    return answer


def _serve(pipe: Connection, make: MakeSide, settings: dict[str, Any]) -> None:
    """Answer the questions of `take_turns` until it closes its end."""
    try:
        side = make(**settings)
        _timed(side, NUM_WARM_UPS_ON_GPU if side.is_on_gpu else NUM_WARM_UPS)
        pipe.send(("answer", None))
        repeats = 0
        while True:
            question = pipe.recv()
            if not repeats:  # alone, as its turns are
                repeats = max(1, round(SHORTEST_TURN_SECONDS / (side.pieces * _timed(side, 1))))
            pipe.send(("answer", side.facts() if question == "facts" else _timed(side, repeats)))
    except (EOFError, OSError, KeyboardInterrupt):  # the other end has gone
        return
    except Exception as problem:  # noqa: BLE001 - told to the process that asked
        pipe.send(("problem", f"{type(problem).__name__}: {problem}"))


def _timed(side: Side, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        side.work()
    if side.is_on_gpu:
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / (repeats * side.pieces)
