"""What a report says of time."""

import pytest

from nicegan.report.run import minutes_so_far


def test_times_add_up_over_sessions_of_different_speed() -> None:
    slow, fast = {"images_per_second": 2.0}, {"images_per_second": 20.0}
    logged = [{"step": 60.0, **slow}, {"step": 120.0, **slow}, {"step": 720.0, **fast}]
    assert minutes_so_far(logged, 2) == pytest.approx(120 * 2 / 2 / 60 + 600 * 2 / 20 / 60)
