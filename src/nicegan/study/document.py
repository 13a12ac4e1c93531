"""The report of a study as a document of headings, lines and tables; Markdown, HTML and JSON are made from it."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from nicegan.study.definition import REAL
from nicegan.study.intervals import Estimate
from nicegan.study.raters import median_seconds
from nicegan.study.results import Group, Results
from nicegan.study.sentences import (
    INTERVALS,
    agreement_in_words,
    for_the_paper,
    late_in_words,
    percent,
    rule_in_words,
    test_in_words,
    times_word,
    what_was_asked,
)

SHARE = {"best": "chosen", "pairs": "preferred", "real-or-fake": "called real"}
MODELS = {"best": "Luce's choice model (choix)", "pairs": "Bradley-Terry model (evalica)"}


class Part(NamedTuple):
    """A heading, a table with its column names, and lines below it."""

    title: str
    lines: list[str]
    columns: list[str] = []
    rows: list[list[str]] = []


def parts_of(results: Results) -> list[Part]:
    """Return the report, part by part."""
    counted = results.counted
    if not counted.rows:
        return [Part("Study", what_was_asked(results)), Part("Shares", ["No votes that count yet."]), *_raters(results)]
    return [
        Part("Study", what_was_asked(results)),
        _shares("Shares", results, counted, [test_in_words(results, counted), INTERVALS]),
        _differences(counted),
        *_model(results),
        Part("Agreement", agreement_in_words(counted)),
        *_raters(results),
        Part("Times", _times(results)),
        Part("For the paper", [for_the_paper(results)]),
    ]


def _shares(title: str, results: Results, group: Group, lines: list[str]) -> Part:
    verb = SHARE[results.definition.kind]
    rows = [
        [name_of(row.label), percent(row.share), f"{row.won:g} of {row.shown}", p_cell(row.p_value)]
        for row in sorted(group.rows, key=lambda row: -row.share.value)
    ]
    return Part(title, lines, ["", f"{verb} [95 % interval]", "votes", "p against chance (Holm)"], rows)


def name_of(label: str) -> str:
    """Return what a label is called."""
    return "real images" if label == REAL else label


def p_cell(p_value: float) -> str:
    """Return a p-value for a table."""
    return "< 0.0001" if p_value < 0.0001 else f"{p_value:.4f}"


def _differences(group: Group) -> Part:
    rows = []
    for row in group.differences:
        low, high = row.difference.low, row.difference.high
        significance = (
            "" if low is None or high is None else "significant" if low > 0 or high < 0 else "not significant"
        )
        rows.append([f"{name_of(row.one)} - {name_of(row.other)}", percent(row.difference, signed=True), significance])
    return Part("Differences of shares", [], ["", "difference [95 % interval]", ""], rows)


def _model(results: Results) -> list[Part]:
    strengths = sorted(results.counted.strengths, key=lambda one: -one.strength.value)
    if not strengths:
        return []
    rows = [[one.method, _number(one.strength)] for one in strengths]
    line = "Log strengths around 0, with a weak prior; a difference of 0.7 is a choice of two to one."
    return [Part(MODELS[results.definition.kind], [line], ["", "log strength [95 % interval]"], rows)]


def _number(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:+.2f}"
    return f"{estimate.value:+.2f} [{estimate.low:+.2f}, {estimate.high:+.2f}]"


def _raters(results: Results) -> list[Part]:
    definition, out = results.definition, results.left_out
    finished = sum(record.is_finished for record in results.records)
    lines = [
        f"{times_word(len(results.records), 'rater')} answered, {finished} of them everything.",
        f"The rule, fixed before the first vote: {rule_in_words(definition)}.",
    ]
    rows = [
        [f"rater {record.rater.number}", f"{len(record.votes)} of {len(record.trials)}", "; ".join(record.left_out)]
        for record in out
    ]
    parts = [Part(f"Raters left out: {len(out)}", lines, ["", "answers", "reason"] if rows else [], rows)]
    if out and results.everybody.rows:
        note = f"Shares if nobody had been left out ({times_word(results.everybody.num_raters, 'rater')})."
        parts.append(_shares("With the raters left out", results, results.everybody, [note]))
    return parts


def _times(results: Results) -> list[str]:
    definition, times, lines = results.definition, results.times, ["No browser told how long answers took."]
    if times is not None:
        lines = [
            f"An answer took {times.median:.1f} seconds in the median (quartiles {times.lower:.1f} and "
            f"{times.upper:.1f}); a rater's answers took {times.minutes:.1f} minutes together in the median."
        ]
    if definition.seconds:
        lines.append(
            f"{results.num_late} of the {results.counted.num_votes} votes that count came late: "
            f"{late_in_words(definition)}. Only the rater's page hides the image after {definition.seconds:g} seconds, "
            "so nobody knows how long the image of a late vote was seen."
        )
    return lines


def markdown(title: str, parts: Sequence[Part]) -> str:
    """Return the report as Markdown."""
    blocks = [f"# {title}"]
    for part in parts:
        blocks.append(f"## {part.title}")
        if part.rows:
            head = [part.columns, ["---"] * len(part.columns), *part.rows]
            blocks.append("\n".join("| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in head))
        blocks += part.lines
    return "\n\n".join(blocks) + "\n"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


def as_json(results: Results) -> dict[str, Any]:
    """Return all figures of the report."""
    definition = results.definition
    return {
        "study": definition.model_dump(mode="json", exclude={"subjects", "real_images", "obvious_trials"}),
        "definition_sha256": results.study.digest,
        "num_images": len(definition.subjects),
        "num_raters_wanted": results.num_assignments,
        "is_complete": results.is_complete,
        "votes_per_question": dict(zip(("fewest", "median", "most"), results.votes_per_question, strict=True)),
        "counted": _group(results.counted),
        "everybody": _group(results.everybody),
        "times": results.times and results.times._asdict(),
        "late_votes": results.num_late,
        "raters": [
            {
                "number": record.rater.number,
                "answers": len(record.votes),
                "is_finished": record.is_finished,
                "median_seconds": median_seconds(record.votes),
                "late_answers": len(record.late),
                "left_out": record.left_out,
            }
            for record in results.records
        ],
        "votes_by_image": _by_image(results),
        "sentence": for_the_paper(results),
    }


def _by_image(results: Results) -> dict[str, dict[str, int]]:
    """Return how often each answer was given to each source image, by raters who count."""
    found: dict[str, Counter[str]] = {}
    for record in results.records:
        for trial, vote in [] if record.left_out else record.counted():
            if trial.question.labels != (REAL,):
                name = results.definition.subjects[trial.question.subject].name
                found.setdefault(name, Counter())[vote.chosen] += 1
    return {name: dict(found[name]) for name in sorted(found)}


def _group(group: Group) -> dict[str, Any]:
    return {
        "num_raters": group.num_raters,
        "num_votes": group.num_votes,
        "shares": {
            row.label: {"won": row.won, "shown": row.shown, "p_holm": row.p_value, **row.share._asdict()}
            for row in group.rows
        },
        "differences": [{"one": row.one, "other": row.other, **row.difference._asdict()} for row in group.differences],
        "overall_test": group.overall._asdict(),
        "log_strengths": {one.method: one.strength._asdict() for one in group.strengths},
        "krippendorff_alpha": group.alpha,
        "repeats": {**group.repeats.repeats._asdict(), "by_chance": group.repeats.by_chance},
    }


def votes_csv(results: Results) -> str:
    """Return every vote, in the order of raters and trials."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = "rater assignment trial role image shown answer chosen seconds voted_at late left_out"
    writer.writerow(head.split())
    for record in results.records:
        for vote in record.votes:
            trial = record.trials[vote.trial]
            subject = trial.question.subject
            of_real = trial.question.labels == (REAL,)
            image = f"real {subject + 1}" if of_real else results.definition.subjects[subject].name
            moment = datetime.fromtimestamp(vote.voted_at, UTC).isoformat(timespec="seconds")
            shown = " | ".join(picture.label for picture in trial.pictures)
            answer = int(vote.answer) + 1 if vote.answer.isdecimal() else vote.answer
            row = [record.rater.number, record.rater.assignment + 1, vote.trial + 1, trial.role, image, shown, answer]
            seconds = "" if vote.milliseconds is None else vote.milliseconds / 1000
            late, left_out = int(vote.trial in record.late), int(bool(record.left_out))
            writer.writerow([*row, vote.chosen, seconds, moment, late, left_out])
    return text.getvalue()
