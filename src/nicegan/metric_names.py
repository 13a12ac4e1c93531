"""The names in metrics.jsonl: a loss term is "phase/domain/term", a score is "score/name"; all else is cost."""

from __future__ import annotations

from typing import NamedTuple

NO_TRANSLATION = "score/no_translation"


class TermName(NamedTuple):
    """The parts of a loss term's name."""

    phase: str
    domain: str
    term: str


def term_name(phase: str, term: str) -> str:
    """Return the name of a phase's term, which has its domain in it already: "generator/A/cycle"."""
    return f"{phase}/{term}"


def parse_term(name: str) -> TermName | None:
    """Return the parts of a loss term's name; None for scores and costs."""
    parts = name.split("/")
    return TermName(*parts) if len(parts) == 3 else None


def score_name(name: str) -> str:
    """Return the name of a score in the metrics."""
    return f"score/{name}"


def parse_score(name: str) -> str | None:
    """Return a score's own name; None for terms, costs and the score of untranslated images."""
    kind, _, own = name.partition("/")
    return own if kind == "score" and name != NO_TRANSLATION else None
