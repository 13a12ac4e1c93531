"""The results of a study in words: what was asked, of whom, and what a paper can say."""

from __future__ import annotations

from nicegan.study.definition import REAL, StudyDefinition
from nicegan.study.intervals import Estimate
from nicegan.study.results import Group, Results
from nicegan.study.significance import NULL
from nicegan.study.trials import all_questions

INTERVALS = (
    "Intervals are 95 % intervals for other raters and other images: raters, images and votes are resampled apart and "
    "their variances added (Cameron, Gelbach and Miller, 2011), with Wilson's interval at the effective number of "
    "votes. They are not adjusted for the number of comparisons."
)
BESIDE = {
    "none": "alone",
    "source": "beside the source image",
    "reference": "beside a reference image",
    "both": "beside the source and a reference image",
}


def percent(estimate: Estimate, *, signed: bool = False) -> str:
    """Return "42.1 % [37.0, 47.3]", or the value alone where there is no interval."""
    sign = "+" if signed else ""
    if estimate.low is None or estimate.high is None:
        return f"{100 * estimate.value:{sign}.1f} %"
    return f"{100 * estimate.value:{sign}.1f} % [{100 * estimate.low:{sign}.1f}, {100 * estimate.high:{sign}.1f}]"


def p_text(p_value: float) -> str:
    """Return "p = 0.012", or "p < 0.0001"."""
    return "p < 0.0001" if p_value < 0.0001 else f"p = {p_value:.4f}"


def times_word(count: int, noun: str) -> str:
    """Return "1 rater" or "2 raters"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def what_was_asked(results: Results) -> list[str]:
    """Return the study in a few lines."""
    definition = results.definition
    kind = {
        "best": f"choose one of {len(definition.methods)} outputs",
        "pairs": 'choose one of two outputs, or "cannot tell"',
        "real-or-fake": "say of one image whether it is real",
    }[definition.kind]
    state = "complete" if results.is_complete else "not complete: the figures are those of the votes so far"
    seconds = f", shown for {definition.seconds:g} seconds" if definition.seconds else ""
    return [
        f'Question: "{definition.question}"',
        f"Task: {kind}, {BESIDE[definition.show]}{seconds}. Methods: {', '.join(definition.methods)}.",
        f"{len(all_questions(definition))} questions about {len(definition.subjects)} source images; wanted are "
        f"{definition.votes_per_image} votes for each, by {times_word(results.num_assignments, 'rater')}.",
        f"Votes that count: {results.counted.num_votes}, by {times_word(results.counted.num_raters, 'rater')}; "
        f"for each question {_range(results)} ({state}).",
    ]


def _range(results: Results) -> str:
    """Return how many votes questions got: "10", or "9 to 11"."""
    fewest, _, most = results.votes_per_question
    return str(fewest) if fewest == most else f"{fewest} to {most}"


def rule_in_words(definition: StudyDefinition) -> str:
    """Return whom the rule leaves out, as far as this study has such trials."""
    rule, parts = definition.rule, list[str]()
    if rule.obvious_right and definition.obvious:
        parts.append(f"fewer than {100 * rule.obvious_right:g} % of the trials with an obvious answer right")
    if rule.repeats_same and definition.repeats:
        parts.append(f"fewer than {100 * rule.repeats_same:g} % of the repeated trials answered alike")
    if rule.median_seconds:
        parts.append(f"a median answer within {rule.median_seconds:g} seconds")
    if definition.seconds and rule.late_share < 1:
        parts.append(f"more than {100 * rule.late_share:g} % of the answers late ({late_in_words(definition)})")
    if rule.position_p and definition.kind != "real-or-fake":
        parts.append(f"one position chosen so often that chance does it with p < {rule.position_p:g}")
    return f"left out were raters with {', or with '.join(parts)}" if parts else "nobody was left out"


def late_in_words(definition: StudyDefinition) -> str:
    """Return when an answer is late, for a study that hides its images."""
    allowed = (definition.seconds or 0) + definition.rule.late_seconds
    return f"more than {allowed:g} seconds after the answer before it, by the server's clock"


def test_in_words(results: Results, group: Group) -> str:
    """Return the test of all methods together."""
    test = group.overall
    how = {"exact": "exact test", "simulated": "p-value of the exact test by 100,000 simulations"}[test.way]
    return f"All together: {p_text(test.p_value)} ({how}) if {NULL[results.definition.kind]}."


def agreement_in_words(group: Group) -> list[str]:
    """Return how far raters agree with each other and with themselves."""
    alpha = "has no value here" if group.alpha is None else f"is {group.alpha:.3f} (1: full agreement, 0: chance)"
    repeats, by_chance = group.repeats.repeats, group.repeats.by_chance
    lines = [f"Krippendorff's alpha (nominal) {alpha}."]
    if repeats.num_pairs and by_chance is not None:
        share = 100 * repeats.num_same / repeats.num_pairs
        lines.append(
            f"Repeated trials got the same answer in {repeats.num_same} of {repeats.num_pairs} ({share:.0f} %); "
            f"answers by chance in the same proportions would agree in {100 * by_chance:.0f} %."
        )
    return lines


def for_the_paper(results: Results) -> str:
    """Return a paragraph that states the study and its outcome, to be put into a paper."""
    definition, group = results.definition, results.counted
    if not group.rows:
        return "There are no votes that count yet."
    out, made = results.left_out, definition.made_with
    asked = {
        "best": f"the outputs of {len(definition.methods)} methods in random order",
        "pairs": 'the outputs of two methods in random order, with the answer "cannot tell"',
        "real-or-fake": "single images, outputs and real ones",
    }[definition.kind]
    seconds = f" for {definition.seconds:g} seconds" if definition.seconds else ""
    best = sorted(group.rows, key=lambda row: -row.share.value)
    said = {"best": "was chosen in", "pairs": "was preferred in", "real-or-fake": "was called real in"}[definition.kind]
    shares = "; ".join(f"{'the real images' if row.label == REAL else row.label} {percent(row.share)}" for row in best)
    alpha = "" if group.alpha is None else f" Krippendorff's alpha was {group.alpha:.2f}."
    repeats = group.repeats.repeats
    again = (
        f" Of {repeats.num_pairs} repeated trials {repeats.num_same} got the same answer." if repeats.num_pairs else ""
    )
    unfinished = "" if results.is_complete else " (The study was not complete.)"
    return (
        f"We showed {times_word(group.num_raters, 'rater')} {asked}{seconds}, {BESIDE[definition.show]}, for "
        f'{len(definition.subjects)} source images, and asked "{definition.question}". Names of methods were hidden; '
        f"each question got {_range(results)} votes, "
        f"{group.num_votes} in all. By a rule fixed before the first vote, {rule_in_words(definition)}: "
        f"{len(out)} of {len(results.records)}. A method {said} the following share of its trials, with 95 % intervals "
        f"over raters and images: {shares}. Against the hypothesis that {NULL[definition.kind]}, "
        f"{p_text(group.overall.p_value)}.{alpha}{again}{unfinished} ({made}, nicegan study)"
    )
