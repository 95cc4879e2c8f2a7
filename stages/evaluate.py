"""Score the model: data/model, data/tokens -> data/examples, reports/evaluation.json.

Alone: python -m stages.evaluate
"""

from pathlib import Path

import torch

from antimatter import params
from antimatter.corpus.reports import read_json, write_json
from antimatter.errors import AntiMatterError
from antimatter.evaluate import baselines, figures, samples, scoring, windows
from antimatter.execution import entry, workspace
from antimatter.model import AntiMatter
from antimatter.params.evaluate import Evaluate
from antimatter.tokenizer.opened import open_tokenizer
from antimatter.train.device import choose_device
from antimatter.train.tokens import open_tokens

MODEL, TOKENS, TOKENIZER = Path("data/model"), Path("data/tokens"), Path("data/tokenizer")
TARGET, REPORT = Path("data/examples"), Path("reports/evaluation.json")
HEADLINE = ("loss", "perplexity", "bits_per_byte", "improvement_over_unigram_entropy", "improvement_over_bigram")


class TokensMismatch(AntiMatterError, ValueError):
    """The model was trained on other tokens than those at hand."""


def main() -> None:
    settings = params.load(Evaluate)

    def build(work: workspace.Workspace) -> None:
        torch.set_num_threads(work.runtime.threads or work.runtime.worker_count())
        tokens, origin = open_tokens(TOKENS), read_json(MODEL / "provenance.json")
        if origin["inputs"][TOKENS.as_posix()] != tokens.digest:
            raise TokensMismatch(f"{MODEL} was trained on other tokens than those in {TOKENS}. Run `dvc repro train`.")
        open_tokenizer(MODEL / "tokenizer")  # its file is the one that was published
        model = AntiMatter.from_pretrained(MODEL, device=choose_device(work.runtime.device))
        selection = windows.select(tokens, settings.validation_tokens, model.config.context)
        counts = baselines.count(tokens.train, tokens.vocabulary_size, settings.baseline_tokens, tokens.bos)
        scores = figures.per_source(selection, scoring.losses(model, selection), counts, tokens.token_bytes)
        work.report(
            {
                "model_id": origin["model_id"],
                "headline": {name: scores["validation"][name] for name in HEADLINE},
                **scores,
                "baseline_tokens": counts.targets,
                "method": {"model": scoring.METHOD, "baselines": figures.BASELINES},
            }
        )
        texts = samples.write_samples(model, origin["model_id"], settings)
        write_json(work.output / TARGET.name / "samples.json", texts)
        show(scores["validation"], texts["samples"])

    reads = [MODEL, TOKENS, TOKENIZER]
    workspace.run("evaluate", settings, reads=reads, writes=[TARGET], build=build, report=REPORT)


def show(total: dict[str, float], texts: list[dict[str, str]]) -> None:
    """The result in two lines, and the first text."""
    loss, perplexity, bits, tokens = (total[name] for name in ("loss", "perplexity", "bits_per_byte", "tokens"))
    print(f"evaluate: loss {loss:.3f}, perplexity {perplexity:.1f}, {bits:.3f} bits per byte ({tokens:,} tokens)")
    print(f"          unigram {total['unigram_loss']:.3f}, bigram {total['bigram_loss']:.3f}")
    for text in texts[:1]:
        print(f"\n{text['sampled']}\n")


if __name__ == "__main__":
    entry.run(main)
