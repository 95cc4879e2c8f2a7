"""reports/index.html: everything on one page that needs no network, no script and no server.

The numbers and pictures are those of reports/ (deterministic, in git); times, memory, the texts of the model and the
pieces of the vocabulary come from work/runs and data/ and are shown if they are there. The page itself is built, never
tracked.
"""

import json
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from antimatter.corpus.reports import read_json
from antimatter.corpus.shards import MissingData, atomic_path
from antimatter.report import deduplication, filtering, numbers, tokens
from antimatter.report.markup import bar, cell, document, number, section, table

STAGES = (
    "collect", "conversations", "benchmarks", "clean", "filter", "dedup", "tokenizer", "tokenize", "train", "evaluate",
    "report",
)  # fmt: skip
TRACKING_PAGE = "http://127.0.0.1:5000/#/experiments"


def build_page(root: Path) -> Path:
    """Write root/reports/index.html from what the stages left below root; returns its path.

    Raises: MissingData if there is no summary yet.
    """
    reports = root / "reports"
    if not (reports / "summary.json").exists():
        raise MissingData(
            f"{reports}/summary.json does not exist: there is nothing to show yet. Run `dvc repro report`."
        )
    summary = read_json(reports / "summary.json")
    samples = root / "data" / "examples" / "samples.json"
    runs = Path(os.environ.get("ANTIMATTER_WORK") or root / "work") / "runs"
    pictures = {path.stem: path.read_text(encoding="utf-8") for path in sorted(reports.glob("*.svg"))}
    records = {path.stem: read_json(path) for path in sorted(runs.glob("*.json"))}
    edits = root / "data" / "cleaned" / "examples" / "clean.jsonl"
    tokenize = reports / "tokenize.json"
    # not splitlines(): a text may hold U+2028, which stands in JSON as it is
    lines = edits.read_text(encoding="utf-8").rstrip("\n").split("\n") if edits.exists() else []
    page = render(
        summary,
        pictures,
        read_json(samples) if samples.exists() else {},
        records,
        [json.loads(line) for line in lines if line],
        read_json(tokenize) if tokenize.exists() else {},
        tokens.pieces_in_use(root / "data" / "tokens", root / "data" / "tokenizer"),
    )
    with atomic_path(reports / "index.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
    return reports / "index.html"


def render(
    summary: Mapping[str, Any],
    pictures: Mapping[str, str],
    samples: Mapping[str, Any],
    records: Mapping[str, Any],
    edits: Sequence[Mapping[str, Any]] = (),
    tokenize: Mapping[str, Any] | None = None,
    pieces: tokens.Pieces | None = None,
) -> str:
    """The page. Everything but `pictures` (our own SVG) is escaped. `tokenize`: the report of that stage."""
    sections = [
        _head(summary),
        _notes(summary),
        section("Text", pictures.get("funnel", ""), _removed(summary.get("removed", {})), _sources(summary)),
        section("What cleaning changed", _edits(edits)),
        section("What the filter rules remove", *filtering.parts(summary.get("filter", {}))),
        section("Duplicates", *deduplication.parts(summary.get("dedup", {}))),
        section("Tokens", *tokens.parts(summary.get("tokenizer", {}), tokenize or {}, pictures, pieces)),
        section("Training", pictures.get("loss", ""), _facts(summary.get("training", {}), _TRAINING)),
        section("Evaluation", pictures.get("bits_per_byte", ""), _scores(summary.get("evaluation", {}))),
        section("What the model writes", _samples(samples)),
        section("Time and memory of the last run", _records(records)),
        section("Comparing experiments", _tracking(summary)),
    ]
    return document("AntiMatter: report", sections)


def _head(summary: Mapping[str, Any]) -> str:
    training, evaluation = summary.get("training", {}), summary.get("evaluation", {})
    flows, counted = list(summary.get("funnel", {}).values()), summary.get("tokens", {})
    scores = evaluation.get("validation", {})
    tiles: list[tuple[str, str]] = []
    if flows:
        tiles += [(numbers.size(flows[-1]["bytes_out"]), "text for the model")]
        tiles += [
            (numbers.count(flows[-1]["documents_out"]), f"of {numbers.count(flows[0]['documents_in'])} documents")
        ]
    if "training_tokens" in counted:
        tiles += [(numbers.count(counted["training_tokens"]), "training tokens")]
    if "parameters" in training:
        tiles += [(numbers.count(training["parameters"]), "parameters")]
    if scores:
        tiles += [(f"{scores['bits_per_byte']:.3f}", "bits per byte")]
        tiles += [(f"{scores['perplexity']:.1f}", "perplexity")]
    cells = "".join(
        f'<div class="tile"><b>{escape(big)}</b><span class="soft small">{escape(words)}</span></div>'
        for big, words in tiles
    )
    model_id = str(training.get("model_id") or evaluation.get("model_id") or "")
    model = f'<p class="soft">Model <code>{escape(model_id[:16])}</code></p>' if model_id else ""
    return f'<h1>AntiMatter</h1>{model}<div class="tiles">{cells}</div>'


def _notes(summary: Mapping[str, Any]) -> str:
    notes = [escape(words) for words in summary.get("warnings", [])]
    for entry in summary.get("missing_sources", []):
        name = escape(str(entry.get("source") or entry.get("package") or "?"))
        told = [str(entry[key]).rstrip(".") for key in ("cause", "lost", "advice") if entry.get(key)]
        notes.append(f"<b>Missing source {name}</b>: {escape('; '.join(told))}.")
    return "".join(f'<div class="note small">{note}</div>' for note in notes)


def _removed(removed: Mapping[str, Any]) -> str:
    reasons = removed.get("reasons", [])
    if not reasons:
        return ""
    most = max(entry["documents"] for entry in reasons)
    rows = [
        [
            cell(entry["stage"]),
            cell(entry["reason"]),
            number(numbers.count(entry["documents"])),
            bar(entry["documents"] / most),
        ]
        for entry in reasons
    ]
    if removed.get("other_reasons"):
        words = f"{removed['other_reasons']} other reasons"
        rows.append([cell(""), cell(words), number(numbers.count(removed["other_documents"])), "<td></td>"])
    return "<h3>Why documents were removed</h3>" + table(["stage", "reason", "#documents", ""], rows)


def _sources(summary: Mapping[str, Any]) -> str:
    stages, sources = list(summary.get("funnel", {})), summary.get("sources", {})
    if not sources:
        return ""
    rows = []
    for name, flow in sources.items():
        last = flow[next(stage for stage in reversed(stages) if stage in flow)]
        cells = [number(numbers.size(flow[stage]["bytes"]) if stage in flow else "") for stage in stages]
        rows.append([cell(name), *cells, number(numbers.count(last["documents"]))])
    head = ["source", *(f"#{stage}" for stage in stages), "#documents left"]
    return "<h3>Text of each source after each stage</h3>" + table(head, rows)


_TRAINING = {
    "parameters": "parameters",
    "parameters_without_embeddings": "parameters without embeddings",
    "steps": "steps",
    "tokens": "tokens read",
    "epochs": "passes over the text",
    "precision": "arithmetic",
}


def _facts(content: Mapping[str, Any], names: Mapping[str, str]) -> str:
    found = {words: content[name] for name, words in names.items() if content.get(name) is not None}
    rows = [[cell(words), number(_readable(value))] for words, value in found.items()]
    for part, label in (("first", "first validation loss"), ("last", "last validation loss")):
        loss = (content.get("validation") or {}).get(part, {}).get("loss")
        if loss is not None:
            rows.append([cell(label), number(f"{loss:.4f}")])
    return f'<div class="short">{table(["", "#"], rows)}</div>' if rows else ""


def _scores(evaluation: Mapping[str, Any]) -> str:
    total = evaluation.get("validation")
    if not total:
        return ""
    head = [
        "source",
        "#tokens",
        "#loss",
        "#perplexity",
        "#bits/byte",
        "#unigram",
        "#bigram",
        "#below unigram",
        "#below bigram",
    ]
    rows = []
    for name, figures in [("all", total), *evaluation.get("sources", {}).items()]:
        losses = [
            f"{figures[key]:.3f}" for key in ("loss", "perplexity", "bits_per_byte", "unigram_loss", "bigram_loss")
        ]
        gains = [f"{figures[key]:+.3f}" for key in ("improvement_over_unigram", "improvement_over_bigram")]
        rows.append([cell(name), *map(number, [numbers.count(figures["tokens"]), *losses, *gains])])
    methods = "".join(f"<p>{escape(str(words))}</p>" for words in evaluation.get("method", {}).values())
    return table(head, rows) + f'<div class="small soft">{methods}</div>'


def _edits(edits: Sequence[Mapping[str, Any]]) -> str:
    """The first pairs of each step, a source at most once: excerpts before and after."""
    chosen: dict[str, dict[str, Mapping[str, Any]]] = {}
    for edit in edits:
        of_step = chosen.setdefault(str(edit["step"]), {})
        if len(of_step) < 2:
            of_step.setdefault(str(edit["source"]), edit)
    rows = [
        [
            f"<td>{escape(step)}<br><small>{escape(source)}</small></td>",
            *(f'<td><div class="text">{escape(str(edit[side]))}</div></td>' for side in ("before", "after")),
        ]
        for step, of_step in chosen.items()
        for source, edit in of_step.items()
    ]
    return table(["step", "before", "after"], rows) if rows else ""


def _samples(samples: Mapping[str, Any]) -> str:
    parts = []
    for sample in samples.get("samples", []):
        for kind in ("greedy", "sampled"):
            prompt, text = str(sample["prompt"]), str(sample[kind])
            rest = text[len(prompt) :] if text.startswith(prompt) else text
            parts.append(
                f'<div class="text"><small class="soft">{kind}</small>\n<b>{escape(prompt)}</b>{escape(rest)}</div>'
            )
    settings = ", ".join(f"{name} {value}" for name, value in samples.get("sampling", {}).items())
    return "".join(parts) + (f'<p class="small soft">Sampled with {escape(settings)}.</p>' if parts else "")


def _records(records: Mapping[str, Any]) -> str:
    known = [name for name in STAGES if name in records] + sorted(records.keys() - set(STAGES))
    longest = max((records[name].get("seconds", 0) for name in known), default=0) or 1
    rows = []
    for name in known:
        record = records[name]
        seconds = record.get("seconds", 0)
        peak = max(record.get("peak_bytes_self", 0), record.get("peak_bytes_largest_worker", 0))
        cells = [cell(name), number(numbers.duration(seconds)), bar(seconds / longest), number(numbers.size(peak))]
        rows.append([*cells, number(str(record.get("workers", "")))])
    if not rows:
        return ""
    total = numbers.duration(sum(records[name].get("seconds", 0) for name in known))
    words = f"{total} in all. Memory is the peak of the largest single process of the stage."
    return table(["stage", "#time", "", "#memory", "#workers"], rows) + f'<p class="small soft">{words}</p>'


def _tracking(summary: Mapping[str, Any]) -> str:
    model_id = str(summary.get("training", {}).get("model_id", ""))
    search = f"; the training run of this model: <code>tags.model_id = '{escape(model_id)}'</code>" if model_id else ""
    return (
        "<p>Every stage execution is a run in MLflow, with curves, parameters, times and system load. "
        "Start it with <code>mlflow ui --backend-store-uri sqlite:///mlflow.db</code>, "
        f"then open <code>{TRACKING_PAGE}</code>{search}. Without MLflow: <code>dvc exp show --only-changed</code>.</p>"
    )


def _readable(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return numbers.count(value) if isinstance(value, int) else f"{value:.3g}"
