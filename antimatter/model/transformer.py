"""The network: a decoder-only transformer with the norm before each layer. The defaults of its options are GPT-2's.

Axis letters: B batch, T tokens, D width, H heads, K = D / H size of a head, F feed-forward, V vocabulary.
A name that ends in letters says its shape: hidden_BTD. Weights of linear layers are [out, in].

The token table has `padded_vocabulary` rows inside the network. The rows past the vocabulary are zero and stay zero:
their logits are cut before the loss, so they receive no gradient. No file ever holds them.
"""

import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from antimatter.errors import AntiMatterError
from antimatter.model import generate as sampling
from antimatter.model import text
from antimatter.model.adaptive import AdaptiveHead
from antimatter.model.attention import rotation_at, sight_of
from antimatter.model.blocks import Block, norm_of
from antimatter.model.cache import KeyValueCache
from antimatter.model.config import ModelConfig, from_json, to_json
from antimatter.model.files import write_text, write_whole

Prompt = TypeVar("Prompt", str, list[int], list[str], list[list[int]])
WEIGHTS, CONFIG = "model.safetensors", "config.json"


class ModelError(AntiMatterError, ValueError):
    """A folder does not hold a model that this version can read."""


class AntiMatter(nn.Module):
    """The network. `AntiMatter(config, seed)` has fresh weights, a pure function of both arguments."""

    def __init__(self, config: ModelConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.folder: Path | None = None
        self.activation_checkpointing = False
        """True: training computes each block a second time for its gradient, instead of keeping what lies inside."""
        with torch.device("meta"):  # no time and no random numbers spent on weights that initialise() replaces
            self.token_embedding = nn.Embedding(config.padded_vocabulary, config.width)
            if config.positions == "learned":
                self.position_embedding = nn.Embedding(config.context, config.width)
            self.dropout = nn.Dropout(config.dropout)
            self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
            self.final_norm = norm_of(config)
            self.adaptive = AdaptiveHead(config) if config.adaptive_softmax else None
            if not config.tied_embeddings and not config.adaptive_softmax:
                self.head = nn.Linear(config.width, config.padded_vocabulary, bias=False)
        self.to_empty(device="cpu")
        self.initialise(seed)

    @property
    def head_weight(self) -> Tensor:
        """[padded V, D]. Tied means this very tensor: there is no second one that could drift or be stored."""
        assert self.adaptive is None, "the head of an adaptive softmax is self.adaptive"
        return self.token_embedding.weight if self.config.tied_embeddings else self.head.weight

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """Matrices ~ N(0, initial_std), the two that write into the residual stream / sqrt(2 L); biases 0, norms 1.

        Source: Radford et al. 2019 (GPT-2), section 2.3. Drawn from a generator of its own, on the CPU.
        """
        generator = torch.Generator("cpu").manual_seed(seed)
        std = self.config.initial_std
        for name, parameter in self.named_parameters():
            if parameter.dim() < 2:
                parameter.fill_(1.0 if name.endswith("norm.weight") else 0.0)
                continue
            scale = 1 / math.sqrt(2 * self.config.layers) if name.endswith("projection.weight") else 1.0
            rows = self.unpadded(name, parameter)
            parameter.zero_()
            rows.copy_(torch.empty(rows.shape).normal_(0.0, std * scale, generator=generator))
        if self.adaptive is not None:
            self.adaptive.rank_V.copy_(torch.arange(self.config.vocabulary_size))

    def hidden(
        self, tokens_BT: Tensor, documents_BT: Tensor | None = None, cache: KeyValueCache | None = None
    ) -> Tensor:
        """int64 [B, T] -> float [B, T, D] after the final norm.

        documents_BT: int [B, T]; positions see those of equal number alone. None: all are one document.
        cache:        the tokens follow those that it has read, and are read into it; documents_BT is None then.
        Raises:       ValueError if T exceeds the context (or the room that the cache has left).
        """
        T, config = tokens_BT.shape[1], self.config
        if config.context < T:
            raise ValueError(f"{T} tokens, but this model's context is {config.context}: crop the input")
        if cache is None:
            positions, sight = (
                torch.arange(T, device=tokens_BT.device),
                sight_of(tokens_BT, config.window, documents_BT),
            )
        else:
            assert documents_BT is None, "a cache holds one document a row"
            positions, sight = cache.begin(tokens_BT, config.window)
        hidden_BTD, rotation = self.token_embedding(tokens_BT), None
        if config.positions == "learned":
            hidden_BTD = hidden_BTD + self.position_embedding(positions)
        else:
            by_head = positions if cache is None else positions[:, None]
            rotation = rotation_at(by_head, config.width // config.heads, config.rope_base)
        hidden_BTD = self.dropout(hidden_BTD)
        for layer, block in enumerate(self.blocks):
            if self.activation_checkpointing and self.training:
                draws = config.dropout > 0
                hidden_BTD = checkpoint(
                    block, hidden_BTD, sight, rotation, use_reentrant=False, preserve_rng_state=draws
                )
            else:
                extend = None if cache is None else functools.partial(cache.extend, layer)
                hidden_BTD = block(hidden_BTD, sight, rotation, extend)
        if cache is not None:
            cache.advance(T)
        normed_BTD: Tensor = self.final_norm(hidden_BTD)
        return normed_BTD

    def logits(self, hidden_BTD: Tensor) -> Tensor:
        """[..., D] after the final norm -> [..., V] over the true vocabulary, in the precision of the head's product.

        Those of an adaptive softmax are log-probabilities, fp32.
        """
        if self.adaptive is not None:
            log_probabilities: Tensor = self.adaptive(hidden_BTD)
            return log_probabilities
        return F.linear(hidden_BTD, self.head_weight)[..., : self.config.vocabulary_size]

    def forward(self, tokens_BT: Tensor, documents_BT: Tensor | None = None) -> Tensor:
        """int64 [B, T] -> logits [B, T, V]: `logits` of `hidden`."""
        return self.logits(self.hidden(tokens_BT, documents_BT))

    def unpadded(self, name: str, tensor: Tensor) -> Tensor:
        """The rows of parameter `name` (or of a moment of its shape) that stand for tokens; others unchanged."""
        padded = name in ("token_embedding.weight", "head.weight")
        return tensor[: self.config.vocabulary_size] if padded else tensor

    def published_weights(self) -> dict[str, Tensor]:
        """Name -> fp32 tensor on the CPU (an order of ids: int64), no padding, a tied matrix once: what files hold."""
        parameters = {n: self.unpadded(n, p.detach()).float() for n, p in self.named_parameters()}
        weights = parameters | dict(self.named_buffers())
        return {n: tensor.cpu().contiguous() for n, tensor in weights.items()}

    @torch.no_grad()
    def load_weights(self, weights: Mapping[str, Tensor], origin: str) -> None:
        """Copy published weights in. Raises ModelError if a tensor is missing, unknown or misshapen."""
        own = dict(self.named_parameters()) | dict(self.named_buffers())
        shapes = {name: self.unpadded(name, torch.empty(own[name].shape, device="meta")).shape for name in own}
        problems = [
            f"{name} is {list(weights[name].shape)}, expected {list(shape)}"
            for name, shape in shapes.items()
            if name in weights and weights[name].shape != shape
        ]
        problems += [f"{name} is missing" for name in own if name not in weights]
        problems += [f"{name} is not a weight of this model" for name in weights if name not in own]
        if not problems and self.adaptive is not None:
            ranks = weights["adaptive.rank_V"].cpu()
            if not torch.equal(ranks.sort().values, torch.arange(len(ranks))):
                problems.append("adaptive.rank_V is no order of the vocabulary")
        if problems:
            more = [f"and {len(problems) - 4} more"] if len(problems) > 4 else []
            raise ModelError(f"{origin} does not fit its config.json: " + "; ".join([*problems[:4], *more]))
        for name, tensor in own.items():
            self.unpadded(name, tensor).copy_(weights[name])

    def save_pretrained(self, folder: Path | str, weights: Mapping[str, Tensor] | None = None) -> None:
        """Write config.json and model.safetensors. Equal weights give equal bytes; each file appears whole or not.

        weights: published weights that were gathered elsewhere; None: published_weights().
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(to_json(self.config), indent=2, sort_keys=True) + "\n"
        write_text(folder / CONFIG, text)
        tensors = dict(self.published_weights() if weights is None else weights)
        save = safetensors.torch.save_file
        write_whole(folder / WEIGHTS, lambda temporary: save(tensors, temporary, metadata={"format": "pt"}))

    @classmethod
    def from_pretrained(cls, folder: Path | str, device: str = "cpu") -> "AntiMatter":
        """The model in `folder` (config.json, model.safetensors; tokenizer/ is read when text is passed).

        Raises: FileNotFoundError if the folder holds no model; ModelError if this version cannot read it.
        """
        folder = Path(folder)
        try:
            config = from_json(json.loads(_present(folder, CONFIG).read_text(encoding="utf-8")), str(folder / CONFIG))
            weights = safetensors.torch.load_file(_present(folder, WEIGHTS))
        except (ValueError, safetensors.SafetensorError) as error:
            raise ModelError(f"{folder} holds no readable model: {error}") from error
        model = cls(config)
        model.load_weights(weights, str(folder / WEIGHTS))
        model.folder = folder
        try:
            return model.to(device).eval()
        except (AssertionError, RuntimeError) as error:  # torch says in either way that it has no such device
            raise ModelError(f"device {device!r} cannot hold the model: {error}") from error

    def generate(
        self,
        prompt: Prompt,
        max_length: int = 100,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
        suppress: Sequence[int] | None = None,
        eos: int | None = None,
        use_cache: bool = True,
        on_text: Callable[[str], None] | None = None,
    ) -> Prompt:
        """Continue `prompt` by up to `max_length` tokens and return both together, as text for text, ids for ids.

        Several prompts (a list of texts, or of lists of ids) are continued together; number i draws with seed + i.
        on_text is called with each piece of a single text's continuation as soon as it is known: whole characters.
        Text needs a model read by from_pretrained from a folder with its tokenizer, which then says what eos and
        suppress are unless they are given. The rest: see generate.generate_batch.
        """
        several = not isinstance(prompt, str) and len(prompt) > 0 and isinstance(prompt[0], (str, list, tuple))
        prompts: list[Any] = list(prompt) if several else [prompt]
        of_text = isinstance(prompts[0], str)
        if any(isinstance(each, str) != of_text for each in prompts):
            raise ValueError("prompts are texts or lists of ids, not both at once")
        if on_text is not None and (several or not of_text):
            raise ValueError("on_text follows the continuation of one text: pass a single str as prompt")
        known = text.load(self.folder) if of_text else None
        silent = tuple(suppress) if suppress is not None else known.suppress if known else sampling.CONTROL_IDS
        end = eos if eos is not None else known.eos if known else sampling.EOS
        options = sampling.Sampling(temperature, top_k, top_p, seed, silent, end)
        write = functools.partial(
            sampling.generate_batch, self, max_length=max_length, options=options, use_cache=use_cache
        )
        found: Any = write(prompts) if known is None else text.continued(known, prompts, write, end, on_text)
        return found if several else found[0]  # type: ignore[no-any-return]


def _present(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise FileNotFoundError(f"{folder}: no {name} here. A model folder comes from `dvc repro train`.")
    return folder / name
