"""Rare-token balancing: the weight of a target by how often its token occurs in training.

    w_v = clip(((1 - b) / (1 - b^n_v))^a / Z, lowest, highest)      b = 1 - 1 / effective_number, a = strength * ramp
    Z   so that sum_v p_v w_v = 1 after clipping: the mean weight of a training target is 1, as without balancing

n_v are occurrences in training, p_v = n_v / sum n. An entry that never occurred (n = 0) weighs `highest`.
ramp is 0 in warm-up, rises to 1 at a tenth of the run, and falls to 0 over the last fifth, so that the final model is
calibrated.

class_balanced takes n_v from the tokens on disk. dynamic takes n_v = c_v * (tokens on disk), where c_v is a moving
average of the shares seen in training, 0.999 a step, brought up to date every 100 steps:

    c <- m c + (1 - m) counts / sum counts      m = 0.999^100; the first 100 steps: c = counts / sum counts

Sources: effective numbers, Cui et al. 2019, arXiv 1901.05555; running counts, Jiang et al. 2019, arXiv 1902.09191.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from antimatter.params.train import Balance, Train

ABSORB_EVERY = 100
"""Steps after which the counts of all processes are absorbed."""
KEPT = 0.999**ABSORB_EVERY
FULL_AT, FALLS_FROM = 0.1, 0.8
"""Shares of the run: the ramp is full from the first to the second."""
HALVINGS = 64
"""Of the interval that holds ln Z: beyond the last bit of fp64."""


class TokenBalance:
    """Weights of one run. Every process holds equal ones: they depend on the step and on counts that all share."""

    def __init__(self, settings: Train, counts_V: NDArray[np.int64]) -> None:
        """settings.steps must be known. counts_V: int64 [V], occurrences in the training split.

        Raises ValueError if balancing is on and there are none.
        """
        balance = settings.token_balance
        if balance.mode != "off" and not counts_V.sum():
            raise ValueError("train.token_balance weighs tokens by their occurrences in training, and there are none")
        self._settings, self._balance, self._tokens = settings, balance, float(counts_V.sum())
        self._counts_V = counts_V.astype(np.float64) if balance.mode == "class_balanced" else None
        self._last: tuple[float, NDArray[np.float32]] | None = None

    def weights(self, step: int) -> NDArray[np.float32] | None:
        """fp32 [V] for step `step` (from 1); None where all weights are 1: mode off, ramp 0, or no counts yet.

        While they stay the same, the same array comes back; nobody may write to it.
        """
        exponent = self._balance.strength * ramp(self._settings, step)
        if self._counts_V is None or exponent == 0:
            return None
        if self._last is None or self._last[0] != exponent:
            self._last = exponent, balanced(self._counts_V, exponent, self._balance).astype(np.float32)
        return self._last[1]

    def absorb(self, counts_V: NDArray[np.int64]) -> None:
        """dynamic: take in the targets of the last ABSORB_EVERY steps, int64 [V], of all processes together."""
        if self._balance.mode != "dynamic" or not counts_V.sum():
            return
        fresh_V = counts_V * (self._tokens / counts_V.sum())
        self._counts_V = fresh_V if self._counts_V is None else KEPT * self._counts_V + (1 - KEPT) * fresh_V
        self._last = None

    def state(self) -> dict[str, NDArray[np.float64]]:
        """What a checkpoint must hold: the moving average of dynamic, once there is one."""
        if self._balance.mode != "dynamic" or self._counts_V is None:
            return {}
        return {"counts": self._counts_V}  # never written to in place: a thread may save it

    def restore(self, state: Mapping[str, NDArray[np.float64]]) -> None:
        """Go on from `state`."""
        if self._balance.mode == "dynamic":
            self._counts_V = state.get("counts")
            self._last = None


def ramp(settings: Train, step: int) -> float:
    """Share of the strength at step `step`: 0 in warm-up, 1 from a tenth of the run, 0 at its end.

    With a warm-up longer than a tenth of the run, the whole strength follows it at once.
    """
    if step <= settings.warmup_steps:
        return 0.0
    rising = FULL_AT * settings.steps - settings.warmup_steps
    risen = (step - settings.warmup_steps) / rising if rising > 0 else 1.0
    left = (settings.steps - step) / ((1 - FALLS_FROM) * settings.steps)
    return max(0.0, min(1.0, risen, left))


def balanced(counts_V: NDArray[np.float64], exponent: float, balance: Balance) -> NDArray[np.float64]:
    """fp64 [V]: the weights w_v above for a = `exponent`. Z is found by bisection: equal input gives equal bytes."""
    effective, lowest, highest = balance.effective_number, balance.lowest, balance.highest
    with np.errstate(divide="ignore"):  # n = 0 is infinitely rare, then clipped
        raw_V = (-np.expm1(counts_V * np.log1p(-1 / effective)) * effective) ** -exponent
    order = np.argsort(raw_V, kind="stable")[: np.count_nonzero(counts_V)]  # inf stands last
    rising, shares = raw_V[order], counts_V[order] / counts_V.sum()
    # sums up to each place: a mean for one Z then costs two look-ups, not a pass over V
    share_before, raw_before = (np.concatenate([[0.0], np.cumsum(part)]) for part in (shares, shares * rising))
    low, high = np.log(rising[0] / highest), np.log(rising[-1] / lowest)  # all are highest .. all are lowest
    for _ in range(HALVINGS):
        z = np.exp((low + high) / 2)
        i, j = np.searchsorted(rising, [lowest * z, highest * z])
        middle = (raw_before[j] - raw_before[i]) / z
        mean = lowest * share_before[i] + middle + highest * (share_before[-1] - share_before[j])
        low, high = (np.log(z), high) if mean > 1 else (low, np.log(z))
    weights_V: NDArray[np.float64] = np.clip(raw_V / np.exp(high), lowest, highest)
    return weights_V
