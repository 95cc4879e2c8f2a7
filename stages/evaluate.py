"""Score the model: data/model, data/tokens, data/benchmarks -> data/examples, reports/evaluation.json.

Alone: python -m stages.evaluate
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from antimatter import params
from antimatter.corpus.reports import read_json, write_json
from antimatter.errors import AntiMatterError
from antimatter.evaluate import evaluation, harness, judge, speed
from antimatter.evaluate.samples import as_markdown
from antimatter.evaluate.subject import OurModel
from antimatter.execution import entry, workspace
from antimatter.params.evaluate import Evaluate
from antimatter.tokenizer.opened import open_tokenizer
from antimatter.train.device import choose_device
from antimatter.train.tokens import open_tokens

MODEL, TOKENS, TOKENIZER, BENCHMARKS = map(Path, ("data/model", "data/tokens", "data/tokenizer", "data/benchmarks"))
TARGET, REPORT = Path("data/examples"), Path("reports/evaluation.json")


class TokensMismatch(AntiMatterError, ValueError):
    """The model was trained on other tokens than those at hand."""


def main() -> None:
    settings = params.load(Evaluate)
    evaluation.require_factual(settings, BENCHMARKS)

    def build(work: workspace.Workspace) -> None:
        torch.set_num_threads(work.runtime.threads or work.runtime.worker_count())
        tokens, origin = open_tokens(TOKENS), read_json(MODEL / "provenance.json")
        if origin["inputs"][TOKENS.as_posix()] != tokens.digest:
            raise TokensMismatch(f"{MODEL} was trained on other tokens than those in {TOKENS}. Run `dvc repro train`.")
        open_tokenizer(MODEL / "tokenizer")  # its file is the one that was published
        subject = OurModel(MODEL, choose_device(work.runtime.device))
        tasks, items = harness.run(subject, settings, BENCHMARKS)
        method = harness.method() if tasks else ""
        report, texts = evaluation.evaluate(subject, tokens, settings, tasks, baselines=True, tasks_method=method)
        samples = texts["samples.json"]["samples"]
        measured: dict[str, Any] = {"speed": speed.measure(subject)}
        if marks := judge.marks(samples, settings.judge):
            measured["judge"] = marks
        model_id = {"model_id": origin["model_id"]}
        for name, content in {**texts, "tasks.json": {"tasks": items}}.items():
            write_json(work.output / TARGET.name / name, model_id | content)
        work.report(model_id | report)
        work.measured(measured)
        work.observer.text("samples.md", as_markdown(samples))
        show(report, measured, samples)

    reads = [MODEL, TOKENS, TOKENIZER, BENCHMARKS]
    workspace.run("evaluate", settings, reads=reads, writes=[TARGET], build=build, report=REPORT)


def show(report: Mapping[str, Any], measured: Mapping[str, Any], texts: list[dict[str, str]]) -> None:
    """The result in a few lines, and the first text."""
    total = report["validation"]
    bits, interval = total["bits_per_byte"], (total["interval"] or {}).get("bits_per_byte")
    between = f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
    print(
        f"evaluate: {bits:.3f} bits per byte{between}, loss {total['loss']:.3f}, perplexity {total['perplexity']:.1f} "
        f"({total['tokens']:,} tokens of {total['documents']:,} documents)"
    )
    print(f"          counting alone: unigram {total['unigram_loss']:.3f}, bigram {total['bigram_loss']:.3f}")
    for name, task in report["tasks"].items():
        scores = ", ".join(f"{metric} {one['value']:.3f} ± {one['error']:.3f}" for metric, one in _with_error(task))
        print(f"          {name}: {scores} ({task['items']:,} items)")
    if "continuations" in report:
        rouge, chrf = report["continuations"]["rouge_l"], report["continuations"]["chrf"]
        print(
            f"          continuations: ROUGE-L {rouge['model']:.3f} (chance {rouge['shuffled']:.3f}), chrF "
            f"{chrf['model']:.1f} (chance {chrf['shuffled']:.1f})"
        )
    if "coherence" in report:
        print(f"          coherence: {report['coherence']['value']:.3f} {report['coherence']['unit']}")
    slowest = measured["speed"]["decode"][0]
    print(f"          writes {slowest['tokens_per_second']:,.0f} tokens/s, one text at a time")
    for text in texts[:1]:
        print(f"\n{text['sampled']}\n")


def _with_error(task: Mapping[str, Any]) -> list[tuple[str, Mapping[str, float]]]:
    return [(name, one) for name, one in task["metrics"].items() if one.get("error") is not None]


if __name__ == "__main__":
    entry.run(main)
