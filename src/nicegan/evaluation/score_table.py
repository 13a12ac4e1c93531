"""An evaluation as tables for people, at most 80 columns wide, and the lines that belong with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from nicegan.evaluation.measure import LESS_IS_BETTER, Score
from nicegan.evaluation.outcome import Evaluation
from nicegan.hints import Findings
from nicegan.model_file import MODEL_FILE

KERNEL_FACTOR = 100  # as papers print it
NAMES = ("frechet", "kernel", "precision", "recall", "density", "coverage", "similarity")
DIGITS = {"frechet": 1, "kernel": 2}  # else 3


def title(direction: str, found: Evaluation) -> list[str]:
    """Return what is compared with what, on which features."""
    network = found.network
    size = "at their own size" if network.size is None else f"all at {network.size[1]}x{network.size[0]}, bilinear"
    resize = "" if network.resize == "none" else f", then resized by the {network.resize} protocol"
    return [
        f"{direction or 'scores'} against {found.num_real} real images of {_short(found.real)}",
        f"on {found.num_features} features of {network.name}, images {size}{resize}",
    ]


def score_rows(found: Evaluation) -> Iterator[list[str]]:
    """Return the header, then one row a score: values, and half the widths of their intervals."""
    yield ["", *_columns(found)]
    yield ["images", *(str(one.num_images) for one in found.candidates)]
    for name in NAMES:
        cells = [one.scores.get(name) for one in found.candidates]
        if any(cells):
            yield [_label(name, found), *(_cell(name, score) for score in cells)]


def difference_rows(found: Evaluation) -> Iterator[list[str]]:
    """The header, then one row a score: the first set of fakes minus the second, and whether that says anything."""
    first, second = _columns(found)[-2:]
    how = "image by image" if found.paired else "unpaired, as their files have other names"
    yield ["", f"{first} minus {second}", how]
    for name in NAMES:
        if difference := found.difference.get(name):
            yield [_label(name, found), _cell(name, difference), _significance(name, difference)]


def below(found: Evaluation) -> list[str]:
    """Return the kernel distance over subsets, what the intervals are, and notes."""
    lines = [f"{found.network.kernel_name()} x {KERNEL_FACTOR} over subsets: {'; '.join(_subsets(found))}"]
    if any(score.low is not None for one in found.candidates for score in one.scores.values()):
        lines.append("±: 95 % interval for other images, as many of them")
    short = dict(zip((one.name for one in found.candidates), _columns(found), strict=True))
    lines += [diversity.in_words(short[name]) for name, diversity in found.diversity.items()]
    return lines + [f"note: {note}" for note in found.notes]


def hint_lines(found: Evaluation) -> list[str]:
    """Return what looks wrong in the translations, and what to try."""
    short = dict(zip((one.name for one in found.candidates), _columns(found), strict=True))
    return Findings(tuple(hint._replace(where=short[hint.where]) for hint in found.hints)).in_words()


def _label(name: str, found: Evaluation) -> str:
    labels = {
        "frechet": found.network.frechet_name(),
        "kernel": f"{found.network.kernel_name()} x {KERNEL_FACTOR}",
        "similarity": "SSIM to source",
    }
    return labels.get(name, name)


def _cell(name: str, score: Score | None) -> str:
    if score is None:
        return ""
    factor, digits = (KERNEL_FACTOR if name == "kernel" else 1), DIGITS.get(name, 3)
    value = f"{factor * score.value:.{digits}f}"
    return value if score.reach is None else f"{value} ± {factor * score.reach:.{digits}f}"


def _significance(name: str, difference: Score) -> str:
    if difference.holds_zero():
        return "not significant"
    if name == "similarity":
        return "keeps more" if difference.value > 0 else "keeps less"
    return "better" if (difference.value < 0) == (name in LESS_IS_BETTER) else "worse"


def _subsets(found: Evaluation) -> Iterator[str]:
    for name, one in zip(_columns(found), found.candidates, strict=True):
        mean, std, number, size = one.kernel_subsets
        whole = size == found.num_real == one.num_images
        how = "each is the whole set" if whole else f"std {KERNEL_FACTOR * std:.2f}, {number} subsets of {size} images"
        yield f"{name} {KERNEL_FACTOR * mean:.2f} ({how})"


def _columns(found: Evaluation) -> list[str]:
    """Return the candidates' names, as short as tells them apart."""
    names = [one.name for one in found.candidates]
    short = [_short(name) for name in names]
    return short if len(set(short)) == len(short) else names


def _short(name: str) -> str:
    """Return the last part of a path that says something."""
    path = PurePath(name)
    return (path.parent.name if path.name == MODEL_FILE else path.name) or name
