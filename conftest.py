"""Which skips are allowed: tests/skips.txt. With ANTIMATTER_STRICT_SKIPS=1 any other one fails the run."""

import os
from pathlib import Path

import pytest

ALLOWED = Path(__file__).parent / "tests" / "skips.txt"


def allowed_skips() -> list[str]:
    """Beginnings of test ids."""
    lines = ALLOWED.read_text(encoding="utf-8").splitlines()
    return [line.split("\t")[0] for line in lines if line.strip() and not line.startswith("#")]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Turn a skip that nobody allowed into a failure."""
    if os.environ.get("ANTIMATTER_STRICT_SKIPS") != "1":
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = [report.nodeid for report in reporter.stats.get("skipped", [])]
    others = [name for name in skipped if not name.startswith(tuple(allowed_skips()) or ("\0",))]
    if others:
        reporter.write_line(f"skipped without leave (tests/skips.txt): {', '.join(others)}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
