"""Images that will not fit are known before the work."""

from pathlib import Path

import pytest
import torch
from tests.conftest import write_images
from tests.unit.inference.test_translator import write_model

from nicegan.errors import DataError
from nicegan.inference import memory
from nicegan.inference.files import Scaling, translate_files
from nicegan.inference.memory import needed_bytes
from nicegan.inference.translator import Translator, load


@pytest.fixture
def translator(tmp_path: Path) -> Translator:
    return load(write_model(tmp_path / "model.safetensors", size=(64, 64)), "cpu")


def test_more_pixels_need_more(translator: Translator) -> None:
    needs = [needed_bytes(translator, (side, side)) for side in (512, 1024, 2048)]
    assert needs == sorted(needs)
    assert needs[2] - needs[1] == pytest.approx(4 * (needs[1] - needs[0]), rel=0.2)


def test_the_prediction_takes_no_memory(translator: Translator) -> None:
    assert needed_bytes(translator, (40_000, 40_000)) > 1 << 36


def test_what_will_not_fit_is_named_before_any_work(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "SURELY_FITS", 100 * 100)
    assert translator.reach > 0  # measured now, since it takes memory
    limit = needed_bytes(translator, (200, 200)) + (8 << 20)  # what other tests leave in this process moves it
    monkeypatch.setattr(memory, "free_bytes", lambda device: limit)
    write_images(tmp_path / "in", 1, size=(72, 80))
    (large,) = write_images(tmp_path / "large", 1, size=(900, 1000))
    large.rename(tmp_path / "in" / "large.png")
    with pytest.raises(DataError, match=r"(?s)1 of 2 images are too large.*large.png.*try --max-side \d+") as caught:
        translate_files(translator, [tmp_path / "in"], tmp_path / "out", to="B")
    assert not (tmp_path / "out").exists()
    longest = int(str(caught.value).rpartition("--max-side ")[2])
    written = translate_files(translator, [tmp_path / "in"], tmp_path / "out", to="B", scaling=Scaling(longest=longest))
    assert len(written) == 2
    assert torch.is_grad_enabled()
