"""What a method is: two domains, and a short tuple of phases that share out their parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from torch import nn

from nicegan.models.domain import Domain, TranslationPath, TranslationPaths
from nicegan.shapes import Image, Scalar, Terms


class Batch(NamedTuple):
    """Unpaired images of both domains."""

    a: Image
    b: Image

    def parts(self, count: int) -> list[Batch]:
        """The batch in `count` parts, to be worked on one after the other."""
        return [Batch(a, b) for a, b in zip(self.a.chunk(count), self.b.chunk(count), strict=True)]


@contextmanager
def frozen(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Within, gradients pass through these parameters' layers but none is computed for the parameters."""
    changed = [parameter for parameter in parameters if parameter.requires_grad]
    for parameter in changed:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in changed:
            parameter.requires_grad = True


def both_ways(one: Callable[[], Terms], other: Callable[[], Terms]) -> Terms:
    """The terms of both directions; on a GPU they are computed side by side, on two streams."""
    if not torch.cuda.is_initialized():
        return one() | other()
    current = torch.cuda.current_stream()
    beside = second_stream(current.device)
    beside.wait_stream(current)
    terms = one()
    with torch.cuda.stream(beside):
        terms |= other()
    current.wait_stream(beside)
    return terms


@cache
def second_stream(device: torch.device) -> torch.cuda.Stream:
    """The stream of `both_ways`: one for each device, since a stream keeps memory of its own."""
    return torch.cuda.Stream(device)


class Phase(nn.Module):
    """One player's move: its registered parameters are exactly what its optimizer trains; `forward` gives its terms.

    Args:
        name: of the player, for logs.
        domains: A and B. Seen by the phase, but not registered: a tuple hides them from `parameters()`.
        learns: the modules this phase trains.
    """

    def __init__(self, name: str, domains: tuple[Domain, Domain], learns: Iterable[nn.Module]) -> None:
        super().__init__()
        self.name = name
        self.domains = domains
        self.learns = nn.ModuleList(learns)
        mine = {id(parameter) for parameter in self.parameters()}
        everyone = [parameter for domain in domains for parameter in domain.parameters()]
        self.onlookers = tuple(parameter for parameter in everyone if id(parameter) not in mine)

    def trains(self, module: nn.Module) -> bool:
        """Whether this phase trains any parameter of `module`."""
        mine = {id(parameter) for parameter in self.parameters()}
        return any(id(parameter) in mine for parameter in module.parameters())

    def forward(self, batch: Batch) -> Terms:
        """The named, weighted loss terms of one batch."""
        raise NotImplementedError

    def after_update(self) -> None:
        """What must follow every update of this phase's parameters."""


@dataclass(frozen=True)
class Method:
    """Two domains and the phases of one training step, in order."""

    domains: tuple[Domain, Domain]
    phases: tuple[Phase, ...]

    def translation_paths(self) -> TranslationPaths:
        """What a trained model keeps: each domain's encoder and generator, as "A" and "B"."""
        return TranslationPaths({d.name: TranslationPath(d.encoder, d.generator) for d in self.domains})


def total(terms: Terms) -> Scalar:
    """The sum of all terms: what a phase minimises."""
    return torch.stack(list(terms.values())).sum()
