"""How fast a run is, told honestly: only steady steps count, and only against a peak that we know.

Where the time went is told too: at any moment the clock stands in one activity, so that the parts make up the whole.
"""

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

import torch

FIRST_STEPS = 20
"""Steps after each start that do not count: compiling, warming up, filling caches."""
COMPUTING, LOST = "computing", "lost_to_interruptions"


class Clock:
    """Wall time of this process: steady training and everything else, and of the latter what it was."""

    def __init__(self, seconds_before: float, steady: dict[str, Any]) -> None:
        """`seconds_before`: wall time of earlier starts; `steady`: what `state` said at the checkpoint, or {}."""
        self._begin = time.monotonic() - seconds_before
        self._steady_seconds = steady.get("seconds", 0.0)
        self._steady_tokens = steady.get("tokens", 0.0)
        self._steps, self._mark = 0, time.monotonic()
        self._interval_seconds, self._interval_tokens = 0.0, 0
        self._spent: dict[str, float] = dict(steady.get("spent", {}))
        self._activity, self._since = COMPUTING, self._mark

    def seconds(self) -> float:
        """Wall time since the first start, waits between starts excluded."""
        return time.monotonic() - self._begin

    def went_on(self, tokens: int) -> None:
        """Call when the device has finished one more step of so many tokens."""
        now = time.monotonic()
        elapsed, self._mark = now - self._mark, now
        self._interval_seconds += elapsed
        self._interval_tokens += tokens
        if self._steps >= FIRST_STEPS:
            self._steady_seconds += elapsed
            self._steady_tokens += tokens
        self._steps += 1

    def interval(self) -> float:
        """Tokens per second of the steps since the last call."""
        rate = self._interval_tokens / self._interval_seconds if self._interval_seconds > 0 else 0.0
        self._interval_seconds, self._interval_tokens = 0.0, 0
        return rate

    def skip(self) -> None:
        """What happened since the last call (a validation, a save) was not training."""
        self._mark = time.monotonic()

    @contextlib.contextmanager
    def doing(self, activity: str) -> Iterator[None]:
        """What happens inside is this, and not what it is done in the midst of."""
        before = self._switch(activity)
        try:
            yield
        finally:
            self._switch(before)

    def of_which(self, activity: str, seconds: float) -> None:
        """So many of the seconds that were counted as computing were something else."""
        self._add(activity, seconds)
        self._add(COMPUTING, -seconds)

    def spent(self) -> dict[str, float]:
        """Seconds by activity, since the first start; what is missing from `seconds` was lost to interruptions: steps
        after the checkpoint that a later start went on from."""
        self._switch(self._activity)
        lost = max(0.0, self.seconds() - sum(self._spent.values()))
        return {activity: round(seconds, 3) for activity, seconds in (self._spent | {LOST: lost}).items()}

    def _switch(self, activity: str) -> str:
        now, before = time.monotonic(), self._activity
        self._add(before, now - self._since)
        self._activity, self._since = activity, now
        return before

    def _add(self, activity: str, seconds: float) -> None:
        self._spent[activity] = self._spent.get(activity, 0.0) + seconds

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        self._switch(self._activity)
        return {"seconds": self._steady_seconds, "tokens": self._steady_tokens, "spent": dict(self._spent)}

    def summary(
        self, tokens: int, flops_per_token: int, peak: tuple[float, str] | None, processes: int
    ) -> dict[str, Any]:
        """Content of speed.json. `peak`: FLOP/s of one device and who says so; None, if unknown, leaves `mfu` null."""
        seconds = self.seconds()
        rate = self._steady_tokens / self._steady_seconds if self._steady_seconds else None
        return {
            "tokens_per_second": rate,
            "tokens_per_second_counts": f"steps after the first {FIRST_STEPS} of each start; no validation, no saving",
            "goodput_tokens_per_second": tokens / seconds if seconds else None,
            "seconds": seconds,
            "spent": self.spent(),
            "mfu": rate * flops_per_token / (peak[0] * processes) if rate and peak else None,
            "mfu_counts": "6 (N - T d) + 12 L d T FLOPs a token over the dense peak; null for a device of unknown peak",
            "peak_flops": peak[0] if peak else None,
            "peak_source": peak[1] if peak else None,
            "peak_memory_bytes": memory_bytes(),
        }


def memory_bytes() -> int | None:
    """The most memory that this process has held so far: of its GPU, or of the machine; None where nobody says."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
