"""Muon: momentum whose matrices are made orthogonal before they are applied, so that no direction dominates a step.

Source: Jordan et al. 2024 (kellerjordan.github.io/posts/muon); scaled by 0.2 sqrt(max(rows, columns)) as in Liu et al.
2025, arXiv 2502.16982, section 2.2: an entry then moves about as far as AdamW moves it (root mean square 0.2), and
AdamW's rate and decay can be kept.
"""

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from antimatter.train.device import choose_precision
from antimatter.train.shards import full, shared_out_like

QUINTIC = (3.4445, -4.7750, 2.0315)
"""x -> a x + b x^3 + c x^5, steep at 0: five times over, singular values from 0.01 to 1 end between about 0.7 and 1.2.
That is not exactly 1, and Jordan found that training does not mind."""
ITERATIONS = 5
SMALLEST_NORM = 1e-7


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal; decoupled weight decay.

    Each group of `groups` names its "params", matrices, and may name "parts": each matrix then is so many matrices on
    top of one another (3 for packed queries, keys and values), and each of them is made orthogonal for itself.
    `found_inf`, if set, is an fp32 scalar on the device: where it is 1, `step` leaves weights and momentum as they
    are, to the bit, as torch's fused kernels do.
    """

    found_inf: Tensor | None = None

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "parts": 1})
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.dim() != 2 or parameter.shape[0] % group["parts"]:
                    raise ValueError(f"Muon needs {group['parts']} equal matrices, not {tuple(parameter.shape)}")
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group["parts"], group["lr"], group["momentum"], group["weight_decay"])

    def _move(self, weights: nn.Parameter, parts: int, rate: float, keep: float, decay: float) -> None:
        gradient, momentum = weights.grad, self.state[weights]["momentum"]
        assert gradient is not None
        new_momentum = momentum.lerp(gradient, 1 - keep)
        # a matrix cannot be made orthogonal by shards: every process does the whole of it, then keeps its own shard
        whole = full(gradient.lerp(new_momentum, keep))
        dtype = iteration_dtype(whole.device)
        directions = torch.cat([orthogonal(part, dtype) for part in whole.chunk(parts)])
        rows, columns = whole.shape[0] // parts, whole.shape[1]
        step = shared_out_like(directions.to(weights.dtype), weights)
        farther = 0.2 * math.sqrt(max(rows, columns))
        new_weights = (weights * (1 - rate * decay)).add_(step, alpha=-rate * farther)
        if self.found_inf is not None:
            # chosen, not multiplied by 0: what is skipped may hold NaN
            skip = self.found_inf.to(weights.device) > 0
            new_momentum = torch.where(skip, momentum, new_momentum)
            new_weights = torch.where(skip, weights, new_weights)
        momentum.copy_(new_momentum)
        weights.copy_(new_weights)


def orthogonal(matrix: Tensor, dtype: torch.dtype) -> Tensor:
    """Nearly U V^T of `matrix` = U S V^T, in `dtype`, by Newton-Schulz iterations: matrix products alone.

    The singular values that replace S are QUINTIC of S / |matrix|, five times over.
    """
    a, b, c = QUINTIC
    wide = matrix.to(dtype)
    if matrix.shape[0] > matrix.shape[1]:
        wide = wide.mT  # the smaller of the two products with the transpose
    wide = wide / wide.norm().clamp(min=SMALLEST_NORM)
    for _ in range(ITERATIONS):
        gram = wide @ wide.mT
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide.mT if matrix.shape[0] > matrix.shape[1] else wide


def iteration_dtype(device: torch.device) -> torch.dtype:
    """bf16 where the device multiplies it in hardware, else fp32; fp16 has too little range for the quintic's b."""
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        fast = choose_precision("auto", device.type) == "bf16"
    return torch.bfloat16 if fast else torch.float32
