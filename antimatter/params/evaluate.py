"""Group `evaluate`: the held-out text that is scored, the benchmarks, and the texts that the model writes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from antimatter.params.ranges import Matches, Range


@dataclass(frozen=True, kw_only=True)
class Judge:
    """A model that gives the written texts a mark out of 10, at an endpoint that speaks OpenAI's API.

    What it says differs from call to call, so it stands on the page and in MLflow, never in a report of DVC."""

    model: str = ""
    """Its name there; empty: no marks."""
    base_url: Annotated[str, Matches(r"(https?://\S+)?")] = ""
    """Where it answers, up to /v1. The key comes from the environment: ANTIMATTER_JUDGE_KEY."""


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Group `evaluate` of params.yaml. A change reruns evaluate and report; it never retrains."""

    validation_tokens: Annotated[int, Range(100, 1_000_000_000)] = 200_000
    """Validation tokens to score, documents in the order of their ids (a hash: an even sample of all sources)."""
    baseline_tokens: Annotated[int, Range(100, 10_000_000_000)] = 100_000_000
    """Training tokens that the unigram and bigram baselines learn from, the same share of every shard. Bounds memory:
    about 16 bytes for each distinct pair of neighbours, three times during a merge."""
    bootstrap_samples: Annotated[int, Range(0, 1_000_000)] = 1000
    """Times that the scored documents are drawn anew, with replacement, for the 95 % intervals; 0: no intervals."""
    local_tasks: tuple[str, ...] = ("*",)
    """Sets of the group `benchmarks` to be scored, by name; "*" stands for all of them. Needs the extra `eval`."""
    tasks: tuple[str, ...] = ()
    """Tasks of lm-evaluation-harness by its names (hellaswag, lambada_openai, piqa, arc_easy, winogrande ...): their
    items are fetched from the hub. Needs the extra `eval`."""
    task_items: Annotated[int, Range(0, 10_000_000)] = 0
    """Items of each task at the most, the first ones; 0: all."""
    factual_task: str = ""
    """One of those tasks, whose accuracy stands in the report as factual accuracy; empty: none."""
    continued_documents: Annotated[int, Range(0, 100_000)] = 64
    """Held-out documents whose beginnings are continued greedily and compared with what really follows (BLEU, chrF,
    ROUGE-L, repetition); 0: none."""
    continued_after: Annotated[int, Range(1, 100_000)] = 64
    """Tokens of the beginning that the model sees."""
    continued_tokens: Annotated[int, Range(4, 100_000)] = 64
    """Tokens that it adds, and that are compared."""
    coherence_documents: Annotated[int, Range(0, 100_000)] = 128
    """Held-out documents for the coherence score: how much better their second half is predicted after their own first
    half than after another document's; 0: no score."""
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
    """Of the sampled texts, the intervals and the shuffled texts."""
    judge: Judge = field(default_factory=Judge)

    def problems(self) -> Iterator[str]:
        """Contradictions inside the group."""
        if any(not prompt.strip() for prompt in self.prompts):
            yield "prompts holds an empty text"
        for name in ("local_tasks", "tasks"):
            named = getattr(self, name)
            if len(set(named)) < len(named):
                yield f"{name} names a task twice"
        if bool(self.judge.model) != bool(self.judge.base_url):
            yield "judge needs both model and base_url, or neither"
