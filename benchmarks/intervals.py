"""How often intervals hold the truth, and how often two sets are told apart: samples fake again and again.

python benchmarks/intervals.py REAL OTHER --features FILE
python benchmarks/intervals.py REAL OTHER --features FILE --trials 50 --bootstrap

REAL and OTHER are folders of some hundred images each. The truth is the mean of all trials. --bootstrap asks the same
of the usual bootstrap of the Frechet distance: percentiles of samples fake with replacement.
"""

import argparse
import statistics
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from nicegan.data.folders import require_images
from nicegan.evaluation.features import cached_features
from nicegan.evaluation.measure import Measured, Score, choose_halves, measure
from nicegan.feature_network import load_feature_network
from nicegan.metrics.frechet import frechet_distance

NUM_RESAMPLES = 200  # of the bootstrap


class Setting(NamedTuple):
    """How many real images and how many fake ones; each of these is of the other kind with probability `share`."""

    words: str
    num_real: int
    num_drawn: int
    share: float


SETTINGS = (
    Setting("real / other", 100, 100, 1.0),
    Setting("real / real with 20 % other", 100, 100, 0.2),
    Setting("140 real / 50 real with 20 % other", 140, 50, 0.2),
    Setting("real / other images of the real kind", 100, 100, 0.0),
)


SCORES = ("frechet", "kernel", "precision", "recall", "density", "coverage")


class Trials:
    """Draws samples of features and measures them."""

    def __init__(self, real: Tensor, other: Tensor) -> None:
        self.real, self.other = real, other

    def draw(self, setting: Setting, shares: tuple[float, ...], trial: int) -> tuple[Tensor, list[Tensor]]:
        """A set of real images, and a set of fakes for each share."""
        random = torch.Generator().manual_seed(trial)
        of_real = iter(self.real[torch.randperm(len(self.real), generator=random)].split(1))
        of_other = iter(self.other[torch.randperm(len(self.other), generator=random)].split(1))

        def take(count: int, share: float) -> Tensor:
            strangers = int((torch.rand(count, generator=random) < share).sum())
            return torch.cat(
                [next(of_other) for _ in range(strangers)] + [next(of_real) for _ in range(count - strangers)]
            )

        return take(setting.num_real, 0), [take(setting.num_drawn, share) for share in shares]

    def measured(self, setting: Setting, shares: tuple[float, ...], trial: int) -> list[Measured]:
        """The scores of each set of fakes."""
        real, fake = self.draw(setting, shares, trial)
        found = []
        for place, one in enumerate(fake):
            choice = choose_halves(
                len(real), len(one), real.shape[1], seed=trial, fake_seed=trial + 10**6 * (1 + place)
            )
            found.append(measure(real, one, None, choice, trial))
        return found

    def bootstrapped(self, setting: Setting, trial: int) -> Score:
        """The Frechet distance and its percentile interval."""
        real, (fake,) = self.draw(setting, (setting.share,), trial)
        random = torch.Generator().manual_seed(trial)

        def again(features: Tensor) -> Tensor:
            return features[torch.randint(len(features), (len(features),), generator=random)].double()

        values = torch.tensor([frechet_distance(again(real), again(fake)) for _ in range(NUM_RESAMPLES)])
        low, high = values.quantile(torch.tensor([0.025, 0.975])).tolist()
        return Score(frechet_distance(real.double(), fake.double()), low, high, (high - low) / 2)


def coverage(scores: list[Score]) -> str:
    """How many of the intervals hold the mean value, and their width over 1.96 deviations of the values."""
    truth = statistics.mean(score.value for score in scores)
    held = sum(score.low <= truth <= score.high for score in scores if score.low is not None and score.high is not None)
    reach = statistics.mean(score.reach or 0 for score in scores)
    deviation = statistics.stdev(score.value for score in scores)
    return f"{held / len(scores):.0%} | {f'{reach / (1.96 * deviation):.2f}' if deviation else 'same'}"


def row(setting: Setting, scores: list[list[Score]]) -> str:
    """Of the table: one column of scores after the other."""
    mean = statistics.mean(score.value for score in scores[0])
    return f"| {setting.words} | {mean:.0f} | {' | '.join(map(coverage, scores))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("real", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--features", required=True)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--bootstrap", action="store_true")
    given = parser.parse_args()
    network = load_feature_network(given.features, None, "cpu")
    trials = Trials(*(cached_features(require_images(folder), network) for folder in (given.real, given.other)))
    print(f"{len(trials.real)} real images, {len(trials.other)} others, {given.trials} trials a row\n")
    if given.bootstrap:
        print("| real / fake | mean FD | bootstrap holds | width |\n|---|---|---|---|")
        for setting in SETTINGS:
            print(row(setting, [[trials.bootstrapped(setting, trial) for trial in range(given.trials)]]), flush=True)
        return
    print(f"| real / fake | mean FD |{''.join(f' {name} holds | width |' for name in SCORES)}")
    print(f"|---|---|{'---|---|' * len(SCORES)}")
    for setting in SETTINGS:
        found = [trials.measured(setting, (setting.share,), trial)[0].scores() for trial in range(given.trials)]
        print(row(setting, [[scores[name] for scores in found] for name in SCORES]), flush=True)
    for shares in ((0.2, 0.2), (0.2, 0.35)):
        pairs = [trials.measured(SETTINGS[1], shares, trial) for trial in range(given.trials)]
        differences = [one.minus(other) for one, other in pairs]
        told = {name: sum(not found[name].holds_zero() for found in differences) for name in differences[0]}
        words = ", ".join(f"{name} {count / given.trials:.0%}" for name, count in told.items())
        print(f"\n{shares[0]:.0%} against {shares[1]:.0%} other, told apart: {words}", flush=True)


if __name__ == "__main__":
    main()
