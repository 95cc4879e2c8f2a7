"""Cross-entropy, summed over tokens in nats: fp32 whatever the precision of the matrix products.

Axis letters: N tokens (batch and time together), D width, V vocabulary.
Two ways to one number. `cross_entropy` makes all logits at once: on GPUs the compiler fuses what follows. On a CPU
78 % of the demo model's bf16 step was then passes over and fills of such large arrays (profiled), so
`linear_cross_entropy` works in small chunks and makes the logits a second time for the gradient.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from antimatter.model import AntiMatter

CHUNK_LOGITS = 1 << 20
"""Logits made at a time by linear_cross_entropy: 4 MB of fp32, near the size of a core's own cache."""


class LossOf(nn.Module):
    """A model and its loss as one module: what DDP wraps and torch.compile fuses."""

    def __init__(self, model: AntiMatter, chunked: bool) -> None:
        super().__init__()
        self.model, self.chunked = model, chunked

    def forward(self, inputs_BT: Tensor, targets_BT: Tensor) -> Tensor:
        """int64 [B, T] twice -> scalar fp32: sum over B T targets of -ln p(target), nats."""
        return token_losses(self.model, inputs_BT, targets_BT, self.chunked).sum()


def token_losses(model: AntiMatter, inputs_BT: Tensor, targets_BT: Tensor, chunked: bool) -> Tensor:
    """-ln p(target) for each target, fp32 [B T], nats."""
    if not chunked:
        return cross_entropy(model(inputs_BT).flatten(0, 1), targets_BT.flatten())
    weight_VD = model.head_weight[: model.config.vocabulary_size]
    return linear_cross_entropy(model.hidden(inputs_BT).flatten(0, 1), weight_VD, targets_BT.flatten())


def cross_entropy(logits_NV: Tensor, targets_N: Tensor) -> Tensor:
    """-ln softmax(logits)[target], fp32 [N]."""
    return F.cross_entropy(logits_NV.float(), targets_N, reduction="none")


def linear_cross_entropy(hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor) -> Tensor:
    """cross_entropy(hidden weight', targets), fp32 [N], without ever holding all N V logits.

    The products run in the autocast precision. Gradients start from the incoming one (the fp16 loss scale included)
    in fp32 and are rounded once, as in the two-step form: kernels that form them in the forward pass, before the
    scale is known, lose up to 8 % in fp16.
    """
    device = hidden_ND.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        hidden_ND, weight_VD = hidden_ND.to(dtype), weight_VD.to(dtype)
    losses_N: Tensor = _LinearCrossEntropy.apply(hidden_ND, weight_VD, targets_N)  # type: ignore[no-untyped-call]
    return losses_N


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden_ND, weight_VD, targets_N):  # type: ignore[no-untyped-def]
        ctx.save_for_backward(hidden_ND, weight_VD, targets_N)
        chunk = max(16, CHUNK_LOGITS // len(weight_VD))
        losses = []
        for hidden_CD, targets_C in zip(hidden_ND.split(chunk), targets_N.split(chunk), strict=True):
            log_probabilities_CV = torch.log_softmax((hidden_CD @ weight_VD.T).float(), -1)
            losses.append(-log_probabilities_CV.gather(1, targets_C[:, None])[:, 0])
        return torch.cat(losses)

    @staticmethod
    def backward(ctx, gradient_N):  # type: ignore[no-untyped-def]
        hidden_ND, weight_VD, targets_N = ctx.saved_tensors
        chunk = max(16, CHUNK_LOGITS // len(weight_VD))
        hidden_gradient_ND = torch.empty_like(hidden_ND)
        weight_gradient_VD = torch.zeros_like(weight_VD, dtype=torch.float32)
        for start in range(0, len(hidden_ND), chunk):
            rows = slice(start, start + chunk)
            logits_CV = torch.softmax((hidden_ND[rows] @ weight_VD.T).float(), -1)
            logits_CV.scatter_add_(1, targets_N[rows, None], torch.full_like(gradient_N[rows, None], -1.0))
            logits_CV = logits_CV.mul_(gradient_N[rows, None]).to(weight_VD.dtype)
            torch.mm(logits_CV, weight_VD, out=hidden_gradient_ND[rows])
            weight_gradient_VD += logits_CV.T @ hidden_ND[rows]
        return hidden_gradient_ND, weight_gradient_VD.to(weight_VD.dtype), None
