"""SpikeGuard: what is done about a loss or a gradient that explodes.

    each step      thresholds() -> the device leaves the update out if loss or norm is above, or not finite
    a step later   observe(what it was like) -> go on | skip (it was left out) | rollback | stop
    at a rollback  go_back() -> Intervention: which checkpoint, which data is skipped, which rate (interventions.py)

Mode full judges by median and median absolute deviation of the last accepted steps. What was left out never enters
those windows, so an outlier cannot hide the next one; the price, that a lasting jump is left out again and again, is
bounded by a budget. A loss above 3 x its moving average, the specification's rule, cannot see a jump of less than
6 nats at a loss of 3.2, or one that takes its time; mode threshold has that rule alone.

Pure Python on floats that are equal on all processes: every process takes the same decision.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal, NamedTuple

from antimatter.params.train import Guard
from antimatter.train.interventions import (
    GuardGaveUp,
    Intervention,
    cursor_of_step,
    gave_up,
    next_intervention,
    rate_multiplier,
)
from antimatter.train.robust import Window

__all__ = [
    "GuardGaveUp",
    "Intervention",
    "Seen",
    "SpikeGuard",
    "Verdict",
    "cursor_of_step",
    "rate_multiplier",
]

LEAST_ACCEPTED = 64
"""Accepted steps before medians mean something (or a full window, if that is shorter)."""
HEALTHY_DEVIATION = 3.0
"""A step is healthy when loss and norm lie less than so many robust standard deviations above their medians."""
LOSS_FLOOR, NORM_FLOOR = 0.01, 0.25
"""Least robust standard deviation, in nats and in log-norm. A flat loss (a huge batch, a text known by heart) has next
to none, and its noise would be called a spike: at 8 deviations, nothing below +0.08 nats is one. A floor, no summand:
at the usual noise of 0.03 nats the limit stays at +0.24. Norms are clipped and have heavy tails, up to 6 x the median
and 13 deviations in small healthy runs: at 8 deviations, nothing below 7.4 x the median is a spike."""
MOST_OVERFLOWS = 20
"""Steps in a row without finite gradients, after which no loss scale will help."""
BUDGET, BUDGET_STEPS = 10, 1000
"""Updates that may be left out: one in a hundred, over so many steps."""
AVERAGING = 0.98
"""Of the moving average."""
LATEST = 16
"""Raw losses whose median a lasting shift shows in."""


_LOWEST_LOG, _HIGHEST_LOG = -700.0, 700.0  # what exp can take back


@dataclass(frozen=True)
class Seen:
    """What one optimizer step was like, over all processes."""

    step: int
    loss: float
    """Nats per token, unweighted."""
    norm: float
    """Of the gradient, before clipping."""
    overflow: bool
    """fp16: the gradient is not finite, the loss is."""
    skipped: bool
    """The device left the update out."""
    scale: float | None
    """fp16: the loss scale of this step."""


class Verdict(NamedTuple):
    """What follows from a step; the reason is a clause for the log, empty when the run simply goes on."""

    action: Literal["go on", "skip", "rollback", "stop"]
    reason: str = ""


class SpikeGuard:
    """The guard of one run. `interventions`: the times it went back already, which no restore undoes."""

    def __init__(self, settings: Guard, interventions: Sequence[Intervention] = ()) -> None:
        self.settings = settings
        self.interventions = tuple(interventions)
        self._losses, self._log_norms = Window(settings.window), Window(settings.window)
        self._latest: deque[float] = deque(maxlen=LATEST)  # raw: with what was left out
        self._average, self._averaged = 0.0, 0  # before correction for its start at 0; steps in it
        self._overflows, self._lost_losses = 0, 0  # in a row
        self._left_out: deque[int] = deque()  # steps, within the budget's reach
        self._healthy: deque[int] = deque(maxlen=settings.healthy_steps)  # the last healthy steps
        self._sick = 0  # the last step that must not lie between a checkpoint and its promotion
        self._limits: _Limits | None = None

    def thresholds(self) -> tuple[float, float]:
        """Highest loss and norm of an update that is made, by the steps observed so far; inf where no rule is active.

        An update whose loss or norm is not finite is never made, in any mode.
        """
        if self.settings.mode != "full":
            return math.inf, math.inf
        limits = self._limits_now()
        return limits.loss, limits.norm

    def observe(self, seen: Seen) -> Verdict:
        """Judge a step by those before it, and remember it. After "rollback" or "stop" the guard is spent: restore what
        the target knew (or make a new one, if that is step 0), or end the run."""
        made = not seen.skipped and math.isfinite(seen.loss) and math.isfinite(seen.norm)
        self._count(seen, made)
        verdict = self._verdict(seen, made)
        if verdict.action == "go on":
            self._accept(seen)
        elif not seen.overflow or verdict.action != "skip":  # the scaler's search for a scale is no sickness
            self._sick = seen.step
        return verdict

    @property
    def average(self) -> float:
        """Moving average of the accepted losses, corrected for its start; inf before the first."""
        return self._average / (1 - AVERAGING**self._averaged) if self._averaged else math.inf

    @property
    def last_sick(self) -> int:
        """The last step that was left out or worse; 0: none. A checkpoint before it has not proved sound."""
        return self._sick

    def stable(self, step: int, now: int) -> bool:
        """Whether a checkpoint of `step` has proved sound by step `now`: enough healthy steps since, no sick one.

        A step a little out of line, or one that overflowed in fp16, is neither: it just does not count.
        """
        enough = len(self._healthy) == self._healthy.maxlen and step < self._healthy[0] and self._healthy[-1] <= now
        return enough and self._sick <= step

    def go_back(self, reason: str, trigger_step: int, stable_steps: Sequence[int], batch: int) -> Intervention:
        """Choose where to go back to (interventions.next_intervention) and add it to `interventions`.

        Raises GuardGaveUp when the limits are exhausted.
        """
        made = next_intervention(self.settings, self.interventions, reason, trigger_step, stable_steps, batch)
        self.interventions += (made,)
        return made

    def gave_up(self, reason: str, step: int) -> GuardGaveUp:
        """The error that ends the run after the verdict "stop"."""
        why = f"going back does not heal this in train.guard.mode {self.settings.mode}"
        return gave_up(reason, step, why, self.interventions)

    def state(self) -> dict[str, Any]:
        """All that later verdicts depend on, but settings and interventions; for JSON, which has no NaN."""
        return {
            "losses": self._losses.values(),
            "log_norms": self._log_norms.values(),
            "latest": list(self._latest),
            "average": self._average,
            "averaged": self._averaged,
            "overflows": self._overflows,
            "lost_losses": self._lost_losses,
            "left_out": list(self._left_out),
            "healthy": list(self._healthy),
            "sick": self._sick,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """The inverse of state. Interventions stay: what a checkpoint does not know happened all the same."""
        self._losses = Window(self.settings.window, state["losses"])
        self._log_norms = Window(self.settings.window, state["log_norms"])
        self._latest = deque(state["latest"], maxlen=LATEST)
        self._average, self._averaged = state["average"], state["averaged"]
        self._overflows, self._lost_losses = state["overflows"], state["lost_losses"]
        self._left_out = deque(state["left_out"])
        self._healthy = deque(state["healthy"], maxlen=self.settings.healthy_steps)
        self._sick = state["sick"]
        self._limits = None

    def _count(self, seen: Seen, made: bool) -> None:
        if math.isfinite(seen.loss):
            self._latest.append(seen.loss)
            self._lost_losses = 0
        else:
            self._lost_losses += 1
        # until the first update a high initial scale may halve as often as it must
        seeking = self._averaged == 0 and seen.scale is not None and seen.scale > 1.0
        if math.isfinite(seen.norm):
            self._overflows = 0
        elif not (seen.overflow and seeking):
            self._overflows += 1
        while self._left_out and self._left_out[0] <= seen.step - BUDGET_STEPS:
            self._left_out.popleft()
        if not made and not seen.overflow:
            self._left_out.append(seen.step)

    def _verdict(self, seen: Seen, made: bool) -> Verdict:
        mode, lost = self.settings.mode, not math.isfinite(seen.loss)
        if mode == "off" and (lost or not (math.isfinite(seen.norm) or seen.overflow)):
            return Verdict("stop", f"loss {seen.loss:g}, gradient norm {seen.norm:g}: not finite")
        if mode == "threshold" and lost:  # NaN > x is false: the rule alone would not notice
            return Verdict("rollback", f"loss {seen.loss:g}")
        if mode == "full" and self._lost_losses > 1:  # one may be the data's; lost weights lose every loss
            return Verdict("rollback", f"loss {seen.loss:g}, not finite twice running")
        jump = self._jump(seen) if mode != "off" and not lost else None
        if jump:
            return Verdict("rollback", jump)
        no_scale = self._no_scale(seen)
        if no_scale:
            return Verdict("rollback" if mode == "full" else "stop", no_scale)
        if made:
            return Verdict("go on")
        why = self._why_left_out(seen)
        lately = self._left_out_lately()
        if mode == "full" and lately > BUDGET:
            return Verdict(
                "rollback", f"{lately} updates were left out within {BUDGET_STEPS} steps, the last one: {why}"
            )
        return Verdict("skip", why)

    def _jump(self, seen: Seen) -> str | None:
        """Why the loss makes the run go back, if it does."""
        settings, average = self.settings, self.average
        # what is known by heart has a loss near 0, whose noise is a multiple of it
        least = 0.0 if settings.mode == "threshold" else average + settings.lasting_shift
        if seen.loss > settings.spike_multiple * average and seen.loss > least:
            return f"loss {seen.loss:.4g} is above {settings.spike_multiple:g} x its moving average {average:.4g}"
        if settings.mode == "full":
            latest, usual = median(self._latest), self._limits_now().median
            if latest > usual + settings.lasting_shift:
                return f"the last {LATEST} losses have the median {latest:.4g}, the accepted ones before {usual:.4g}"
        return None

    def _no_scale(self, seen: Seen) -> str | None:
        if self._overflows >= MOST_OVERFLOWS:
            at = "" if seen.scale is None else f", loss scale {seen.scale:g}"
            return f"gradients were not finite in {self._overflows} steps in a row{at}"
        if seen.scale is not None and seen.scale < 1.0:
            return f"the fp16 loss scale fell to {seen.scale:g}"
        return None

    def _why_left_out(self, seen: Seen) -> str:
        if seen.overflow:
            return "fp16 overflow"
        limits, deviation = self._limits_now(), f"{self.settings.skip_deviation:g} robust deviations above the median"
        if seen.loss > limits.loss:
            return f"loss {seen.loss:.4g} is above {limits.loss:.4g}, {deviation}"
        if seen.norm > limits.norm:
            return f"gradient norm {seen.norm:.4g} is above {limits.norm:.4g}, {deviation}"
        return f"loss {seen.loss:g}, gradient norm {seen.norm:g}"

    def _left_out_lately(self) -> int:
        """Updates left out within the budget's reach; going back opens a new one, for other data at a lower rate."""
        since = self.interventions[-1].target_step if self.interventions else 0
        return sum(step > since for step in self._left_out)

    def _accept(self, seen: Seen) -> None:
        log_norm, limits = _log(seen.norm), self._limits_now()
        if seen.loss < limits.healthy_loss and log_norm < limits.healthy_log_norm:
            self._healthy.append(seen.step)
        self._losses.push(seen.loss)
        self._log_norms.push(log_norm)
        self._average = AVERAGING * self._average + (1 - AVERAGING) * seen.loss
        self._averaged += 1
        self._limits = None

    def _limits_now(self) -> "_Limits":
        if self._limits is None:
            self._limits = self._compute_limits()
        return self._limits

    def _compute_limits(self) -> "_Limits":
        if len(self._losses) < min(LEAST_ACCEPTED, self.settings.window):
            return _Limits(math.inf, math.inf, math.inf, -math.inf, -math.inf)  # nothing is sick yet, nor healthy
        loss, loss_spread = self._losses.median(), max(self._losses.spread(), LOSS_FLOOR)
        log_norm, norm_spread = self._log_norms.median(), max(self._log_norms.spread(), NORM_FLOOR)
        deviation = self.settings.skip_deviation
        return _Limits(
            median=loss,
            loss=loss + deviation * loss_spread,
            norm=math.exp(min(log_norm + deviation * norm_spread, _HIGHEST_LOG)),
            healthy_loss=loss + HEALTHY_DEVIATION * loss_spread,
            healthy_log_norm=log_norm + HEALTHY_DEVIATION * norm_spread,
        )


class _Limits(NamedTuple):
    median: float
    loss: float
    norm: float
    healthy_loss: float
    healthy_log_norm: float


def _log(norm: float) -> float:
    return max(math.log(norm), _LOWEST_LOG) if norm > 0 else _LOWEST_LOG
