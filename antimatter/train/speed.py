"""How fast a run is, told honestly: only steady steps count, and only against a peak that we know."""

import sys
import time
from typing import Any

import torch

FIRST_STEPS = 20
"""Steps after each start that do not count: compiling, warming up, filling caches."""


class Clock:
    """Wall time of this process, split into steady training and everything else."""

    def __init__(self, seconds_before: float, steady: dict[str, float]) -> None:
        """`seconds_before`: wall time of earlier starts; `steady`: what `state` said at the checkpoint, or {}."""
        self._begin = time.monotonic() - seconds_before
        self._steady_seconds = steady.get("seconds", 0.0)
        self._steady_tokens = steady.get("tokens", 0.0)
        self._steps, self._mark = 0, time.monotonic()
        self._interval_seconds, self._interval_tokens = 0.0, 0

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

    def state(self) -> dict[str, float]:
        """What a checkpoint keeps."""
        return {"seconds": self._steady_seconds, "tokens": self._steady_tokens}

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
