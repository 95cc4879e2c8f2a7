"""One request to the hub, and patience with it: what may go better next time, and what never will."""

import contextlib
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from antimatter.collect.errors import MissingSource, SourceError

if TYPE_CHECKING:
    import httpx2

UNREACHABLE = "the hub cannot be reached"
OFFLINE = "HF_HUB_OFFLINE is set"
NO_ANSWER = "the hub answers what cannot be used"

_TRIES = 6
"""In a row without a new byte; with the waits between them about half a minute."""
_LONGEST_WAIT_SECONDS = 32
_LONGEST_REQUESTED_WAIT_SECONDS = 900
"""The hub counts requests over five minutes; who asks for more than this will not serve us today."""
_TIMEOUT_SECONDS = 30.0
"""To connect, and between two pieces of an answer."""

_Result = TypeVar("_Result")


class Dataset(NamedTuple):
    """Some files of a dataset on the hub: what params.yaml says of it."""

    dataset: str
    """owner/name"""
    revision: str
    """The commit, 40 hex digits: a branch would be another dataset tomorrow."""
    patterns: tuple[str, ...]
    """Of paths in the repository (fnmatchcase); * matches / too."""


class Failed(Exception):
    """An attempt that may go better next time."""

    def __init__(self, words: str, cause: str, wait_seconds: int = 0) -> None:
        super().__init__(words)
        self.cause, self.wait_seconds = cause, wait_seconds


class Stopped(Exception):
    """Another file of the same call failed; what is there of this one stays."""


def patiently(
    attempt: Callable[[], _Result],
    what: str,
    progress: Callable[[], int] = lambda: 0,
    stop: threading.Event | None = None,
) -> _Result:
    """The result of the first attempt that succeeds; waits 1, 2, 4 ... seconds, or as long as the hub asks.

    Raises: MissingSource after _TRIES attempts in a row that brought nothing new.
    """
    failures, reached = 0, progress()
    while True:
        try:
            return attempt()
        except Failed as failure:
            now = progress()
            failures, reached = (1 if now > reached else failures + 1), now
            if failures == _TRIES or failure.wait_seconds > _LONGEST_REQUESTED_WAIT_SECONDS:
                tries = "asked once" if failures == 1 else f"asked {failures} times"
                raise MissingSource(f"{what}: {failure} ({tries})", failure.cause) from failure
            seconds = max(failure.wait_seconds, min(2 ** (failures - 1), _LONGEST_WAIT_SECONDS))
            say(f"{what}: {failure}; again in {seconds} s")
        wait_for(seconds, stop or threading.Event())


def wait_for(seconds: float, stop: threading.Event) -> None:
    if stop.wait(seconds):
        raise Stopped


@contextlib.contextmanager
def opened(
    dataset: Dataset, url: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> Iterator["httpx2.Response"]:
    """The answer, not yet read: 200, 206, or 404 where there is no such file or folder in the revision.

    Raises: Failed if it may go better next time, also while the answer is read; SourceError if it will not.
    """
    import httpx2
    from huggingface_hub import get_session
    from huggingface_hub.errors import OfflineModeIsEnabled

    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise MissingSource(f"{label(dataset)} is not in the cache, and HF_HUB_OFFLINE forbids to fetch it", OFFLINE)
    # not build_hf_headers: it asks the hub which programs may be driving this one, and notes the answer in HF_HOME
    everything = {"user-agent": "antimatter", **headers, **_authorization()}
    try:
        # the session leaves the token out where it is sent on to another host, such as that of the large files
        with get_session().stream(
            "GET", url, params=query or None, headers=everything, timeout=_TIMEOUT_SECONDS
        ) as answer:
            _require_success(dataset, answer)
            yield answer
    except httpx2.RequestError as error:
        raise Failed(f"{UNREACHABLE} ({type(error).__name__})", UNREACHABLE) from error
    except OfflineModeIsEnabled as error:  # set in another way, such as TRANSFORMERS_OFFLINE
        raise MissingSource(f"{label(dataset)} is not in the cache, and huggingface_hub is offline", OFFLINE) from error


def _require_success(dataset: Dataset, answer: "httpx2.Response") -> None:
    code, kind = answer.status_code, answer.headers.get("x-error-code", "")
    page = f"{endpoint_of()}/datasets/{dataset.dataset}"
    if code in (200, 206) or (code == 404 and kind == "EntryNotFound"):
        return
    if code in (408, 429) or code >= 500:
        words = "the hub asks to wait (429)" if code == 429 else f"the hub answers {code}"
        raise Failed(words, f"the hub answers {code}", _requested_wait(answer.headers))
    if not kind and answer.history and answer.url.netloc != answer.history[0].url.netloc:
        # the hub sent us on: its signed address ran out, or someone lets us reach the hub and not its storage
        raise Failed(f"the storage of the hub answers {code}", f"the storage of the hub answers {code}")
    if kind == "RevisionNotFound":
        raise SourceError(
            f"{dataset.dataset} has no revision {dataset.revision}; see {page}/commits/main for those it has"
        )
    if kind == "GatedRepo":
        raise SourceError(
            f"{label(dataset)} is gated: accept its terms at {page}, then set HF_TOKEN to a token of that account."
        )
    with_token = "with the token in HF_TOKEN" if _authorization() else "without a token (HF_TOKEN is not set)"
    if code in (401, 403):
        raise SourceError(
            f"{label(dataset)} may not be read {with_token} (the hub answers {code}). There is no such dataset, or it "
            f"is private or gated, or the token is not valid: check its name at {page}, accept its terms there, and "
            "set HF_TOKEN to a token of that account."
        )
    if code == 404:
        raise SourceError(
            f"{label(dataset)} is not there {with_token}: check its name and revision at {page}; they are `dataset` "
            "and `revision` of this source in params.yaml."
        )
    if code < 400 or code in (407, 416):  # no address to go on to, a proxy's password, a file shorter than listed
        raise Failed(f"the answer is {code}", NO_ANSWER)
    raise SourceError(f"{label(dataset)} is refused (the hub answers {code}); see {page}")


def _requested_wait(headers: Mapping[str, str]) -> int:
    from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

    if (value := headers.get("retry-after", "").strip()).isdigit():
        return int(value)
    limit = parse_ratelimit_headers(headers)
    return limit.reset_in_seconds if limit is not None and limit.remaining == 0 else 0


def endpoint_of() -> str:
    """The hub or its mirror, as it is set when we ask: huggingface_hub looks once, when it is imported."""
    endpoint = (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    if not re.fullmatch(r"https?://[\w.-]+(:\d+)?(/[\w./-]*)?", endpoint, re.ASCII):
        raise SourceError(f"HF_ENDPOINT is {endpoint!r}, which is no address; unset it, or set https://...")
    return endpoint


def _authorization() -> dict[str, str]:
    """Never the token that `hf auth login` saved: a corpus must not depend on who is logged in unless that is said."""
    token = os.environ.get("HF_TOKEN", "").strip()
    if not (token.isascii() and token.isprintable()):
        raise SourceError("HF_TOKEN holds characters that no token has (it is not shown here); set it again")
    return {"authorization": f"Bearer {token}"} if token else {}


def label(dataset: Dataset) -> str:
    return f"dataset {dataset.dataset} at {dataset.revision[:12]}"


def say(line: str) -> None:
    sys.stderr.write(line + "\n")  # one write: files are fetched side by side
