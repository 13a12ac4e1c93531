"""TensorBoard's file: one for a run, however often it is resumed, and of bounded size.

Written here and now, not by SummaryWriter: that reopens the file by name in a thread, whose mistakes nobody hears.
"""

from __future__ import annotations

import os
import platform
import struct
import time
from pathlib import Path
from typing import Any

MAX_POINTS = 2000  # of a curve
MAX_PICTURES = 30
PREFIX = "events.out.tfevents."
SAMPLES = "samples"


class Board:
    """Curves and sample grids of a run. A TensorBoard that is kept open sees what a resumed run adds.

    Args:
        folder: of the run's file.
        first_step: where the run goes on; viewers forget what the file holds of later steps.
        num_steps: of the whole run.
    """

    def __init__(self, folder: Path, first_step: int, num_steps: int) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        there = max(folder.glob(f"{PREFIX}*"), default=None)
        self.is_new = there is None
        path = there or folder / f"{PREFIX}{int(time.time()):010}.{platform.node()}.{os.getpid()}"
        if there:
            os.truncate(there, whole_length(there))
        self.records = RecordWriter(path.open("ab"))
        if self.is_new:
            self._write(file_version="brain.Event:2")
        self._write(step=first_step + 1, session_log={"status": "START"})
        self.num_steps = num_steps
        self.next: dict[str, float] = {}

    def pass_over(self, step: int, values: dict[str, float]) -> None:
        """Take note of points that the file holds already."""
        self._fresh(step, values)

    def add(self, step: int, values: dict[str, float]) -> None:
        """Add a point to each curve that has none near this step yet."""
        if new := self._fresh(step, values):
            self._write(step=step, summary={"value": [{"tag": name, "simple_value": new[name]} for name in new]})

    def add_picture(self, step: int, png: Path, size: tuple[int, int]) -> None:
        """Add the sample grid of this step, a PNG of (width, height) pixels, if there is none near it yet."""
        if step >= self.next.get(SAMPLES, 0):
            self.next[SAMPLES] = step + self.num_steps / MAX_PICTURES
            picture = {"width": size[0], "height": size[1], "colorspace": 3, "encoded_image_string": png.read_bytes()}
            self._write(step=step, summary={"value": [{"tag": SAMPLES, "image": picture}]})

    def close(self) -> None:
        self.records.close()

    def _fresh(self, step: int, values: dict[str, float]) -> dict[str, float]:
        new = {name: value for name, value in values.items() if step >= self.next.get(name, 0)}
        self.next |= dict.fromkeys(new, step + self.num_steps / MAX_POINTS)
        return new

    def _write(self, **event: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]

        self.records.write(Event(wall_time=time.time(), **event).SerializeToString())
        self.records.flush()


def whole_length(path: Path) -> int:
    """Return the length in bytes up to the last whole record: a kill may have cut the next one short."""
    size, end = path.stat().st_size, 0
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:
            after = end + 8 + 4 + struct.unpack("<Q", head)[0] + 4  # length, its checksum, content, its checksum
            if after > size:
                break
            end = after
            file.seek(end)
    return end
