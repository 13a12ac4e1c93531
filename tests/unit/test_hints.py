"""What is advised can be done: every setting that a hint names is one of the recipe's, with the value that it has."""

import re
from pathlib import Path
from typing import get_args

import pytest

from nicegan.cli.train import read_arguments
from nicegan.hints import TITLES, Findings, Hint, Symptom, advice
from nicegan.methods.cyclegan.config import CycleGAN, CycleGANLoss
from nicegan.methods.nicegan.config import NiceGAN, NiceGANNetwork
from nicegan.recipes import RECIPES

FLAG = r"(--[\w.-]+)(?: (\w+))?(?: \(now ([^)]+)\))?"


@pytest.mark.parametrize("name", [name for name in RECIPES if name.endswith("-tiny")])
def test_every_flag_of_an_advice_is_one_of_the_recipe(name: str, dataset: Path) -> None:
    method = RECIPES[name].method
    flags: dict[str, str] = {}
    for symptom in get_args(Symptom):
        for flag, value, now in re.findall(FLAG, advice(symptom, method)):
            flags[flag] = value if value in ("nearest", "10") else now or "1"
            if now:
                group, _, setting = flag.removeprefix("--").replace("-", "_").partition(".")
                said = getattr(getattr(method, group), setting)
                assert now == (said if isinstance(said, str) else f"{said:g}")
    assert {"--seed", "--crop-margin", "--patience", "--optimizer.learning-rate", "--loss.adversarial"} <= set(flags)
    read_arguments([str(dataset), "--recipe", name, "--out", "out", *(word for pair in flags.items() for word in pair)])


def test_what_a_method_lacks_is_not_advised() -> None:
    subpixel, nearest = (NiceGAN(network=NiceGANNetwork(upsample=how)) for how in ("subpixel", "nearest"))
    assert "--network.upsample nearest (now subpixel)" in advice("pattern", subpixel)
    assert "--network" not in advice("pattern", nearest)
    assert all(advice(symptom, None) for symptom in TITLES)
    assert "--loss" not in "".join(advice(symptom, None) for symptom in TITLES)
    apart, equal = (NiceGAN(network=NiceGANNetwork(initialization=how)) for how in ("independent", "equal"))
    assert "--network.initialization equal (now independent)" in advice("inverted", apart)
    assert "identity" not in advice("inverted", apart)
    assert advice("inverted", equal) == "a new run with another --seed: which tones a run pairs is chance"


def test_a_weight_far_from_the_method_s_own_is_named_first() -> None:
    strong, weak, plain = (CycleGAN(loss=CycleGANLoss(cycle=cycle)) for cycle in (1000.0, 0.0, 10.0))
    assert advice("winning", strong).startswith("a new run with a smaller --loss.cycle (now 1000)")
    assert "a larger --loss.adversarial (now 1)" in advice("winning", plain)
    assert "a larger --loss.cycle (now 0)" in advice("alike", weak)
    assert "--loss" not in advice("alike", plain) + advice("alike", strong)


def test_both_directions_of_a_symptom_are_one_line() -> None:
    grid = [Hint("pattern", way, f"pattern score {score}", "try this") for way, score in (("A to B", 3), ("B to A", 4))]
    found = Findings((grid[0],), ("pattern",)).and_also(Findings((grid[1], Hint("alike", "A", "0 %", "that"))))
    assert found.measured == ("pattern",)
    assert found.in_words() == [
        "what we see: A fine grid lies over the translations (A to B: pattern score 3; B to A: pattern score 4)",
        "  try: try this",
        "what we see: All translations look alike (A: 0 %)",
        "  try: that",
    ]
    assert Findings().in_words() == []
    [line] = Findings(measured=("pattern", "alike", "pattern")).in_words()
    assert line == "what we see: nothing that looks wrong; looked for: pattern, alike"
    assert grid[0].as_dict()["title"] == TITLES["pattern"]
