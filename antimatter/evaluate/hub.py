"""Is the hub there? Asked once, before libraries that would try for minutes."""

import os
from functools import cache

PATIENCE_SECONDS = 10.0


@cache
def is_reachable() -> bool:
    """Whether the hub of Hugging Face (or HF_ENDPOINT) answers, whatever it says. False where the user is offline by
    choice (HF_HUB_OFFLINE): what was fetched before can still be read."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return False
    import httpx2

    try:
        httpx2.head(os.environ.get("HF_ENDPOINT") or "https://huggingface.co", timeout=PATIENCE_SECONDS)
    except (httpx2.HTTPError, httpx2.InvalidURL):
        return False
    return True
