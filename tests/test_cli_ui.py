"""antimatter ui before any server runs: ports, and when a browser may be opened."""

import argparse
import socket

import pytest

from antimatter import cli_ui


@pytest.fixture
def taken():
    with socket.socket() as listener:
        listener.bind((cli_ui.HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_in_use_is_named_and_so_is_a_free_one(taken):
    with pytest.raises(cli_ui.PortInUse, match=f"port {taken} .*is in use") as caught:
        cli_ui.require_free(taken)
    proposed = int(str(caught.value).partition("--port ")[2].partition("`")[0])
    assert proposed > taken
    cli_ui.require_free(proposed)


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"BROWSER": "firefox"}, "linux", True),
        ({"DISPLAY": ":0", "CI": "true"}, "linux", False),
        ({}, "darwin", True),
        ({"SSH_CONNECTION": "a b"}, "darwin", False),
    ],
)
def test_a_browser_is_opened_only_where_somebody_looks(environment, platform, expected):
    assert cli_ui.may_open(environment, platform) is expected


@pytest.mark.parametrize("argument", ["0", "65536", "many", "-1", "٣"])
def test_what_is_no_port_is_refused_by_the_command_line(argument):
    parser = argparse.ArgumentParser()
    cli_ui.add_ui(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--port", argument])
