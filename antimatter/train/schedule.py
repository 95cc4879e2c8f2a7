"""The learning rate: a pure function of the step."""

import math

from antimatter.params.train import Train


def learning_rate(settings: Train, step: int) -> float:
    """The rate of optimizer step `step` (counted from 1).

    Linear warm-up that reaches `learning_rate` at step `warmup_steps`, then half a cosine that reaches
    `learning_rate * final_learning_rate_fraction` at the last step.

    >>> settings = Train(steps=100, warmup_steps=10, learning_rate=1.0, final_learning_rate_fraction=0.1)
    >>> [round(learning_rate(settings, step), 3) for step in (1, 5, 10, 55, 100)]
    [0.1, 0.5, 1.0, 0.55, 0.1]
    """
    if step <= settings.warmup_steps:
        return settings.learning_rate * step / settings.warmup_steps
    progress = (step - settings.warmup_steps) / (settings.steps - settings.warmup_steps)
    lowest = settings.final_learning_rate_fraction
    return settings.learning_rate * (lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * progress)))
