"""Any config.json gets an answer: a run, or one line; never a traceback.

NICEGAN_KILLS says how many are tried, NICEGAN_KILL_SEED which.
"""

import json
import os
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from tests.faults.test_kills import SEED

from nicegan.errors import ConfigError
from nicegan.recipes import recipe
from nicegan.run_config import METHOD_GROUPS, RunConfig
from nicegan.run_folder import RunFolder

TRIED = settings(
    max_examples=20 * int(os.environ.get("NICEGAN_KILLS", "6")),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
WHOLE = recipe("nicegan-tiny", data="photos").model_dump(mode="json")
METHOD = WHOLE["method"]
PLACES = [
    *((name,) for name in (*WHOLE, *METHOD_GROUPS)),  # the groups at the top: the form of version 0.1.0
    *(("method", name) for name in METHOD),
    *(("method", part, name) for part in METHOD_GROUPS for name in METHOD[part]),
]
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, 1, 2, 7, 48, 64, 10**9])
WORDS = st.text(max_size=5) | st.sampled_from(["cam", "local", "flat", "both", "independent", "plain", "auto"])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)


def changed(changes: dict[tuple[str, ...], Any]) -> dict[str, Any]:
    config = json.loads(json.dumps(WHOLE))
    for (*parts, name), value in changes.items():
        place = config
        for part in parts:
            place = place[part] if isinstance(place.get(part), dict) else {}
        place[name] = value
    return config


@TRIED
@seed(SEED)
@given(changes=st.dictionaries(st.sampled_from(PLACES), VALUES, min_size=1, max_size=3))
def test_a_changed_configuration_is_a_run_or_one_line(changes: dict[tuple[str, ...], Any], tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.config.write_text(json.dumps({"format_version": 1, "config": changed(changes)}))
    try:
        config = folder.read_config()
    except ConfigError as problem:
        assert "\n" not in str(problem)
        return
    assert isinstance(config, RunConfig)
    if config.method.network.base_channels <= 16 and config.method.network.blocks <= 8 and max(config.size) <= 128:
        config.method.build(config.size)


@TRIED
@seed(SEED)
@given(content=st.binary(max_size=40) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_other_content_is_one_line(content: bytes, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.config.write_bytes(content)
    try:
        folder.read_config()
    except ConfigError as problem:
        assert "cannot be read" in str(problem)
        assert "\n" not in str(problem)
    else:
        raise AssertionError("no such content is a configuration")
