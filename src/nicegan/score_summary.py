"""What a run's scores say in one sentence: is the model better than doing nothing, and does it still improve?"""

from __future__ import annotations

from collections.abc import Sequence

from nicegan.metric_names import NO_TRANSLATION, parse_score

RECENT = 0.25  # of the scores: a best one among them means that the run still improves
FEWEST = 3  # scores that a trend takes


def score_summary(metrics: Sequence[dict[str, float]], words: str = "score") -> str | None:
    """Return the sentence; None before the first score.

    Args:
        metrics: lines of metrics.jsonl, in order.
        words: what the score is called, of which less is better.
    """
    scored = [(line, name) for line in metrics for name in line if parse_score(name)]
    if not scored:
        return None
    name = scored[-1][1]  # what a resumed run was scored with before is another score
    lines = [line for line, of in scored if of == name]
    untranslated = lines[-1].get(NO_TRANSLATION)
    values = [line[name] for line in lines]
    best = min(values)
    against = "" if untranslated is None else f" against {untranslated:.3g} for no translation"
    worse = untranslated is not None and best >= untranslated
    comparison = ": no better than leaving the images as they are" if worse else ""
    return f"{words} {best:.3g}{against}{comparison}{_trend(values, int(lines[values.index(best)]['step']))}"


def _trend(values: list[float], best_step: int) -> str:
    if len(values) < FEWEST:
        return ""
    recent = max(1, round(RECENT * len(values)))
    if min(values[-recent:]) < min(values[:-recent]):
        return "; still falling: train longer"
    return f"; not better since step {best_step:,}"
