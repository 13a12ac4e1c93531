"""How far a network has come with its work, and how it is stopped in the middle of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import numpy as np
from torch import nn

from nicegan.inference.translator import Translator


class StoppedError(Exception):
    """Work that somebody has stopped."""


class Watch:
    """Counts the layers that have begun, and ends the work before the next one once it is told to.

    Args:
        stop: when set, the work ends.
        tell: is told the number of layers so far.
    """

    def __init__(self, stop: Event, tell: Callable[[int], None] = lambda layers: None) -> None:
        self.stop, self.tell = stop, tell
        self.layers = 0

    @contextmanager
    def over(self, networks: nn.Module) -> Iterator[None]:
        """Watch the networks while the context lasts; raises StoppedError in it."""
        hooks = [module.register_forward_pre_hook(self._begin) for module in networks.modules()]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _begin(self, module: nn.Module, inputs: Any) -> None:
        if self.stop.is_set():
            raise StoppedError
        self.layers += 1
        self.tell(self.layers)


def layers_of(translator: Translator) -> int:
    """Return the number of layers that one translation calls, by translating a small black image."""
    rule = translator.spec.method.translation_sizes(translator.spec.image_size)
    watch = Watch(Event())
    with watch.over(translator.networks):
        translator.translate(np.zeros((*(rule.exact or rule.padded((16, 16))), 3), np.uint8), "B")
    return watch.layers
