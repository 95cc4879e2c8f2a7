"""The shape of a network, and what follows from it by arithmetic: parameters, FLOPs, the config.json beside weights.

Everything here counts the true vocabulary; the padding inside the network is never reported.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from antimatter.params.model import Model

FORMAT = 1
"""Version of config.json and of the names of the weights beside it."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Model):
    """Group `model` of params.yaml, plus the one number that the tokenizer decides."""

    vocabulary_size: int
    """Tokens with an id; logits have exactly this many columns."""

    @property
    def padded_vocabulary(self) -> int:
        """Embedding rows inside the network: the vocabulary, rounded up to a multiple that matrix units like."""
        return -(-self.vocabulary_size // self.vocabulary_multiple) * self.vocabulary_multiple

    def problems(self) -> Iterator[str]:
        """Contradictions inside the shape."""
        yield from super().problems()
        if self.vocabulary_size < 1:
            yield f"vocabulary_size {self.vocabulary_size} must be at least 1"


class ParameterCount(NamedTuple):
    """Trainable numbers of a network. `total` = `embeddings` (tokens, positions, an untied head) + `blocks` (rest)."""

    total: int
    embeddings: int
    blocks: int


def from_settings(settings: Model, vocabulary_size: int) -> ModelConfig:
    """The settings of params.yaml and the tokenizer's size. Raises ValueError listing every contradiction."""
    config = ModelConfig(**plain(settings), vocabulary_size=vocabulary_size)
    problems = list(config.problems())
    if problems:
        raise ValueError("model: " + "; ".join(problems))
    return config


def parameter_count(config: ModelConfig) -> ParameterCount:
    """Parameters by formula, with the true vocabulary.

    A block has 4 d^2 + 4 d in attention (queries, keys, values, projection), 2 d f + f + d in the feed-forward layer
    and 4 d in its two norms; with f = 4 d that is 12 d^2 + 13 d. The final norm adds 2 d.

    >>> parameter_count(ModelConfig(vocabulary_size=50257, layers=24, width=1024, heads=16, feed_forward=4096,
    ...                             context=2048)).total
    355871744
    """
    d, f = config.width, config.feed_forward
    block = 4 * d * d + 4 * d + 2 * d * f + f + d + 4 * d
    heads = 1 if config.tied_embeddings else 2
    embeddings = heads * config.vocabulary_size * d + config.context * d
    blocks = config.layers * block + 2 * d
    return ParameterCount(embeddings + blocks, embeddings, blocks)


def flops_per_token(config: ModelConfig, sequence_length: int) -> int:
    """Floating-point operations of forward and backward for one token: 6 (N - T d) + 12 L d T.

    N counts the head once (a tied head is used twice but multiplies once; an untied input table is a lookup).
    Attention counts the full T x T square, as in PaLM (arXiv 2204.02311, appendix B), nanoGPT and llm-foundry,
    although a causal mask needs half: utilisation stays comparable with theirs.
    """
    lookups = config.context + (0 if config.tied_embeddings else config.vocabulary_size)
    multiplied = parameter_count(config).total - lookups * config.width
    return 6 * multiplied + 12 * config.layers * config.width * sequence_length


def to_json(config: ModelConfig) -> dict[str, Any]:
    """What config.json holds."""
    return {"format": FORMAT, "architecture": "antimatter", **plain(config)}


def from_json(values: dict[str, Any], origin: str) -> ModelConfig:
    """The shape that config.json at `origin` describes. Raises ValueError for other formats and unknown fields."""
    if values.get("architecture") != "antimatter" or values.get("format") != FORMAT:
        raise ValueError(
            f"{origin}: architecture {values.get('architecture')!r}, format {values.get('format')!r}; this version "
            f"reads architecture 'antimatter', format {FORMAT}. Use the AntiMatter that wrote it, or train again."
        )
    fields = {key: value for key, value in values.items() if key not in ("format", "architecture")}
    try:
        config = ModelConfig(**fields)
    except TypeError as error:
        raise ValueError(f"{origin}: not a description of a model: {error}") from error
    problems = list(config.problems())
    if problems:
        raise ValueError(f"{origin}: " + "; ".join(problems))
    return config


def plain(settings: Model) -> dict[str, Any]:
    """Fields by name, in declaration order."""
    return {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
