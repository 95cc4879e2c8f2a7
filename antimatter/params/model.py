"""Group `model`: the shape of the network."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from antimatter.params.ranges import Range


@dataclass(frozen=True, kw_only=True)
class Model:
    """Group `model` of params.yaml. A change reruns train and everything after it."""

    layers: Annotated[int, Range(1, 256)] = 4
    """Transformer blocks."""
    width: Annotated[int, Range(8, 32768)] = 256
    """Size of the residual stream (d_model)."""
    heads: Annotated[int, Range(1, 256)] = 4
    """Attention heads; width must divide by it."""
    feed_forward: Annotated[int, Range(8, 131072)] = 1024
    """Hidden size of the feed-forward layer."""
    context: Annotated[int, Range(8, 1048576)] = 256
    """Positions, tokens: the longest input that the model takes."""
    positions: Literal["learned", "rope"] = "learned"
    """learned: a vector for each position is added to the embedding (GPT-2). rope: queries and keys are rotated by
    their position (Su et al. 2021, arXiv 2104.09864); has no GGUF form of ours."""
    rope_base: Annotated[float, Range(1.0, 1e9)] = 10000.0
    """Longest wavelength of rope over 2 pi; unused with learned positions."""
    attention_window: Annotated[int, Range(0, 1048576)] = 0
    """Tokens that each position sees, itself included; 0: all before it. A window keeps the cost of a long context
    linear (Beltagy et al. 2020, arXiv 2004.05150); has no GGUF form of ours."""
    norm: Literal["layer", "rms"] = "layer"
    """layer: LayerNorm with bias. rms: RMSNorm (Zhang and Sennrich 2019, arXiv 1910.07467); has no GGUF form of
    ours."""
    qk_norm: bool = False
    """RMSNorm of queries and keys, head by head, before their product (Henry et al. 2020, arXiv 2010.04245): keeps
    attention logits small; has no GGUF form of ours."""
    activation: Literal["gelu_tanh", "leaky_relu", "relu_squared"] = "gelu_tanh"
    """Feed-forward activation. gelu_tanh is what GGUF's gpt2 graph computes; leaky_relu is the specification's B;
    relu_squared (So et al. 2021, arXiv 2109.08668) has no GGUF form of ours."""
    leaky_slope: Annotated[float, Range(0.0, 1.0)] = 0.01
    """Negative slope of leaky_relu; unused with gelu_tanh."""
    dropout: Annotated[float, Range(0.0, 0.9)] = 0.0
    """Probability, on embeddings, attention weights and the two residual branches."""
    tied_embeddings: bool = True
    """Input embedding and output head share one matrix."""
    adaptive_softmax: tuple[Annotated[int, Range(1, 10_000_000)], ...] = ()
    """Cut-offs in the order of training frequency: the first so many entries keep a full-size row of the head, each
    further class a smaller one (Grave et al. 2016, arXiv 1609.04309), for large vocabularies. Empty: a full softmax.
    Needs tied_embeddings: false; has no GGUF form."""
    adaptive_softmax_divisor: Annotated[float, Range(1.0, 64.0)] = 4.0
    """Each further class of adaptive_softmax has rows so many times shorter."""
    initial_std: Annotated[float, Range(1e-5, 1.0)] = 0.02
    """Weights ~ N(0, initial_std); the two residual projections of a block are scaled by 1/sqrt(2 layers) (GPT-2)."""
    vocabulary_multiple: Annotated[int, Range(1, 1024)] = 128
    """Embedding rows are padded to a multiple of this inside the network; padded logits are cut before the loss."""

    def problems(self) -> Iterator[str]:
        """Contradictions inside the group."""
        if self.width % self.heads:
            yield f"width {self.width} does not divide by heads {self.heads}"
        elif self.positions == "rope" and self.width // self.heads % 2:
            yield f"heads {self.heads} have odd size {self.width // self.heads}: rope turns pairs"
        if self.attention_window > self.context:
            yield f"attention_window {self.attention_window} is longer than context {self.context}"
        if self.adaptive_softmax and self.tied_embeddings:
            yield "adaptive_softmax has rows of several sizes, which tied_embeddings cannot share: set that to false"
        if list(self.adaptive_softmax) != sorted(set(self.adaptive_softmax)):
            yield f"adaptive_softmax {list(self.adaptive_softmax)} must rise"
