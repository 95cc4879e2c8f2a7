"""AdamW, its state by parameter name, and the fp16 loss scale."""

import torch
from torch import Tensor, nn

from antimatter.model import AntiMatter
from antimatter.params.train import Train

LOWEST_SCALE, HIGHEST_SCALE = 1.0, 2.0**24


def adamw(model: AntiMatter, settings: Train, device: str) -> torch.optim.AdamW:
    """AdamW with decoupled decay on matrices only; fused where the device has the kernel."""
    parameters = list(model.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        fused=device in ("cuda", "cpu"),
    )


def state_by_name(optimizer: torch.optim.Optimizer, model: AntiMatter) -> dict[str, Tensor]:
    """Moments and step counts, "<parameter>:exp_avg", ":exp_avg_sq", ":step"; on the CPU, without padding."""
    state = {}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            rows = value if value.dim() == 0 else model.unpadded(name, value)
            state[f"{name}:{key}"] = rows.detach().cpu().contiguous()
    return state


def restore_state(optimizer: torch.optim.Optimizer, model: AntiMatter, state: dict[str, Tensor]) -> None:
    """The inverse of state_by_name. An empty state (every step so far overflowed) leaves the optimizer fresh.

    Raises KeyError if a parameter has no moments in it.
    """
    if not state:
        return
    for name, parameter in model.named_parameters():
        moments: dict[str, Tensor] = {}
        for key in ("exp_avg", "exp_avg_sq"):
            moments[key] = torch.zeros_like(parameter)
            model.unpadded(name, moments[key]).copy_(state[f"{name}:{key}"])
        fused = optimizer.param_groups[0]["fused"]
        moments["step"] = state[f"{name}:step"].to(parameter.device if fused else "cpu", copy=True)
        optimizer.state[parameter] = moments


class LossScale:
    """torch's GradScaler, kept between 1 and 2^24 (torch has neither bound); does nothing unless the run is fp16."""

    def __init__(self, device: str, settings: Train, enabled: bool) -> None:
        self.enabled, self.device = enabled, device
        self.scaler = torch.amp.GradScaler(device, init_scale=settings.initial_loss_scale, enabled=enabled)

    def current(self) -> Tensor:
        """The scale, fp32 scalar on the device; nothing waits for the device here."""
        return self.scaler.scale(torch.ones((), device=self.device))

    def step(self, optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], clip: float) -> Tensor:
        """Unscale, clip, step unless a gradient overflowed, adapt the scale. Returns the norm before clipping."""
        self.scaler.unscale_(optimizer)
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if clip > 0:
            torch.nn.utils.clip_grads_with_norm_(parameters, clip, norm)
        self.scaler.step(optimizer)
        self.scaler.update()
        if self.enabled:
            self.scaler.update(new_scale=self.current().clamp(LOWEST_SCALE, HIGHEST_SCALE))
        return norm

    def state(self) -> dict[str, float | int]:
        """What a checkpoint keeps."""
        state = self.scaler.state_dict()
        return {"scale": state["scale"], "growth_tracker": state["_growth_tracker"]} if self.enabled else {}

    def restore(self, state: dict[str, float | int]) -> None:
        """The inverse of state."""
        if self.enabled:
            whole = self.scaler.state_dict()
            self.scaler.load_state_dict(
                {**whole, "scale": state["scale"], "_growth_tracker": int(state["growth_tracker"])}
            )
