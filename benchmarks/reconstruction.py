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
from torch import Tensor, nn

from nicegan.config import Size
from nicegan.data.augment import to_network, to_pixels
from nicegan.data.cache import scaled
from nicegan.data.folders import find_images, read_image
from nicegan.evaluation.evaluate import evaluate
from nicegan.inference.translator import load
from nicegan.recipes import recipe
from nicegan.shapes import DOMAIN_NAMES

TOLD_AT, BATCH_SIZE, MOST_IMAGES = (200, 400, 800), 2, 400


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


def learn(data: Path, name: str, settings: dict[str, str]) -> None:
    """Train and tell."""
    torch.manual_seed(0)
    config = recipe(name, data=data, **settings)
    domain = config.method.build(config.size).domains[0]
    train, test = (to_network(read(data / kind, config.size)) for kind in ("trainA", "testA"))
    rate, random = config.method.optimizer.learning_rate, np.random.default_rng(0)
    optimizer = torch.optim.Adam(domain.generator.parameters(), lr=rate, betas=(0.5, 0.999), weight_decay=1e-4)
    last = max(TOLD_AT)
    for step in range(1, last + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, 2 * (last - step + 1) / last)
        image = train[random.integers(0, len(train), BATCH_SIZE)]
        F.l1_loss(domain.generator(latent(domain.encoder, image)), image).backward()
        optimizer.step()
        optimizer.zero_grad()
        if step in TOLD_AT:
            print(f"step {step}: {told(domain.generator, latent(domain.encoder, test), test)}", flush=True)


@torch.no_grad()
def latent(encoder: nn.Module, image: Tensor) -> Tensor:
    """Return latents without a graph."""
    return encoder(image)


@torch.no_grad()
def told(generator: nn.Module, latents: Tensor, image: Tensor) -> str:
    """Return what is measured on images."""
    rebuilt = torch.cat([generator(part) for part in latents.split(8)])
    correlation = torch.corrcoef(torch.stack([detail(rebuilt).flatten(), detail(image).flatten()]))[0, 1]
    return f"mean error {F.l1_loss(rebuilt, image):.3f}, correlation of detail {correlation:.2f}"


def detail(image: Tensor) -> Tensor:
    """Return what is finer than three pixels."""
    return image - F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="reflect"), 3, 1)


def main() -> None:
    torch.set_num_threads(1)
    kind, data, *rest = sys.argv[1:]
    if kind == "score":
        features, *runs = rest
        for run in runs:
            print(score(Path(data), Path(features), Path(run)), flush=True)
    elif kind == "learn":
        name, *changes = rest
        learn(Path(data), name, dict(change.split("=", 1) for change in changes))
    else:
        raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
