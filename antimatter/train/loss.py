"""What a model pays for its targets, in nats: fp32 from the logits on, whatever the precision of the matrix products.

Axis letters: B batch, T tokens, N = B T tokens flat, C tokens of a chunk, D width, V vocabulary.

    nll        -ln p(target): what is logged and validated
    objective  w ((1 - e) nll - e mean_V ln p + z ln^2 sum_V exp logit): what is trained;
               e label smoothing, z z-loss, w weight of the target's token

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
    """A model and its loss as one module: what DDP and FSDP wrap and torch.compile fuses.

    boundary: the token that begins a document; targets then are predicted from their own document alone. None: from
    everything before them.
    """

    def __init__(
        self,
        model: AntiMatter,
        chunked: bool,
        label_smoothing: float = 0.0,
        z_loss: float = 0.0,
        boundary: int | None = None,
    ) -> None:
        super().__init__()
        self.model, self.chunked, self.boundary = model, chunked, boundary
        self.label_smoothing, self.z_loss = label_smoothing, z_loss

    def forward(
        self, inputs_BT: Tensor, targets_BT: Tensor, weights_V: Tensor | None = None, each: bool = False
    ) -> Tensor:
        """Sums over the targets that count, those >= 0 (a negative one is padding).

        inputs_BT, targets_BT: int64 [B, T]. weights_V: fp32 [V], weight of a target by its token; None: all 1.
        Returns: fp32 [4]: objective (it alone carries a gradient), nll, weights, number of targets.
                 each=True: the nll of every single target, fp32 [N], 0 where it does not count.
        """
        documents_BT = None if self.boundary is None else (inputs_BT == self.boundary).cumsum(1)
        targets_N = targets_BT.flatten()
        ignored_N = targets_N < 0
        targets_N = targets_N.clamp(min=0)
        objective_N, nll_N = losses(
            self.model, inputs_BT, targets_N, self.chunked, self.label_smoothing, self.z_loss, documents_BT
        )
        nll_N = nll_N.masked_fill(ignored_N, 0.0)  # filled, not multiplied: padding may cost inf
        if each:
            return nll_N
        weight_N = torch.ones_like(nll_N) if weights_V is None else weights_V[targets_N]
        weight_N = weight_N.masked_fill(ignored_N, 0.0)
        objective = (objective_N.masked_fill(ignored_N, 0.0) * weight_N).sum()
        return torch.stack([objective, nll_N.sum(), weight_N.sum(), (~ignored_N).sum().float()])


def token_losses(model: AntiMatter, inputs_BT: Tensor, targets_BT: Tensor, chunked: bool) -> Tensor:
    """-ln p(target) for each target, fp32 [N], nats. Every target counts."""
    return losses(model, inputs_BT, targets_BT.flatten(), chunked)[1]


def losses(
    model: AntiMatter,
    inputs_BT: Tensor,
    targets_N: Tensor,
    chunked: bool,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    documents_BT: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """(objective, nll) of each target before weights, fp32 [N] both; nll is detached.

    Raises ValueError for label smoothing or z-loss with an adaptive softmax, which never makes all logits.
    """
    if model.adaptive is not None and (label_smoothing or z_loss):
        raise ValueError(f"label_smoothing {label_smoothing}, z_loss {z_loss}: an adaptive softmax has neither")
    hidden_ND = model.hidden(inputs_BT, documents_BT).flatten(0, 1)
    if model.adaptive is not None:
        nll_N = model.adaptive.losses(hidden_ND, targets_N)
        return nll_N, nll_N.detach()
    if not chunked:
        return cross_entropy(model.logits(hidden_ND), targets_N, label_smoothing, z_loss)
    weight_VD = model.head_weight[: model.config.vocabulary_size]
    return linear_cross_entropy(hidden_ND, weight_VD, targets_N, label_smoothing, z_loss)


def cross_entropy(
    logits_NV: Tensor, targets_N: Tensor, label_smoothing: float = 0.0, z_loss: float = 0.0
) -> tuple[Tensor, Tensor]:
    """(objective, nll) of each target, fp32 [N] both; nll is detached."""
    logits_NV = logits_NV.float()
    if not label_smoothing and not z_loss:
        nll_N = F.cross_entropy(logits_NV, targets_N, reduction="none")
        return nll_N, nll_N.detach()
    total_N = logits_NV.logsumexp(-1)
    correct_N = logits_NV.gather(1, targets_N[:, None])[:, 0]
    objective_N = total_N - (1 - label_smoothing) * correct_N - label_smoothing * logits_NV.mean(-1)
    return objective_N + z_loss * total_N.square(), (total_N - correct_N).detach()


def linear_cross_entropy(
    hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, label_smoothing: float = 0.0, z_loss: float = 0.0
) -> tuple[Tensor, Tensor]:
    """cross_entropy(hidden weight', targets, ...) without ever holding all N V logits.

    The products run in the autocast precision. Gradients start from the incoming one (the fp16 loss scale included)
    in fp32 and are rounded once, as in the two-step form: kernels that form them in the forward pass, before the
    scale is known, lose up to 8 % in fp16.
    """
    device = hidden_ND.device.type
    if torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
        hidden_ND, weight_VD = hidden_ND.to(dtype), weight_VD.to(dtype)
    both: tuple[Tensor, Tensor] = _LinearCrossEntropy.apply(  # type: ignore[no-untyped-call]
        hidden_ND, weight_VD, targets_N, label_smoothing, z_loss
    )
    return both


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden_ND, weight_VD, targets_N, label_smoothing, z_loss):  # type: ignore[no-untyped-def]
        chunk = max(16, CHUNK_LOGITS // len(weight_VD))
        objectives, nlls, totals = [], [], []
        for hidden_CD, targets_C in zip(hidden_ND.split(chunk), targets_N.split(chunk), strict=True):
            logits_CV = (hidden_CD @ weight_VD.T).float()
            logs_CV = torch.log_softmax(logits_CV, -1)
            nll_C = -logs_CV.gather(1, targets_C[:, None])[:, 0]
            objective_C = nll_C
            if label_smoothing:
                objective_C = (1 - label_smoothing) * nll_C - label_smoothing * logs_CV.mean(-1)
            if z_loss:
                total_C = logits_CV.gather(1, targets_C[:, None])[:, 0] + nll_C  # ln sum exp logit
                objective_C = objective_C + z_loss * total_C.square()
                totals.append(total_C)
            objectives.append(objective_C)
            nlls.append(nll_C)
        ctx.save_for_backward(hidden_ND, weight_VD, targets_N, torch.cat(totals) if totals else None)
        ctx.chunk, ctx.label_smoothing, ctx.z_loss = chunk, label_smoothing, z_loss
        # cloned: a compiler would take two equal outputs for one, which then carries no gradient
        objective_N, nll_N = torch.cat(objectives), torch.cat(nlls).clone()
        ctx.mark_non_differentiable(nll_N)
        return objective_N, nll_N

    @staticmethod
    def backward(ctx, gradient_N, _):  # type: ignore[no-untyped-def]
        hidden_ND, weight_VD, targets_N, total_N = ctx.saved_tensors
        hidden_gradient_ND = torch.empty_like(hidden_ND)
        weight_gradient_VD = torch.zeros_like(weight_VD, dtype=torch.float32)
        for start in range(0, len(hidden_ND), ctx.chunk):
            rows = slice(start, start + ctx.chunk)
            logits_CV = torch.softmax((hidden_ND[rows] @ weight_VD.T).float(), -1)
            if total_N is not None:
                logits_CV.mul_(1 + 2 * ctx.z_loss * total_N[rows, None])
            if ctx.label_smoothing:
                logits_CV.sub_(ctx.label_smoothing / len(weight_VD))
            correct_C1 = torch.full_like(gradient_N[rows, None], ctx.label_smoothing - 1)
            logits_CV.scatter_add_(1, targets_N[rows, None], correct_C1)
            logits_CV = logits_CV.mul_(gradient_N[rows, None]).to(weight_VD.dtype)
            torch.mm(logits_CV, weight_VD, out=hidden_gradient_ND[rows])
            weight_gradient_VD += logits_CV.T @ hidden_ND[rows]
        return hidden_gradient_ND, weight_gradient_VD.to(weight_VD.dtype), None, None, None
