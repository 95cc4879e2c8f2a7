"""The learning rate, a pure function of the step; how many steps a budget makes; when a plateau lowers the rate."""

import dataclasses
import math
from fractions import Fraction
from typing import Any

from antimatter.errors import AntiMatterError
from antimatter.params.train import Train


class ContradictorySettings(AntiMatterError, ValueError):
    """Group `train` cannot be trained by; the message lists every reason."""


def learning_rate(settings: Train, step: int, lowered: float = 1.0) -> float:
    """The rate of optimizer step `step` (counted from 1).

    Linear warm-up that reaches `learning_rate` at step `warmup_steps`, then `settings.schedule`. Cosine, linear and wsd
    end, at the last step, at `learning_rate * final_learning_rate_fraction`. lowered: what Plateau.factor says.

    >>> settings = Train(steps=100, warmup_steps=10, learning_rate=1.0, final_learning_rate_fraction=0.1)
    >>> [round(learning_rate(settings, step), 3) for step in (1, 5, 10, 55, 100)]
    [0.1, 0.5, 1.0, 0.55, 0.1]
    """
    if step <= settings.warmup_steps:
        return settings.learning_rate * step / settings.warmup_steps * lowered
    shape = {"cosine": cosine, "linear": linear, "wsd": wsd, "constant": constant, "plateau": constant}
    return settings.learning_rate * shape[settings.schedule](settings, step) * lowered


def cosine(settings: Train, step: int) -> float:
    """Half a cosine, from 1 at the end of warm-up (Loshchilov and Hutter 2017, arXiv 1608.03983).

    >>> settings = Train(steps=110, warmup_steps=10, final_learning_rate_fraction=0.2)
    >>> [round(cosine(settings, step), 3) for step in (10, 35, 60, 110)]
    [1.0, 0.883, 0.6, 0.2]
    """
    progress = (step - settings.warmup_steps) / (settings.steps - settings.warmup_steps)
    lowest = settings.final_learning_rate_fraction
    return lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * progress))


def linear(settings: Train, step: int) -> float:
    """A straight line, from 1 at the end of warm-up.

    >>> settings = Train(steps=110, warmup_steps=10, final_learning_rate_fraction=0.2)
    >>> [round(linear(settings, step), 3) for step in (10, 35, 60, 110)]
    [1.0, 0.8, 0.6, 0.2]
    """
    return _line(settings, step, settings.warmup_steps)


def wsd(settings: Train, step: int) -> float:
    """1, then a straight line over the last `decay_fraction` of all steps, at least over the last step.

    Source: Haegele et al. 2024, arXiv 2405.18392: until it falls, a run can still be prolonged.

    >>> settings = Train(steps=100, warmup_steps=10, decay_fraction=0.2, final_learning_rate_fraction=0.1)
    >>> [round(wsd(settings, step), 3) for step in (11, 80, 90, 100)]
    [1.0, 1.0, 0.55, 0.1]
    """
    begin = min(settings.steps * (1 - settings.decay_fraction), settings.steps - 1)
    return _line(settings, step, max(begin, settings.warmup_steps))


def constant(settings: Train, step: int) -> float:
    """1. What a plateau lowers comes on top."""
    return 1.0


def _line(settings: Train, step: int, begin: float) -> float:
    """1 up to step `begin`, the final fraction at the last one."""
    if step <= begin:
        return 1.0
    lowest = settings.final_learning_rate_fraction
    return lowest + (1 - lowest) * (1 - (step - begin) / (settings.steps - begin))


class Plateau:
    """Lowers the rate when `plateau_patience` validations in a row brought nothing; with other schedules, never.

    >>> settings = Train(schedule="plateau", plateau_patience=2, plateau_factor=0.5, plateau_improvement=0.01)
    >>> plateau = Plateau(settings)
    >>> for loss in (3.0, 2.995, 2.991):  # too little is nothing
    ...     plateau.validated(loss)
    >>> plateau.factor
    0.5
    """

    def __init__(self, settings: Train) -> None:
        self._settings = settings
        self.factor = 1.0
        """What the rate is multiplied by: never below final_learning_rate_fraction."""
        self._best = math.inf
        self._waited = 0

    def validated(self, loss: float) -> None:
        """Take note of a validation. A loss counts as better if it lies more than `plateau_improvement` nats below the
        last one that did; NaN never does."""
        settings = self._settings
        if settings.schedule != "plateau":
            return
        if loss < self._best - settings.plateau_improvement:
            self._best, self._waited = loss, 0
            return
        self._waited += 1
        if self._waited == settings.plateau_patience:
            self.factor = max(self.factor * settings.plateau_factor, settings.final_learning_rate_fraction)
            self._waited = 0

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, ready for JSON."""
        best = None if math.isinf(self._best) else self._best
        return {"factor": self.factor, "best": best, "waited": self._waited}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of state."""
        self.factor, self._waited = state["factor"], state["waited"]
        self._best = math.inf if state["best"] is None else state["best"]


def resolved(settings: Train, windows: int) -> Train:
    """`settings` with a budget of tokens or epochs as steps, rounded up.

    windows: samples of `sequence_length` tokens in one pass over the training tokens.
    Raises: ContradictorySettings listing everything that does not fit together.

    >>> resolved(Train(steps=0, epochs=2.5, batch_tokens=1024, sequence_length=256, warmup_steps=9), windows=100).steps
    63
    """
    problems, made = list(settings.problems()), settings
    if windows < 1:
        problems.append(
            f"the training tokens are shorter than one sample of sequence_length {settings.sequence_length}"
        )
    elif settings.batch_sequences:
        made = dataclasses.replace(settings, steps=_steps(settings, windows), tokens=0, epochs=0.0)
        problems += made.problems()
    if problems:
        budget = {"tokens": settings.tokens, "epochs": settings.epochs}
        said = "".join(f" ({name} {n:g} make {made.steps} steps)" for name, n in budget.items() if n and made.steps)
        raise ContradictorySettings(f"train{said}: {'; '.join(dict.fromkeys(problems))}. Change it in params.yaml.")
    return made


def _steps(settings: Train, windows: int) -> int:
    if settings.tokens:
        return -(-settings.tokens // settings.batch_tokens)
    if settings.epochs:
        # as it is written: 0.1 is a tenth, not the binary fraction beside it, which may round up to one step more
        return math.ceil(Fraction(repr(settings.epochs)) * windows / settings.batch_sequences)
    return settings.steps
