"""When an update is recorded, replayed or computed eagerly; on a GPU, tests/gpu compares the numbers."""

from collections.abc import Callable

import torch

from nicegan.device import Machine
from nicegan.distributed import ProcessGroup
from nicegan.run_config import RunConfig
from nicegan.shapes import Batch
from nicegan.training.graphs import WARM_UP_CALLS, Part, Parts, RecordedUpdate, Update
from nicegan.training.step import why_no_graphs


class PretendRecorder:
    """Replays by doing the work again into the tensors of the first result, as a CUDA graph does."""

    def __init__(self, failure: str = "") -> None:
        self.failure = failure
        self.log: list[str] = []

    def warm_up(self, work: Callable[[], Update]) -> Update:
        self.log.append("warm-up")
        return work()

    def record(self, work: Callable[[], Update]) -> tuple[Callable[[], None], Update]:
        if self.failure:
            raise RuntimeError(self.failure)
        self.log.append("record")
        result = Update({"sum": torch.zeros(())}, torch.zeros(1), [{}])

        def replay() -> None:
            self.log.append("replay")
            terms, numbers, _ = work()
            result.terms["sum"].copy_(terms["sum"])
            result.numbers.copy_(numbers)

        return replay, result


def images(value: float, size: int = 1) -> Parts:
    """One part, whose noise and fakes have the value too: 24 + 1 + 1 numbers."""
    batch = Batch(*(torch.full((size, 3, 2, 2), value) for _ in "ab"))
    return [Part(batch, (torch.full((), value),), {"B": torch.full((), value)})]


def update(parts: Parts) -> Update:
    ((batch, (noise,), fakes),) = parts
    summed = batch.a.sum() + batch.b.sum() + noise + fakes["B"]
    return Update({"sum": summed}, summed[None], [fakes])


def test_the_first_calls_warm_up_and_later_ones_replay_with_their_own_images_noise_and_fakes() -> None:
    recorder = PretendRecorder()
    recorded = RecordedUpdate(update, recorder)
    sums = [recorded(images(float(value))).terms["sum"].item() for value in range(1, 7)]
    assert sums == [26.0 * value for value in range(1, 7)]
    assert recorder.log == ["warm-up"] * WARM_UP_CALLS + ["record"] + ["replay"] * 3


def test_another_shape_is_computed_eagerly_and_the_recording_goes_on() -> None:
    recorder = PretendRecorder()
    recorded = RecordedUpdate(update, recorder)
    for _ in range(WARM_UP_CALLS + 1):
        recorded(images(1.0))
    assert recorded(images(1.0, size=2)).terms["sum"] == 50
    assert recorded(images(2.0)).terms["sum"] == 52
    assert recorder.log.count("replay") == 2


def test_what_cannot_be_recorded_is_computed_eagerly_and_says_why() -> None:
    recorded = RecordedUpdate(update, PretendRecorder("operation not permitted\nwhen stream is capturing"))
    sums = [recorded(images(1.0)).terms["sum"].item() for _ in range(6)]
    assert sums == [26.0] * 6
    assert recorded.problem == "operation not permitted when stream is capturing"


class Pair(ProcessGroup):
    size = 2


def test_graphs_are_for_one_process_on_a_gpu(tiny_run: RunConfig) -> None:
    gpu, cpu = (Machine(torch.device(name), "float32") for name in ("cuda", "cpu"))
    assert why_no_graphs(tiny_run, gpu, ProcessGroup()) is None
    assert why_no_graphs(tiny_run, cpu, ProcessGroup()) == "they are for NVIDIA GPUs, and this run is on cpu"
    assert why_no_graphs(tiny_run, gpu, Pair()) == "2 processes"
    assert why_no_graphs(tiny_run.model_copy(update={"cuda_graphs": False}), gpu, ProcessGroup()) == "--no-cuda-graphs"
