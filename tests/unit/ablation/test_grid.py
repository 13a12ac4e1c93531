"""The grid: which settings there are, in which order, and why others are not."""

import pytest

from nicegan.ablation.grid import as_text, make_grid, read_switches
from nicegan.errors import ConfigError
from nicegan.methods.nicegan.config import NiceGANNetwork
from nicegan.recipes import recipe
from nicegan.run_config import RunConfig, differences

BASE = recipe("nicegan-tiny")


def names(*switches: str, base: RunConfig = BASE) -> list[str]:
    return [setting.name for setting in make_grid(base, read_switches(switches)).settings]


def test_the_product_of_all_switches_in_their_order() -> None:
    grid = make_grid(BASE, read_switches(["blocks=4,5", "loss.cycle=10,1,0.5"]))
    assert [setting.values for setting in grid.settings] == [
        ("4", "10"), ("4", "1"), ("4", "0.5"), ("5", "10"), ("5", "1"), ("5", "0.5")
    ]  # fmt: skip
    assert grid.switches == {"blocks": ("4", "5"), "loss.cycle": ("10", "1", "0.5")}
    changed = differences(BASE, grid.settings[-1].config)
    assert changed == {"network.blocks": (4, 5), "loss.cycle": (10.0, 0.5)}


def test_the_settings_of_the_base_come_first() -> None:
    assert names("attention=none,plain,residual") == ["attention=residual", "attention=none", "attention=plain"]
    other = recipe("nicegan-tiny", network={"attention": "plain", "depth": 6})
    assert names("attention=none,plain", base=other) == ["attention=plain", "attention=none"]
    assert names("loss.cycle=1,5") == ["loss.cycle=1", "loss.cycle=5"]


def test_what_makes_no_configuration_is_left_out_with_its_reason() -> None:
    grid = make_grid(BASE, read_switches(["encoder=independent,reused", "encoder-trained-by=discriminator,both"]))
    assert [setting.name for setting in grid.settings] == [
        "encoder=reused,encoder_trained_by=discriminator",
        "encoder=independent,encoder_trained_by=discriminator",
        "encoder=reused,encoder_trained_by=both",
    ]
    (left_out,) = grid.left_out
    assert left_out.name == "encoder=independent,encoder_trained_by=both"
    with pytest.raises(ValueError, match="speaks of a reused encoder") as caught:
        NiceGANNetwork(encoder="independent", encoder_trained_by="both")
    assert left_out.reason in str(caught.value)


def test_networks_that_are_the_same_are_trained_once() -> None:
    grid = make_grid(BASE, {"attention": ["residual", "plain", "none"], "classifiers": ["cam", "local+global"]})
    assert [setting.name for setting in grid.settings] == [
        "attention=residual,classifiers=cam",
        "attention=residual,classifiers=local+global",
        "attention=plain,classifiers=local+global",
        "attention=none,classifiers=local+global",
    ]
    reasons = dict(grid.left_out)
    assert "use residual or none" in reasons["attention=plain,classifiers=cam"]
    assert "the same networks as attention=residual,classifiers=cam" in reasons["attention=none,classifiers=cam"]


def test_values_are_read_as_the_configuration_reads_them_and_each_once() -> None:
    assert names("classifiers=global+local,local+global,cam") == ["classifiers=local+global", "classifiers=cam"]
    assert names("optimizer.learning-rate=4e-4,0.0004,1e-3") == [
        "optimizer.learning_rate=0.001", "optimizer.learning_rate=0.0004"
    ]  # fmt: skip
    given = make_grid(BASE, {"network.classifiers": [("cam", "local", "global"), ("local",)]})
    assert [setting.config.method.model_dump()["network"]["classifiers"] for setting in given.settings] == [
        ("cam", "local", "global"),
        ("local",),
    ]
    assert [as_text(value) for value in (1e-5, 10.0, 3, True, ("a", "b"))] == ["1e-05", "10", "3", "true", "a+b"]


MISTAKES = [
    (["attentoin=none"], "there is no switch 'attentoin'; there is .*attention, .*loss.cycle"),
    (["attention=some"], "attention=some: input should be 'residual', 'plain' or 'none'"),
    (["classifiers=cam+heart"], r"classifiers=cam\+heart: input should be 'cam', 'local' or 'global'"),
    (["blocks=0"], "blocks=0: input should be greater than 0"),
    (["steps=few"], "steps=few: input should be a valid integer"),
    (["photos"], "'photos' is no switch: write NAME=VALUE,VALUE"),
    (["blocks="], "'blocks=' is no switch"),
    (["blocks=1,,2"], "is no switch"),
    (["blocks=1", "blocks=2"], "blocks is given twice"),
    (["blocks=1", "network.blocks=2"], "blocks is given twice"),
    (["seed=1,2"], "seed is no switch"),
    (["image-size=64,96"], "image-size is no switch: it is the same"),
    (["keep=1,2"], "keep is no switch"),
    (["network=1"], "there is no switch 'network'"),
    ([], "needs a switch"),
    (["encoder=independent", "encoder-trained-by=both"], "no combination .* leave it out"),
    (["depth=3,4"], "depth=3: .*use 5 or more; depth=4"),
]


@pytest.mark.parametrize(("switches", "message"), MISTAKES, ids=str)
def test_mistakes_are_one_clear_line(switches: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        make_grid(BASE, read_switches(switches))
    assert "\n" not in str(caught.value)
