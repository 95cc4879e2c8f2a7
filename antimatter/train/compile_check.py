"""torch.compile, but not on trust: what it makes must compute what eager mode computes, or eager mode trains.

Compilers have been seen to fail on some machines, and to give NaN on others.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from antimatter.train.device import autocast
from antimatter.train.shards import full

HALF_TOLERANCE, FULL_TOLERANCE, DROPOUT_TOLERANCE = 1e-2, 1e-4, 5e-2
"""Relative difference of the two losses on the trial; with dropout, the compiler draws other random numbers."""
NORM_FACTOR = 10.0
"""Gradient norms may differ by so many times as much: they carry the rounding of both passes."""


def compiled(
    loss: nn.Module,
    trial: Sequence[Tensor],
    precision: str,
    parts: Iterable[nn.Module] = (),
    agree: Callable[[int], int] = lambda value: value,
    compiler: Callable[..., Any] = torch.compile,
) -> tuple[nn.Module, str | None]:
    """(the compiled module, None), or (`loss` as it was, why), for shapes that do not change.

    loss:   a LossOf: the first number that it returns is the objective, a sum over the targets.
    trial:  inputs_BT, targets_BT as training will bring them, then what else it will. Gradients are forgotten.
    parts:  modules in `loss` to be compiled instead, each for itself: the blocks, where `loss` is shared out over
            processes, whose exchange between blocks no compiled graph can hold. `loss` itself is then returned.
    agree:  the least of the numbers that the processes pass to it, all together: one that cannot compile holds for all.
    """
    parts = list(parts)
    # row by row: eager mode needs more memory, and what fits compiled must not fail here
    rows = [(trial[0][i : i + 1], trial[1][i : i + 1], *trial[2:]) for i in range(len(trial[0]))]
    reference = _measure(loss, loss, rows, precision)
    try:
        for part in parts:
            part.forward = compiler(part.forward, dynamic=False)  # type: ignore[method-assign]
        module = loss if parts else compiler(loss, dynamic=False)
        problem = _difference(reference, _measure(loss, module, [trial], precision), _tolerance(loss, precision))
    except Exception as error:  # whatever the compiler lacks here, eager mode trains the same model
        problem = (str(error) or repr(error)).strip().splitlines()[0]
    if agree(int(not problem)):
        return module, None
    for part in parts:
        vars(part).pop("forward", None)
    loss.zero_grad(set_to_none=True)
    return loss, f"torch.compile does not work here ({problem or 'on another process'}); training goes on without it"


def _measure(
    loss: nn.Module, computed: Callable[..., Tensor], passes: Sequence[Sequence[Tensor]], precision: str
) -> tuple[float, float]:
    """Objective of `computed`, a form of `loss`, summed over `passes`; and the norm of its gradient."""
    targets = sum(trial[1].numel() for trial in passes)
    loss.zero_grad(set_to_none=True)
    total = 0.0
    for trial in passes:
        with autocast(trial[0].device.type, precision, keep_casts=False):
            objective = computed(*trial).flatten()[0]
        # between a sum, which may overflow in fp16, and a mean, which vanishes there
        (objective / targets**0.5).backward()
        total += objective.item()
    norm = torch.nn.utils.get_total_norm([p.grad for p in loss.parameters() if p.grad is not None])
    loss.zero_grad(set_to_none=True)
    return total, full(norm).item()


def _tolerance(loss: nn.Module, precision: str) -> float:
    if any(isinstance(module, nn.Dropout) and module.p > 0 for module in loss.modules()):
        return DROPOUT_TOLERANCE
    return FULL_TOLERANCE if precision == "fp32" else HALF_TOLERANCE


def _difference(eager: tuple[float, float], found: tuple[float, float], tolerance: float) -> str:
    """ "" if the objective and gradient norm found are those of eager mode, to `tolerance`."""
    for name, ours, theirs, allowed in zip(
        ("loss", "gradient norm"), eager, found, (tolerance, NORM_FACTOR * tolerance), strict=True
    ):
        # not (a <= b): a NaN is never within; what overflows in eager mode too proves nothing
        if abs(ours) < float("inf") and not abs(theirs - ours) <= allowed * abs(ours):
            return f"its {name} is {theirs:.6g}, that of eager mode {ours:.6g}"
    return ""
