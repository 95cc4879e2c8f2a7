"""What all tests share: no settings from outside, no deadlines."""

import os

import pytest
from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("steady")


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch):
    """A developer's ANTIMATTER_WORKERS, or the DVC that runs the tests, must not change what is tested."""
    for name in list(os.environ):
        if name.startswith(("ANTIMATTER_", "DVC_")):
            monkeypatch.delenv(name)
