"""The section at the top of a report: what is seen, what was measured without a sign, and what was not measured."""

import re

from nicegan.hints import Findings, Hint
from nicegan.report.seen import seen_section

GRID = Hint("pattern", "A to B", "pattern score 3.10, and 1.00 is none", "a new run with --network.upsample nearest")


def lines(findings: Findings) -> list[str]:
    """The section's titles and paragraphs."""
    return re.findall(r"<(?:h2|h3|p|p class=note)>(.*?)</(?:h2|h3|p)>", seen_section(findings))


def test_each_symptom_has_its_measurement_and_what_to_try() -> None:
    found = Findings(
        (GRID, GRID._replace(where="B to A")), ("pattern", "alike", "alike"), ((("guessing",), "10 <steps>"),)
    )
    assert lines(found) == [
        "What we see",
        "A fine grid lies over the translations",
        "Measured: A to B: pattern score 3.10, and 1.00 is none; B to A: pattern score 3.10, and 1.00 is none.",
        "Try: a new run with <code>--network.upsample</code> nearest.",
        "Measured, and no sign of: all translations look alike.",
        "Not measured: a discriminator only guesses (10 &lt;steps&gt;).",
        "Each sign, what it means and what helps: docs/looks_bad.md.",
    ]


def test_a_run_without_hints_says_what_was_measured() -> None:
    assert lines(Findings((), ("pattern", "over-fitting")))[1].startswith(
        "Nothing that looks wrong. Measured, and no sign of: a fine grid lies over the translations; over-fitting"
    )
