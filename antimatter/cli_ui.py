"""antimatter ui: MLflow's server on this machine alone, and the browser on the comparison of the runs."""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

from antimatter.errors import AntiMatterError

HOST = "127.0.0.1"
PATIENCE = 120.0
"""Seconds that the server may take to answer before the browser is left to the user."""
_GRACE = 10.0  # seconds to end in


class PortInUse(AntiMatterError):
    """Another process listens there, or the system gives it to nobody; the message names a free one."""


class ServerEnded(AntiMatterError):
    """MLflow's server stopped by itself."""


def add_ui(ui: argparse.ArgumentParser) -> None:
    """antimatter ui [--port N] [--no-open]"""
    ui.add_argument("--port", type=_port, default=5000, metavar="N", help="default 5000")
    ui.add_argument("--no-open", action="store_true", help="print the link, leave the browser alone")
    ui.set_defaults(run=_ui)


def _ui(options: argparse.Namespace) -> None:
    from antimatter import tracking_store, tracking_view

    uri = tracking_store.tracking_uri()
    remote = uri.startswith(("http://", "https://"))
    if not remote:
        require_free(options.port)  # before MLflow is imported, which takes seconds
    client = tracking_store.connect(uri)
    experiment = tracking_store.experiment_id(client, uri)
    base = uri.rstrip("/") if remote else f"http://{HOST}:{options.port}"
    print(f"runs in {uri}")
    for view in (tracking_view.MODELS, tracking_view.EVALUATIONS):
        tracking_view.publish(client, experiment, view)
        print(f"\n{view.words}\n  {tracking_view.link(base, experiment, view)}")
    page = tracking_view.link(base, experiment, tracking_view.MODELS)
    wanted = not options.no_open and may_open(os.environ, sys.platform)
    if remote:  # that server is up already
        if wanted:
            open_browser(page)
        return
    print("\nCtrl-C ends it.", flush=True)
    try:
        with server(uri, options.port) as process:
            if wanted and answers(process, base):
                open_browser(page)
            status = process.wait()
    except KeyboardInterrupt:  # the way to end it, so no failure
        return
    raise ServerEnded(f"MLflow's server ended with status {status}; what it said stands above.")


def require_free(port: int) -> None:
    """Raises PortInUse, with the next free port, if a server could not listen there."""
    problem = _problem(port)
    if problem is None:
        return
    for other in range(max(port + 1, 1024), 65536):
        if _problem(other) is None:
            raise PortInUse(
                f"port {port} of {HOST} {problem}. `antimatter ui --port {other}` takes the next free one."
                + (" Does another `make ui` run?" if problem == "is in use" else "")
            )
    raise PortInUse(f"port {port} of {HOST} {problem}, and so do all above it. Choose one with --port.")


def _problem(port: int) -> str | None:
    """Why nobody can listen there."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that ended a moment ago is no reason
        try:
            listener.bind((HOST, port))
        except PermissionError:
            return "is reserved for the system"
        except OSError:
            return "is in use"
    return None


def may_open(environment: Mapping[str, str], platform: str) -> bool:
    """Whether a browser can be opened where this user looks: not in CI, not on a machine without a display."""
    if environment.get("CI"):
        return False
    if environment.get("BROWSER"):
        return True
    if platform == "darwin":
        return "SSH_CONNECTION" not in environment
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def open_browser(page: str) -> None:
    """In a process of its own: a browser may block, or write to the terminal, for as long as it likes."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.Popen([sys.executable, "-m", "webbrowser", page], start_new_session=True, **quiet)  # type: ignore[call-overload]


@contextlib.contextmanager
def server(uri: str, port: int) -> Iterator[Any]:
    """MLflow's server; it and its workers end with this block, also by SIGTERM and with the terminal."""
    # the jobs of its GenAI half cost 0.9 GB and serve nothing here
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment |= {"PYTHONWARNINGS": "ignore", "MLFLOW_LOGGING_LEVEL": "WARNING"}
    command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", uri, "--host", HOST, "--port", str(port)]
    command += ["--registry-store-uri", uri, "--workers", "1", "--uvicorn-opts", "--log-level warning"]
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if before[number] != signal.SIG_IGN:  # nohup asked for it
            signal.signal(number, _interrupt)
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        yield process
    finally:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave a worker behind
        _end(process)
        for number, handler in before.items():
            signal.signal(number, handler)


def answers(process: Any, base: str) -> bool:
    """Wait until the server answers; False if it ended or took longer than PATIENCE."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy knows nothing of this machine
    give_up = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < give_up:
        try:
            with direct.open(f"{base}/health", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    return False


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _end(process: Any) -> None:
    """The server's whole family: it has a group of its own, so that Ctrl-C reaches it here alone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # workers may outlive the one that started them
    process.wait()


def _port(argument: str) -> int:
    if not (argument.isascii() and argument.isdigit() and 1 <= int(argument) <= 65535):
        raise argparse.ArgumentTypeError(f"{argument} is no port: expected 1 to 65535")
    return int(argument)
