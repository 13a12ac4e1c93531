"""Computations that take turns: one runs until it asks something, and goes on when it gets the answer."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from threading import Semaphore, Thread
from typing import Any


class _EndedError(BaseException):
    """Leaves a computation that nobody waits for any more."""


class Turns:
    """A computation in a thread of its own, which runs only while `resume` waits for it.

    A thread, and no coroutine of one thread: PyTorch keeps its modes for each thread, and nested calls end in order.

    Args:
        work: gets the function by which it asks, and returns nothing.
    """

    def __init__(self, work: Callable[[Callable[[Any], Any]], None]) -> None:
        self._goes, self._waits = Semaphore(0), Semaphore(0)
        self._answer: Any = None
        self._question: Any = None
        self._failure: BaseException | None = None
        self._is_ended = False
        self._thread = Thread(target=copy_context().run, args=(self._run, work), daemon=True)
        self._thread.start()

    def resume(self, answer: Any = None) -> Any:
        """Let it go on with an answer; returns its next question, None if it has come to its end.

        Raises:
            BaseException: what the computation has raised.
        """
        self._answer = answer
        self._goes.release()
        self._waits.acquire()
        if self._failure is not None:
            raise self._failure
        return self._question

    def end(self) -> None:
        """End it where it waits; nothing where it has come to its end."""
        self._is_ended = True
        self._goes.release()
        self._thread.join()

    def _ask(self, question: Any) -> Any:
        self._question = question
        self._waits.release()
        self._goes.acquire()
        if self._is_ended:
            raise _EndedError
        return self._answer

    def _run(self, work: Callable[[Callable[[Any], Any]], None]) -> None:
        self._goes.acquire()
        try:
            if not self._is_ended:
                work(self._ask)
        except _EndedError:
            pass
        except BaseException as failure:  # noqa: BLE001 - it is raised where somebody waits
            self._failure = failure
        finally:
            self._question = None
            self._waits.release()
