"""What version 0.1.0 wrote before methods had folders of their own still resumes and still translates."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

import nicegan
from nicegan.data.synthetic import write_demo_data
from nicegan.run_folder import RunFolder

FIXTURES = Path(__file__).parents[1] / "fixtures"
EXPECTED = json.loads((FIXTURES / "expected.json").read_text())


def test_an_old_model_translates_as_it_did() -> None:
    translator = nicegan.load(FIXTURES / "old_run/model.safetensors", "cpu")
    image = torch.linspace(-1, 1, 3 * 48 * 40).reshape(1, 3, 48, 40)
    for to, wanted in EXPECTED["translations"].items():
        found = torch.nn.functional.adaptive_avg_pool2d(translator.translate(image, to), (2, 2)).flatten()
        torch.testing.assert_close(found, torch.tensor(wanted), rtol=0, atol=1e-5)


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    """The old run folder, its data painted anew."""
    data = write_demo_data(tmp_path / "scenes", seed=0, side=64, num_train=6, num_test=3).dataset
    run = tmp_path / "run"
    shutil.copytree(FIXTURES / "old_run", run)
    config = run / "config.json"
    config.write_text(config.read_text().replace("/scenes/dataset", str(data)))
    return run


def test_an_old_run_goes_on_as_it_would_have(old_run: Path) -> None:
    config = RunFolder(old_run).read_config().model_copy(update={"steps": 6})
    outcome = nicegan.train(config, old_run, Console(quiet=True))
    assert outcome.step == 6
    assert json.loads((old_run / "config.json").read_text())["format_version"] == 2
    weights = load_file(old_run / "checkpoints/000000006/weights.safetensors")
    assert weights.keys() == EXPECTED["norms_after_resume_to_6"].keys()
    for name, wanted in EXPECTED["norms_after_resume_to_6"].items():
        assert weights[name].double().norm().item() == pytest.approx(wanted, rel=1e-4, abs=1e-5), name


def test_a_resume_that_lost_the_optimizers_would_be_caught(old_run: Path) -> None:
    """Planted error: Adam starts anew from the checkpoint's weights."""
    state = old_run / "checkpoints/000000004/state.pt"
    content = torch.load(state, weights_only=True)
    for optimizer in content["optimizers"]:
        optimizer["state"] = {}
    torch.save(content, state)
    (old_run / "checkpoints/000000004/sha256.json").unlink()
    config = RunFolder(old_run).read_config().model_copy(update={"steps": 6})
    nicegan.train(config, old_run, Console(quiet=True))
    weights = load_file(old_run / "checkpoints/000000006/weights.safetensors")
    wanted = EXPECTED["norms_after_resume_to_6"]
    assert any(abs(weights[name].double().norm().item() - norm) > 1e-4 * norm + 1e-5 for name, norm in wanted.items())
