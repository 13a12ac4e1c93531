"""Presets: one for every run we stand behind.

| recipe       | networks                       | weights (G + D, both) | memory   | made for                        |
|--------------|--------------------------------|-----------------------|----------|---------------------------------|
| nicegan      | pooled style, 6 blocks, 256 px | 16.2 M + 93.7 M       | 3.1 GiB  | the paper's NICE-GAN, on a GPU  |
| nicegan-star | the same with 4 blocks         | 11.5 M + 93.7 M       | 2.8 GiB  | the paper's NICE-GAN*           |
| nicegan-full | flat style, 6 blocks, one size | 552.9 M + 93.7 M      | 17.5 GiB | the published code's default    |
| nicegan-tiny | 16 channels, 64 px, depth 6    | 0.7 M + 1.5 M         | 0.4 GiB  | CPUs: minutes (docs/results.md) |

`nicegan train DATA --recipe NAME --out RUN` runs one; its memory is what `nicegan bench memory NAME` predicts on a CPU.
The paper reports, at 100 K steps on cat2dog, an FID of about 49 (dog to cat) and 45 (cat to dog) for NICE-GAN; the
three large ones have not been run that far here yet.
"""

from typing import Any

from pydantic import ValidationError

from nicegan.config import NetworkConfig, OptimizerConfig, RunConfig, first_mistake
from nicegan.errors import ConfigError

RECIPES: dict[str, RunConfig] = {
    "nicegan": RunConfig(recipe="nicegan"),
    "nicegan-star": RunConfig(recipe="nicegan-star", network=NetworkConfig(blocks=4)),
    "nicegan-full": RunConfig(recipe="nicegan-full", network=NetworkConfig(summary="flat")),
    "nicegan-tiny": RunConfig(
        recipe="nicegan-tiny",
        network=NetworkConfig(base_channels=16, blocks=4, depth=6),
        optimizer=OptimizerConfig(learning_rate=4e-4),
        image_size=64,
        crop_margin=6,
        batch_size=2,
        steps=450,
        num_threads=1,
        average_decay=0.99,
        sample_every=150,
        checkpoint_every=150,
        score_every=200,
    ),
}


def recipe(name: str, **changes: Any) -> RunConfig:
    """The configuration of a recipe, with changes, checked: `recipe("nicegan-tiny", data="photos", steps=500)`.

    Raises:
        ConfigError: no such recipe (names those there are), or changes that do not fit.
    """
    if name not in RECIPES:
        raise ConfigError(f"there is no recipe {name!r}; there is {', '.join(RECIPES)}")
    try:
        return RunConfig.model_validate({**RECIPES[name].model_dump(), **changes})
    except ValidationError as problem:
        raise ConfigError(first_mistake(problem)) from None
