"""When a run over-fits, and when it cannot be told: checkpoints that copy their training images."""

from pathlib import Path

import pytest
import torch

from nicegan.hints import Findings
from nicegan.model_file import ModelSpec
from nicegan.report import fit
from nicegan.report.distances import Distance
from nicegan.report.fit import fit_findings
from nicegan.report.translations import Translated, Translations
from nicegan.run_config import RunConfig
from nicegan.shapes import DomainName, Image


class Known(Translations):
    """Distances of test images as given; training images that are `off` their target, by model."""

    def __init__(self, test: dict[str, float], off: dict[str, float], spread: float = 0.1) -> None:
        self.config = RunConfig()
        self.models = {name: Path(name) for name in test}
        self.distances = {name: [self.distance(value, spread)] * 2 for name, value in test.items()}
        self.off = off

    def distance(self, value: float, spread: float) -> Distance:
        return Distance(value, value + spread * torch.linspace(-value, value, 20, dtype=torch.float64))

    @property
    def has_test_images(self) -> bool:
        return True

    @property
    def of_training(self) -> Translated:  # pyright: ignore[reportIncompatibleVariableOverride]
        real: dict[DomainName, Image] = {"A": torch.rand(4, 3, 32, 32), "B": torch.rand(4, 3, 32, 32)}
        return Translated(
            real, {name: {domain: images + off for domain, images in real.items()} for name, off in self.off.items()}
        )


@pytest.fixture(autouse=True)
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = {"best": 100, "last": 900}
    monkeypatch.setattr(fit, "read_spec", lambda path: ModelSpec.model_construct(step=taken[path.name]))


def seen(findings: Findings) -> bool:
    assert findings.measured == ("over-fitting",)
    return bool(findings.hints)


LEARNED = {"best": 0.5, "last": 0.1}


def test_test_images_that_get_worse_while_training_images_get_better_are_seen() -> None:
    found = fit_findings(Known({"best": 100.0, "last": 130.0}, LEARNED))
    assert seen(found)
    assert found.hints[0].where == "from step 100 to 900"
    assert "of test images went from 100 to 130" in found.hints[0].measured


@pytest.mark.parametrize(
    ("test", "off", "spread"),
    [
        ({"best": 100.0, "last": 130.0}, {"best": 0.1, "last": 0.5}, 0.1),
        ({"best": 100.0, "last": 130.0}, {"best": 0.1, "last": 0.1}, 0.1),
        ({"best": 100.0, "last": 104.0}, LEARNED, 0.0),
        ({"best": 100.0, "last": 130.0}, LEARNED, 0.9),
        ({"best": 100.0}, LEARNED, 0.1),
    ],
    ids=["training images get worse too", "training images stay", "little", "within its interval", "best at the end"],
)
def test_other_runs_do_not_over_fit(test: dict[str, float], off: dict[str, float], spread: float) -> None:
    assert not seen(fit_findings(Known(test, off, spread)))


def test_it_is_not_measured_without_a_score_or_enough_images() -> None:
    [(_, reason)] = fit_findings(Known({"last": 100.0}, {})).unmeasured
    assert reason == "no checkpoint has a score yet"
    few = Known({"best": 100.0, "last": 130.0}, LEARNED)
    few.distances = {name: [Distance(value[0].value, None)] * 2 for name, value in few.distances.items()}
    [(_, reason)] = fit_findings(few).unmeasured
    assert reason == "too few test images for an interval"
