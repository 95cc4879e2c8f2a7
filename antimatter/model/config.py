"""The shape of a network, and what follows from it by arithmetic: parameters, FLOPs, the config.json beside weights.

Everything here counts the true vocabulary; the padding inside the network is never reported.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

from antimatter.errors import AntiMatterError
from antimatter.params.model import Model

FORMAT = 1
"""Version of config.json and of the names of the weights beside it. Fields that a file lacks have their defaults."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Model):
    """Group `model` of params.yaml, plus the one number that the tokenizer decides."""

    vocabulary_size: int
    """Tokens with an id; logits have exactly this many columns."""

    @property
    def padded_vocabulary(self) -> int:
        """Embedding rows inside the network: the vocabulary, rounded up to a multiple that matrix units like."""
        return -(-self.vocabulary_size // self.vocabulary_multiple) * self.vocabulary_multiple

    @property
    def window(self) -> int:
        """Tokens that a position sees at the most, itself included."""
        return self.attention_window or self.context

    @property
    def adaptive_sizes(self) -> list[tuple[int, int]]:
        """(entries, width of their rows) of each class of adaptive_softmax after the first; empty for a full softmax.

        >>> ModelConfig(vocabulary_size=50, width=64, adaptive_softmax=(10, 30)).adaptive_sizes
        [(20, 16), (20, 4)]
        """
        ends = [*self.adaptive_softmax[1:], self.vocabulary_size]
        return [
            (end - start, int(self.width // self.adaptive_softmax_divisor**number))
            for number, (start, end) in enumerate(zip(self.adaptive_softmax, ends, strict=False), start=1)
        ]

    def problems(self) -> Iterator[str]:
        """Contradictions inside the shape."""
        yield from super().problems()
        if self.vocabulary_size < 1:
            yield f"vocabulary_size {self.vocabulary_size} must be at least 1"
        if any(cut >= self.vocabulary_size for cut in self.adaptive_softmax):
            cuts = list(self.adaptive_softmax)
            yield f"adaptive_softmax {cuts} must stay below vocabulary_size {self.vocabulary_size}"
        elif any(width < 1 for _, width in self.adaptive_sizes):
            yield (
                f"adaptive_softmax_divisor {self.adaptive_softmax_divisor:g} leaves class {len(self.adaptive_sizes)} "
                f"of adaptive_softmax no width of {self.width}"
            )

    def not_exportable(self) -> list[str]:
        """Reasons why this network has no GGUF form of ours, in the words of params.yaml; empty: it has one."""
        reasons = {
            "model.positions: rope": self.positions != "learned",
            f"model.attention_window: {self.attention_window}": self.window < self.context,
            "model.norm: rms": self.norm != "layer",
            "model.qk_norm: true": self.qk_norm,
            "model.activation: relu_squared": self.activation == "relu_squared",
            f"model.adaptive_softmax: {list(self.adaptive_softmax)}": bool(self.adaptive_softmax),
        }
        return [reason for reason, holds in reasons.items() if holds]


class ModelSettingsError(AntiMatterError, ValueError):
    """Group `model` and the size of the vocabulary describe no network."""


class ParameterCount(NamedTuple):
    """Trainable numbers of a network. `total` = `embeddings` (tokens, positions, an untied head) + `blocks` (rest)."""

    total: int
    embeddings: int
    blocks: int


def from_settings(settings: Model, vocabulary_size: int) -> ModelConfig:
    """The settings of params.yaml and the tokenizer's size. Raises ModelSettingsError listing every contradiction."""
    config = ModelConfig(**plain(settings), vocabulary_size=vocabulary_size)
    problems = list(config.problems())
    if problems:
        raise ModelSettingsError(f"model: {'; '.join(problems)}. Change it in params.yaml.")
    return config


def parameter_count(config: ModelConfig) -> ParameterCount:
    """Parameters by formula, with the true vocabulary.

    A block has 4 d^2 + 4 d in attention (queries, keys, values, projection), 2 d f + f + d in the feed-forward layer
    and 4 d in its two norms (RMSNorm: 2 d); with f = 4 d that is 12 d^2 + 13 d. The final norm adds 2 d (d). qk_norm
    adds two scales of a head's size to a block.

    >>> parameter_count(ModelConfig(vocabulary_size=50257, layers=24, width=1024, heads=16, feed_forward=4096,
    ...                             context=2048)).total
    355871744
    """
    d, f = config.width, config.feed_forward
    norm = d if config.norm == "rms" else 2 * d
    scales = 2 * (d // config.heads) if config.qk_norm else 0
    block = 4 * d * d + 4 * d + 2 * d * f + f + d + 2 * norm + scales
    positions = config.context * d if config.positions == "learned" else 0
    head = 0 if config.tied_embeddings else sum(_head_sizes(config))
    embeddings = config.vocabulary_size * d + positions + head
    blocks = config.layers * block + norm
    return ParameterCount(embeddings + blocks, embeddings, blocks)


def flops_per_token(config: ModelConfig, sequence_length: int) -> int:
    """Floating-point operations of forward and backward for one token: 6 (N - T d) + 12 L d T.

    N counts the head once (a tied head is used twice but multiplies once; an untied input table is a lookup).
    Attention counts the full T x T square, as in PaLM (arXiv 2204.02311, appendix B), nanoGPT and llm-foundry,
    although a causal mask needs half: utilisation stays comparable with theirs. A window counts as T, where T is more.
    Of an adaptive softmax the first class counts, which every token multiplies; the data decides about the others.
    """
    total = parameter_count(config).total
    lookups = config.context if config.positions == "learned" else 0
    lookups += 0 if config.tied_embeddings else config.vocabulary_size
    multiplied = total - lookups * config.width - sum(_head_sizes(config)[1:])
    return 6 * multiplied + 12 * config.layers * config.width * min(sequence_length, config.window)


def _head_sizes(config: ModelConfig) -> list[int]:
    """Parameters of the head: of the whole, or of each class of adaptive_softmax."""
    if not config.adaptive_softmax:
        return [config.vocabulary_size * config.width]
    classes = config.adaptive_sizes
    first = (config.adaptive_softmax[0] + len(classes)) * config.width
    return [first, *(width * (config.width + entries) for entries, width in classes)]


def to_json(config: ModelConfig) -> dict[str, Any]:
    """What config.json holds."""
    return {"format": FORMAT, "architecture": "antimatter", **plain(config)}


def from_json(values: Any, origin: str) -> ModelConfig:
    """The shape that config.json at `origin` describes. Raises ValueError for other formats and unknown fields."""
    if not isinstance(values, dict):
        raise ValueError(f"{origin}: not a description of a model: {str(values)[:80]!r}")
    if values.get("architecture") != "antimatter" or values.get("format") != FORMAT:
        known_as = values.get("architecture", values.get("model_type"))
        raise ValueError(
            f"{origin}: architecture {known_as!r}, format {values.get('format')!r}; this version "
            f"reads architecture 'antimatter', format {FORMAT}. Use the AntiMatter that wrote it, or train again."
        )
    fields = {key: value for key, value in values.items() if key not in ("format", "architecture")}
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    problems = list(_misfits(fields))
    if not problems:
        config = ModelConfig(**fields)
        problems = list(config.problems())
    if problems:
        raise ValueError(f"{origin}: not a description of a model: " + "; ".join(problems))
    return config


def _misfits(fields: dict[str, Any]) -> Iterator[str]:
    """What of a config.json is no value of its field. A later version's choice would else be read as another one."""
    hints = get_type_hints(ModelConfig, include_extras=True)
    if "vocabulary_size" not in fields:
        yield "vocabulary_size is missing"
    for name, value in fields.items():
        if name not in hints:
            yield f"{name} is not a field"
            continue
        elements = value if isinstance(value, tuple) else (value,)
        hint = get_args(hints[name])[0] if get_origin(hints[name]) is tuple else hints[name]
        if isinstance(value, tuple) != (get_origin(hints[name]) is tuple):
            yield f"{name} {value!r} has another type"
        else:
            yield from (f"{name} {element!r} {wrong}" for element in elements if (wrong := _wrong(hint, element)))


def _wrong(hint: Any, value: Any) -> str | None:
    """What is wrong with a number, a truth or a choice that should be what `hint` (of antimatter.params) says."""
    if get_origin(hint) is Literal:
        return None if value in get_args(hint) else f"is none of {', '.join(get_args(hint))}"
    if not hasattr(hint, "__metadata__"):
        return None if type(value) is hint else "has another type"
    kind, allowed = get_args(hint)
    if type(value) is not kind and not (kind is float and type(value) is int):
        return "has another type"
    problem: str | None = allowed.problem(value)
    return problem


def plain(settings: Model) -> dict[str, Any]:
    """Fields by name, in declaration order."""
    return {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
