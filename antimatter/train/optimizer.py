"""What moves the weights: AdamW alone, or Muon for the matrices of the blocks beside it; state by parameter name.

A step is skipped on the device: torch's fused kernels and our Muon read `found_inf` there, and the host does not wait.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from antimatter.errors import AntiMatterError
from antimatter.model import AntiMatter
from antimatter.params.train import Train
from antimatter.train.muon import Muon
from antimatter.train.shards import full, is_shared_out, shared_out_like

PACKED = "queries_keys_values.weight"
"""Three matrices on top of one another, one for each of the three."""


class OptimizerStateError(AntiMatterError, ValueError):
    """What a checkpoint holds of the optimizer does not fit this model."""


class Optimizer:
    """Moves the parameters of `model`, which are already on their device and shared out, if they shall be."""

    def __init__(self, model: AntiMatter, settings: Train, device: str) -> None:
        self._model = model
        matrices = {
            name: parameter
            for name, parameter in model.named_parameters()
            if settings.optimizer == "muon" and name.startswith("blocks.") and parameter.dim() == 2
        }
        others = [parameter for name, parameter in model.named_parameters() if name not in matrices]
        # offloaded parameters lie in main memory, wherever the model computes
        adam = _adamw(others, settings, others[0].device.type if others else device)
        self._fused: bool = adam.param_groups[0]["fused"]
        self._at = next(model.parameters()).device
        for parameter in others:  # torch would make this in the first step; made here, it is always all there
            step = torch.zeros((), device=parameter.device if self._fused else "cpu")
            moments = {key: torch.zeros_like(parameter) for key in ("exp_avg", "exp_avg_sq")}
            adam.state[parameter] = {"step": step, **moments}
        self.parts: list[torch.optim.Optimizer] = [adam]
        """What shares the parameters out among themselves."""
        if matrices:
            groups = [
                {"params": [p for name, p in matrices.items() if name.endswith(PACKED)], "parts": 3},
                {"params": [p for name, p in matrices.items() if not name.endswith(PACKED)], "parts": 1},
            ]
            rate, decay = settings.learning_rate, settings.weight_decay
            self.parts.append(Muon(groups, rate, settings.muon_momentum, decay))

    def step(self, rate: float, skip: Tensor) -> None:
        """Apply the gradients at learning rate `rate`.

        skip: fp32 scalar on the device; 1 leaves weights, moments and step counts as they are, to the bit, and 0
        applies. Only where AdamW has no fused kernel does the host wait for it.
        """
        skip = skip.to(self._at)
        left_out = not self._fused and skip.item()
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate
            if isinstance(part, Muon) or self._fused:
                part.found_inf = skip  # type: ignore[attr-defined]
            if not left_out:
                part.step()

    def zero_grad(self) -> None:
        """Forget the gradients, and free them."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def state(self, keep: bool = True) -> dict[str, Tensor]:
        """Moments and step counts, "<parameter>:exp_avg", ":exp_avg_sq", ":step", or ":momentum", without padding.

        They lie where they are, in the very memory that the next step changes: whoever keeps them copies them. All
        processes call this together if parameters are shared out; then those with `keep` get whole tensors on the CPU,
        and one at a time is whole on a device.
        """
        found = {}
        for key, (name, value) in self._state().items():
            whole = full(value)
            if keep:
                rows = whole if whole.dim() == 0 else self._model.unpadded(name, whole)
                found[key] = (rows.cpu() if is_shared_out(value) else rows).contiguous()
        return found

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of state. An empty one makes the optimizer as it was before its first step.

        Raises OptimizerStateError naming all that is missing, unknown or misshapen; then nothing has changed.
        """
        own = self._state()
        shapes = {key: self._unpadded_shape(name, value) for key, (name, value) in own.items()}
        problems = [f"{key} is missing" for key in own if state and key not in state]
        problems += [f"{key} is not known" for key in state if key not in own]
        problems += [
            f"{key} is {list(state[key].shape)}, expected {list(shapes[key])}"
            for key in own
            if key in state and state[key].shape != shapes[key]
        ]
        if problems:
            raise OptimizerStateError(
                f"the optimizer's state does not fit this model: {'; '.join(problems)}. Its checkpoint is of another "
                "model or another train.optimizer: restore those settings, or remove it to start anew."
            )
        for key, (name, value) in own.items():
            whole = torch.zeros(value.shape, dtype=value.dtype, device=value.device)
            if state:
                (whole if whole.dim() == 0 else self._model.unpadded(name, whole)).copy_(state[key])
            value.copy_(shared_out_like(whole, value))

    def _state(self) -> dict[str, tuple[str, Tensor]]:
        """Key in a checkpoint -> (parameter, live tensor)."""
        return {
            f"{name}:{key}": (name, value)
            for name, parameter in self._model.named_parameters()
            for part in self.parts
            if parameter in part.state
            for key, value in part.state[parameter].items()
        }

    def _unpadded_shape(self, name: str, value: Tensor) -> torch.Size:
        return self._model.unpadded(name, torch.empty(value.shape, device="meta")).shape if value.dim() else value.shape


def adamw(model: AntiMatter, settings: Train, device: str) -> torch.optim.AdamW:
    """AdamW over all parameters: what `Optimizer` is without muon."""
    return _adamw(model.parameters(), settings, device)


def _adamw(parameters: Iterable[nn.Parameter], settings: Train, device: str) -> torch.optim.AdamW:
    """AdamW with decoupled decay on matrices only; fused where the device has the kernel."""
    parameters = list(parameters)
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        eps=settings.epsilon,
        fused=fused_kernel_skips(device),
    )


def fused_kernel_skips(device: str) -> bool:
    """Whether the device has a fused AdamW, and one that found_inf stops: tried on a single number."""
    number = nn.Parameter(torch.ones(1, device=device))
    number.grad = torch.ones_like(number)
    try:
        trial = torch.optim.AdamW([number], fused=True)
        trial.found_inf = torch.ones((), device=device)  # type: ignore[attr-defined]
        trial.step()
    except RuntimeError:
        return False
    return number.item() == 1.0
