"""One evaluation: every figure of a model, each kind with its method in words, and the texts that go with them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from antimatter.corpus.reports import read_json
from antimatter.errors import AntiMatterError
from antimatter.evaluate import (
    baselines,
    breakdown,
    coherence,
    continuations,
    figures,
    intervals,
    samples,
    scoring,
    windows,
)
from antimatter.evaluate.main_metric import accuracy_of
from antimatter.evaluate.subject import Subject
from antimatter.model import text
from antimatter.params.evaluate import Evaluate
from antimatter.tokenizer.opened import read_meta
from antimatter.train.tokens import Tokens

HEADLINE = ("loss", "perplexity", "bits_per_byte", "improvement_over_unigram_entropy", "improvement_over_bigram")
DIGITS = 6
"""The accuracy that stands for a task: by the length of the answers where it has that, as in the table of models."""
FACTUAL_METHOD = (
    "Accuracy (acc_norm where the task has it, else acc) on the task {task}, which evaluate.factual_task names; its "
    "method is that of tasks."
)
NO_TASKS = (
    "none: data/benchmarks holds no set that evaluate.local_tasks asks for, and evaluate.tasks names no task of "
    "lm-evaluation-harness"
)

Tasks = Mapping[str, Mapping[str, Any]]
"""What the benchmarks gave, by name: the report's `tasks`."""


class NoFactualTask(AntiMatterError, ValueError):
    """evaluate.factual_task names a task that is not scored, or that has no accuracy."""


class OtherTokenizer(AntiMatterError, ValueError):
    """The tokenizer at hand did not write the tokens, so their text cannot be had."""


def evaluate(
    subject: Subject,
    tokens: Tokens,
    settings: Evaluate,
    tasks: Tasks | None,
    baselines: bool,
    tasks_method: str = "",
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(the report, the texts of data/examples by file name: samples.json, continuations.json).

    tasks      what harness.run found; None or empty: no benchmarks
    baselines  the subject's tokenizer is that of the tokens (see `shares_tokenizer`): their ids are scored as they
               are, beside what counting achieves. If not, the tokenizer beside the tokens (data/tokenizer) gives their
               text, which the subject encodes: no baselines and no frequencies, since its tokens are others.
    Raises: TokensError if there is nothing to score; OtherTokenizer; NoFactualTask for one without an accuracy.
    """
    decode = subject.decode if baselines else _decoder(tokens)
    scored, methods = _held_out(subject, tokens, settings, decode, baselines)
    continued, shown, methods["continuations"] = continuations.measure(subject, tokens, settings, decode, baselines)
    coherent, methods["coherence"] = coherence.measure(subject, tokens, settings, decode, baselines)
    factual = _factual(tasks or {}, settings)
    methods["tasks"] = (tasks_method or "see each task") if tasks else NO_TASKS
    if factual:
        methods["factual"] = FACTUAL_METHOD.format(task=settings.factual_task)
    headline = {name: scored["validation"][name] for name in HEADLINE if name in scored["validation"]}
    for name, found in (tasks or {}).items():
        if accuracy := accuracy_of(found):
            headline[f"task.{name}"] = accuracy[1]["value"]
    content = {
        "subject": subject.facts(),
        "headline": headline,
        **scored,
        "tasks": dict(tasks or {}),
        **({"factual": factual} if factual else {}),
        **({"continuations": continued} if continued else {}),
        **({"coherence": coherent} if coherent else {}),
    }
    content["baseline_tokens"] = content.pop("baseline_tokens")  # near the end, where readers look for it
    texts = {"samples.json": samples.write_samples(subject, settings), "continuations.json": {"continuations": shown}}
    return rounded(content | {"method": methods}), texts


def shares_tokenizer(model: Path, tokens: Tokens) -> bool:
    """Did the tokenizer in a folder of our model write these tokens? False for a folder without one of ours."""
    folder = model / text.FOLDER
    return (folder / "meta.json").is_file() and read_meta(folder)["digest"] == tokens.tokenizer_digest


def require_factual(settings: Evaluate, benchmarks: Path) -> None:
    """Raises NoFactualTask if the task that is to give factual accuracy will not be scored."""
    if not settings.factual_task:
        return
    manifest = benchmarks / "manifest.json"
    present = [entry["name"] for entry in read_json(manifest)["benchmarks"]] if manifest.exists() else []
    local = present if "*" in settings.local_tasks else [name for name in settings.local_tasks if name in present]
    names = [*local, *settings.tasks]
    if settings.factual_task not in names:
        raise NoFactualTask(
            f"evaluate.factual_task is {settings.factual_task}, but the tasks to be scored are "
            f"{', '.join(names) or 'none'}. Name it in evaluate.tasks, or add it to benchmarks.sources and run "
            "`dvc repro benchmarks`; or leave factual_task empty."
        )


def rounded(value: Any) -> Any:
    """The same content, every float with 6 decimals."""
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, Mapping):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(part) for part in value]
    return value


def _held_out(
    subject: Subject,
    tokens: Tokens,
    settings: Evaluate,
    decode: Callable[[Sequence[int]], str],
    has_own_ids: bool,
) -> tuple[dict[str, Any], dict[str, str]]:
    """(validation, sources, by_position, by_frequency and baseline_tokens, the methods of them)."""
    selection = windows.select(tokens, settings.validation_tokens, subject.context)
    methods = {
        "model": scoring.METHOD if has_own_ids else scoring.TEXT_METHOD,
        "interval": intervals.METHOD.format(samples=settings.bootstrap_samples, seed=settings.seed),
        "by_position": breakdown.POSITION,
    }
    if not has_own_ids:
        scores = scoring.through_text(subject, selection, decode)
        if scores.altered:
            methods["model"] += scoring.ALTERED.format(altered=scores.altered, documents=len(scores.bytes))
        found = figures.per_source(scores, None, settings.bootstrap_samples, settings.seed)
        by_position = breakdown.by_position(scores, subject.context)
        return {**found, "by_position": by_position, "baseline_tokens": 0}, methods
    scores = scoring.own_ids(subject, selection, tokens.token_bytes)
    counts = baselines.count(tokens.train, tokens.vocabulary_size, settings.baseline_tokens, tokens.bos)
    counting = figures.baseline(selection, counts)
    return {
        **figures.per_source(scores, counting, settings.bootstrap_samples, settings.seed),
        "by_position": breakdown.by_position(scores, subject.context),
        "by_frequency": breakdown.by_frequency(scores, counting.ids, tokens.token_counts, tokens.token_bytes),
        "baseline_tokens": counts.targets,
    }, methods | {"by_frequency": breakdown.FREQUENCY, "baselines": figures.BASELINES}


def _decoder(tokens: Tokens) -> Callable[[Sequence[int]], str]:
    """Text of the tokens by the tokenizer that lies beside them."""
    beside = tokens.folder.parent
    folder = beside / text.FOLDER
    present = read_meta(folder)["digest"]
    if present != tokens.tokenizer_digest:
        raise OtherTokenizer(
            f"{tokens.folder} was written with tokenizer {tokens.tokenizer_digest}, but {folder} is now {present}: "
            "its text would be another. Run `dvc repro tokenize`."
        )
    decode = text.load(beside).decode
    return lambda ids: decode(list(ids))


def _factual(tasks: Tasks, settings: Evaluate) -> dict[str, Any] | None:
    if not settings.factual_task:
        return None
    found = accuracy_of(tasks.get(settings.factual_task, {}))
    if found is None:
        known = ", ".join(name for name, task in tasks.items() if accuracy_of(task)) or "none"
        raise NoFactualTask(
            f"evaluate.factual_task is {settings.factual_task}, which has no accuracy; tasks that have one: {known}."
        )
    figures = found[1]
    return {"task": settings.factual_task, "accuracy": figures["value"], "error": figures["error"]}
