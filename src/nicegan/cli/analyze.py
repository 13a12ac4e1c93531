"""nicegan analyze: where the domains lie in the latent space, what the discriminators look at, what styles do."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import tyro
from pydantic import Field

from nicegan.cli.parts import Part, run_part
from nicegan.config import Frozen, Location
from nicegan.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from nicegan.analysis.latents import LatentAnalysis
    from nicegan.data.places import Dataset
    from nicegan.device import Machine


class DataArguments(Frozen):
    """Where the images come from, where the results go, and what computes."""

    data: Path | None = None
    """Folder that holds trainA and trainB, and testA and testB, which are taken if they are there: folders, lists
    (testA.txt) or tar shards (testA*.tar); or the name of a fetched set (nicegan data get)."""
    domain_a: Location | None = None
    """Images of domain A, in place of a dataset folder: a folder, a list.txt, or tar shards, "a-{000..012}.tar"."""
    domain_b: Location | None = None
    """Images of domain B, in place of a dataset folder: a folder, a list.txt, or tar shards, "b-{000..012}.tar"."""
    out: Path = Path("analysis")
    """Folder for the results."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 ..."""

    def dataset(self) -> Dataset:
        """Return the images; raises DataError where there are none."""
        from nicegan.data.places import find_dataset

        return find_dataset(self.data, self.domain_a, self.domain_b)

    def check_out(self) -> None:
        """Before minutes are spent: whether the results can be written.

        Raises:
            ConfigError: --out is a file, or below one.
        """
        there = next(path for path in (self.out.absolute(), *self.out.absolute().parents) if path.exists())
        if not there.is_dir():
            raise ConfigError(f"--out {self.out}: {there} is a file; name a folder")


class LatentArguments(DataArguments):
    """Plot the latents of both domains in one picture, and measure how far apart they are.

    Writes latents.png, neighbours.png and latents.json.

    nicegan analyze latents runs/nice runs/independent --data DATA --out analysis
    """

    models: Annotated[tuple[Path, ...], tyro.conf.Positional, Field(min_length=1)]
    """Run folders, or files like model.safetensors; each becomes a panel."""
    count: Annotated[int, Field(ge=2)] = 200
    """Images of each domain, at the most; at 256 px, 100 of them need 0.4 GB."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of t-SNE and of the permutations."""


class HeatmapArguments(DataArguments):
    """Plot where the encoder looks, if it has an attention; for a run folder also what the discriminators look at.

    Writes heatmaps_A.png and heatmaps_B.png, and single overlays in heatmaps/A and heatmaps/B.

    nicegan analyze heatmaps runs/mine --data DATA --out analysis
    """

    model: Annotated[Path, tyro.conf.Positional]
    """A run folder, or a file like model.safetensors, which holds no heads."""
    count: Annotated[int, Field(ge=1)] = 8
    """Images of each domain, at the most."""


class StyleArguments(DataArguments):
    """Plot translations in styles between two random ones, and between those of two images, for a model with styles.

    Writes styles_to_A.png and styles_to_B.png.

    nicegan analyze styles runs/mine --data DATA --out analysis
    """

    model: Annotated[Path, tyro.conf.Positional]
    """A run folder, or a file like model.safetensors."""
    count: Annotated[int, Field(ge=1)] = 4
    """Images of each domain, at the most."""
    steps: Annotated[int, Field(ge=2, le=50)] = 6
    """Columns from one style to the other."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seed of the random styles."""


def run(arguments: list[str]) -> int:
    """Analyse; returns the exit code."""
    return run_part("analyze", PARTS, arguments)


class Setup(NamedTuple):
    """What every analysis needs: images, a machine, and where lines for people go."""

    dataset: Dataset
    machine: Machine
    console: Console


def set_up(given: DataArguments) -> Setup:
    """Return what the analysis works with; says which files of the folders are no images that can be read."""
    from rich.console import Console

    from nicegan.console import say
    from nicegan.data.places import Files
    from nicegan.device import keep_freed_memory, set_up_machine

    given.check_out()
    keep_freed_memory()
    setup = Setup(given.dataset(), set_up_machine(given.device, "auto"), Console(stderr=True))
    for source in setup.dataset:
        if isinstance(source, Files) and source.note:
            say(setup.console, source.note)
    return setup


def run_latents(given: LatentArguments) -> int:
    """Write the pictures and figures of the latents."""
    from rich.console import Console

    from nicegan.analysis import latent_pictures, latents
    from nicegan.cli.progress import bar
    from nicegan.console import say

    dataset, machine, console = set_up(given)
    analyses = []
    for model in given.models:
        with bar(console, f"encoding with {model}") as progress:
            analyses.append(
                latents.analyse_latents(model, dataset, machine, count=given.count, seed=given.seed, progress=progress)
            )
    if (perplexity := analyses[0].perplexity) < latents.PERPLEXITY:
        say(console, f"few images: t-SNE with perplexity {perplexity:.1f} in place of {latents.PERPLEXITY:.0f}")
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "latents.png").write_bytes(latent_pictures.plot_latents(analyses))
    latent_pictures.plot_neighbours(analyses).save(given.out / "neighbours.png")
    record = {"data": str(given.data), **latents.as_record(analyses, given.seed)}
    (given.out / "latents.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (Console() if sys.stdout.isatty() else Console(width=120)).print(latent_table(analyses))
    say(console, f"pictures: {given.out / 'latents.png'}, {given.out / 'neighbours.png'}")
    return 0


def latent_table(analyses: list[LatentAnalysis]) -> Table:
    """Return the figures for a terminal."""
    from rich.table import Table

    from nicegan.analysis.latents import NUM_PERMUTATIONS

    first = analyses[0]
    images = " and ".join(f"{len(side.names)} of {domain}" for domain, side in first.images.items())
    caption = (
        f"p by {NUM_PERMUTATIONS:,} permutations; mixing: the share of a latent's {first.mixing.num_neighbours} "
        f"nearest that are of the other domain, {first.mixing.expected:.3f} if both were one"
    )
    shown = Table(title=f"Latents: {images}", caption=caption, title_justify="left", caption_justify="left")
    for column in ("model", "encoder", "MMD", "MMD^2", "p", "bandwidth", "mixing"):
        shown.add_column(column, justify="left" if column in ("model", "encoder") else "right", overflow="fold")
    for analysis in analyses:
        test = analysis.test
        figures = (analysis.mmd, test.mmd_squared, test.p_value, analysis.bandwidth, analysis.mixing.share)
        encoder = analysis.spec.method.encoder_name()
        shown.add_row(str(analysis.path), encoder, *(f"{figure:.3f}" for figure in figures))
    return shown


def run_heatmaps(given: HeatmapArguments) -> int:
    """Write the sheets and the single overlays."""
    from nicegan.analysis.heatmaps import heatmap_sheet, plot_heatmaps, single_files
    from nicegan.cli.progress import bar
    from nicegan.console import say

    dataset, machine, console = set_up(given)
    with bar(console, "looking") as progress:
        heatmaps = plot_heatmaps(given.model, dataset, machine, count=given.count, progress=progress)
    if heatmaps.checkpoint is None:
        say(
            console,
            f"{given.model} holds no discriminators (a run folder's checkpoint does): only the attention is shown",
        )
    elif not heatmaps.heads:
        say(console, f"{given.model} was trained without heads whose logits are maps: only the attention is shown")
    for domain, views in heatmaps.domains.items():
        singles = given.out / "heatmaps" / domain
        singles.mkdir(parents=True, exist_ok=True)
        heatmap_sheet(heatmaps, domain).save(given.out / f"heatmaps_{domain}.png")
        for name, image in single_files(views):
            image.save(singles / name)
    say(console, f"sheets: {given.out / 'heatmaps_A.png'}, {given.out / 'heatmaps_B.png'}")
    return 0


def run_styles(given: StyleArguments) -> int:
    """Write the sheets of styles."""
    from nicegan.analysis.styles import plot_styles
    from nicegan.cli.progress import bar
    from nicegan.console import say

    dataset, machine, console = set_up(given)
    chosen = given.model_dump(include={"count", "steps", "seed"})
    with bar(console, "translating") as progress:
        sheets = plot_styles(given.model, dataset, machine, **chosen, progress=progress)
    given.out.mkdir(parents=True, exist_ok=True)
    paths = {given.out / f"styles_to_{target}.png": sheet for target, sheet in sheets.items()}
    for path, sheet in paths.items():
        sheet.save(path)
    say(console, f"sheets: {', '.join(map(str, paths))}")
    return 0


PARTS = {
    "latents": Part(LatentArguments, "both domains in the latent space: t-SNE, distance, neighbours", run_latents),
    "heatmaps": Part(HeatmapArguments, "what the discriminators look at, over the images", run_heatmaps),
    "styles": Part(StyleArguments, "images in styles between two others, for models with styles", run_styles),
}
