"""Text from a network, token by token: temperature, top-k, nucleus sampling, a seed.

A text longer than the context is seen through a window. Its start depends on the length of the text alone, and moves
seldom, so that what was read of it (cache.py) stays of use: with context 8, the tokens

    0 1 2 3 4 5 6 7                    up to 8: all
            4 5 6 7 8                  9: on by 8 // 2
            4 5 6 7 8 9 10 11          12
                    8 9 10 11 12       13: on by 8 // 2 again
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from antimatter.model.cache import KeyValueCache

BOS, EOS = 1, 2
CONTROL_IDS = (0, 1, 3, 4, 5, 6, 7)
"""[PAD], [BOS], the unknown token and the four chat markers: never a continuation. EOS (2) may come, and ends it."""


OnToken = Callable[[int, int], None]
"""Called with (row of the batch, token) as soon as a token is drawn."""


class Network(Protocol):
    """What generation needs of a model."""

    config: Any
    training: bool

    def __call__(self, tokens_BT: Tensor) -> Tensor: ...
    def hidden(self, tokens_BT: Tensor, documents_BT: None = None, cache: KeyValueCache | None = None) -> Tensor: ...
    def logits(self, hidden_BTD: Tensor) -> Tensor: ...
    def parameters(self) -> Any: ...
    def train(self, mode: bool = True) -> Any: ...


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


def generate(
    model: Network,
    prompt: Sequence[int],
    max_length: int,
    options: Sampling,
    use_cache: bool = True,
    on_token: OnToken | None = None,
) -> list[int]:
    """`prompt` followed by at most `max_length` new ids; ends early after EOS. The rest: see generate_batch."""
    return generate_batch(model, [prompt], max_length, options, use_cache, on_token)[0]


@torch.inference_mode()
def generate_batch(
    model: Network,
    prompts: Sequence[Sequence[int]],
    max_length: int,
    options: Sampling,
    use_cache: bool = True,
    on_token: OnToken | None = None,
) -> list[list[int]]:
    """Each prompt followed by at most `max_length` new ids; a row ends early after EOS. Prompts may differ in length.

    Row i draws with seed + i, and so equals a call with that prompt and seed alone, up to the rounding of matrix
    products. Without the cache every step reads the whole window again: the slow twin, equal up to rounding.
    The caller's random state and the model's train/eval mode stay as they were.
    Raises: ValueError for an empty prompt, an id outside the vocabulary, a negative max_length.
    """
    _require_readable(prompts, model.config.vocabulary_size, max_length)
    texts = [[int(token) for token in prompt] for prompt in prompts]
    # the CPU's: the same draw for the same probabilities
    generators = [torch.Generator("cpu").manual_seed(options.seed + row) for row in range(len(texts))]
    was_training = model.training
    model.train(False)
    try:
        reader = _CachedReader(model, texts, max_length) if use_cache else _Reader(model)
        unfinished = list(range(len(texts)))
        for _ in range(max_length if texts else 0):
            logits_BV = reader.logits([texts[row] for row in unfinished]).float().cpu()
            for row, logits_V in zip(unfinished, logits_BV, strict=True):
                texts[row].append(choose(logits_V, options, generators[row]))
                if on_token is not None:
                    on_token(row, texts[row][-1])
            places = [place for place, row in enumerate(unfinished) if texts[row][-1] != options.eos]
            if not places:
                break
            if len(places) < len(unfinished):
                reader.keep(places)
                unfinished = [unfinished[place] for place in places]
    finally:
        model.train(was_training)
    return texts


def _require_readable(prompts: Sequence[Sequence[int]], size: int, max_length: int) -> None:
    if max_length < 0:
        raise ValueError(f"max_length {max_length} must be at least 0")
    for row, prompt in enumerate(prompts):
        where = f"prompt {row}: " if len(prompts) > 1 else ""
        wrong = [i for i in prompt if not 0 <= i < size]
        if wrong:
            raise ValueError(f"{where}prompt ids {wrong[:5]} are outside [0, {size})")
        if not len(prompt):
            raise ValueError(f"{where}empty prompt: pass BOS (1)")


def window_start(length: int, context: int) -> int:
    """The first of `length` tokens that a model with this context sees: 0 while all fit, then on by context // 2.

    >>> [window_start(length, 8) for length in (1, 8, 9, 12, 13)]
    [0, 0, 4, 4, 8]
    """
    hop = context // 2
    return -(-max(0, length - context) // hop) * hop


class _Reader:
    """The definition: each text's window, read whole and alone."""

    def __init__(self, model: Network) -> None:
        self.model, self.context = model, model.config.context
        self.device = next(model.parameters()).device

    def logits(self, texts: Sequence[Sequence[int]]) -> Tensor:
        """What follows each text, [B, V]."""
        windows = [text[window_start(len(text), self.context) :] for text in texts]
        return torch.stack([self.model(torch.tensor([ids], device=self.device))[0, -1] for ids in windows])

    def keep(self, places: Sequence[int]) -> None:
        """From now on the texts are those at these places."""


class _CachedReader(_Reader):
    """Reads one token a text and step; the window of a text as a whole when its start moves."""

    def __init__(self, model: Network, texts: Sequence[Sequence[int]], max_length: int) -> None:
        super().__init__(model)
        longest = max((len(text) for text in texts), default=0) + max_length
        self.cache = KeyValueCache(len(texts), min(self.context, longest))
        self.starts = [-1] * len(texts)  # of the windows that the cache holds

    def logits(self, texts: Sequence[Sequence[int]]) -> Tensor:
        starts = [window_start(len(text), self.context) for text in texts]
        moved = [place for place, start in enumerate(starts) if start != self.starts[place]]
        if moved:
            self._read(moved, [texts[place][starts[place] : -1] for place in moved])
            self.starts = starts
        newest_B1 = torch.tensor([[text[-1]] for text in texts], device=self.device)
        return self.model.logits(self.model.hidden(newest_B1, cache=self.cache)[:, -1])

    def _read(self, places: Sequence[int], windows: Sequence[Sequence[int]]) -> None:
        """Fill the cache with all but the newest token of these texts, in one pass: padding stands behind the text."""
        lengths = [len(ids) for ids in windows]
        if not any(lengths):
            return
        read = KeyValueCache(len(windows), max(lengths))
        padded_BT = torch.tensor([[*ids, *[0] * (max(lengths) - len(ids))] for ids in windows], device=self.device)
        self.model.hidden(padded_BT, cache=read)
        self.cache.replace(places, read, lengths)

    def keep(self, places: Sequence[int]) -> None:
        self.cache.keep(places)
        self.starts = [self.starts[place] for place in places]


def choose(logits_V: Tensor, options: Sampling, generator: torch.Generator) -> int:
    """The next id: suppress, temperature, top-k, top-p, one draw."""
    logits_V = logits_V.clone()
    logits_V[[i for i in options.suppress if 0 <= i < len(logits_V)]] = -torch.inf
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
