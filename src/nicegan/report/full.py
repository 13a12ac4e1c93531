"""The whole report of a run: also how good it is and how surely, where its domains lie, and where it looks."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from PIL import Image as PILImage
from rich.console import Console

from nicegan.analysis.heatmaps import heatmap_sheet, plot_heatmaps
from nicegan.analysis.latent_pictures import plot_latents, plot_neighbours
from nicegan.analysis.latents import analyse_latents
from nicegan.analysis.styles import plot_styles
from nicegan.console import say
from nicegan.data.places import find_dataset
from nicegan.device import Machine, set_up_machine
from nicegan.errors import ConfigError, NiceganError
from nicegan.evaluation.evaluate import evaluate_model
from nicegan.evaluation.score_table import below, difference_rows, score_rows, title
from nicegan.evaluation.watch import Watch, unwatched
from nicegan.inference.styles import has_styles
from nicegan.model_file import read_spec
from nicegan.report.checkpoints import CHOSEN, compared, standing_checkpoints
from nicegan.report.html import figure, paragraph, section, subtitle, table
from nicegan.report.run import write_report
from nicegan.report.seen import image_findings, loss_findings
from nicegan.report.translations import Translations
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.shapes import OTHER

NUM_LATENTS, NUM_HEATMAPS, NUM_STYLED = 100, 4, 4  # images of each domain


def report(  # noqa: PLR0913
    run: Path,
    *,
    data: Path | None = None,
    features: str | None = None,
    device: str = "auto",
    console: Console | None = None,
    watch: Watch = unwatched,
    first: tuple[str, ...] = (),
) -> Path:
    """Write RUN/report.html with all that can be told of a run: this takes seconds, or minutes with features.

    Args:
        run: a run folder.
        data: where its dataset folder is now, if it has moved.
        features: "inception" or a TorchScript file, for scores with intervals; without it sliced Wasserstein distances.
        device: where to compute.
        console, watch: told what is being made, and how far it is.
        first: sections that follow what we see, as HTML.

    Raises:
        ConfigError: there is no run. With `features` also what `evaluate_model` raises; the report is then as it was.
    """
    folder = RunFolder(run)
    before = folder.read_config()
    config = before.model_copy(update={"data": data or before.data})
    if not folder.model.is_file():
        raise ConfigError(f"{run} holds no model yet: its first checkpoint makes one")
    machine = set_up_machine(device, "auto", config.num_threads)
    with standing_checkpoints(folder) as models:
        translations = Translations(config, models, machine)
        if features is None:
            scored = partial(compared, translations)
        else:  # a network that was named and is of no use ends the command
            scored = partial(str, scores(config, models, machine, features, watch))
        parts = {"Scores": scored} | analyses(run, config, machine)
        made = list(_made(parts, console))
        findings = image_findings(translations).and_also(loss_findings(config, folder.read_metrics()))
    _tell(console, findings.in_words())
    return write_report(run, first, made, findings)


def _tell(console: Console | None, lines: list[str]) -> None:
    if console:
        for line in lines:
            say(console, line)


def analyses(run: Path, config: RunConfig, machine: Machine) -> dict[str, Callable[[], str]]:
    """Return the sections that show what the model has learned, each to be made."""
    found = {
        "Latents": partial(latents, run, config, machine),
        "Heatmaps": partial(heatmaps, run, config, machine),
    }
    return found | ({"Styles": partial(styles, run, config, machine)} if has_styles(config.method, config.size) else {})


def _made(parts: dict[str, Callable[[], str]], console: Console | None) -> Iterator[str]:
    """Return each part as a section; one that cannot be made says why, and the rest of the report stands."""
    for name, make in parts.items():
        if console:
            say(console, f"{name.lower()} ...")
        try:
            content = make()
        except NiceganError as problem:
            content = paragraph(f"Not shown: {problem}")
            if console:
                say(console, f"{name.lower()} not shown: {problem}")
        yield section(name, content)


def scores(config: RunConfig, models: dict[str, Path], machine: Machine, features: str, watch: Watch) -> str:
    """The best and the last checkpoint on features, with intervals, and whether their difference is significant."""
    if config.data is None:
        raise ConfigError("scores on features need a dataset folder with testA and testB")
    best, *last = models.values()
    found = evaluate_model(
        best, config.data, features, against=last[0] if last else None, device=str(machine.device), watch=watch
    )
    names = {str(path): f"{name}, step {read_spec(path).step:,}" for name, path in models.items()}
    content = paragraph(CHOSEN) if last else ""
    for direction, raw in found.items():
        evaluation = raw.renamed(names)
        what, how = title(direction, evaluation)
        content += subtitle(what) + paragraph(how)
        header, *rows = score_rows(evaluation)
        content += table(header, rows)
        if evaluation.difference:
            header, *rows = difference_rows(evaluation)
            content += table(header, rows)
        content += "".join(paragraph(line) for line in below(evaluation))
    return content


def latents(run: Path, config: RunConfig, machine: Machine) -> str:
    """Return both domains in the latent space, and their nearest neighbours."""
    dataset = find_dataset(config.data, config.domain_a, config.domain_b)
    analysis = analyse_latents(run, dataset, machine, count=NUM_LATENTS)
    found = analysis.mixing
    words = (
        f"Latents of both domains, each by its own encoder. Of a latent's {found.num_neighbours} nearest, "
        f"{100 * found.share:.0f} % are of the other domain; if both were one, {100 * found.expected:.0f} % would be."
    )
    pictures = figure(plot_latents([analysis]), "t-SNE: near points are near, far distances mean nothing")
    return paragraph(words) + pictures + figure(_png(plot_neighbours([analysis])), "Nearest neighbours", wide=True)


def heatmaps(run: Path, config: RunConfig, machine: Machine) -> str:
    """Return what the discriminators look at."""
    dataset = find_dataset(config.data, config.domain_a, config.domain_b)
    found = plot_heatmaps(run, dataset, machine, count=NUM_HEATMAPS)
    sheets = {domain: heatmap_sheet(found, domain) for domain in OTHER.values()}
    return "".join(figure(_png(sheet), f"Images of {domain}", wide=True) for domain, sheet in sheets.items())


def styles(run: Path, config: RunConfig, machine: Machine) -> str:
    """Return translations in several styles."""
    dataset = find_dataset(config.data, config.domain_a, config.domain_b)
    sheets = plot_styles(run, dataset, machine, count=NUM_STYLED)
    return "".join(figure(_png(sheet), f"Translated to {target}", wide=True) for target, sheet in sheets.items())


def _png(image: PILImage.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
