"""Texts that a model writes: each prompt continued greedily, and sampled with a seed. They lie in data/examples."""

from typing import Any

from antimatter.model import AntiMatter
from antimatter.params.evaluate import Evaluate


def write_samples(model: AntiMatter, model_id: str, settings: Evaluate) -> dict[str, Any]:
    """The content of data/examples/samples.json; texts hold prompt and continuation."""
    chosen: dict[str, Any] = {"temperature": settings.temperature, "top_k": settings.top_k, "top_p": settings.top_p}
    samples = [
        {
            "prompt": prompt,
            "greedy": model.generate(prompt, max_length=settings.max_new_tokens, temperature=0.0),
            "sampled": model.generate(prompt, max_length=settings.max_new_tokens, seed=settings.seed, **chosen),
        }
        for prompt in settings.prompts
    ]
    sampling = {"max_new_tokens": settings.max_new_tokens, **chosen, "seed": settings.seed}
    return {"model_id": model_id, "sampling": sampling, "samples": samples}
