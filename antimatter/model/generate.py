"""Text from a network, token by token: temperature, top-k, nucleus sampling, a seed.

Every step reads the whole (cropped) sequence again: simple and exact, quadratic in length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

BOS, EOS = 1, 2
CONTROL_IDS = (0, 1, 3, 4, 5, 6, 7)
"""[PAD], [BOS], the unknown token and the four chat markers: never a continuation. EOS (2) may come, and ends it."""


class Network(Protocol):
    """What generation needs of a model."""

    config: Any

    def __call__(self, tokens_BT: Tensor) -> Tensor: ...
    def parameters(self) -> Any: ...


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn."""

    temperature: float = 1.0
    """Divides the logits; 0 always takes the most probable token."""
    top_k: int = 0
    """Only the k most probable tokens may come; 0 allows all."""
    top_p: float = 1.0
    """Only the smallest set of tokens whose probabilities reach this sum (Holtzman et al. 2020, arXiv 1904.09751)."""
    seed: int = 0
    """Same seed, same text, on the same kind of device."""
    suppress: tuple[int, ...] = CONTROL_IDS
    """Ids that never come."""
    eos: int = EOS
    """The id that ends the text (it is returned)."""

    def __post_init__(self) -> None:
        problems = []
        if not self.temperature >= 0:
            problems.append(f"temperature {self.temperature} must be at least 0")
        if self.top_k < 0:
            problems.append(f"top_k {self.top_k} must be at least 0 (0 allows all tokens)")
        if not 0 < self.top_p <= 1:
            problems.append(f"top_p {self.top_p} must lie in (0, 1]")
        if problems:
            raise ValueError("; ".join(problems))


@torch.inference_mode()
def generate(model: Network, prompt: Sequence[int], max_length: int, options: Sampling) -> list[int]:
    """`prompt` followed by at most `max_length` new ids; ends early after EOS.

    The model sees the last `context` ids. The caller's random state and the model's train/eval mode stay as they were.
    Raises: ValueError for an empty prompt or an id outside the vocabulary.
    """
    size = model.config.vocabulary_size
    wrong = [i for i in prompt if not 0 <= i < size]
    if not prompt or wrong:
        raise ValueError(f"prompt ids {wrong[:5]} are outside [0, {size})" if wrong else "empty prompt: pass BOS (1)")
    device = next(model.parameters()).device
    generator = torch.Generator("cpu").manual_seed(options.seed)  # the CPU's: the same draw for the same probabilities
    ids = list(prompt)
    was_training = model.training  # type: ignore[attr-defined]
    model.eval()  # type: ignore[attr-defined]
    try:
        for _ in range(max_length):
            tokens_BT = torch.tensor([ids[-model.config.context :]], device=device)
            ids.append(choose(model(tokens_BT)[0, -1].float().cpu(), options, generator))
            if ids[-1] == options.eos:
                break
    finally:
        model.train(was_training)  # type: ignore[attr-defined]
    return ids


def choose(logits_V: Tensor, options: Sampling, generator: torch.Generator) -> int:
    """The next id: suppress, temperature, top-k, top-p, one draw."""
    logits_V = logits_V.clone()
    logits_V[[i for i in options.suppress if i < len(logits_V)]] = -torch.inf
    if options.temperature == 0:
        return int(logits_V.argmax())
    logits_V /= options.temperature
    if 0 < options.top_k < len(logits_V):
        logits_V[logits_V < logits_V.topk(options.top_k).values[-1]] = -torch.inf
    probabilities_V, order_V = logits_V.softmax(-1).sort(descending=True, stable=True)
    if options.top_p < 1:
        before_V = probabilities_V.cumsum(-1) - probabilities_V  # the first token always stays
        probabilities_V[before_V >= options.top_p] = 0
    return int(order_V[torch.multinomial(probabilities_V, 1, generator=generator)])
