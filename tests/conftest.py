"""What all tests share: no settings from outside."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch):
    """A developer's ANTIMATTER_WORKERS, or the DVC that runs the tests, must not change what is tested."""
    for name in list(os.environ):
        if name.startswith(("ANTIMATTER_", "DVC_")):
            monkeypatch.delenv(name)
