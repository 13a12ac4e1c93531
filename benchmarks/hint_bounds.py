"""What the bounds of hints rest on: how far chance moves the pattern score, and how healthy losses compare to guessing.

python benchmarks/hint_bounds.py patterns SIZE FOLDER ...   of two random sets of real images of a folder, 60 times
python benchmarks/hint_bounds.py losses RUN ...             of the discriminators of run folders
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

import numpy as np
import torch

from nicegan.data.augment import to_network
from nicegan.data.cache import scaled
from nicegan.data.folders import find_images, read_image
from nicegan.metrics.pattern import pattern_score
from nicegan.run_folder import RunFolder
from nicegan.training.collapse import NUM_LATEST, chance_losses, is_guessed

COUNTS, NUM_DRAWS = (4, 8, 16, 24), 60


def patterns(side: int, folder: Path) -> dict[int, float]:
    """Return the highest pattern score of two disjoint sets of so many images."""
    images = [np.asarray(scaled(read_image(path), (side, side))) for path in find_images(folder)]
    pixels, random = to_network(torch.from_numpy(np.stack(images))), np.random.default_rng(0)

    def score(count: int) -> float:
        order = random.permutation(len(pixels))
        return pattern_score(pixels[order[:count]], pixels[order[count : 2 * count]])

    return {count: max(score(count) for _ in range(NUM_DRAWS)) for count in COUNTS if 2 * count <= len(pixels)}


def losses(run: Path) -> str:
    """Return the least mean of a discriminator's losses in NUM_LATEST logged steps, as a share of guessing, and the
    longest row of guesses."""
    folder = RunFolder(run)
    config, lines = folder.read_config(), folder.read_metrics()
    with torch.device("meta"):
        chances = chance_losses(config.method.build(config.size).phases)
    ratios = {name: np.array([line[name] / loss for line in lines if name in line]) for name, loss in chances.items()}
    of_players: dict[str, list[np.ndarray]] = defaultdict(list)
    for name, one in ratios.items():
        if len(one) < NUM_LATEST:
            return f"{run}: fewer than {NUM_LATEST} logged steps"
        of_players[name.rpartition("/")[0]].append(np.convolve(one, np.full(NUM_LATEST, 1 / NUM_LATEST), "valid"))
    least = min(np.mean(means, axis=0).min() for means in of_players.values())
    streak = max(longest(is_guessed(ratio, 1) for ratio in one) for one in ratios.values())
    return f"{run}: {least:.2f} of guessing in {NUM_LATEST} logged steps, {streak} guesses in a row"


def longest(flags: Iterable[bool]) -> int:
    """Return how many flags in a row are set, at most."""
    return max((len(list(group)) for is_set, group in groupby(flags) if is_set), default=0)


def main(arguments: list[str]) -> None:
    """Print a line for each folder or run."""
    kind, *given = arguments
    if kind == "losses":
        for run in given:
            print(losses(Path(run)), flush=True)
        return
    for folder in given[1:]:
        print(folder, {count: round(value, 2) for count, value in patterns(int(given[0]), Path(folder)).items()})


if __name__ == "__main__":
    main(sys.argv[1:])
