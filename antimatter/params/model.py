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
    """Learned absolute positions, tokens: the longest input that the model takes."""
    activation: Literal["gelu_tanh", "leaky_relu"] = "gelu_tanh"
    """Feed-forward activation. gelu_tanh is what GGUF's gpt2 graph computes; leaky_relu is the specification's B."""
    leaky_slope: Annotated[float, Range(0.0, 1.0)] = 0.01
    """Negative slope of leaky_relu; unused with gelu_tanh."""
    dropout: Annotated[float, Range(0.0, 0.9)] = 0.0
    """Probability, on embeddings, attention weights and the two residual branches."""
    tied_embeddings: bool = True
    """Input embedding and output head share one matrix."""
    initial_std: Annotated[float, Range(1e-5, 1.0)] = 0.02
    """Weights ~ N(0, initial_std); the two residual projections of a block are scaled by 1/sqrt(2 layers) (GPT-2)."""
    vocabulary_multiple: Annotated[int, Range(1, 1024)] = 128
    """Embedding rows are padded to a multiple of this inside the network; padded logits are cut before the loss."""

    def problems(self) -> Iterator[str]:
        """Contradictions inside the group."""
        if self.width % self.heads:
            yield f"width {self.width} does not divide by heads {self.heads}"
