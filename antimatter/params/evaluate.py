"""Group `evaluate`: how much of the validation text is scored, the baselines, and the prompts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from antimatter.params.ranges import Range


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Group `evaluate` of params.yaml. A change reruns evaluate and report; it never retrains."""

    validation_tokens: Annotated[int, Range(100, 1_000_000_000)] = 200_000
    """Validation tokens to score, documents in the order of their ids (a hash: an even sample of all sources)."""
    baseline_tokens: Annotated[int, Range(100, 10_000_000_000)] = 100_000_000
    """Training tokens that the unigram and bigram baselines learn from, the same share of every shard. Bounds memory:
    about 16 bytes for each distinct pair of neighbours, three times during a merge."""
    prompts: tuple[str, ...] = (
        "The future of artificial intelligence",
        "In the field of machine learning",
        "Scientists have discovered",
    )
    """Beginnings that the model continues, greedily and sampled; the texts lie in data/examples/samples.json."""
    max_new_tokens: Annotated[int, Range(1, 100_000)] = 60
    """Tokens added to each prompt at most; the model may end a text earlier."""
    temperature: Annotated[float, Range(0.01, 10.0)] = 0.7
    """Of the sampled texts (greedy ones take the most probable token)."""
    top_k: Annotated[int, Range(0, 1_000_000)] = 40
    """Only the k most probable tokens may come; 0 allows all."""
    top_p: Annotated[float, Range(0.01, 1.0)] = 0.9
    """Only the smallest set of tokens whose probabilities reach this sum."""
    seed: Annotated[int, Range(0, 2**63 - 1)] = 1337
    """Of the sampled texts."""

    def problems(self) -> Iterator[str]:
        """Contradictions inside the group."""
        if any(not prompt.strip() for prompt in self.prompts):
            yield "prompts holds an empty text"
