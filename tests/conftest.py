"""What all tests share: no settings from outside, no deadlines."""

import os
import shutil

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


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium of this machine, driven by Playwright; both are optional.

    Not for the whole session: while Playwright is open, nobody else can run an event loop in this thread.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no Chromium")
    with playwright.sync_playwright() as driver:
        # root, and a container's 64 MB of /dev/shm, need the two flags
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()
