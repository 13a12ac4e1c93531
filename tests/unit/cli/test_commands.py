"""The command line: quick help, one clear line for every mistake, and nothing done by halves."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import write_images

from nicegan import cli
from nicegan.cli.train import read_arguments
from nicegan.errors import ConfigError
from nicegan.recipes import RECIPES, recipe
from nicegan.run_config import RunConfig, differences


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    captured = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return caught.value.code, captured.out, captured.err


@pytest.mark.parametrize("command", [[], *([name] for name in cli.COMMANDS)], ids=str)
def test_help_names_things_and_does_not_import_torch(command: list[str]) -> None:
    code = (
        "import sys; sys.argv = ['nicegan', *sys.argv[1:]]\nfrom nicegan import cli\n"
        "try: cli.main()\nexcept SystemExit as end: assert not end.code\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\nassert 'matplotlib' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code, *command, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: nicegan" in done.stdout


MISTAKES = [
    (["paint"], "there is no command 'paint'"),
    (["train"], "no data"),
    (["train", "DATA", "--recipe", "huge"], "there is no recipe 'huge'"),
    (["train", "DATA", "--recipe"], "--recipe needs a value"),
    (["train", "DATA", "--steps", "0"], "--steps: should be greater than 0"),
    (["train", "DATA", "--steps", "many"], "--steps"),
    (["train", "DATA", "--stepz", "5"], "--stepz"),
    (["train", "DATA", "--image-size", "64"], "network.depth 6 takes sides from 48 on"),
    (["train", "DATA", "--image-size", "130"], "multiples of 4; 132x132"),
    (["train", "DATA", "--network.depth", "5"], "use 6 or more"),
    (["train", "DATA", "--network.classifiers"], "cam, local, global"),
    (["train", "DATA", "--network.attention", "some"], "some"),
    (["train", "DATA", "--network.encoder", "independent", "--network.encoder-trained-by", "both"], "independent"),
    (["train", "DATA", "--device", "gpu"], "device 'gpu' cannot be used"),
    (["train", "DATA", "--precision", "tf32", "--device", "cpu"], "NVIDIA"),
    (["train", "DATA", "--domain-a", "DATA"], "not both"),
    (["train", "DATA", "--out", "DATA"], "is not a run folder"),
    (["train", "NOWHERE"], "is not a folder"),
    (["train", "DATA/trainA"], "no trainA and no trainB"),
    (["train", "--resume", "NOWHERE"], "is not a run folder"),
    (["train", "--resume", "DATA", "--out", "x"], "is not a run folder"),
    (["translate", "NOWHERE", "DATA", "--to", "B", "--out", "out"], "does not exist"),
    (["translate", "DATA", "DATA", "--to", "B", "--out", "out"], "holds no model.safetensors"),
    (["translate", "DATA", "DATA", "--to", "C", "--out", "out"], "'C'"),
    (["translate", "DATA"], "--to"),
    (["analyze"], "analyze latents or heatmaps"),
    (["analyze", "colours"], "not 'colours'"),
    (["analyze", "latents", "--data", "DATA"], "models"),
    (["analyze", "latents", "DATA"], "no data"),
    (["analyze", "latents", "NOWHERE", "--data", "DATA"], "does not exist"),
    (["analyze", "latents", "DATA", "--data", "DATA", "--count", "1"], "--count"),
    (["analyze", "heatmaps", "DATA", "--data", "NOWHERE"], "is not a folder"),
    (["analyze", "heatmaps", "DATA", "--data", "DATA"], "holds no model.safetensors"),
    (["analyze", "heatmaps", "NOWHERE", "--data", "DATA", "--out", "DATA/trainA/image_000.png"], "is a file"),
    (["analyze", "heatmaps", "NOWHERE", "--data", "DATA", "--device", "gpu"], "device 'gpu' cannot be used"),
    (["import", "NOWHERE"], "is not a file"),
    (["import", "DATA/trainA/image_000.png"], "image_000.png"),
    (["demo", "--seed", "-1"], "--seed"),
    (["ablate", "DATA"], "an ablation needs a switch"),
    (["translate", "NOWHERE", "", "--to", "B"], "nowhere is empty"),
    (["train", "--domain-a", "", "--domain-b", "DATA"], "the value after --domain-a is empty"),
    (["train", "DATA", "--out="], "the value after --out is empty"),
    (["train", "DATA", "--recipe", "nicegan-tiny", "--recipe", "nicegan"], "--recipe is given twice"),
    (["train", "DATA", "--steps", "9" * 400], "--steps"),
    (["train", "DATA", "--num-threads", "99999999"], "--num-threads"),
    (["train", "DATA", "--loss.cycle", "inf"], "finite number"),
    (["train", "dat\udcff"], "is not valid UTF-8"),
    (["ablate", "DATA", "--switches"], "an ablation needs a switch"),
    (["ablate", "DATA", "--switches", "encodr=reused"], "there is no switch 'encodr'; there is"),
    (["ablate", "DATA", "--switches", "encoder=new"], "'reused' or 'independent'"),
    (["ablate", "--switches", "encoder=reused", "DATA"], "is no switch: write NAME=VALUE,VALUE"),
    (["ablate", "DATA", "--switches", "encoder=reused", "--seeds", "0"], "--seeds"),
    (["ablate", "DATA", "--switches", "encoder=reused", "--resume", "x"], "--resume"),
    (["ablate", "NOWHERE", "--switches", "encoder=reused"], "is not a folder"),
    (["ablate", "DATA", "--device", "gpu", "--switches", "blocks=1,2"], "device 'gpu' cannot be used"),
    (["ablate", "DATA", "--switches", "encoder=reused", "--out", "DATA"], "is not an ablation"),
    (["demo", "--out", "DATA"], "exists and is not this demo"),
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
    monkeypatch.chdir(tmp_path)
    places = {"DATA": str(dataset), "NOWHERE": str(tmp_path / "nowhere")}
    arguments = [
        argument.replace(name, place) if argument.startswith(name) else argument
        for argument in arguments
        for name, place in [next(((n, p) for n, p in places.items() if argument.startswith(n)), ("", ""))]
    ]
    before = sorted(tmp_path.rglob("*"))
    code, out, err = run(arguments, capsys)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1, err
    assert "Traceback" not in out + err
    assert [path for path in sorted(tmp_path.rglob("*")) if "cache" not in path.parts] == before


def test_broken_images_are_all_named(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("trainA", "trainB", "testB"):
        (dataset / name / f"odd\n{name}.png").write_bytes(b"x")
    arguments = ["train", str(dataset), "--recipe", "nicegan-tiny", "--out", str(tmp_path / "run")]
    code, _, err = run(arguments, capsys)
    assert code == 2
    assert "3 of 20 images cannot be read" in err
    assert all(rf"odd\n{name}.png" in err for name in ("trainA", "trainB", "testB"))
    assert not (tmp_path / "run").exists()
    code, _, err = run([*arguments, "--skip-broken", *QUICK], capsys)
    assert code == 0, err


QUICK = ["--steps", "1", "--network.base-channels", "4", "--network.blocks", "1", "--device", "cpu"]


def test_a_full_disk_and_memory_are_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for problem, message in (
        (OSError(28, "No space left on device", "/there"), "/there: No space left on device"),
        (MemoryError(), "--batch-size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "--batch-size"),
    ):

        def fail(_: object, problem: BaseException = problem) -> int:
            raise problem

        monkeypatch.setattr(cli, "run", fail)
        code, _, err = run(["train"], capsys)
        assert (code, len(err.splitlines())) == (2, 1)
        assert message in err
    monkeypatch.setattr(cli, "run", lambda _: 1 // 0)
    with pytest.raises(ZeroDivisionError):  # our own mistakes stay visible
        cli.main(["train"])


def test_flags_override_the_recipe(dataset: Path) -> None:
    config, out = read_arguments(
        [str(dataset), "--recipe=nicegan-tiny", "--image-size", "64", "96", "--network.classifiers", "cam", "local"]
    )
    changed = differences(RECIPES["nicegan-tiny"], config)
    assert set(changed) == {"data", "image_size", "network.classifiers"}
    assert config.size == (64, 96)
    assert out == Path("runs/nicegan-tiny-dataset")


def test_a_resumed_run_keeps_its_settings(tiny_run: RunConfig, tmp_path: Path) -> None:
    from nicegan.run_folder import RunFolder

    RunFolder(tmp_path / "run").claim(tiny_run, {})
    config, out = read_arguments(["--resume", str(tmp_path / "run"), "--steps", "50"])
    assert config == tiny_run.model_copy(update={"steps": 50})
    assert out == tmp_path / "run"
    with pytest.raises(ConfigError, match="leave out --out"):
        read_arguments(["--resume", str(tmp_path / "run"), "--out", "elsewhere"])


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="Extra inputs"):
        RunConfig.model_validate({"stepps": 5})
    with pytest.raises(ValueError, match="frozen"):
        RunConfig().steps = 5  # pyright: ignore[reportAttributeAccessIssue]


def test_relative_places_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config, out = read_arguments(["--domain-a", "cats/{0..9}.tar", "--domain-b", "dogs"])
    assert config.domain_a == str(tmp_path / "cats/{0..9}.tar")
    assert config.domain_b == str(tmp_path / "dogs")
    assert recipe("nicegan", domain_a=Path("cats/")).domain_a == str(tmp_path / "cats")
    assert RunConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("s3://bucket/cats-{0000..0099}.tar", "cats"),
        ("https://host//deep/cats.tar?key=1/2", "cats"),
        ("memory://{a,b}.tar", "data"),
        ("simplecache::s3://bucket/*.tar", "data"),
    ],
)
def test_urls_stay_as_they_are(place: str, name: str) -> None:
    config, out = read_arguments(["--domain-a", place, "--domain-b", "dogs.txt"])
    assert config.domain_a == place
    assert out == Path(f"runs/nicegan-{name}")


def test_results_never_replace_something_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [image] = write_images(tmp_path, 1)
    before = image.read_bytes()
    code, _, err = run(["evaluate", "--real", "a", "--fake", "b", "--json", str(image)], capsys)
    assert (code, "name a new file" in err) == (2, True)
    (tmp_path / "published.pt").write_bytes(b"x")
    code, _, err = run(["import", str(tmp_path / "published.pt"), "--out", str(image)], capsys)
    assert (code, "is not a readable model file" in err) == (2, True)
    assert image.read_bytes() == before


def test_closed_output_is_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    for stream in (sys.stdout, sys.stderr):
        stream.close()


def test_an_environment_that_makes_no_sense_is_one_line(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", str(dataset), "--out", str(tmp_path / "run"), "--recipe", "nicegan-tiny", *QUICK]
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "abc")
    code, _, err = run(arguments, capsys)
    assert (code, "WORLD_SIZE is 'abc'" in err) == (2, True)
    monkeypatch.delenv("LOCAL_RANK")
    for name in ("NICEGAN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    code, _, err = run(arguments, capsys)
    assert (code, "set NICEGAN_CACHE to a folder" in err) == (2, True)
