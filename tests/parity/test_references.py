"""The plain steps that speed is measured against do the published steps' work: their gradients, at their weights.

A reference registers its parameters in the order of the published files, so that neither needs the other's names.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from nicegan.bench.sides import load_reference
from tests.parity.golden import DOUBLE_TOLERANCE, ROOT, Golden, golden_folders, misses

CLIPPED_AT = 5.0  # the norm of the gradient of DRIT's discriminator of contents
Settings = dict[str, Any]
Weights = dict[str, dict[str, Tensor]]  # by network and parameter, as published


class Case(NamedTuple):
    """How a golden folder is read: the reference's settings, weights by network, and random tensors by their order."""

    network: Callable[[Settings], Settings]
    files: dict[str, str]  # file -> network, or what is put before the names of the networks in it
    networks: str
    random: str = ""


def scales(given: Settings, channels: str) -> Settings:
    return {
        "discriminator_channels": given[channels],
        "discriminator_layers": given["dis_layers"],
        "discriminator_scales": given["dis_scales"],
    }


def of_ugatit(given: Settings) -> Settings:
    named = {"base_channels": given["ch"], "blocks": given["n_res"], "global_layers": 7, "local_layers": 5}
    return named | {
        "summary": "pooled" if given["light"] else "flat",
        "image_size": (given["height"], given["width"]),
    }


def of_unit(given: Settings) -> Settings:
    return {"base_channels": given["dim"], "blocks": given["n_res"], **scales(given, "dis_dim")}


def of_munit(given: Settings) -> Settings:
    return of_unit(given) | {"style_features": given["style_dim"], "mlp_features": given["mlp_dim"]}


def of_cut(given: Settings) -> Settings:
    named = {"base_channels": given["ngf"], "discriminator_channels": given["ndf"], "blocks": given["blocks"]}
    return named | {"patch_features": given["netF_nc"]}


def of_drit(given: Settings) -> Settings:
    named = {"base_channels": given["dim"], "blocks": 4, "content_layers": 3, "style_features": given["nz"]}
    return named | scales(given, "dim") | {"style_input": "concatenated" if given["concat"] else "mixed"}


PAIRS = {"gen_00000001.pt": "gen_", "dis_00000001.pt": "dis_"}
CASES = {
    "ugatit": Case(of_ugatit, {"params.pt": ""}, "genA2B genB2A disGA disGB disLA disLB"),
    "unit": Case(
        of_unit, PAIRS, "gen_a gen_b dis_a dis_b",
        "noise/d_a noise/d_b noise/g_a noise/g_b noise/g_a_recon noise/g_b_recon",
    ),
    "munit": Case(of_munit, PAIRS, "gen_a gen_b dis_a dis_b", "style/d_s_a style/d_s_b style/s_a style/s_b"),
    "cut": Case(
        of_cut, {f"latest_net_{net}.pth": net for net in "GDF"}, "G D F",
        " ".join(f"patch_ids/{call}_{layer}" for call in ("nce", "nce_y") for layer in range(5)),
    ),
    "drit": Case(
        of_drit, {"00000.pth": ""}, "disA disB disA2 disB2 disContent enc_c enc_a gen",
        "noise/real_A noise/real_B eps/real_A eps/real_B z_random noise/fake_A noise/fake_B eps/fake_A eps/fake_B",
    ),
}  # fmt: skip
FOLDERS = [(name, folder) for name in CASES for folder in golden_folders(name)]
pytestmark = pytest.mark.skipif(not FOLDERS, reason="no golden numbers: set NICEGAN_SHARED or NICEGAN_GOLDEN")


def published_weights(case: Case, folder: Path) -> Weights:
    """Return the stored tensors, without those of normalisations that no one uses and filters."""
    found: Weights = {}
    for file, name in case.files.items():
        content = torch.load(folder / file, weights_only=True)
        nested = any(isinstance(value, dict) for value in content.values())
        found |= {f"{name}{part}": content[part] for part in content} if nested else {name: content}
    unused = ("running_mean", "running_var", "num_batches_tracked", "filt")
    return {
        net: {key: value for key, value in state.items() if not key.endswith(unused)}
        for net, state in found.items()
        if isinstance(state, dict)
    }


def fill(module: nn.Module, state: dict[str, Tensor]) -> dict[str, nn.Parameter]:
    """Give a module the published tensors; returns its parameters by their published names."""
    vectors = [name for name in state if name.endswith(("weight_u", "weight_v"))]
    ours = [buffer for name, buffer in module.named_buffers() if name.endswith(("weight_u", "weight_v"))]
    parameters = dict(zip([name for name in state if name not in vectors], module.parameters(), strict=True))
    for name, tensor in [*parameters.items(), *zip(vectors, ours, strict=True)]:
        assert tensor.shape == state[name].shape, name
        tensor.data.copy_(state[name])
    return parameters


def recorded(run: Callable[[], object]) -> dict[int, Iterator[Tensor]]:
    """Return the gradients that optimizers see while something runs, by the address of the parameter.

    The optimizers move nothing: golden gradients are all of one set of weights.
    """
    seen: dict[int, list[Tensor]] = {}

    def look(optimizer: torch.optim.Optimizer, *_: object) -> None:
        (group,) = optimizer.param_groups
        group["lr"] = 0.0
        for parameter in group["params"]:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
            seen.setdefault(id(parameter), []).append(gradient)

    hook = register_optimizer_step_pre_hook(look)
    try:
        run()
    finally:
        hook.remove()
    return {address: iter(gradients) for address, gradients in seen.items()}


def published_gradients(golden: Golden) -> dict[str, Tensor]:
    """Return the gradients by phase, network and parameter, in the order of the phases, clipped where they are."""
    expected = {}
    for phase in ("d", "dc", "g", "g2"):
        group = golden.group(f"{phase}_grad/", double=bool(golden.double))
        norm = golden.expected.get(f"{phase}_grad_norm")
        share = 1.0 if norm is None else min(1.0, CLIPPED_AT / norm.item())
        expected |= {f"{phase}/{key}": share * value for key, value in group.items()}
    return expected


@pytest.mark.parametrize(("name", "folder"), FOLDERS, ids=[folder.name for _, folder in FOLDERS])
def test_every_phase_has_the_published_gradients(name: str, folder: Path) -> None:
    golden, case = Golden(folder), CASES[name]
    reference = load_reference(ROOT / f"benchmarks/reference_{name}.py").ReferenceStep(case.network(golden.config))
    stored, names = published_weights(case, folder), case.networks.split()
    assert set(stored) == set(names)
    modules = [module.double() for module in reference.modules()]
    parameters = {net: fill(module, stored[net]) for net, module in zip(names, modules, strict=False)}
    images = [golden.expected[f"real_{domain}"].double() for domain in "AB"]
    random = [golden.expected[key] for key in case.random.split() if key in golden.expected]
    random = [tensor.double() if tensor.is_floating_point() else tensor for tensor in random]
    for _ in range(getattr(reference, "steps_of_a_cycle", 1) - 1):
        recorded(lambda: reference(*images))
    found = recorded(lambda: reference(*images, random))
    expected = published_gradients(golden)
    ours = {}
    for key in expected:
        _, net, parameter = key.split("/")
        ours[key] = next(found[id(parameters[net][parameter])])
    assert {key.partition("/")[2] for key in expected} == {f"{net}/{name}" for net in names for name in parameters[net]}
    assert not misses(ours, expected, DOUBLE_TOLERANCE)
