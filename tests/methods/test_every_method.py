"""What every method must do: its phases, its sizes, its state, and what the product makes of it."""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from torch import nn

import nicegan
from nicegan.cli.train import read_arguments
from nicegan.config import MethodConfig
from nicegan.data.places import find_dataset
from nicegan.device import Machine
from nicegan.errors import ConfigError
from nicegan.methods.base import Fakes, HasHeatmap, HasStyles, total, unique_state
from nicegan.methods.registry import METHODS
from nicegan.model_file import ModelSpec, load_model, save_model
from nicegan.recipes import RECIPES
from nicegan.run_config import RunConfig
from nicegan.run_folder import RunFolder
from nicegan.shapes import Batch, DomainName
from nicegan.training import memory
from nicegan.training.ema import ema_weight
from nicegan.training.state import TrainingState, load_state, new_state, save_state
from nicegan.training.step import Stepper
from tests.feature_networks import write_network
from tests.methods.conftest import run, terms_of

CPU = Machine(torch.device("cpu"), "float32")
ROOT = Path(__file__).parents[2]


def ids(module: nn.Module) -> set[int]:
    return {id(parameter) for parameter in module.parameters()}


def test_the_phases_together_train_every_parameter(tiny: MethodConfig, size: tuple[int, int]) -> None:
    method = tiny.build(size)
    assert set().union(*(ids(phase) for phase in method.phases)) == ids(method)


def test_the_domains_begin_with_equal_weights_where_that_is_wanted(tiny: MethodConfig, size: tuple[int, int]) -> None:
    network = getattr(tiny, "network")  # noqa: B009  every method has its own
    if not hasattr(network, "initialization"):
        pytest.skip(f"{tiny.title} has no such setting")

    def begun(how: str) -> list[dict[str, torch.Tensor]]:
        config = tiny.model_copy(update={"network": network.model_copy(update={"initialization": how})})
        return [domain.state_dict() for domain in config.build(size).domains]

    a, b = begun("equal")
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert all(a[name].data_ptr() != b[name].data_ptr() for name in a), "each domain has weights of its own"
    a, b = begun("independent")
    assert not all(torch.equal(a[name], b[name]) for name in a if a[name].dim() > 1)


def test_a_phase_has_an_optimizer_or_uses_one_that_trains_its_parameters(
    tiny: MethodConfig, size: tuple[int, int]
) -> None:
    phases = {phase.name: phase for phase in tiny.build(size).phases}
    for phase in phases.values():
        owner = phases[phase.optimizer_name()]
        assert owner.optimizer_name() == owner.name
        assert ids(phase) <= ids(owner)


def test_a_phase_leaves_gradients_for_its_own_parameters_and_no_other(
    tiny: MethodConfig, size: tuple[int, int], images: Batch
) -> None:
    """None missing either, so that a phase can be a unit of distributed training."""
    method = tiny.build(size)
    fakes: Fakes = {}
    for phase in method.phases:
        method.zero_grad()
        total(run(phase, images, fakes)).backward()
        assert {id(p) for p in method.parameters() if p.grad is not None} == ids(phase)
        assert not any(fake.requires_grad for fake in fakes.values()), "a fake that is handed on brings no graph along"


def test_a_phase_that_freezes_nothing_is_caught(tiny: MethodConfig, size: tuple[int, int], images: Batch) -> None:
    """Planted error."""
    method = tiny.build(size)
    leaks = []
    fakes: Fakes = {}
    for phase in method.phases:
        phase.frozen_parameters = ()
        method.zero_grad()
        total(run(phase, images, fakes)).backward()
        leaks.append({id(p) for p in method.parameters() if p.grad is not None} != ids(phase))
    assert any(leaks)


def test_both_directions_are_one_formula(tiny: MethodConfig, size: tuple[int, int], images: Batch) -> None:
    """With the domains and their images exchanged, the terms exchange their names and keep their values.

    A network of the method's own is of no domain; if it separates them, its logit, that of `exit`, changes its sign.
    """
    torch.manual_seed(1)
    method = tiny.build(size)
    there = terms_of(method, images)
    torch.manual_seed(1)
    other = tiny.build(size)
    state = unique_state(method)
    exchanged = {f"{name.translate(str.maketrans('AB', 'BA'))[:2]}{name[2:]}": value for name, value in state.items()}
    own = {name for name in state if name[:2] not in ("A.", "B.") and ".exit." in name}
    other.load_state_dict({name: -value if name in own else value for name, value in exchanged.items()}, strict=False)
    back = terms_of(other, Batch(images.b, images.a), exchanged=True)
    for phase, terms in there.items():
        for name, term in terms.items():
            swapped = back[phase][name.translate(str.maketrans("AB", "BA"))]
            torch.testing.assert_close(swapped, term, rtol=1e-4, atol=1e-6)


def test_the_smallest_size_trains_and_a_smaller_one_is_refused(tiny: MethodConfig, dataset: Path) -> None:
    rule = tiny.training_sizes()
    smallest = -(-rule.smallest // rule.multiple) * rule.multiple
    method = tiny.build((smallest, smallest))
    terms_of(method, Batch(*(torch.rand(1, 3, smallest, smallest) for _ in "ab")), backward=True)
    for side in (smallest - rule.multiple, smallest + 1):
        with pytest.raises(ValueError, match=r"image_size \d+x\d+(: sides must be| is too small).*\d") as caught:
            RunConfig.model_validate({"data": dataset, "method": tiny, "image_size": side})
        assert "\n  " in str(caught.value)


def stepped(config: RunConfig, batches: list[Batch]) -> TrainingState:
    state = new_state(config, CPU.device)
    stepper = Stepper(state, config, CPU)
    for batch in batches:
        stepper(batch)
    return state


def same(one: TrainingState, other: TrainingState) -> bool:
    theirs, memory = other.tensors(), other.method.process_state()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in one.tensors().items()) and all(
        torch.equal(tensor, memory[name]) for name, tensor in one.method.process_state().items()
    )


@pytest.mark.parametrize("forget", [False, True], ids=["whole", "planted error: what a process remembers is lost"])
def test_three_steps_and_three_equal_six(
    run_config: RunConfig, size: tuple[int, int], tmp_path: Path, forget: bool
) -> None:
    batches = [Batch(*(torch.rand(2, 3, *size) * 2 - 1 for _ in "ab")) for _ in range(6)]
    whole = stepped(run_config, batches)
    first = stepped(run_config, batches[:3])
    processes = [{}] if forget else None
    checkpoint = save_state(tmp_path / "checkpoints", first, processes)
    second = new_state(run_config.model_copy(update={"seed": 9}), CPU.device)
    load_state(checkpoint, second)
    stepper = Stepper(second, run_config, CPU)
    for batch in batches[3:]:
        stepper(batch)
    remembers = bool(first.method.process_state())
    assert same(whole, second) == (not forget or not remembers)


@pytest.mark.skipif("NICEGAN_THOROUGH" not in os.environ, reason="takes minutes: set NICEGAN_THOROUGH")
def test_two_processes_go_on_as_if_never_stopped(run_config: RunConfig, tmp_path: Path) -> None:
    """Each process with what it alone remembers."""
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    RunFolder(whole).claim(run_config.model_copy(update={"num_threads": 1}), {"machine": "test"})
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]

    def train(folder: Path) -> None:
        command = [*torchrun, "-m", "nicegan", "train", "--resume", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr

    train(whole)
    shutil.copytree(whole, cut)
    shutil.rmtree(cut / "checkpoints/000000006")
    for pointer in ("latest", "best"):
        (cut / pointer).unlink()
    train(cut)
    last = [path / "checkpoints/000000006" for path in (whole, cut)]
    weights = [load_file(path / "weights.safetensors") for path in last]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    remembered = [torch.load(path / "state.pt", weights_only=True)["processes"] for path in last]
    assert len(remembered[0]) == len(remembered[1]) == 2
    for one, other in zip(*remembered, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_averaged_weights_are_the_closed_formula(run_config: RunConfig, size: tuple[int, int]) -> None:
    batches = [Batch(*(torch.rand(2, 3, *size) * 2 - 1 for _ in "ab")) for _ in range(4)]
    state = new_state(run_config, CPU.device)
    stepper = Stepper(state, run_config, CPU)
    expected = {name: p.detach().clone() for name, p in state.ema.named_parameters()}
    for step, batch in enumerate(batches):
        stepper(batch)
        weight = ema_weight(step, run_config.average_decay)
        for name, raw in state.method.translation_model().named_parameters():
            expected[name] = weight * expected[name] + (1 - weight) * raw.detach()
    for name, parameter in state.ema.named_parameters():
        torch.testing.assert_close(parameter, expected[name])


def test_a_saved_model_translates_as_the_method_does(
    tiny: MethodConfig, size: tuple[int, int], images: Batch, tmp_path: Path
) -> None:
    networks = tiny.build(size).translation_model().eval()
    path = tmp_path / "model.safetensors"
    save_model(path, ModelSpec.model_validate({"method": tiny, "image_size": size}), networks)
    loaded = load_model(path)
    assert loaded.spec.method == tiny
    for to in ("A", "B"):
        with torch.no_grad():
            assert torch.equal(loaded.networks.translate(images.a, to), networks.translate(images.a, to))


@pytest.mark.parametrize("shape", [(31, 50), (64, 64), (5, 3), (97, 33)], ids=str)
def test_any_height_and_width_is_translated(
    tiny: MethodConfig, size: tuple[int, int], shape: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    networks = tiny.build_translation_model(size)
    save_model(path, ModelSpec.model_validate({"method": tiny, "image_size": size}), networks)
    translator = nicegan.load(path, "cpu")
    assert translator.translate(torch.rand(1, 3, *shape), "B").shape == (1, 3, *shape)


def test_heatmaps_lie_between_0_and_1(tiny: MethodConfig, size: tuple[int, int], images: Batch) -> None:
    networks = tiny.build_translation_model(size)
    if not isinstance(networks, HasHeatmap):
        pytest.skip(f"{tiny.title} has no attention")
    names: tuple[DomainName, ...] = ("A", "B")
    for domain in names:
        with torch.no_grad():
            heat = networks.heatmap(images.a, domain)
        assert heat.shape == (2, 1, *size)
        assert heat.amin(dim=(1, 2, 3)).tolist() == [0, 0]
        assert heat.amax(dim=(1, 2, 3)).tolist() == pytest.approx([1, 1])


def test_styles_differ_and_repeat_by_seed(tiny: MethodConfig, size: tuple[int, int], images: Batch) -> None:
    networks = tiny.build_translation_model(size)
    if not isinstance(networks, HasStyles):
        pytest.skip(f"{tiny.title} makes one translation of an image")
    styles = networks.sample_styles(3, torch.Generator().manual_seed(5))
    assert torch.equal(styles, networks.sample_styles(3, torch.Generator().manual_seed(5)))
    with torch.no_grad():
        made = [networks.translate(images.a[:1], "B", style[None]) for style in styles]
        mean = networks.translate(images.a[:1], "B")
        assert torch.equal(mean, networks.translate(images.a[:1], "B", torch.zeros(1, networks.style_features)))
        assert networks.encode_style(images.b, "B").shape == (len(images.b), networks.style_features)
    assert not torch.equal(made[0], made[1])


def test_terms_have_names_and_discriminators_have_logits(
    tiny: MethodConfig, size: tuple[int, int], images: Batch
) -> None:
    method = tiny.build(size)
    terms = terms_of(method, images)
    names = [name for phase in terms.values() for name in phase]
    assert all(re.fullmatch(r"[AB]/[a-z_0-9]+", name) for name in names)
    for phase in method.phases:
        assert phase.chance_losses().keys() <= terms[phase.name].keys()
    for discriminator in method.discriminators().values():
        assert all(len(logits) == 2 for logits in discriminator(images.a).values())


def test_the_loss_of_guessing_is_that_of_logits_of_one_half(
    tiny: MethodConfig, size: tuple[int, int], images: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = tiny.build(size)
    guesses = [0.5, 0.0]  # the logits that mean 1/2, of least squares and of cross-entropy
    for network in [network for network in method.modules() if hasattr(network, "head_names")]:
        right = network.forward
        monkeypatch.setattr(
            network,
            "forward",
            lambda x, right=right: {name: guesses[0] + 0 * logits for name, logits in right(x).items()},
        )
    shown = [logits for see in method.discriminators().values() for logits in see(images.a).values()]
    if any((logits != 0.5).any() for logits in shown):
        guesses.pop(0)
    assert all((logits == 0.5).all() for see in method.discriminators().values() for logits in see(images.a).values())
    fakes: Fakes = {}
    for phase in method.phases:
        terms = run(phase, images, fakes)
        for name, loss in phase.chance_losses().items():
            assert terms[name].item() == pytest.approx(loss)


def test_a_run_trains_resumes_and_everything_the_product_does_works(run_config: RunConfig, tmp_path: Path) -> None:
    from nicegan.analysis.latents import analyse_latents
    from nicegan.report.full import report

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    nicegan.train(run_config, whole, Console(quiet=True))
    nicegan.train(run_config.model_copy(update={"steps": 3}), cut, Console(quiet=True))
    resumed = run_config.model_copy(update={"steps": 6})
    weights = [load_file(path / "checkpoints/000000003/weights.safetensors") for path in (whole, cut)]
    assert RunFolder(cut).read_config().method == run_config.method
    assert weights[0].keys() == weights[1].keys()
    assert nicegan.train(resumed, cut, Console(quiet=True)).step == 6
    logged = [line for line in RunFolder(whole).read_metrics() if "learning_rate" in line]
    assert [line["step"] for line in logged] == [1, 2, 3, 4, 5, 6]

    assert run_config.data is not None
    dataset = find_dataset(run_config.data, None, None)
    analysis = analyse_latents(whole, dataset, CPU, count=3)
    assert analysis.as_dict()["method"] == run_config.method.name
    scores = nicegan.evaluate_model(whole, run_config.data, write_network(tmp_path / "means.pt"), device="cpu")
    assert list(scores) == ["A to B", "B to A"]
    page = report(whole).read_text()
    assert "Not shown" not in page
    has_styles = isinstance(run_config.method.build_translation_model(run_config.size), HasStyles)
    assert all(bool(found.diversity) == has_styles for found in scores.values())
    assert ("<h2>Styles</h2>" in page) == has_styles
    assert ("with one random style" in page) == has_styles
    for phase in new_state(run_config, CPU.device).method.phases:
        assert f"{phase.name.capitalize()} terms" in page


MEASURE = """
import re, sys, torch
from pathlib import Path
from nicegan.device import keep_freed_memory, process_bytes, set_up_machine
from nicegan.recipes import recipe
from nicegan.shapes import Batch
from nicegan.training.memory import predict
from nicegan.training.state import new_state
from nicegan.training.step import Stepper

def own_bytes():  # without the libraries, whose pages the system takes in and gives up as it likes
    return 1024 * int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

network = {**recipe(sys.argv[1]).method.network.model_dump(), "base_channels": 32}
config = recipe(sys.argv[1], image_size=96, batch_size=4, network=network)
machine = set_up_machine("cpu", "float32", 1)
keep_freed_memory()
need = predict(config, machine).total
before, own = process_bytes(), own_bytes()
stepper = Stepper(new_state(config, machine.device), config, machine)
for _ in range(2 * stepper.state.method.steps_of_a_cycle()):
    stepper(Batch(*(torch.rand(4, 3, 96, 96) for _ in "ab")))
print(need - before, own_bytes() - own)
"""


@pytest.mark.long
def test_predicted_memory_is_within_15_percent_of_a_process_that_trains(tiny: MethodConfig) -> None:
    smallest = list(tiny.recipes())[-1]
    done = subprocess.run([sys.executable, "-c", MEASURE, smallest], capture_output=True, text=True, check=True)
    predicted, measured = map(int, done.stdout.split())
    assert predicted == pytest.approx(measured, rel=0.15)


def test_help_shows_the_settings_of_the_named_recipe_only(
    tiny: MethodConfig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    name = next(name for name, config in RECIPES.items() if config.method.name == tiny.name)
    with pytest.raises(SystemExit):
        read_arguments(["--recipe", name, "--help"])
    shown = capsys.readouterr().out
    flags = set(re.findall(r"--(?:no-)?((?:network|loss)\.[a-z0-9-]+)", shown))
    groups = {"network": type(tiny).model_fields["network"], "loss": type(tiny).model_fields["loss"]}
    own = {
        f"{group}.{setting.replace('_', '-')}"
        for group, field in groups.items()
        for setting in getattr(field.annotation, "model_fields", ())
    }
    assert flags == own
    assert f"Settings of {tiny.title}" in shown


def test_a_setting_of_another_method_is_refused(tiny: MethodConfig) -> None:
    name = next(name for name, config in RECIPES.items() if config.method.name == tiny.name)
    own = set(type(tiny.network).model_fields)  # pyright: ignore[reportAttributeAccessIssue]
    others = {
        setting
        for kind in METHODS.values()
        for setting in type(kind.tiny().network).model_fields  # pyright: ignore[reportAttributeAccessIssue]
    }
    for setting in sorted(others - own)[:1]:
        flag = f"--network.{setting.replace('_', '-')}"
        with pytest.raises(ConfigError, match=flag):
            read_arguments(["data", "--recipe", name, flag, "1"])


def test_its_settings_survive_json_and_stay_themselves(tiny: MethodConfig, dataset: Path) -> None:
    config = RunConfig.model_validate({"data": dataset, "method": tiny, "image_size": 128})
    assert RunConfig.model_validate(json.loads(config.model_dump_json())) == config
    assert tiny.canonical().canonical() == tiny.canonical()
    assert tiny.summary()


def test_the_readme_has_a_row_for_each_recipe_and_the_method_a_card(tiny: MethodConfig) -> None:
    readme = (ROOT / "README.md").read_text()
    for recipe in tiny.recipes():
        assert f"`{recipe}`" in readme
    card = Path(inspect.getfile(type(tiny))).with_name("README.md").read_text()
    assert tiny.title in card
    assert "nicegan train" in card


ENGLISH = {"cut", "unit"}  # names that are words as well


def test_a_methods_name_is_known_in_its_folder_and_one_line_of_the_registry() -> None:
    """NICE-GAN's name is the package's too; of the others no file outside their folders speaks, but for addresses."""
    source = ROOT / "src" / "nicegan"
    for name, kind in METHODS.items():
        if name == "nicegan":
            continue
        words = re.compile(rf"\b({name}|{re.escape(kind.title)})\b", re.IGNORECASE)
        if name in ENGLISH:  # as it stands in code
            words = re.compile(rf"methods[./]{name}\b|\b{name}-tiny|\"{name}\"|\b{re.escape(kind.title)}\b")
        for path in source.rglob("*.py"):
            inside = path.is_relative_to(source / "methods" / name) or path.name == "registry.py"
            assert inside or not words.search(re.sub(r"https?://\S+", "", path.read_text())), path
    forks = re.compile(r"\bif [a-z_.]*name == \"(" + "|".join(METHODS) + r")\"")
    assert not [path for path in source.rglob("*.py") if forks.search(path.read_text())]


def test_a_run_of_a_method_that_is_not_here_is_one_line(run_config: RunConfig, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.claim(run_config, {})
    content = json.loads(folder.config.read_text())
    content["config"]["method"]["name"] = "longgone"
    folder.config.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"there is no method 'longgone' here; there is 'nicegan', .*") as caught:
        read_arguments(["--resume", str(folder.root)])
    assert "\n" not in str(caught.value)


def test_a_shortage_of_memory_is_said_before_the_first_step(
    run_config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert memory.shortage(run_config, CPU) is None
    monkeypatch.setattr(memory, "free_bytes", lambda device: 2**20)
    assert "training will need about" in (memory.shortage(run_config, CPU) or "")


def test_changes_from_python_keep_the_recipes_other_settings(tiny: MethodConfig) -> None:
    name = list(tiny.recipes())[-1]
    preset = RECIPES[name].method
    group = {"schedule": "constant"}
    changed = nicegan.recipe(name, optimizer=group, network={"base_channels": 8}).method
    assert changed.optimizer == preset.optimizer.model_copy(update=group)
    assert changed.network == preset.network.model_copy(update={"base_channels": 8})
    published = type(tiny).model_validate({}).optimizer
    assert type(tiny).model_validate({"optimizer": {}}).optimizer == published


def test_python_and_the_command_line_agree_in_every_field(tiny: MethodConfig, dataset: Path) -> None:
    """Each setting of the first recipe's groups, given alone on top of the last recipe."""
    first, *_, last = tiny.recipes()
    for group in ("network", "loss", "optimizer"):
        for name, value in getattr(RECIPES[first], group).model_dump().items():
            if value is None or isinstance(value, bool):
                continue
            words = [str(part) for part in value] if isinstance(value, tuple) else [str(value)]
            flag = f"--{group}.{name.replace('_', '-')}"
            said, _ = read_arguments([str(dataset), "--recipe", last, "--image-size", "256", flag, *words])
            assert said == nicegan.recipe(last, data=dataset, image_size=256, **{f"{group}.{name}": value}), flag
            assert getattr(getattr(said, group), name) == value


def test_a_mistake_in_a_group_is_named_by_its_flag(tiny: MethodConfig) -> None:
    with pytest.raises(ConfigError, match=r"^--network\.base-channels: should be greater than 0 \(got -1\)"):
        read_arguments(["data", "--recipe", list(tiny.recipes())[0], "--network.base-channels", "-1"])
