"""nicegan evaluate, as a user runs it: the table, the JSON, and one line for every mistake."""

import json
from pathlib import Path

import pytest
from tests.conftest import write_images
from tests.feature_networks import NotANumber, OneRow, WithoutForward, write_network
from tests.servers import file_server
from tests.unit.cli.test_commands import run
from tests.unit.inference.test_translator import write_model

from nicegan import feature_network


def evaluate(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    return run(["evaluate", "--device", "cpu", *map(str, arguments)], capsys)


@pytest.fixture
def features(tmp_path: Path) -> Path:
    return write_network(tmp_path / "means.pt")


def test_folders(features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, name in enumerate(("real", "[fake]", "other", "source")):
        write_images(tmp_path / name, 24, seed=seed)
    code, out, err = evaluate(
        capsys,
        *("--real", tmp_path / "real", "--fake", tmp_path / "[fake]", "--source", tmp_path / "source"),
        *("--against", tmp_path / "other", "--features", features, "--json", tmp_path / "scores.json"),
    )
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    for words in (
        "FD",
        "KD x 100",
        "[fake] minus other",
        "SSIM to source",
        "no translation",
        "±",
        "of means",
        "note: 24",
    ):
        assert words in out
    assert "FID" not in out
    document = json.loads((tmp_path / "scores.json").read_text())
    found = document["evaluations"]["folders"]
    assert document["versions"]["torch"]
    assert found["features"]["sha256"]
    assert f"{found['candidates'][1]['scores']['frechet']['value']:.1f} ±" in out
    assert set(found["difference"]) == set(found["candidates"][1]["scores"])


def test_a_model(features: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    write_model(tmp_path / "run" / "model.safetensors")
    code, out, err = evaluate(capsys, tmp_path / "run", "--data", dataset, "--features", features)
    assert (code, err) == (0, "")
    assert "A to B against 3 real images of testB" in out
    assert "B to A against 3 real images of testA" in out
    assert "no intervals" in out
    assert "±" not in out


def test_the_largest_seed_is_taken(features: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = ("--real", dataset / "trainA", "--fake", dataset / "trainB")
    code, _, err = evaluate(capsys, *folders, "--features", features, "--seed", str(2**63 - 1))
    assert (code, err) == (0, "")


def test_several_machines_are_refused_in_one_line(
    features: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LOCAL_RANK": "0", "RANK": "0", "GROUP_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    model = write_model(tmp_path / "model.safetensors")
    code, out, err = evaluate(capsys, model, "--data", dataset, "--features", features)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "evaluate is the work of one machine" in err
    monkeypatch.setenv("GROUP_WORLD_SIZE", "1")
    assert evaluate(capsys, model, "--data", dataset, "--features", features)[0] == 0


MISTAKES = [
    ([], "name a model and --data, or folders"),
    (["--real", "IMAGES"], "name a model and --data, or folders"),
    (["MODEL"], "name it with --data"),
    (["MODEL", "--data", "DATA", "--real", "IMAGES"], "not both"),
    (["--real", "IMAGES", "--fake", "IMAGES", "--data", "DATA"], "leave out --data"),
    (["NOWHERE", "--data", "DATA"], "does not exist"),
    (["MODEL", "--data", "IMAGES"], "IMAGES has no images in testA and testB"),
    (["MODEL", "--data", "DATA", "--against", "MODEL"], "compared with itself"),
    (["--real", "NOWHERE", "--fake", "IMAGES"], "is not a folder"),
    (["--real", "EMPTY", "--fake", "IMAGES"], "holds no images"),
    (["--real", "IMAGES", "--fake", "ONE"], "holds one image"),
    (["--real", "IMAGES", "--fake", "IMAGES", "--source", "ONE"], "holds one image"),
    (["--real", "IMAGES", "--fake", "IMAGES", "--features", "vgg"], "there is no feature network 'vgg'"),
    (["--real", "IMAGES", "--fake", "IMAGES", "--features", "TEXT"], "cannot be read as TorchScript"),
    (["--real", "IMAGES", "--fake", "IMAGES", "--features", "NAN"], "NaN or infinite"),
    (["--real", "IMAGES", "--fake", "IMAGES", "--features", "ONEROW"], "a row for each"),
    (["--real", "IMAGES", "--fake", "IMAGES", "--resize", "sharp"], "'sharp'"),
    (["--real", "IMAGES", "--fake", "IMAGES", "--features", "NOFORWARD"], "without forward(images)"),
    (["--real", "IMAGES", "--fake", "IMAGES", "--seed", "-1"], "--seed"),
    (["--real", "IMAGES", "--fake", "IMAGES", "--features", "GOOD", "--seed", str(10**23)], "--seed: should be less"),
    (["--real", "IMAGES", "--fake", "IMAGES", "--device", "gpu", "--features", "GOOD"], "device 'gpu'"),
    (["--real", "IMAGES", "--fake", "IMAGES", "--json", "NOWHERE/x.json"], "there is no such folder"),
    (["--real", "IMAGES", "--fake", "IMAGES", "--json", "IMAGES"], "is a folder: name a file"),
    (["--real", "IMAGES", "--fake", "IMAGES"], "Connection refused"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=lambda value: str(value)[:60])
def test_every_mistake_has_one_clear_line(
    arguments: list[str],
    message: str,
    dataset: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feature_network, "INCEPTION_URL", "http://127.0.0.1:9/inception.pt")
    write_images(tmp_path / "one", 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.pt").write_text("features")
    places = {
        "IMAGES": dataset / "trainA",
        "DATA": dataset,
        "NOWHERE": tmp_path / "nowhere",
        "NOWHERE/x.json": tmp_path / "nowhere" / "x.json",
        "EMPTY": tmp_path / "empty",
        "ONE": tmp_path / "one",
        "MODEL": write_model(tmp_path / "model.safetensors"),
        "TEXT": tmp_path / "text.pt",
        "NAN": write_network(tmp_path / "nan.pt", NotANumber()),
        "ONEROW": write_network(tmp_path / "onerow.pt", OneRow()),
        "NOFORWARD": write_network(tmp_path / "noforward.pt", WithoutForward()),
        "GOOD": write_network(tmp_path / "good.pt"),
    }
    code, out, err = evaluate(capsys, *(places.get(argument, argument) for argument in arguments))
    assert code == 2
    assert message.replace("IMAGES", str(places["IMAGES"])) in err
    assert err.startswith("nicegan: ")
    assert len(err.strip().splitlines()) == 1, err
    assert "Traceback" not in out + err


def test_downloads_that_go_wrong_are_one_line(
    dataset: Path, own_cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = ("--real", dataset / "trainA", "--fake", dataset / "trainB")
    with file_server(b"x" * 1000) as server:
        monkeypatch.setattr(feature_network, "INCEPTION_URL", server.url)
        server.break_after = 400
        assert "broke off at 400 of 1000 bytes" in evaluate(capsys, *folders)[2]
        server.break_after = None
        code, _, err = evaluate(capsys, *folders)
        assert (code, len(err.splitlines())) == (2, 1)
        assert "cannot be read as TorchScript" in err
        (own_cache / "networks" / "file.bin").write_bytes(b"y" * 1000)
        code, _, err = evaluate(capsys, *folders)
        assert (code, len(err.splitlines())) == (2, 1)
        assert "checksum" in err
