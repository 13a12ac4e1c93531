"""Runs that were made to fail in one way each: their reports name it; a healthy one gets no hint."""

from pathlib import Path

import pytest
from benchmarks.looks_bad import RUNS, make

from nicegan.device import set_up_machine
from nicegan.hints import Findings
from nicegan.report.checkpoints import standing_checkpoints
from nicegan.report.seen import image_findings, loss_findings
from nicegan.report.translations import Translations
from nicegan.run_folder import RunFolder


def findings_of(run: Path) -> Findings:
    """What `nicegan report` finds, without its plots."""
    folder = RunFolder(run)
    config = folder.read_config()
    with standing_checkpoints(folder) as models:
        translations = Translations(config, models, set_up_machine("cpu", "auto", 1))
        return image_findings(translations).and_also(loss_findings(config, folder.read_metrics()))


def symptoms(run: Path) -> set[str]:
    return {hint.symptom for hint in findings_of(run).hints}


def test_a_healthy_run_gets_no_hint(tmp_path: Path) -> None:
    found = findings_of(make("healthy", tmp_path))
    assert found.hints == ()
    assert set(found.measured) == {"pattern", "inverted", "unchanged", "alike", "over-fitting", "winning"}
    [(names, reason)] = found.unmeasured
    assert names == ("guessing",)
    assert reason == "it takes 100 logged steps, and there are 60: --log-every"


def test_the_grid_of_sub_pixels_is_seen(tmp_path: Path) -> None:
    run = make("pattern", tmp_path)
    [*hints] = (hint for hint in findings_of(run).hints if hint.symptom == "pattern")
    assert hints
    assert hints[0].advice == "a new run with --network.upsample nearest (now subpixel)"
    assert RUNS["healthy"].settings["network"] == RUNS["pattern"].settings["network"] | {"upsample": "nearest"}


def test_a_discriminator_that_has_won_is_seen(tmp_path: Path) -> None:
    hints = [hint for hint in findings_of(make("winning", tmp_path)).hints if hint.symptom == "winning"]
    assert [hint.where for hint in hints] == ["discriminator/A", "discriminator/B"]


@pytest.mark.long
def test_four_scenes_that_are_not_like_the_others_are_learned_by_heart(tmp_path: Path) -> None:
    run = make("over-fitting", tmp_path)
    [hint] = (hint for hint in findings_of(run).hints if hint.symptom == "over-fitting")
    assert hint.where.endswith(" to 50")
    assert "that of training images from" in hint.measured


@pytest.mark.long
def test_a_learning_rate_that_is_far_too_large_ends_both_players(tmp_path: Path) -> None:
    assert {"guessing", "alike"} <= symptoms(make("guessing", tmp_path))


@pytest.mark.long
@pytest.mark.parametrize("name", ["unchanged", "inverted"])
def test_domains_that_hold_the_same_are_not_translated(name: str, tmp_path: Path) -> None:
    found = symptoms(make(name, tmp_path))
    assert name in found
    assert not {"unchanged", "inverted"} - {name} & found
