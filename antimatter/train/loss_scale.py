"""The fp16 loss scale, and the norm of the gradients that it is taken out of."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from antimatter.params.train import Train
from antimatter.train.optimizer import Optimizer
from antimatter.train.shards import full

LOWEST_SCALE, HIGHEST_SCALE = 1.0, 2.0**24


class LossScale:
    """torch's GradScaler, kept between 1 and 2^24 (torch has neither bound); does nothing unless the run is fp16.

    One step: `scaler.scale(loss).backward()`, `unscale`, `clip`, the optimizer's step, `update`. Only gradients that
    are not finite lower the scale: an update that is skipped for another reason leaves it as it is.
    """

    def __init__(self, device: str, settings: Train, enabled: bool) -> None:
        self.enabled, self.device = enabled, torch.device(device)
        self.scaler = torch.amp.GradScaler(
            self.device.type, init_scale=settings.initial_loss_scale, enabled=enabled
        )  # its growth after 2,000 good steps, by 2, and its fall, by 2, are torch's defaults
        self.current()  # the scale comes into being with its first use, and update() needs it

    def current(self) -> Tensor:
        """The scale, fp32 scalar on the device; nothing waits for the device here."""
        return self.scaler.scale(torch.ones((), device=self.device))

    def unscale(self, optimizer: Optimizer, parameters: Sequence[nn.Parameter]) -> Tensor:
        """Take the scale out of all gradients. Returns their norm before clipping, over all processes' shards, fp32
        scalar on the device."""
        for part in optimizer.parts:
            self.scaler.unscale_(part)
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        return full(norm).to(self.device)

    def clip(self, parameters: Sequence[nn.Parameter], norm: Tensor, limit: float) -> None:
        """Shrink gradients of norm `norm` to at most `limit`; 0 leaves them as they are."""
        if limit > 0:
            torch.nn.utils.clip_grads_with_norm_(parameters, limit, norm)

    def update(self) -> None:
        """Halve the scale if `unscale` met a gradient that is not finite, double it after 2,000 good steps."""
        if self.enabled:
            self.scaler.update()
            self.scaler.update(new_scale=self.current().clamp(LOWEST_SCALE, HIGHEST_SCALE))

    def lower(self, value: float) -> None:
        """Set the scale to `value` if it is higher, and count the good steps anew, as after going back."""
        if self.enabled:
            self.restore({"scale": min(self.state()["scale"], value), "growth_tracker": 0})

    def state(self) -> dict[str, float | int]:
        """What a checkpoint keeps; nothing unless the run is fp16."""
        state = self.scaler.state_dict()
        return {"scale": state["scale"], "growth_tracker": state["_growth_tracker"]} if self.enabled else {}

    def restore(self, state: dict[str, float | int]) -> None:
        """The inverse of state."""
        if self.enabled:
            whole = self.scaler.state_dict()
            self.scaler.load_state_dict(
                {**whole, "scale": state["scale"], "_growth_tracker": int(state["growth_tracker"])}
            )
