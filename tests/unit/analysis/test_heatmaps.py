"""Heatmaps: a head's sight is its own gradient, its logits lie on its patches, its weights are the run's."""

import shutil
from pathlib import Path

import pytest
import torch
from tests.conftest import TINY
from tests.tars import write_tar
from tests.unit.analysis.conftest import write_run

from nicegan.analysis import heatmaps
from nicegan.analysis.heatmaps import (
    heatmap_sheet,
    load_discriminators,
    placed,
    plot_heatmaps,
    sights,
    single_files,
    smoothed,
    unique_stems,
)
from nicegan.checkpoint import best_or_latest
from nicegan.data.places import Dataset, find_dataset
from nicegan.device import Machine
from nicegan.errors import CheckpointError
from nicegan.methods.nicegan.build import build_discriminator
from nicegan.methods.nicegan.config import NiceGAN
from nicegan.methods.nicegan.discriminator import Discriminator
from nicegan.run_config import RunConfig


def test_a_head_looks_where_its_logits_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against finite differences of the heads' logits in double precision."""
    monkeypatch.setattr(heatmaps, "smoothed", lambda heat: heat)
    monkeypatch.setattr(heatmaps, "to_unit_range", lambda heat: heat)
    judge = build_discriminator(TINY).double().eval()
    image = torch.rand(2, 3, 64, 64, dtype=torch.float64) * 2 - 1
    found = sights(judge, image)
    assert list(found) == ["local", "global"]
    nudge = 1e-6
    for row, y, x in ((0, 0, 0), (1, 20, 31), (1, 63, 40)):
        slopes = {head: 0.0 for head in found}
        for channel in range(3):
            moved = image.clone(), image.clone()
            moved[0][row, channel, y, x] += nudge
            moved[1][row, channel, y, x] -= nudge
            with torch.no_grad():
                up, down = (judge(each) for each in moved)
            for head in found:
                slopes[head] += abs((up[head].sum() - down[head].sum()).item()) / (2 * nudge)
        for head, slope in slopes.items():
            assert found[head].looks[row, 0, y, x].item() == pytest.approx(slope, rel=1e-4, abs=1e-9)


def test_sights_are_heat_of_the_images_size() -> None:
    judge = build_discriminator(TINY).requires_grad_(False)  # noqa: FBT003
    for sight in sights(judge, torch.rand(2, 3, 64, 80)).values():
        for heat in sight:
            assert heat.shape == (2, 1, 64, 80)
            assert heat.min() >= 0
            assert heat.max() <= 1
        assert (sight.looks.amax((1, 2, 3)) == 1).all()


@pytest.mark.parametrize("head", ["local", "global"])
def test_a_logit_lies_in_the_middle_of_its_patch(head: str) -> None:
    """The patch is where the logit's gradient is not zero; images are large enough for it to end before the edges."""
    judge = build_discriminator(TINY)
    image = torch.rand(1, 3, 256, 256, requires_grad=True)
    logits = judge(image)[head]
    row, column = logits.shape[2] // 2, logits.shape[3] // 2 - 1
    (gradient,) = torch.autograd.grad(logits[0, 0, row, column], image)
    rows, columns = gradient.abs().sum(dim=(0, 1)).nonzero().double().unbind(1)
    patch = [(side.min() + side.max()).item() / 2 for side in (rows, columns)]
    one = torch.zeros_like(logits)
    one[0, 0, row, column] = 1
    shown = placed(one, (256, 256))[0, 0]
    peak = (shown == shown.max()).nonzero().double()
    assert peak.mean(dim=0).tolist() == pytest.approx(patch)


def test_smoothing_is_a_gaussian_of_its_deviation() -> None:
    heat = torch.zeros(1, 1, 101, 101)
    heat[..., 50, 50] = 1
    shown = smoothed(heat)
    place = torch.arange(101) - 50.0
    assert shown.sum().item() == pytest.approx(1, rel=1e-5)
    assert (shown[0, 0].sum(0) * place**2).sum().sqrt().item() == pytest.approx(2.02, rel=0.05)
    assert torch.allclose(smoothed(torch.full((1, 1, 64, 48), 3.0)), torch.tensor(3.0))


def test_the_heads_are_the_checkpoints(tmp_path: Path, tiny_run: RunConfig, machine: Machine) -> None:
    state = write_run(tmp_path / "run", tiny_run)
    checkpoint = best_or_latest(tmp_path / "run")
    assert checkpoint is not None
    judges = load_discriminators(tmp_path / "run", checkpoint, machine)
    image = torch.rand(1, 3, 64, 64)
    for domain in state.method.domains:
        judge = judges[domain.name]
        assert isinstance(judge, Discriminator)
        given, found = domain.discriminator.eval()(image), judge(image)
        assert list(found) == ["cam", "local", "global"]
        assert all(torch.equal(found[head], logits) for head, logits in given.items())
        assert not any(parameter.requires_grad for parameter in judge.parameters())


@pytest.mark.parametrize("encoder", ["reused", "independent"])
def test_a_run_shows_attention_and_heads(
    encoder: str, tmp_path: Path, tiny_run: RunConfig, images: Dataset, machine: Machine
) -> None:
    network = TINY.model_copy(update={"encoder": encoder})
    write_run(tmp_path / "run", tiny_run.model_copy(update={"method": NiceGAN(network=network)}))
    told: list[tuple[int, int]] = []
    found = plot_heatmaps(tmp_path / "run", images, machine, count=2, progress=lambda *now: told.append(now))
    assert told[-1] == (4, 4)
    overlays = ["attention", "local looks", "local logits", "global looks", "global logits"]
    for domain, seen in found.domains.items():
        assert list(seen.real) == ["image", *overlays]
        assert list(seen.fake) == ["translation", *overlays]
        assert {tuple(view.shape) for view in (seen.real | seen.fake).values()} == {(2, 3, 64, 64)}
        assert heatmap_sheet(found, domain).width > 12 * 128
    names = {name for name, _ in single_files(found.domains["A"])}
    endings = ("", "_local", "_local_logits", "_global", "_global_logits")
    assert names == {f"image_00{i}{ending}.png" for i in (0, 1) for ending in endings}


def test_without_heads_there_is_the_attention(
    run: Path, tiny_run: RunConfig, tmp_path: Path, images: Dataset, machine: Machine
) -> None:
    from_file = plot_heatmaps(run / "model.safetensors", images, machine)
    assert (from_file.checkpoint, from_file.heads) == (None, ())
    cam_only = TINY.model_copy(update={"classifiers": ("cam",)})
    write_run(tmp_path / "cam", tiny_run.model_copy(update={"method": NiceGAN(network=cam_only)}))
    from_run = plot_heatmaps(tmp_path / "cam", images, machine)
    assert from_run.checkpoint is not None
    for found in (from_file, from_run):
        assert list(found.domains["B"].real) == ["image", "attention"]
        assert found.heads == ()
        assert len(list(single_files(found.domains["B"]))) == 3


def test_broken_checkpoints_are_one_line(run: Path, images: Dataset, machine: Machine) -> None:
    weights = run / "checkpoints" / "000000000" / "weights.safetensors"
    content = weights.read_bytes()
    for broken in (content[:-100], b"", None):
        weights.unlink()
        if broken is not None:
            weights.write_bytes(broken)
        with pytest.raises(CheckpointError, match="checkpoint .* cannot be read") as caught:
            plot_heatmaps(run, images, machine)
        assert len(str(caught.value).splitlines()) == 1
        weights.touch()


def test_images_of_shards_are_named_like_their_members(run: Path, dataset: Path, machine: Machine) -> None:
    for domain in "AB":
        folder = dataset / f"test{domain}"
        members = [(f"deep/{domain}_{path.name}", path.read_bytes()) for path in sorted(folder.iterdir())]
        write_tar(dataset / f"test{domain}-000.tar", members)
        shutil.rmtree(folder)
    found = plot_heatmaps(run / "model.safetensors", find_dataset(dataset, None, None), machine)
    names = [name for name, _ in single_files(found.domains["A"])]
    assert names == [f"A_image_00{number}.png" for number in range(3)]
    assert found.domains["B"].names[0] == f"{dataset}/testB-000.tar/deep/B_image_000.png"


def test_any_name_of_a_member_can_be_written(tmp_path: Path) -> None:
    stems = unique_stems(["x" * 300 + ".png", "\u00e9" * 300 + ".png", "a\0b.png"], ["_global_logits"])
    for stem in stems:
        (tmp_path / f"{stem}_global_logits.png").touch()
    assert stems[2] == "a_b"


def test_no_two_images_have_one_file() -> None:
    stems = unique_stems(["a/x.png", "b/X.jpg", "a/x_local.png", "a/y.png"], ["", "_local"])
    assert stems == ["x", "X_2", "x_local_2", "y"]
