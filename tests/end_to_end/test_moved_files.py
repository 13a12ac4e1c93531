"""A run goes on where its images are now, says what has changed, and never compares scores of other images."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from safetensors.torch import load_file
from tests.conftest import write_images
from tests.feature_networks import write_network

import nicegan
from nicegan.checkpoint import pointed_at
from nicegan.cli.train import read_arguments
from nicegan.errors import ConfigError, DataError
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder


def trained(config: RunConfig, out: Path, *, resume: bool = True) -> str:
    """Train, and return what is said."""
    said = io.StringIO()
    nicegan.train(config, out, Console(file=said, width=400), resume=resume)
    return said.getvalue()


def longer(config: RunConfig, **changes: object) -> RunConfig:
    return config.model_copy(update={"steps": config.steps + 3, **changes})


@pytest.fixture
def run(tiny_run: RunConfig, tmp_path: Path) -> Path:
    trained(tiny_run.model_copy(update={"steps": 3}), tmp_path / "run")
    return tmp_path / "run"


def test_moved_images_are_the_same_run_to_the_bit(tiny_run: RunConfig, tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    trained(tiny_run, whole)
    shutil.copytree(whole, run)
    shutil.rmtree(run / "checkpoints" / "000000006")
    (run / "latest").unlink()
    moved = tmp_path / "elsewhere"
    assert tiny_run.data
    shutil.copytree(tiny_run.data, moved)
    said = trained(tiny_run.model_copy(update={"data": moved}), run)
    assert "resuming at step 3" in said
    assert "warning" not in said
    assert RunFolder(run).read_config().data == moved
    ours, theirs = (load_file(out / "model.safetensors") for out in (run, whole))
    assert all(ours[name].equal(theirs[name]) for name in theirs)


def test_another_spelling_or_a_link_is_the_same_place(tiny_run: RunConfig, run: Path, tmp_path: Path) -> None:
    assert tiny_run.data
    (tmp_path / "link").symlink_to(tiny_run.data)
    for data in (tmp_path / "link", tiny_run.data / ".." / tiny_run.data.name):
        assert "warning" not in trained(tiny_run.model_copy(update={"data": data}), run, resume=False)


def test_other_images_are_another_run_unless_it_is_resumed(tiny_run: RunConfig, run: Path, tmp_path: Path) -> None:
    for seed, name in enumerate(("trainA", "trainB", "testA", "testB")):
        write_images(tmp_path / "others" / name, 4, seed=seed + 10)
    config = longer(tiny_run, data=tmp_path / "others")
    with pytest.raises(ConfigError, match="another configuration; choose another --out; where .* --resume"):
        trained(config, run, resume=False)
    before = RunFolder(run)
    best = before.read_metrics()[-1]
    said = trained(config, run)
    assert "the training images are not those of the checkpoint" in said
    assert "the best score so far" in said
    assert "is forgotten, and patience begins anew" in said
    again = pointed_at(before.best)
    assert again is not None
    assert int(again.name) > best["step"], "the best of the old images is not the best of the new ones"


def test_changed_contents_under_the_same_names_are_noticed(tiny_run: RunConfig, run: Path) -> None:
    assert tiny_run.data
    changed = tiny_run.data / "trainA" / "image_000.png"
    Image.fromarray(255 - np.asarray(Image.open(changed))).save(changed)
    assert "have the names of the checkpoint's, and other contents" in trained(longer(tiny_run), run)


@pytest.mark.long
def test_a_moved_feature_network_is_the_same_score(tiny_run: RunConfig, tmp_path: Path) -> None:
    features = write_network(tmp_path / "means.pt")
    config = tiny_run.model_copy(update={"steps": 3, "features": str(features)})
    trained(config, tmp_path / "run")
    moved = features.rename(tmp_path / "moved.pt")
    said = trained(longer(config, features=str(moved)), tmp_path / "run")
    assert "forgotten" not in said


def test_batches_may_be_split_otherwise(tiny_run: RunConfig, tmp_path: Path) -> None:
    config = tiny_run.model_copy(update={"steps": 2, "batch_size": 2})
    trained(config, tmp_path / "run")
    assert "resuming" in trained(longer(config, batch_size=1, accumulate=2), tmp_path / "run")
    with pytest.raises(ConfigError, match="batch_size: 1 there, 3 asked for"):
        trained(longer(config, batch_size=3), tmp_path / "run")


def test_the_advice_of_a_message_is_a_command_that_works(tiny_run: RunConfig, run: Path, tmp_path: Path) -> None:
    assert tiny_run.data
    moved = tiny_run.data.rename(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="say where they are now: nicegan train DATA --resume"):
        read_arguments(["--resume", str(run)])
    for arguments in ([str(moved)], ["--data", str(moved)], [f"--data={moved}"]):
        config, out = read_arguments([*arguments, "--resume", str(run), "--skip-broken", "--precision", "float32"])
        assert (config.data, out, config.skip_broken) == (moved, run, True)
    assert "resuming" in trained(longer(config), out)


def test_a_start_that_has_gone_does_not_matter_once_the_run_has_begun(
    tiny_run: RunConfig, run: Path, tmp_path: Path
) -> None:
    config = tiny_run.model_copy(update={"steps": 1, "start_from": run})
    trained(config, tmp_path / "tuned")
    run.rename(tmp_path / "gone")
    assert "resuming at step 1" in trained(longer(config), tmp_path / "tuned")


def test_a_run_among_its_images_and_a_domain_in_the_other_are_refused(tiny_run: RunConfig, tmp_path: Path) -> None:
    assert tiny_run.data
    with pytest.raises(DataError, match="its samples would be trained on"):
        trained(tiny_run, tiny_run.data / "trainA" / "run")
    write_images(tmp_path / "a", 3)
    write_images(tmp_path / "a" / "b", 3, seed=1)
    nested = {"data": None, "domain_a": str(tmp_path / "a"), "domain_b": str(tmp_path / "a" / "b")}
    with pytest.raises(DataError, match="lies inside"):
        trained(tiny_run.model_copy(update=nested), tmp_path / "run2")


@pytest.mark.long
def test_sixteen_bit_images_of_twelve_bits_are_seen_as_they_are(tiny_run: RunConfig, tmp_path: Path) -> None:
    assert tiny_run.data
    deep = tmp_path / "deep"
    for name in ("trainA", "trainB", "testA", "testB"):
        (deep / name).mkdir(parents=True)
        for number in range(3):
            values = np.random.default_rng(number).integers(100, 4095, (64, 64)).astype(np.uint16)
            Image.fromarray(values).save(deep / name / f"{number}.png")
    config = tiny_run.model_copy(update={"data": deep, "steps": 1})
    said = trained(config, tmp_path / "run")
    assert "12 of 16 bits: they are read as 0,4095" in said
    assert RunFolder(tmp_path / "run").read_config().value_range == "0,4095"
    assert nicegan.load(tmp_path / "run", "cpu").spec.value_range == "0,4095"
    assert "resuming" in trained(longer(config), tmp_path / "run", resume=False), "auto is what it was"
    full = trained(config.model_copy(update={"value_range": "full"}), tmp_path / "full")
    assert "read as nearly black" in full
    image = deep / "trainA" / "0.png"
    bright, dark = (np.asarray(nicegan.load(tmp_path / name, "cpu").translate(image, "B")) for name in ("run", "full"))
    assert (bright != dark).any()
