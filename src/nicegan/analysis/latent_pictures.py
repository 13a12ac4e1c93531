"""The pictures of an analysis of latents: both domains in the plane, and nearest neighbours across domains."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from PIL import Image as PILImage

from nicegan.analysis.images import DomainImages, model_name
from nicegan.analysis.latents import NUM_PERMUTATIONS, LatentAnalysis
from nicegan.data.augment import to_pixels
from nicegan.data.folders import evenly_chosen
from nicegan.metrics.neighbours import Nearest
from nicegan.sheets import Group, plot_sheet, stacked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"A": "#0072b2", "B": "#d55e00"}  # for colour-blind people too (Okabe and Ito)
MARKERS = {"A": "o", "B": "^"}
PANEL_INCHES = 4.6
TITLE_WIDTH = 52  # characters
NUM_QUERIES = 4  # images of each domain in the sheet of neighbours


def plot_latents(analyses: Sequence[LatentAnalysis]) -> bytes:
    """Return the t-SNE picture as a PNG, a square panel a model, with the MMD and its p-value in the title."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    title_lines = max(panel_title(analysis).count("\n") for analysis in analyses)
    size = (PANEL_INCHES * len(analyses), PANEL_INCHES + 0.7 + 0.22 * title_lines)
    sheet = Figure(figsize=size, dpi=150, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08, wspace=0.04))
    for axes, analysis in zip(sheet.subplots(1, len(analyses), squeeze=False)[0], analyses, strict=True):
        plot_panel(axes, analysis)
    axes = sheet.axes[0]
    sheet.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    buffer = io.BytesIO()
    sheet.savefig(buffer, format="png")
    return buffer.getvalue()


def plot_panel(axes: Axes, analysis: LatentAnalysis) -> None:
    """One model's points, in a square with one scale on both axes."""
    sides = {"A": analysis.flat[: analysis.num_first], "B": analysis.flat[analysis.num_first :]}
    for domain, points in sides.items():
        axes.scatter(
            *points.T.numpy(), s=26, alpha=0.6, linewidths=0, c=COLOURS[domain], marker=MARKERS[domain],
            label=f"images of {domain}",
        )  # fmt: skip
    low, high = analysis.flat.amin(dim=0), analysis.flat.amax(dim=0)
    middle, reach = (low + high) / 2, 0.55 * (high - low).max()
    (left, bottom), (right, top) = (middle - reach).tolist(), (middle + reach).tolist()
    axes.set(xlim=(left, right), ylim=(bottom, top), box_aspect=1, anchor="S")
    axes.grid(alpha=0.25)
    axes.tick_params(length=0, labelbottom=False, labelleft=False)  # the axes of t-SNE have no unit
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color("#b8c0cc")
    axes.set_title(panel_title(analysis), fontsize=10, loc="left", linespacing=1.5)


def panel_title(analysis: LatentAnalysis) -> str:
    """Return what the encoder is, which model it is, how far apart the domains are."""
    encoder = analysis.spec.method.encoder_name()
    figures = f"MMD {analysis.mmd:.3f}, p = {analysis.test.p_value:.3f} ({NUM_PERMUTATIONS:,} permutations)"
    name = textwrap.wrap(f"{encoder}: {model_name(analysis.path)}, step {analysis.spec.step:,}", TITLE_WIDTH)
    return "\n".join([*name, figures])


def plot_neighbours(analyses: Sequence[LatentAnalysis]) -> PILImage.Image:
    """For each model, the same few images of each domain beside the nearest images of the other domain."""
    return stacked([neighbour_sheet(analysis) for analysis in analyses])


def neighbour_sheet(analysis: LatentAnalysis) -> PILImage.Image:
    """Return one model's neighbours: A to B on the left, B to A on the right."""
    a, b = analysis.images["A"], analysis.images["B"]
    groups = [neighbour_columns(a, b, analysis.nearest["A"]), neighbour_columns(b, a, analysis.nearest["B"])]
    encoder = f"{analysis.spec.method.encoder_name()}: {model_name(analysis.path)}"
    titles = (
        f"{encoder}. Images of A, and the nearest of B by Euclidean distance",
        "Images of B, and the nearest of A",
    )
    return plot_sheet([Group(title, columns) for title, columns in zip(titles, groups, strict=True)])


def neighbour_columns(queries: DomainImages, others: DomainImages, found: Nearest) -> dict[str, torch.Tensor]:
    """Evenly chosen images, and their neighbours from near to far."""
    rows = evenly_chosen(list(range(len(queries.names))), NUM_QUERIES)
    columns = {
        f"nearest {rank + 1}": others.images[found.indices[rows, rank]] for rank in range(found.indices.shape[1])
    }
    return {name: to_pixels(images) for name, images in {"image": queries.images[rows], **columns}.items()}
