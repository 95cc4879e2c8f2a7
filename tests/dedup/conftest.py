"""For tests that run a stage, or a pass of it."""

import pytest


@pytest.fixture
def one_worker(monkeypatch, tmp_path):
    """Work in this process and in a folder of its own; a test may ask for more workers itself."""
    monkeypatch.setenv("ANTIMATTER_WORKERS", "1")
    monkeypatch.chdir(tmp_path)
