"""FastCUT's own way: mirrored sources, and no identity term."""

import torch

from nicegan.methods.base import Method
from nicegan.methods.cut.config import CUT, CUTLoss
from nicegan.shapes import Batch, Terms


def built(loss: CUTLoss) -> Method:
    torch.manual_seed(0)
    method = CUT.tiny().model_copy(update={"loss": loss}).build((32, 32)).double()
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.mul_(10)  # weights of 0.02 would make all fakes grey
    return method


def terms(method: Method, batch: Batch, *, mirror: bool) -> Terms:
    phase = method.phases[0]
    noise = list(phase.noise(batch, torch.Generator().manual_seed(1)))
    for index in (10, 21):  # the uniform number of each direction
        noise[index] = torch.tensor([0.1 if mirror else 0.9])
    return phase(batch, tuple(noise))


def test_half_of_the_sources_are_mirrored_and_their_layers_mirrored_back() -> None:
    batch = Batch(*(torch.rand(2, 3, 32, 32, dtype=torch.float64) * 2 - 1 for _ in "ab"))
    plain = built(CUTLoss(patches=16, contrastive=1.0, identity=1.0))
    fast = built(CUTLoss(patches=16, contrastive=1.0, identity=0.0, flip_equivariance=True))
    usual, straight = terms(plain, batch, mirror=False), terms(fast, batch, mirror=False)
    assert set(straight) == {f"{domain}/{kind}" for domain in "AB" for kind in ("patch", "contrastive")}
    for name, term in straight.items():
        torch.testing.assert_close(term, usual[name])
    turned = terms(fast, batch, mirror=True)
    mirrored = terms(fast, Batch(batch.a.flip(3), batch.b.flip(3)), mirror=False)
    for domain in "AB":
        torch.testing.assert_close(turned[f"{domain}/patch"], mirrored[f"{domain}/patch"])
        assert turned[f"{domain}/contrastive"] != straight[f"{domain}/contrastive"]
