"""antimatter ui around the server: ports, when a browser may be opened, and how all of it ends."""

import argparse
import signal
import socket
import subprocess

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


def test_a_worker_that_outlives_the_server_is_ended_too():
    family = "trap '' TERM; sleep 600 & trap - TERM; echo started; wait"  # the child ignores SIGTERM
    process = subprocess.Popen(["sh", "-c", family], start_new_session=True, stdout=subprocess.PIPE)
    process.stdout.readline()
    cli_ui._end(process)
    process.communicate(timeout=20)  # the end of its output: nobody holds it any more


@pytest.fixture
def signals():
    """What each signal does, put back after the test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield lambda: {number: signal.getsignal(number) for number in before}
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("nohup", [False, True])
def test_the_server_ends_with_its_terminal_unless_nohup_asked_otherwise(monkeypatch, signals, nohup):
    real = subprocess.Popen
    monkeypatch.setattr(cli_ui.subprocess, "Popen", lambda *_, **more: real(["sleep", "600"], start_new_session=True))
    if nohup:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    before = signals()
    with pytest.raises(KeyboardInterrupt), cli_ui.server("sqlite:///nowhere.db", 5000) as process:
        assert signals()[signal.SIGHUP] is (signal.SIG_IGN if nohup else cli_ui._interrupt)
        signal.raise_signal(signal.SIGTERM)
    assert process.returncode is not None
    assert signals() == before
