"""What we see in a run, at the top of its report: hints, what was measured without any, and what could not be."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from nicegan.errors import NiceganError
from nicegan.evaluation.appearance import MIN_IMAGES, measure_appearance
from nicegan.hints import OF_IMAGES, TITLES, Findings, Symptom, grouped, measurements
from nicegan.report.fit import fit_findings
from nicegan.report.html import hint, note, section
from nicegan.report.translations import Translations
from nicegan.run_config import RunConfig
from nicegan.run_folder import Metrics
from nicegan.shapes import OTHER
from nicegan.training.collapse import discriminator_findings

GUIDE = "docs/looks_bad.md"  # shows each symptom


def loss_findings(config: RunConfig, metrics: Metrics) -> Findings:
    """Return what the logged losses say of the discriminators."""
    with torch.device("meta"):  # only to ask its phases for their losses of guessing
        method = config.method.build(config.size)
    return discriminator_findings(metrics, method.phases, config.method)


def image_findings(translations: Translations) -> Findings:
    """Return what translated images say of the model that the run has chosen, and whether the run over-fits."""
    name = next(iter(translations.models))
    try:
        real, fakes = translations.of_test
        findings = Findings()
        for target in OTHER.values():
            source = OTHER[target]
            appearance = measure_appearance(fakes[name][target], real[target], real[source])
            if appearance is None:
                reason = f"it takes {MIN_IMAGES} images of each domain"
                findings = Findings(unmeasured=((OF_IMAGES, reason),))
                break
            where = f"{source} to {target}"
            findings = findings.and_also(appearance.findings(where, translations.config.method))
        return findings.and_also(fit_findings(translations))
    except NiceganError as problem:
        return Findings(unmeasured=(((*OF_IMAGES, "over-fitting"), str(problem)),))


def seen_section(findings: Findings) -> str:
    """Return the section "What we see", as HTML."""
    content = ""
    for hints in grouped(findings.hints):
        content += hint(TITLES[hints[0].symptom], f"Measured: {measurements(hints)}.", f"Try: {hints[0].advice}.")
    return section("What we see", content + "".join(note(line) for line in _rest(findings)))


def _rest(findings: Findings) -> Iterable[str]:
    """Return what was measured and not seen, and what could not be measured."""
    seen = {one.symptom for one in findings.hints}
    absent: list[Symptom] = [name for name in dict.fromkeys(findings.measured) if name not in seen]
    if absent:
        yield f"{'' if seen else 'Nothing that looks wrong. '}Measured, and no sign of: {_listed(absent)}."
    for names, reason in dict.fromkeys(findings.unmeasured):
        yield f"Not measured: {_listed(names)} ({reason})."
    yield f"Each sign, what it means and what helps: {GUIDE}."


def _listed(symptoms: Iterable[Symptom]) -> str:
    """Return the titles of symptoms inside a sentence."""
    return "; ".join(TITLES[name][0].lower() + TITLES[name][1:] for name in symptoms)
