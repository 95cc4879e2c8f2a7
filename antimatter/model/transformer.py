"""The network: a decoder-only transformer, pre-LayerNorm, learned absolute positions, biases, tied embeddings (GPT-2).

Axis letters: B batch, T tokens, D width, H heads, K = D / H size of a head, F feed-forward, V vocabulary.
A name that ends in letters says its shape: hidden_BTD. Weights of linear layers are [out, in].

The token table has `padded_vocabulary` rows inside the network. The rows past the vocabulary are zero and stay zero:
their logits are cut before the loss, so they receive no gradient. No file ever holds them.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from antimatter.errors import AntiMatterError
from antimatter.model import generate as sampling
from antimatter.model import text
from antimatter.model.config import ModelConfig, from_json, to_json
from antimatter.model.files import write_text, write_whole

Prompt = TypeVar("Prompt", str, list[int])
WEIGHTS, CONFIG = "model.safetensors", "config.json"


class ModelError(AntiMatterError, ValueError):
    """A folder does not hold a model that this version can read."""


class Attention(nn.Module):
    """Causal self-attention, hidden_BTD -> hidden_BTD."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.queries_keys_values = nn.Linear(config.width, 3 * config.width)
        self.projection = nn.Linear(config.width, config.width)

    def forward(self, hidden_BTD: Tensor) -> Tensor:
        B, T, D = hidden_BTD.shape
        mixed_BT3HK = self.queries_keys_values(hidden_BTD).view(B, T, 3, self.heads, D // self.heads)
        queries_BHTK, keys_BHTK, values_BHTK = mixed_BT3HK.permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        mixed_BHTK = F.scaled_dot_product_attention(
            queries_BHTK, keys_BHTK, values_BHTK, is_causal=True, dropout_p=dropout
        )
        projected_BTD: Tensor = self.projection(mixed_BHTK.transpose(1, 2).reshape(B, T, D))
        return projected_BTD


class FeedForward(nn.Module):
    """hidden_BTD -> F -> hidden_BTD, position by position."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.expansion = nn.Linear(config.width, config.feed_forward)
        self.projection = nn.Linear(config.feed_forward, config.width)
        self.leaky_slope = config.leaky_slope if config.activation == "leaky_relu" else None

    def forward(self, hidden_BTD: Tensor) -> Tensor:
        inner_BTF = self.expansion(hidden_BTD)
        if self.leaky_slope is None:
            active_BTF = F.gelu(inner_BTF, approximate="tanh")
        else:
            active_BTF = F.leaky_relu(inner_BTF, self.leaky_slope)
        projected_BTD: Tensor = self.projection(active_BTF)
        return projected_BTD


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width)
        self.attention = Attention(config)
        self.feed_forward_norm = nn.LayerNorm(config.width)
        self.feed_forward = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, hidden_BTD: Tensor) -> Tensor:
        hidden_BTD = hidden_BTD + self.dropout(self.attention(self.attention_norm(hidden_BTD)))
        added_BTD: Tensor = self.dropout(self.feed_forward(self.feed_forward_norm(hidden_BTD)))
        return hidden_BTD + added_BTD


class AntiMatter(nn.Module):
    """The network. `AntiMatter(config, seed)` has fresh weights, a pure function of both arguments."""

    def __init__(self, config: ModelConfig, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.folder: Path | None = None
        with torch.device("meta"):  # no time and no random numbers spent on weights that initialise() replaces
            self.token_embedding = nn.Embedding(config.padded_vocabulary, config.width)
            self.position_embedding = nn.Embedding(config.context, config.width)
            self.dropout = nn.Dropout(config.dropout)
            self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
            self.final_norm = nn.LayerNorm(config.width)
            if not config.tied_embeddings:
                self.head = nn.Linear(config.width, config.padded_vocabulary, bias=False)
        self.to_empty(device="cpu")
        self.initialise(seed)

    @property
    def head_weight(self) -> Tensor:
        """[padded V, D]. Tied means this very tensor: there is no second one that could drift or be stored."""
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

    def hidden(self, tokens_BT: Tensor) -> Tensor:
        """int64 [B, T] -> float [B, T, D] after the final norm. Raises ValueError if T exceeds the context."""
        T = tokens_BT.shape[1]
        if self.config.context < T:
            raise ValueError(f"{T} tokens, but this model's context is {self.config.context}: crop the input")
        positions_T = torch.arange(T, device=tokens_BT.device)
        hidden_BTD = self.dropout(self.token_embedding(tokens_BT) + self.position_embedding(positions_T))
        for block in self.blocks:
            hidden_BTD = block(hidden_BTD)
        normed_BTD: Tensor = self.final_norm(hidden_BTD)
        return normed_BTD

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """int64 [B, T] -> logits [B, T, V] over the true vocabulary, in the precision of the head's matrix product."""
        return F.linear(self.hidden(tokens_BT), self.head_weight)[..., : self.config.vocabulary_size]

    def unpadded(self, name: str, tensor: Tensor) -> Tensor:
        """The rows of parameter `name` (or of a moment of its shape) that stand for tokens; others unchanged."""
        padded = name in ("token_embedding.weight", "head.weight")
        return tensor[: self.config.vocabulary_size] if padded else tensor

    def published_weights(self) -> dict[str, Tensor]:
        """Name -> fp32 tensor on the CPU, without padding, a tied matrix once: what files hold."""
        return {n: self.unpadded(n, p.detach()).float().cpu().contiguous() for n, p in self.named_parameters()}

    @torch.no_grad()
    def load_weights(self, weights: Mapping[str, Tensor], origin: str) -> None:
        """Copy published weights in. Raises ModelError naming every missing, unknown or misshapen tensor."""
        own = {name: self.unpadded(name, parameter) for name, parameter in self.named_parameters()}
        problems = [f"{name} is missing" for name in own if name not in weights]
        problems += [f"{name} is not a weight of this model" for name in weights if name not in own]
        problems += [
            f"{name} is {list(weights[name].shape)}, expected {list(own[name].shape)}"
            for name in own
            if name in weights and weights[name].shape != own[name].shape
        ]
        if problems:
            raise ModelError(f"{origin} does not fit its config.json: " + "; ".join(problems))
        for name, rows in own.items():
            rows.copy_(weights[name])

    def save_pretrained(self, folder: Path | str) -> None:
        """Write config.json and model.safetensors. Equal weights give equal bytes; each file appears whole or not."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(to_json(self.config), indent=2, sort_keys=True) + "\n"
        write_text(folder / CONFIG, text)
        weights = self.published_weights()
        save = safetensors.torch.save_file
        write_whole(folder / WEIGHTS, lambda temporary: save(weights, temporary, metadata={"format": "pt"}))

    @classmethod
    def from_pretrained(cls, folder: Path | str, device: str = "cpu") -> "AntiMatter":
        """The model in `folder` (config.json, model.safetensors; tokenizer/ is read when text is passed).

        Raises: FileNotFoundError if the folder holds no model; ModelError if this version cannot read it.
        """
        folder = Path(folder)
        for name in (CONFIG, WEIGHTS):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{folder}: no {name} here. A model folder comes from `dvc repro train`.")
        try:
            config = from_json(json.loads((folder / CONFIG).read_text(encoding="utf-8")), str(folder / CONFIG))
            weights = safetensors.torch.load_file(folder / WEIGHTS)
        except (ValueError, safetensors.SafetensorError) as error:
            raise ModelError(f"{folder} holds no readable model: {error}") from error
        model = cls(config)
        model.load_weights(weights, str(folder / WEIGHTS))
        model.folder = folder
        return model.to(device).eval()

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
    ) -> Prompt:
        """Continue `prompt` by up to `max_length` tokens and return both together, as text for text, ids for ids.

        Text needs a model read by from_pretrained from a folder with its tokenizer, which then says what eos and
        suppress are unless they are given. The rest: see generate.generate.
        """
        if not isinstance(prompt, str):
            silent = sampling.CONTROL_IDS if suppress is None else tuple(suppress)
            options = sampling.Sampling(temperature, top_k, top_p, seed, silent, sampling.EOS if eos is None else eos)
            return sampling.generate(self, prompt, max_length, options)
        known: text.Text = text.load(self.folder)
        silent = known.suppress if suppress is None else tuple(suppress)
        options = sampling.Sampling(temperature, top_k, top_p, seed, silent, known.eos if eos is None else eos)
        ids = [known.bos, *known.encode(str(prompt))]
        continuation = sampling.generate(self, ids, max_length, options)[len(ids) :]
        return prompt + known.after(ids[1:], [i for i in continuation if i != options.eos])
