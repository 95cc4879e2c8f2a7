"""How fast a run is, told honestly: only steady steps count, and only against a peak that we know."""

import time
from typing import Any

FIRST_STEPS = 20
"""Steps after each start that do not count: compiling, warming up, filling caches."""


class Clock:
    """Wall time of this process, split into steady training and everything else."""

    def __init__(self, seconds_before: float, steady: dict[str, float]) -> None:
        """`seconds_before`: wall time of earlier starts; `steady`: what `state` said at the checkpoint, or {}."""
        self._begin = time.monotonic() - seconds_before
        self._steady_seconds = steady.get("seconds", 0.0)
        self._steady_tokens = steady.get("tokens", 0.0)
        self._steps, self._mark, self._last = 0, time.monotonic(), 0.0

    def seconds(self) -> float:
        """Wall time since the first start, waits between starts excluded."""
        return time.monotonic() - self._begin

    def went_on(self, steps: int, tokens: int) -> float:
        """Call when the device has finished `steps` more steps; returns their tokens per second."""
        now = time.monotonic()
        elapsed, self._mark = now - self._mark, now
        if self._steps >= FIRST_STEPS:
            self._steady_seconds += elapsed
            self._steady_tokens += tokens
        self._steps += steps
        return tokens / elapsed if elapsed > 0 else 0.0

    def skip(self) -> None:
        """What happened since the last call (a validation, a save) was not training."""
        self._mark = time.monotonic()

    def state(self) -> dict[str, float]:
        """What a checkpoint keeps."""
        return {"seconds": self._steady_seconds, "tokens": self._steady_tokens}

    def summary(self, tokens: int, flops_per_token: int, peak: float | None, processes: int) -> dict[str, Any]:
        """Content of speed.json. `peak`: FLOP/s of one device, or None if unknown, which leaves `mfu` null."""
        seconds = self.seconds()
        rate = self._steady_tokens / self._steady_seconds if self._steady_seconds else None
        return {
            "tokens_per_second": rate,
            "tokens_per_second_counts": f"steps after the first {FIRST_STEPS} of each start; no validation, no saving",
            "goodput_tokens_per_second": tokens / seconds if seconds else None,
            "seconds": seconds,
            "mfu": rate * flops_per_token / (peak * processes) if rate and peak else None,
            "mfu_counts": "6 (N - T d) + 12 L d T FLOPs a token over the dense peak; null for a device of unknown peak",
        }
