"""What logged losses say of the discriminators, and what too few of them do not."""

import pytest

from nicegan.methods.cyclegan.config import CycleGAN
from nicegan.training.collapse import NUM_LATEST, NUM_STEPS, discriminator_findings

METHOD = CycleGAN.tiny()
CHANCE = 0.125  # of each of the terms real and fake
PHASES = METHOD.build((64, 64)).phases


def logged(*values: float) -> list[dict[str, float]]:
    """Lines with these values of the terms of A; those of B are healthy."""
    return [
        {"step": step, "discriminator/A/real": value, "discriminator/A/fake": value}
        | {f"discriminator/B/{kind}": 0.06 + 0.1 * (step % 2) for kind in ("real", "fake")}
        for step, value in enumerate(values)
    ]


def found(*values: float) -> dict[str, list[str]]:
    hints = discriminator_findings(logged(*values), PHASES, METHOD).hints
    return {symptom: [hint.where for hint in hints if hint.symptom == symptom] for symptom in ("guessing", "winning")}


def test_a_discriminator_that_guesses_to_the_end_is_seen() -> None:
    terms = ["discriminator/A/real", "discriminator/A/fake"]
    assert found(*[0.3] * 20, *[CHANCE * 1.01] * NUM_STEPS)["guessing"] == terms
    assert found(*[CHANCE] * NUM_STEPS, 0.1)["guessing"] == [], "it has recovered"
    assert found(*[CHANCE * (1.03 if step % 9 else 1) for step in range(NUM_STEPS)])["guessing"] == []


def test_a_discriminator_that_has_won_is_seen_in_the_mean_of_its_terms() -> None:
    assert found(*[CHANCE] * 70, *[0.01] * NUM_LATEST) == {"guessing": [], "winning": ["discriminator/A"]}
    assert found(*[0.01] * 70, *[0.02] * NUM_LATEST)["winning"] == []
    assert found(*[0.01] * 90, CHANCE, *[0.001] * 9)["winning"] == ["discriminator/A"], "one step does not count"


@pytest.mark.parametrize(
    ("count", "measured"), [(0, ()), (NUM_LATEST, ("winning",)), (NUM_STEPS, ("guessing", "winning"))]
)
def test_few_logged_steps_say_nothing(count: int, measured: tuple[str, ...]) -> None:
    findings = discriminator_findings(logged(*[0.0] * count), PHASES, METHOD)
    assert findings.measured == measured
    assert len(findings.measured) + len(findings.unmeasured) == 2
    assert all("logged steps" in reason for _, reason in findings.unmeasured)
