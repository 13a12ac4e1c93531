"""What looks wrong in a run and what to try: a hint names a symptom, and the measurement that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from nicegan.config import MethodConfig

Symptom = Literal["pattern", "inverted", "unchanged", "alike", "guessing", "winning", "over-fitting"]

TITLES: dict[Symptom, str] = {
    "pattern": "A fine grid lies over the translations",
    "inverted": "Bright and dark are exchanged",
    "unchanged": "Nothing is translated",
    "alike": "All translations look alike",
    "guessing": "A discriminator only guesses",
    "winning": "A discriminator has won",
    "over-fitting": "Over-fitting: training images get better, test images worse",
}
OF_IMAGES: tuple[Symptom, ...] = ("alike", "pattern", "inverted", "unchanged")  # of translations
PLAIN_UPSAMPLING = "nearest"  # the value of a network's `upsample` that leaves no grid
HOLDS_TO_INPUT = ("cycle", "cross_cycle", "identity", "contrastive")  # losses that keep a translation near its input


class Hint(NamedTuple):
    """A symptom, where it was measured, the measurement in words, and what to try."""

    symptom: Symptom
    where: str
    measured: str
    advice: str

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return {"symptom": self.symptom, "title": TITLES[self.symptom], **self._asdict()}


class Findings(NamedTuple):
    """Hints, the symptoms that were looked for, and why others could not be."""

    hints: tuple[Hint, ...] = ()
    measured: tuple[Symptom, ...] = ()
    unmeasured: tuple[tuple[tuple[Symptom, ...], str], ...] = ()  # symptoms, reason

    def and_also(self, other: Findings) -> Findings:
        """Return the findings of both."""
        return Findings(self.hints + other.hints, self.measured + other.measured, self.unmeasured + other.unmeasured)

    def in_words(self) -> list[str]:
        """Return lines for a terminal: each symptom with its measurements and what to try; or that there is none."""
        if self.measured and not self.hints:
            return [f"what we see: nothing that looks wrong; looked for: {', '.join(dict.fromkeys(self.measured))}"]
        return [
            line
            for hints in grouped(self.hints)
            for line in (
                f"what we see: {TITLES[hints[0].symptom]} ({measurements(hints)})",
                f"  try: {hints[0].advice}",
            )
        ]


def grouped(hints: Iterable[Hint]) -> list[list[Hint]]:
    """Return the hints by symptom, in the order in which each symptom first appears."""
    found: dict[Symptom, list[Hint]] = {}
    for hint in hints:
        found.setdefault(hint.symptom, []).append(hint)
    return list(found.values())


def measurements(hints: Iterable[Hint]) -> str:
    """Return what was measured where: "A to B: pattern score 3.10 ...; B to A: ..."."""
    return "; ".join(f"{hint.where}: {hint.measured}" for hint in hints)


def advice(symptom: Symptom, method: MethodConfig | None) -> str:
    """Return what to try against a symptom, with the settings that the method has; None is an unknown method."""
    return _ADVICE[symptom](method)


def _against_pattern(method: MethodConfig | None) -> str:
    upsample = _setting(method, "network", "upsample")
    if upsample not in (None, PLAIN_UPSAMPLING):
        return f"a new run with --network.upsample {PLAIN_UPSAMPLING} (now {upsample})"
    return (
        "more steps; a grid that stays comes from the generator's way to enlarge a map: nicegan compare shows the "
        "pattern score of several recipes side by side"
    )


def _against_inverted(method: MethodConfig | None) -> str:
    independent = _setting(method, "network", "initialization") == "independent"
    equal = "--network.initialization equal (now independent), or with " if independent else ""
    weight = _with_values(method, "loss", ("identity",))
    larger = f", or with a larger {weight[0]}" if weight else ""
    return f"a new run with {equal}another --seed{larger}: which tones a run pairs is chance"


def _against_unchanged(method: MethodConfig | None) -> str:
    weights = _with_values(method, "loss", HOLDS_TO_INPUT)
    smaller = f"; then a new run with a smaller {' or '.join(weights)}" if weights else ""
    return f"more steps; look whether trainA and trainB really hold two kinds of images{smaller}"


def _against_alike(method: MethodConfig | None) -> str:
    weights = [name for name in HOLDS_TO_INPUT if _exceeds_default(method, name) < 0]
    larger = f", or with a larger {' or '.join(_with_values(method, 'loss', weights))}" if weights else ""
    return f"an earlier checkpoint (RUN@STEP); a new run with a smaller {_learning_rate(method)}{larger}"


def _against_guessing(method: MethodConfig | None) -> str:
    return f"a new run with a smaller {_learning_rate(method)}"


def _against_winning(method: MethodConfig | None) -> str:
    too_large = [name for name in HOLDS_TO_INPUT if _exceeds_default(method, name) > 0]
    weights = _with_values(method, "loss", too_large or ("adversarial",))
    changed = f"a new run with a {'smaller' if too_large else 'larger'} {' or '.join(weights)}" if weights else ""
    more = "more images, or a larger --crop-margin, so that it cannot learn them by heart"
    return "; ".join(words for words in ((changed, more) if too_large else (more, changed)) if words)


def _against_over_fitting(method: MethodConfig | None) -> str:
    del method
    return (
        "more images, or a larger --crop-margin; the model is already the checkpoint that was best on test images, "
        "and --patience 10 ends such a run early"
    )


_ADVICE: dict[Symptom, Callable[[MethodConfig | None], str]] = {
    "pattern": _against_pattern,
    "inverted": _against_inverted,
    "unchanged": _against_unchanged,
    "alike": _against_alike,
    "guessing": _against_guessing,
    "winning": _against_winning,
    "over-fitting": _against_over_fitting,
}


def _learning_rate(method: MethodConfig | None) -> str:
    rate = _setting(method, "optimizer", "learning_rate")
    return "--optimizer.learning-rate" + ("" if rate is None else f" (now {rate:g})")


def _with_values(method: MethodConfig | None, group: str, names: Iterable[str]) -> list[str]:
    """Return the flags of those settings that the method has, each with its value: "--loss.cycle (now 10)"."""
    values = {name: _setting(method, group, name) for name in names}
    return [
        f"--{group}.{name.replace('_', '-')} (now {value:g})" for name, value in values.items() if value is not None
    ]


def _exceeds_default(method: MethodConfig | None, weight: str) -> int:
    """Return 1 for a loss's weight above the method's own, -1 for one below, and 0 for others."""
    if method is None or (now := _setting(method, "loss", weight)) is None:
        return 0
    default = _setting(type(method).model_validate({}), "loss", weight)
    return (now > default) - (now < default)


def _setting(method: MethodConfig | None, group: str, name: str) -> Any:
    return getattr(getattr(method, group, None), name, None)
