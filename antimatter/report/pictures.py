"""Every picture of reports/, by name, from the reports, their tables and the signals of filter.

Each is always drawn: one without data says in words what is missing and what makes it, so that DVC finds the files
that dvc.yaml names, and no picture of an earlier run stays behind.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from antimatter.evaluate import references
from antimatter.evaluate.main_metric import accuracy_of, main_metric
from antimatter.filter.study.distribution import Distribution
from antimatter.report import (
    plots_evaluation,
    plots_signals,
    plots_text,
    plots_tokens,
    plots_training,
)
from antimatter.report.figure import nothing

Rows = Sequence[Mapping[str, float]]
TABLES = ("train_loss", "train_validation", "train_quiz", "tokenize_frequency")
"""Names of reports/NAME.csv."""
_ABSENT = {
    "funnel": ("Text left after each stage", "No report of a stage that counts text. Run `dvc repro`."),
    "sources": ("Text of each source after each stage", "No report of a stage that counts text. Run `dvc repro`."),
    "lengths": ("How long the documents are", "data/filtered is not there. Run `dvc repro filter`."),
    "quality": (
        "Signals of quality",
        "data/filtered is not there (run `dvc repro filter`), or the parameter report.signals names none.",
    ),
    "languages": ("Languages of each source", "The report of filter tells of none. Run `dvc repro filter`."),
    "tokens": ("Bytes per token, by source", "The report of tokenize tells of none. Run `dvc repro tokenize`."),
    "vocabulary": (
        "How often the entries of the vocabulary are used",
        "reports/tokenize_frequency.csv is not there. Run `dvc repro tokenize`.",
    ),
    "loss": ("Loss over training tokens", "reports/train_loss.csv is not there. Run `dvc repro train`."),
    "rate": ("Learning rate and gradient norm", "reports/train_loss.csv is not there. Run `dvc repro train`."),
    "quiz": (
        "Accuracy of a benchmark during training",
        "None was asked. The parameters train.quiz.every and train.quiz.path make training answer one as it goes.",
    ),
    "frequency": ("Loss by frequency of the token", "The evaluation tells of none. Run `dvc repro evaluate`."),
    "position": ("Loss by position in the context", "The evaluation tells of none. Run `dvc repro evaluate`."),
    "bits_per_byte": (
        "Bits per byte of validation text, by source",
        "The model was not evaluated. Run `dvc repro evaluate`.",
    ),
    "tasks": (
        "Accuracy on tasks",
        "No task was scored. Name sets in benchmarks.sources, or tasks of lm-evaluation-harness in evaluate.tasks.",
    ),
}
NAMES = tuple(_ABSENT)
"""The pictures: reports/NAME.svg."""


def draw(
    summary: Mapping[str, Any],
    reports: Mapping[str, Mapping[str, Any]],
    tables: Mapping[str, Rows],
    signals: Mapping[str, Distribution],
) -> dict[str, str]:
    """SVG text of all pictures of NAMES.

    summary  statistics.summary of the reports
    tables   rows of the CSV files by their names, those of TABLES that there are
    signals  distributions of plots_signals.LENGTH and of the signals of quality; {} if there are none
    """
    filtered, tokenize, train, evaluation = (
        reports.get(name, {}) for name in ("filter", "tokenize", "train", "evaluation")
    )
    rules, scores = filtered.get("rules", []), evaluation.get("validation", {})
    quality = {name: found for name, found in signals.items() if name != plots_signals.LENGTH}
    losses, validations, quiz, frequency = (tables.get(name, ()) for name in TABLES)
    drawn: dict[str, Callable[[], str]] = {}
    if summary.get("funnel"):
        drawn["funnel"] = partial(plots_text.funnel, summary["funnel"])
        drawn["sources"] = partial(plots_text.sources, summary["sources"], list(summary["funnel"]))
    if (words := signals.get(plots_signals.LENGTH)) and words.documents:
        marks = plots_signals.thresholds(rules, plots_signals.LENGTH)
        drawn["lengths"] = partial(plots_signals.lengths, words, marks)
    if any(found.documents for found in quality.values()):
        drawn["quality"] = partial(plots_signals.quality, quality, rules)
    if any(mix for mix in filtered.get("languages", {}).values()):
        drawn["languages"] = partial(plots_text.languages, filtered["languages"])
    if tokenize.get("fit"):
        drawn["tokens"] = partial(plots_tokens.tokens, tokenize, tokenize["fit"])
    if frequency:
        half = tokenize.get("vocabulary", {}).get("entries_for_half_the_tokens", 0)
        drawn["vocabulary"] = partial(plots_tokens.vocabulary, _curve(frequency, "rank", "occurrences"), half)
    if losses or validations:
        training, validation = (_curve(rows, "tokens", "loss") for rows in (losses, validations))
        levels = (scores.get("unigram_loss"), scores.get("bigram_loss"))
        drawn["loss"] = partial(plots_training.loss, training, validation, *levels)
    if losses and {"learning_rate", "gradient_norm"} <= set(losses[0]):
        events, skipped = train.get("interventions") or [], train.get("skipped_steps", 0)
        drawn["rate"] = partial(plots_training.rate, losses, events, skipped)
    if quiz:
        drawn["quiz"] = partial(plots_training.quiz, quiz, (train.get("quiz") or {}).get("chance"))
    if evaluation.get("by_frequency"):
        drawn["frequency"] = partial(plots_evaluation.frequency, evaluation["by_frequency"])
    if evaluation.get("by_position"):
        drawn["position"] = partial(plots_evaluation.position, evaluation["by_position"])
    if scores:
        drawn["bits_per_byte"] = partial(plots_evaluation.bits_per_byte, scores, evaluation.get("sources", {}))
    tasks = evaluation.get("tasks") or {}
    if any(accuracy_of(task) for task in tasks.values()):
        drawn["tasks"] = partial(plots_evaluation.tasks, tasks, published(tasks))
    return {name: drawn[name]() if name in drawn else nothing(*_ABSENT[name]) for name in NAMES}


def published(tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Model -> task -> its published score by the metric of our one number; small models first, of several scores of a
    model the first."""
    found: dict[str, dict[str, float]] = {}
    for name, task in tasks.items():
        metric = main_metric(task)
        for row in references.for_task(name):
            if metric and row.metric == metric[0]:
                found.setdefault(row.model, {}).setdefault(name, row.value)
    order = list(dict.fromkeys(row.model for row in references.rows()))
    return {model: found[model] for model in order if model in found}


def _curve(rows: Rows, x: str, y: str) -> list[tuple[float, float]]:
    return [(row[x], row[y]) for row in rows]
