"""Going back: where the run restarts, which data it does not read again, how fast it learns from there on.

    step      0 ........ target_step ................ trigger_step
    cursor               skip_from |--- never read again, skip_beyond steps past the trigger ---| skip_to

The step after the target reads from skip_to, at `rate` times the scheduled rate. Steps, cursors and rates are pure
functions of the interventions so far: a run that resumes, or one that starts from the target with the same list, reads
the same samples at the same rates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from antimatter.errors import AntiMatterError
from antimatter.params.train import Guard

LOWEST_RATE = 1 / 8
"""However often the run goes back, the rate stays above this fraction of the schedule."""
CROWDED_STEPS = 2000
"""Computed steps in which the run goes back at most twice."""


class GuardGaveUp(AntiMatterError, ArithmeticError):
    """The loss is lost and nothing is left to try. The message says what happened, what was tried, what to do."""


@dataclass(frozen=True)
class Intervention:
    """One time that the run went back."""

    number: int
    """From 1, in the order in which they happened."""
    reason: str
    trigger_step: int
    target_step: int
    """The checkpoint that training went on from; 0 is the model's first weights."""
    skip_from: int
    """Global samples [skip_from, skip_to) are not read after it; none in mode threshold, which skips no data."""
    skip_to: int
    rate: float
    """Factor on the scheduled rate from here on."""

    def __str__(self) -> str:
        skipped = self.skip_to - self.skip_from
        data = f"without the next {skipped} samples" if skipped else "with the same data"
        return (
            f"{self.number}. at step {self.trigger_step} ({self.reason}) back to step {self.target_step}, {data}, "
            f"learning rate x {self.rate:g}"
        )


def cursor_of_step(step: int, batch: int, interventions: Sequence[Intervention]) -> int:
    """The global sample that step `step` (from 1) begins with; it reads `batch` of them.

    >>> back = Intervention(1, "spike", trigger_step=900, target_step=700, skip_from=5600, skip_to=7712, rate=0.5)
    >>> [cursor_of_step(step, 8, [back]) for step in (700, 701, 702)]
    [5592, 7712, 7720]
    """
    last = _governing(step, interventions)
    return last.skip_to + (step - last.target_step - 1) * batch if last else (step - 1) * batch


def rate_multiplier(settings: Guard, step: int, interventions: Sequence[Intervention]) -> float:
    """Factor on the scheduled rate of step `step`: 1 in a run that never went back.

    >>> back = Intervention(1, "spike", trigger_step=900, target_step=700, skip_from=5600, skip_to=7712, rate=0.5)
    >>> [rate_multiplier(Guard(rewarm_steps=100), step, [back]) for step in (700, 701, 750, 800, 5000)]
    [1.0, 0.005, 0.25, 0.5, 0.5]
    """
    last = _governing(step, interventions)
    if last is None:
        return 1.0
    return last.rate * min(1.0, (step - last.target_step) / max(1, settings.rewarm_steps))


def next_intervention(
    settings: Guard,
    so_far: Sequence[Intervention],
    reason: str,
    trigger_step: int,
    stable_steps: Sequence[int],
    batch: int,
) -> Intervention:
    """How the run goes back from `trigger_step`.

    The target is the newest stable checkpoint; in mode full at least `distance` steps before the trigger, and older
    than the last target if that one led into the same trouble (a trigger at most `distance` steps past the former one).
    If there is none such, it is the oldest stable one: hours of sound training are worth more than a rule. Without any
    the run starts anew from its seed (in mode full on other data).

    stable_steps: checkpoints on disk that have proved sound, in any order; those at or after the trigger do not count.
    Raises:       GuardGaveUp after `most_rollbacks` interventions, or after two within the last 2,000 computed steps.
    """
    why = _exhausted(settings, so_far, trigger_step)
    if why:
        raise gave_up(reason, trigger_step, why, so_far)
    before = trigger_step
    if settings.mode == "full":
        before = trigger_step + 1 - max(1, settings.distance)
        if so_far and trigger_step <= so_far[-1].trigger_step + settings.distance:
            before = min(before, so_far[-1].target_step)
    earlier = [step for step in stable_steps if step < trigger_step]
    target = max((step for step in earlier if step < before), default=min(earlier, default=0))
    skip_from = cursor_of_step(target + 1, batch, so_far)
    skip_to = skip_from
    if settings.mode == "full":
        skip_to = cursor_of_step(trigger_step, batch, so_far) + (1 + settings.skip_beyond) * batch
    rate = (so_far[-1].rate if so_far else 1.0) * settings.rate_factor
    return Intervention(
        number=len(so_far) + 1,
        reason=reason,
        trigger_step=trigger_step,
        target_step=target,
        skip_from=skip_from,
        skip_to=skip_to,
        rate=max(LOWEST_RATE, rate),
    )


def gave_up(reason: str, step: int, why: str, so_far: Sequence[Intervention]) -> GuardGaveUp:
    """The error for a run that ends at `step` because of `reason`; `why` says what keeps it from going back."""
    tried = f"Tried before: {'; '.join(map(str, so_far))}. " if so_far else ""
    return GuardGaveUp(
        f"step {step}: {reason}. The run ends here: {why}. {tried}Look at what these steps read (`antimatter trace "
        f"--step {step}`). If the data is sound, lower train.learning_rate, raise train.warmup_steps, set "
        f"train.z_loss to 1e-4 or model.qk_norm to true; in fp16, try train.precision bf16 or fp32."
    )


def _governing(step: int, interventions: Sequence[Intervention]) -> Intervention | None:
    """The latest intervention, in time, that lies before `step`."""
    return next((i for i in reversed(interventions) if i.target_step < step), None)


def _exhausted(settings: Guard, so_far: Sequence[Intervention], trigger_step: int) -> str | None:
    if settings.most_rollbacks == 0:
        return "train.guard.most_rollbacks is 0"
    if len(so_far) >= settings.most_rollbacks:
        times = "once" if len(so_far) == 1 else f"{len(so_far)} times"
        return f"it went back {times} already, which is all that train.guard.most_rollbacks allows"
    if len(so_far) >= 2:
        computed = (so_far[-1].trigger_step - so_far[-2].target_step) + (trigger_step - so_far[-1].target_step)
        if computed <= CROWDED_STEPS:  # computed, not counted: a long way back is no crowding
            return f"it went back twice within the last {computed} steps that it computed"
    return None
