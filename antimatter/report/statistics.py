"""The summary of all reports: how much text each stage kept and why it removed the rest, and what the model achieves.

Deterministic: numbers and names alone, no times, no corpus text. Reports that do not exist (yet) become warnings.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from antimatter.corpus.reports import read_json, share
from antimatter.evaluate.main_metric import main_metric

Content = dict[str, Any]

REPORTS = (
    "collect", "conversations", "benchmarks", "clean", "filter", "dedup", "tokenizer", "tokenize", "train",
    "evaluation",
)  # fmt: skip
"""Names of reports/NAME.json, in the order in which data flows."""
FUNNEL = ("collect", "clean", "filter", "dedup", "tokenize")
"""The stages that documents pass through on their way to the model."""
DEDUP: dict[str, type | tuple[type, ...]] = {
    "scheme": str, "found_at_similarity": dict, "candidates": dict, "similarities": dict,
    "estimate_error": dict, "hottest_buckets": list, "clusters": dict, "between_sources": list,
    "templated_sources": list, "lines": dict, "repeated_spans": dict,
}  # fmt: skip
"""The parts of dedup's report that are its own, and their types."""
EVALUATION = (
    "model_id", "subject", "headline", "validation", "sources", "unscored_sources", "by_position", "by_frequency",
    "tasks", "factual", "continuations", "coherence", "baseline_tokens", "method",
)  # fmt: skip
"""The parts of the report of evaluate that a reader sees."""
TOP_LANGUAGES = 4
"""Languages of a source shown by name; the others are added up."""
FEW_TOKENS = 2000
"""Fewer scored tokens than this make the figures of a source a guess."""


def read_reports(folder: Path) -> dict[str, Content]:
    """The reports that exist, by name."""
    paths = {name: folder / f"{name}.json" for name in REPORTS}
    return {name: read_json(path) for name, path in paths.items() if path.exists()}


def summary(reports: Mapping[str, Content], top_reasons: int) -> Content:
    """The content of reports/summary.json; parts whose reports are missing are empty."""
    tokenizer, evaluation, train = (reports.get(name, {}) for name in ("tokenizer", "evaluation", "train"))
    return {
        "warnings": warnings(reports),
        "missing_sources": missing_sources(reports),
        "funnel": {name: _flow(reports[name]) for name in FUNNEL if name in reports},
        "sources": per_source(reports),
        "removed": removed(reports, top_reasons),
        "filter": filtered(reports.get("filter", {})),
        "dedup": deduplicated(reports.get("dedup", {})),
        "tokenizer": _plain(tokenizer),
        "tokens": tokenized(reports.get("tokenize", {})),
        "training": dict(train),
        "evaluation": {name: value for name, value in evaluation.items() if name in EVALUATION},
    }


def metrics(summary: Mapping[str, Any]) -> Content:
    """The few numbers that `dvc metrics show` prints, in one line of a terminal, and `dvc metrics diff` compares.

    Without levels and short: DVC makes each a column, named by all its levels. loss (nats per token), perplexity and
    bits_per_byte are those of validation text, margin half of the 95 % interval of the latter; documents and tokens
    those of data/tokens (training); a task is its accuracy, or its first metric. What is not known is left out, all
    other numbers are in the other reports.
    """
    flows, evaluation = list(summary.get("funnel", {}).values()), summary.get("evaluation", {})
    scores = evaluation.get("validation") or {}
    tasks = {name: (main_metric(task) or ("", {}))[1].get("value") for name, task in _tasks(evaluation).items()}
    found = tasks | {
        "documents": flows[-1]["documents_out"] if flows else None,
        "tokens": summary.get("tokens", {}).get("training_tokens"),
        "parameters": summary.get("training", {}).get("parameters"),
        "loss": scores.get("loss"),
        "perplexity": scores.get("perplexity"),
        "bits_per_byte": scores.get("bits_per_byte"),
        "margin": half_width(scores, "bits_per_byte"),
    }
    return {name: value for name, value in found.items() if _is_number(value)}


def half_width(figures: Mapping[str, Any], name: str) -> float | None:
    """Half of the interval of a figure; None if it has none."""
    interval = (figures.get("interval") or {}).get(name)
    return round((interval[1] - interval[0]) / 2, 6) if interval else None


def _tasks(evaluation: Mapping[str, Any]) -> Mapping[str, Any]:
    return evaluation.get("tasks") or {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def missing_sources(reports: Mapping[str, Content]) -> list[Content]:
    """What collect and conversations could not get, and why: their `missing` entries with the stage added."""
    entries = []
    for stage in ("collect", "conversations", "benchmarks"):
        for entry in reports.get(stage, {}).get("missing", []):
            fields = entry if isinstance(entry, Mapping) else {"source": entry}
            entries.append({"stage": stage, **{name: str(value) for name, value in fields.items()}})
    return entries


def per_source(reports: Mapping[str, Content]) -> dict[str, dict[str, Content]]:
    """Source -> stage -> documents and bytes after that stage, sources sorted."""
    flows = {stage: reports[stage].get("sources", {}) for stage in FUNNEL if stage in reports}
    names = sorted({name for sources in flows.values() for name in sources})
    return {
        name: {
            stage: {"documents": sources[name]["documents_out"], "bytes": sources[name]["bytes_out"]}
            for stage, sources in flows.items()
            if name in sources
        }
        for name in names
    }


def removed(reports: Mapping[str, Content], top: int) -> Content:
    """The most frequent reasons, and what all others add up to."""
    found = [
        (documents, stage, reason)
        for stage in FUNNEL
        for reason, documents in reports.get(stage, {}).get("removed", {}).items()
        if documents
    ]
    found.sort(key=lambda entry: (-entry[0], FUNNEL.index(entry[1]), entry[2]))
    return {
        "documents": sum(entry[0] for entry in found),
        "reasons": [
            {"stage": stage, "reason": reason, "documents": documents} for documents, stage, reason in found[:top]
        ],
        "other_reasons": len(found[top:]),
        "other_documents": sum(entry[0] for entry in found[top:]),
    }


def filtered(report: Content) -> Content:
    """What the rules of filter do, which languages it found and which evaluation items; {} for a report without rules.

    rules: those that failed a document, those that removed most first. Rules of one reason in several policies are
    added up; `judged` is the number of documents of the sources that were asked, `sources` is sorted by the share that
    failed.
    """
    if "rules" not in report:
        return {}
    sizes = {name: flow["documents_in"] for name, flow in report.get("sources", {}).items()}
    policies = report.get("policies", {})
    rules: dict[str, Content] = {}
    for entry in report["rules"]:
        rule = rules.setdefault(entry["reason"], {"judged": 0, "failed": 0, "alone": 0, "first": 0, "sources": {}})
        asked = [name for name, policy in policies.items() if entry.get("policy") in (None, policy)]
        rule["judged"] += sum(sizes.get(name, 0) for name in asked)
        for count in ("failed", "alone", "first"):
            rule[count] += entry[count]
        for name, counts in entry.get("sources", {}).items():
            if counts["failed"]:
                rule["sources"][name] = share(counts["failed"], sizes.get(name, 0))
    failing = [item for item in rules.items() if item[1]["failed"]]
    failing.sort(key=lambda item: (-item[1]["first"], -item[1]["failed"]))
    return {
        "rules": [{"reason": reason, **rule, "sources": _largest_first(rule["sources"])} for reason, rule in failing],
        "languages": {name: _top(mix) for name, mix in report.get("languages", {}).items()},
        "language": report.get("language", {}),
        "decontamination": report.get("decontamination", {}),
    }


def deduplicated(report: Content) -> Content:
    """What dedup looked for and found; parts that the report lacks, or that an earlier version shaped otherwise, are
    left out."""
    return {name: report[name] for name, kind in DEDUP.items() if isinstance(report.get(name), kind)}


def tokenized(report: Content) -> Content:
    """The figures of the tokens, how much of the vocabulary they use, and the bytes per token of each source."""
    use = {name: value for name, value in report.get("vocabulary", {}).items() if name == "used_share"}
    fit = {name: figures["bytes_per_token"] for name, figures in report.get("fit", {}).items()}
    return {
        **_plain(report, without=("documents_in", "documents_out", "bytes_in", "bytes_out")),
        **use,
        **({"bytes_per_token_of": fit} if fit else {}),
        **({"by_source": report["tokens_by_source"]} if report.get("tokens_by_source") else {}),
    }


def _largest_first(values: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(values.items(), key=lambda item: (-item[1], item[0])))


def _top(languages: Mapping[str, int]) -> dict[str, int]:
    """The most frequent languages, and the documents of all others as "others"."""
    ordered = _largest_first(languages)
    top = {code: int(documents) for code, documents in list(ordered.items())[:TOP_LANGUAGES]}
    others = sum(languages.values()) - sum(top.values())
    return {**top, "others": others} if others else top


def warnings(reports: Mapping[str, Content]) -> list[str]:
    """What a reader must know before believing the numbers, one sentence each."""
    found = [
        f"reports/{name}.json does not exist: its part is missing here." for name in REPORTS if name not in reports
    ]
    found += reports.get("collect", {}).get("warnings", [])
    for stage in ("filter", "dedup"):
        found += [f"Stage {stage} removed most of {loss}." for loss in reports.get(stage, {}).get("heavy_losses", [])]
    tokens, evaluation, train = (reports.get(name, {}) for name in ("tokenize", "evaluation", "train"))
    if "by position" in str(tokens.get("split", "")):
        found.append(
            "There are so few documents that each one was split by position: its beginning is training text, its end "
            "validation text. Validation figures are then too good."
        )
    if train and evaluation and train.get("model_id") != evaluation.get("model_id"):
        found.append("The evaluation is of another model than the training report. Run `dvc repro`.")
    if train.get("skipped_steps"):
        found.append(f"Training skipped {train['skipped_steps']} steps whose gradients were not finite.")
    if train.get("rollbacks"):
        times = "once" if train["rollbacks"] == 1 else f"{train['rollbacks']} times"
        found.append(f"Training went back to an earlier step {times}: see its guard events.")
    scored = evaluation.get("sources", {})
    few = [name for name, figures in scored.items() if figures["tokens"] < FEW_TOKENS]
    if few:
        found.append(f"Scored on fewer than {FEW_TOKENS} tokens, so only a rough guess: {', '.join(few)}.")
    if evaluation.get("unscored_sources"):
        found.append(
            f"Not scored, no validation tokens within the budget: {', '.join(evaluation['unscored_sources'])}."
        )
    worse = [name for name, figures in scored.items() if figures.get("improvement_over_bigram", 1) <= 0]
    if worse:
        found.append(f"No better than counting pairs of tokens (the bigram): {', '.join(worse)}.")
    return found


def _flow(report: Content) -> Content:
    names = ("documents_in", "documents_out", "bytes_in", "bytes_out")
    flow = {name: report.get(name, 0) for name in names}
    removed_documents = flow["documents_in"] - flow["documents_out"]
    return {**flow, "removed_documents_share": share(removed_documents, flow["documents_in"])}


def _plain(report: Content, without: tuple[str, ...] = ()) -> Content:
    """The single figures of a report, without its tables."""
    return {name: v for name, v in report.items() if not isinstance(v, dict | list) and name not in without}
