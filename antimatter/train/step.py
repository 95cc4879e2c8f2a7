"""One optimizer step: read, forward, backward, and an update that may turn out to be none.

The loss of a step is a sum over all its targets, on all processes and micro-batches, divided by their weight: how the
batch is spread changes nothing but the order of additions. Whether the update is applied is decided on the device, by
comparing loss and gradient norm with thresholds that the host computed from earlier steps: the host waits for nothing.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from antimatter.model import AntiMatter
from antimatter.params.train import Train
from antimatter.train.data import dropout_seed
from antimatter.train.device import autocast
from antimatter.train.job import Placement
from antimatter.train.loader import Loader
from antimatter.train.loss_scale import LossScale
from antimatter.train.optimizer import Optimizer
from antimatter.train.parallel import no_sync
from antimatter.train.peers import Peers


class Figures(NamedTuple):
    """What is known of a step once the device has done it."""

    step: int
    loss: float
    """Nats a target, plain cross-entropy over the global batch."""
    norm: float
    """Of the whole gradient, before clipping."""
    scale: float
    """fp16 loss scale that the step was computed with; 1 in other precisions."""
    skipped: bool
    """The update was not applied."""
    stop: bool
    """Some process was asked to stop."""


class Stepper:
    """Computes steps of one run in one process; holds no state that outlives a step."""

    def __init__(
        self, settings: Train, place: Placement, model: AntiMatter, loss: torch.nn.Module, optimizer: Optimizer,
        scale: LossScale, loader: Loader, peers: Peers, device: str, counts_V: Tensor | None,
    ) -> None:  # fmt: skip
        """counts_V: int64 [V] on the device, to which the targets of each step that is taken are added; or None."""
        self._settings, self._place, self._model, self._loss = settings, place, model, loss
        self._optimizer, self._scale, self._loader, self._peers = optimizer, scale, loader, peers
        self._device, self._counts_V = device, counts_V
        self._fresh_V = None if counts_V is None else torch.zeros_like(counts_V)
        self._parameters = list(model.parameters())

    def forward_backward(self, step: int, cursor: int, weights: NDArray[np.float32] | None, stop: bool) -> Tensor:
        """Gradients of step `step`, which reads the samples from `cursor` on.

        weights: fp32 [V], weight of each target in the loss; None weighs all alike. stop: this process was asked to.
        Returns fp64 or fp32 [5] on the device, summed over processes: objective, nats, weight, targets, processes
        asked to stop. What follows is `update` or `discard`.
        """
        settings, place, world = self._settings, self._place, self._peers.world
        weights_V = None if weights is None else torch.from_numpy(weights).to(self._device)
        # MPS has no fp64
        sums = torch.zeros(5, device=self._device, dtype=torch.float32 if place.device == "mps" else torch.float64)
        sums[4] += float(stop)
        rows = self._loader.rows(cursor)
        self._loss.train()
        # one context for all passes: each weight is cast once a step; not for shards, whose whole weights must go again
        with autocast(place.device, place.precision, keep_casts=place.sharding == "off"):
            for k, (inputs_BT, targets_BT) in enumerate(rows):
                if self._model.config.dropout:
                    torch.manual_seed(dropout_seed(settings.seed, step, self._peers.rank, k))
                # around forward too: DDP decides there whether this backward communicates
                with no_sync(self._loss, alone=k < len(rows) - 1):
                    part = self._loss(inputs_BT, targets_BT, weights_V)
                    with torch.autocast(place.device, enabled=False):
                        # DDP averages gradients: times world makes it their sum
                        self._scale.scaler.scale(part[0] * (world / settings.batch_tokens)).backward()
                sums[:4] += part.detach()
                if self._fresh_V is not None:
                    self._fresh_V.scatter_add_(0, targets_BT.flatten(), torch.ones_like(targets_BT.flatten()))
        return self._peers.sum_on_device(sums)

    def update(self, sums: Tensor, rate: float, highest_loss: float, highest_norm: float) -> Tensor:
        """Apply the gradients, unless loss or norm is not finite or lies above its threshold.

        Returns fp64 or fp32 [5] on the device: nats, targets, norm, loss scale, whether it was skipped.
        """
        scale = self._scale.current()
        loss = sums[1] / sums[3]
        if self._settings.token_balance.mode != "off":
            factor = (self._settings.batch_tokens / sums[2]).float()
            torch._foreach_mul_([p.grad for p in self._parameters if p.grad is not None], factor)
        norm = self._scale.unscale(self._optimizer, self._parameters).to(self._device)
        bad = ~torch.isfinite(norm) | ~torch.isfinite(loss) | (loss > highest_loss) | (norm > highest_norm)
        skip = bad.float()
        self._scale.clip(self._parameters, norm, self._settings.gradient_clip)
        self._optimizer.step(rate, skip)
        self._scale.update()
        if self._counts_V is not None and self._fresh_V is not None:
            self._counts_V += self._fresh_V
        self.discard()
        return torch.stack([sums[1], sums[3], norm.to(sums.dtype), scale.to(sums), skip.to(sums.dtype)])

    def discard(self) -> None:
        """Forget gradients, and targets that were not counted."""
        self._optimizer.zero_grad()
        if self._fresh_V is not None:
            self._fresh_V.zero_()


class Fetched:
    """Figures on their way to the host: the copy is queued at once, waiting comes when they are read."""

    def __init__(self, step: int, figures: Tensor, sums: Tensor) -> None:
        self.step = step
        both = torch.cat([figures, sums[4:5]])
        if both.is_cuda:
            self._host = torch.empty(both.shape, dtype=both.dtype, pin_memory=True)
            self._host.copy_(both, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record()
        else:
            self._host, self._event = both, None  # type: ignore[assignment]

    def read(self) -> Figures:
        """Wait for the device to have done the step."""
        if self._event is not None:
            self._event.synchronize()
        nats, targets, norm, scale, skipped, stop = self._host.tolist()
        return Figures(self.step, nats / targets, norm, scale, skipped > 0, stop > 0)
