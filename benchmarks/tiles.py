"""Translating in tiles: how near the whole the result is, how far networks reach, and what memory and time it takes.

    python benchmarks/tiles.py exact RECIPE ...              in double precision, with new networks
    python benchmarks/tiles.py memory RECIPE SIDE [TILE]     most memory of this process, and its time of one thread

`exact` prints, for each recipe, the reach in pixels and the largest difference from the whole at 160 x 208 pixels in
tiles of 64: with the reach, and with 8 pixels less. `memory` translates one image of SIDE x SIDE pixels, as a whole or
in tiles.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from nicegan.device import Machine, keep_freed_memory
from nicegan.inference.tiling import translate_tiles
from nicegan.inference.translator import Translator
from nicegan.model_file import Model, ModelSpec
from nicegan.recipes import recipe

LESS = 8  # pixels taken off the reach, to show that it is needed


def make_translator(name: str, tile: int | None = None) -> Translator:
    """Return a translator with new networks of a recipe, on one thread."""
    torch.manual_seed(0)
    config = recipe(name, data=Path("photos"))
    spec = ModelSpec(method=config.method, image_size=config.size)
    machine = Machine(torch.device("cpu"), "float32")
    return Translator(Model(spec, config.method.build_translation_model(config.size)), machine, tile)


@torch.no_grad()
def exact(name: str) -> str:
    """Return how near the whole the tiles of a recipe are."""
    translator = make_translator(name)
    reach, networks = translator.reach, translator.networks.double()
    image = torch.rand(1, 3, 160, 208, dtype=torch.float64) * 2 - 1
    whole = networks.translate(image, "B")

    def difference(margin: int) -> float:
        tiles = translate_tiles(lambda part: networks.translate(part, "B"), image, 64, margin)
        return (tiles - whole).abs().max().item()

    enough, too_little = difference(reach), difference(reach - LESS)
    return f"{name}: reach {reach} pixels, {enough:.1e} with it, {too_little:.1e} with {LESS} less"


def memory(name: str, side: int, tile: int | None) -> str:
    """Return what translating one image takes."""
    keep_freed_memory()
    translator, image = make_translator(name, tile), torch.rand(1, 3, side, side) * 2 - 1
    start = time.process_time()
    translator.translate(image, "B")
    seconds = time.process_time() - start
    most = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    how = f"in tiles of {tile}" if tile else "as a whole"
    return f"{name}, {side} x {side} pixels {how}: {int(most.split()[1]) / 2**20:.2f} GiB, {seconds:.0f} s"


def main(arguments: list[str]) -> None:
    """Measure what is asked for."""
    torch.set_num_threads(1)
    kind, *given = arguments
    if kind == "exact":
        for name in given:
            print(exact(name), flush=True)
    else:
        name, side, *tile = given
        print(memory(name, int(side), int(tile[0]) if tile else None))


if __name__ == "__main__":
    main(sys.argv[1:])
