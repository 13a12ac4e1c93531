"""How much of an image survives encoder and generator of its own domain: no translation is sharper than that.

    python benchmarks/reconstruction.py score DATA FEATURES RUN ...            of trained models
    python benchmarks/reconstruction.py learn DATA RECIPE [SETTING=VALUE ...]  of networks that learn nothing else

`score` prints the kernel distance of reconstructed test images from those images, for each domain, at the model's
size. `learn` trains a generator of domain A to rebuild training images from the latents of an encoder that keeps its
random weights, without a discriminator, and prints after some steps, for test images, the mean error |G(E(a)) - a| and
the correlation of fine detail (an image less its 3x3 means).
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from nicegan.config import Size
from nicegan.data.augment import to_network, to_pixels
from nicegan.data.cache import scaled
from nicegan.data.folders import find_images, read_image
from nicegan.evaluation.evaluate import evaluate
from nicegan.inference.translator import load
from nicegan.losses.consistency import l1
from nicegan.methods.base import Domain
from nicegan.shapes import DOMAIN_NAMES
from nicegan.training.schedule import learning_rate
from nicegan.training.state import build_optimizer
from nicegan.training.step import set_learning_rate
from quality import parse_side

MEASURED_AT, BATCH_SIZE, MOST_IMAGES = (200, 400, 800), 2, 400


def read(folder: Path, size: Size) -> Tensor:
    """Return the first images of a folder as pixels, of this size."""
    paths = list(find_images(folder))[:MOST_IMAGES]
    return torch.from_numpy(np.stack([np.asarray(scaled(read_image(path), size)) for path in paths]))


def write(pixels: Tensor, folder: Path) -> Path:
    """Write images by their numbers; return the folder."""
    folder.mkdir(parents=True)
    for number, image in enumerate(pixels.numpy()):
        Image.fromarray(image).save(folder / f"{number:04}.png")
    return folder


@torch.no_grad()
def score(data: Path, features: Path, run: Path) -> str:
    """Return the kernel distance of a run's reconstructions, times 100."""
    translator = load(run, "cpu")
    found: list[str] = []
    for name in DOMAIN_NAMES:
        pixels = read(data / f"test{name}", translator.spec.image_size)
        rebuilt = torch.cat([translator.networks.reconstruct(part, name) for part in to_network(pixels).split(8)])
        with TemporaryDirectory() as held:
            real, fake = write(pixels, Path(held) / "real"), write(to_pixels(rebuilt), Path(held) / "fake")
            [candidate] = evaluate(real, fake, features, device="cpu").candidates
        found.append(f"{name} {100 * candidate.scores['kernel'].value:.1f}")
    return f"{run}: KD x 100 of reconstructions: {', '.join(found)}"


def learn(data: Path, side: str) -> None:
    """Train a generator to rebuild images, and print how well it does; `side` is "RECIPE [SETTING=VALUE ...]"."""
    torch.manual_seed(0)
    config = parse_side(f"side={side}", {"data": data}).config
    domain, settings = config.method.build(config.size).domains[0], config.method.optimizer
    train, test = (to_network(read(data / kind, config.size)) for kind in ("trainA", "testA"))
    optimizer = build_optimizer(domain.generator.parameters(), settings, torch.device("cpu"))
    random, num_steps = np.random.default_rng(0), max(MEASURED_AT)
    for step in range(num_steps):
        set_learning_rate(optimizer, learning_rate(step, num_steps, settings))
        image = train[random.integers(0, len(train), BATCH_SIZE)]
        with torch.no_grad():  # the encoder is frozen here
            latent = domain.encoder(image)
        l1(domain.generator(latent), image).backward()
        optimizer.step()
        optimizer.zero_grad()
        if step + 1 in MEASURED_AT:
            print(f"step {step + 1}: {measured(domain, test)}", flush=True)


@torch.no_grad()
def measured(domain: Domain, image: Tensor) -> str:
    """Return the error of reconstructed images, and the correlation of their detail."""
    rebuilt = torch.cat([domain.generator(domain.encoder(part)) for part in image.split(8)])
    correlation = torch.corrcoef(torch.stack([detail(rebuilt).flatten(), detail(image).flatten()]))[0, 1]
    return f"mean error {l1(rebuilt, image):.3f}, correlation of detail {correlation:.2f}"


def detail(image: Tensor) -> Tensor:
    """Return what is finer than three pixels."""
    return image - F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="reflect"), 3, 1)


def main() -> None:
    torch.set_num_threads(1)
    match sys.argv[1:]:
        case ["score", data, features, *runs] if runs:
            for run in runs:
                print(score(Path(data), Path(features), Path(run)), flush=True)
        case ["learn", data, name, *settings]:
            learn(Path(data), " ".join([name, *settings]))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
