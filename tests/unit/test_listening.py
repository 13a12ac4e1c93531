"""A port that cannot be had is one line that says the way out."""

import pytest

from nicegan.errors import ConfigError
from nicegan.listening import open_port


def test_a_port_in_use_is_said_with_the_way_out() -> None:
    with open_port("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        expected = f"127.0.0.1, port {port}: Address already in use; choose another --host or"
        with pytest.raises(ConfigError, match=expected):
            open_port("127.0.0.1", port)
    with pytest.raises(ConfigError, match="choose another --host"):
        open_port("nowhere.invalid", 0)
