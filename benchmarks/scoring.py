"""What a score costs beside training steps: process time of one thread, medians of turns.

python benchmarks/scoring.py nicegan-tiny
python benchmarks/scoring.py nicegan-tiny --features FILE
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from nicegan.data.training_data import NUM_SCORED
from nicegan.device import keep_freed_memory, set_up_machine
from nicegan.recipes import recipe
from nicegan.shapes import Batch
from nicegan.training.checkpoint_score import build_checkpoint_score
from nicegan.training.state import new_state
from nicegan.training.step import Stepper

NUM_TURNS, STEPS_A_TURN = 5, 4


def noise(count: int, size: tuple[int, int]) -> Batch:
    return Batch(*(torch.rand(count, 3, *size) * 2 - 1 for _ in "ab"))


def seconds(work: Callable[[], object], repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("--features")
    given = parser.parse_args()
    keep_freed_memory()
    config = recipe(given.recipe, device="cpu", num_threads=1, features=given.features)
    machine = set_up_machine(config.device, config.precision, config.num_threads)
    state = new_state(config, machine.device)
    step, batch = Stepper(state, config, machine), noise(config.batch_size, config.size)
    score = build_checkpoint_score(config, noise(NUM_SCORED, config.size), machine.device)
    step(batch)
    score.score(state.ema)
    turns = [(seconds(lambda: step(batch), STEPS_A_TURN), seconds(lambda: score.score(state.ema), 1))
             for _ in range(NUM_TURNS)]  # fmt: skip
    of_step, of_score = (statistics.median(side) for side in zip(*turns, strict=True))
    shares = [
        f"{100 * of_score / (every * of_step):.2f} % at every {every:,} steps" for every in (1000, config.score_every)
    ]
    print(f"{given.recipe}, {score.yardstick.words}: step {of_step:.3f} s, score {of_score:.2f} s: {', '.join(shares)}")


if __name__ == "__main__":
    main()
