"""Texts that a model writes: each prompt continued greedily, and sampled with a seed. They lie in data/examples."""

from collections.abc import Mapping, Sequence
from typing import Any

from antimatter.evaluate.subject import Subject
from antimatter.model.generate import Sampling
from antimatter.model.text import Text
from antimatter.params.evaluate import Evaluate


def write_samples(subject: Subject, settings: Evaluate) -> dict[str, Any]:
    """{"sampling", "samples": [{"prompt", "greedy", "sampled"}]}; texts hold prompt and continuation.

    All prompts are one batch: prompt i is sampled with seed + i.
    """
    chosen = {"temperature": settings.temperature, "top_k": settings.top_k, "top_p": settings.top_p}
    drawn = Sampling(temperature=settings.temperature, top_k=settings.top_k, top_p=settings.top_p, seed=settings.seed)
    greedy = _continued(subject, settings, Sampling(temperature=0.0))
    sampled = _continued(subject, settings, drawn)
    return {
        "sampling": {"max_new_tokens": settings.max_new_tokens, **chosen, "seed": settings.seed},
        "samples": [
            {"prompt": prompt, "greedy": one, "sampled": other}
            for prompt, one, other in zip(settings.prompts, greedy, sampled, strict=True)
        ],
    }


def as_markdown(samples: Sequence[Mapping[str, str]]) -> str:
    """The texts for a reader of MLflow."""
    lines = []
    for sample in samples:
        prompt = sample["prompt"]
        for kind in ("greedy", "sampled"):
            lines.append(f"{kind}: **{prompt}**{sample[kind].removeprefix(prompt)}\n")
    return "\n".join(lines)


def _continued(subject: Subject, settings: Evaluate, sampling: Sampling) -> list[str]:
    heads = [subject.encode(prompt) for prompt in settings.prompts]
    written = subject.generate([[subject.bos, *head] for head in heads], settings.max_new_tokens, sampling)
    reader = Text(subject.encode, subject.decode, subject.bos, subject.eos, ())
    return [
        prompt + reader.after(head, ids) for prompt, head, ids in zip(settings.prompts, heads, written, strict=True)
    ]
