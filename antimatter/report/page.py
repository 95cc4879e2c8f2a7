"""reports/index.html: everything on one page that needs no network, no script and no server.

The numbers and pictures are those of reports/ (deterministic, in git); times, memory and the texts of the model come
from work/runs and data/examples and are shown if they are there. The page itself is built, never tracked.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from antimatter.corpus.reports import read_json
from antimatter.corpus.shards import MissingData, atomic_path
from antimatter.report import numbers

STAGES = (
    "collect", "conversations", "benchmarks", "clean", "filter", "dedup", "tokenizer", "tokenize", "train", "evaluate",
    "report",
)  # fmt: skip
TRACKING_PAGE = "http://127.0.0.1:5000/#/experiments"

_STYLE = """
:root{color-scheme:light dark;--ink:#24292f;--soft:#65707c;--paper:#fff;--card:#f5f7f9;--line:#dfe4e8;--accent:#1f6feb;
--bar:#c5d9f7;--warn:#fff4e0;--warn-line:#e0a93b}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa5b1;--paper:#0f141a;--card:#171d25;--line:#2b323b;
--accent:#6cb0ff;--bar:#22406b;--warn:#2b2210;--warn-line:#8a6a1f}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink)}
body{font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:960px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:26px;margin:0}h2{font-size:19px;margin:44px 0 12px;padding-top:12px;border-top:1px solid var(--line)}
h3{font-size:15px;margin:20px 0 8px}p{margin:8px 0}.soft{color:var(--soft)}small,.small{font-size:13px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(132px,1fr));gap:10px;margin:20px 0}
.tile{background:var(--card);border-radius:8px;padding:10px 12px}.tile b{display:block;font-size:21px;line-height:1.3}
.note{background:var(--warn);border-left:4px solid var(--warn-line);border-radius:4px;padding:8px 12px;margin:8px 0}
.chart{display:block;width:100%;max-width:600px;height:auto;margin:12px 0}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:14px;width:100%}
th,td{text-align:left;padding:5px 14px 5px 0;border-bottom:1px solid var(--line);white-space:nowrap;vertical-align:top}
th{color:var(--soft);font-weight:500}.n{text-align:right;font-variant-numeric:tabular-nums}
td.bar{width:34%;min-width:90px}.short{max-width:440px}
td.bar i{display:block;height:12px;margin-top:5px;border-radius:2px;background:var(--bar)}
.text{background:var(--card);border-radius:8px;padding:10px 14px;margin:8px 0;white-space:pre-wrap}
.text,code{overflow-wrap:anywhere}.text b{color:var(--accent)}
code{background:var(--card);border-radius:4px;padding:1px 5px;font-size:14px}
""".strip()


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
    # not splitlines(): a text may hold U+2028, which stands in JSON as it is
    lines = edits.read_text(encoding="utf-8").rstrip("\n").split("\n") if edits.exists() else []
    page = render(
        summary,
        pictures,
        read_json(samples) if samples.exists() else {},
        records,
        [json.loads(line) for line in lines if line],
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
) -> str:
    """The page. Everything but `pictures` (our own SVG) is escaped."""
    sections = [
        _head(summary),
        _notes(summary),
        _section("Text", pictures.get("funnel", ""), _removed(summary.get("removed", {})), _sources(summary)),
        _section("What cleaning changed", _edits(edits)),
        _section("Training", pictures.get("loss", ""), _facts(summary.get("training", {}), _TRAINING)),
        _section("Evaluation", pictures.get("bits_per_byte", ""), _scores(summary.get("evaluation", {}))),
        _section("What the model writes", _samples(samples)),
        _section("Time and memory of the last run", _records(records)),
        _section("Comparing experiments", _tracking(summary)),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>AntiMatter: report</title><style>{_STYLE}</style></head>\n<body><main>\n"
        + "\n".join(filter(None, sections))
        + "\n</main></body></html>\n"
    )


def _head(summary: Mapping[str, Any]) -> str:
    training, evaluation = summary.get("training", {}), summary.get("evaluation", {})
    flows, tokens = list(summary.get("funnel", {}).values()), summary.get("tokens", {})
    scores = evaluation.get("validation", {})
    tiles: list[tuple[str, str]] = []
    if flows:
        tiles += [(numbers.size(flows[-1]["bytes_out"]), "text for the model")]
        tiles += [
            (numbers.count(flows[-1]["documents_out"]), f"of {numbers.count(flows[0]['documents_in'])} documents")
        ]
    if "training_tokens" in tokens:
        tiles += [(numbers.count(tokens["training_tokens"]), "training tokens")]
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
            _cell(entry["stage"]),
            _cell(entry["reason"]),
            _number(numbers.count(entry["documents"])),
            _bar(entry["documents"] / most),
        ]
        for entry in reasons
    ]
    if removed.get("other_reasons"):
        words = f"{removed['other_reasons']} other reasons"
        rows.append([_cell(""), _cell(words), _number(numbers.count(removed["other_documents"])), "<td></td>"])
    return "<h3>Why documents were removed</h3>" + _table(["stage", "reason", "#documents", ""], rows)


def _sources(summary: Mapping[str, Any]) -> str:
    stages, sources = list(summary.get("funnel", {})), summary.get("sources", {})
    if not sources:
        return ""
    rows = []
    for name, flow in sources.items():
        last = flow[next(stage for stage in reversed(stages) if stage in flow)]
        cells = [_number(numbers.size(flow[stage]["bytes"]) if stage in flow else "") for stage in stages]
        rows.append([_cell(name), *cells, _number(numbers.count(last["documents"]))])
    head = ["source", *(f"#{stage}" for stage in stages), "#documents left"]
    return "<h3>Text of each source after each stage</h3>" + _table(head, rows)


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
    rows = [[_cell(words), _number(_readable(value))] for words, value in found.items()]
    for part, label in (("first", "first validation loss"), ("last", "last validation loss")):
        loss = (content.get("validation") or {}).get(part, {}).get("loss")
        if loss is not None:
            rows.append([_cell(label), _number(f"{loss:.4f}")])
    return f'<div class="short">{_table(["", "#"], rows)}</div>' if rows else ""


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
        rows.append([_cell(name), *map(_number, [numbers.count(figures["tokens"]), *losses, *gains])])
    methods = "".join(f"<p>{escape(str(words))}</p>" for words in evaluation.get("method", {}).values())
    return _table(head, rows) + f'<div class="small soft">{methods}</div>'


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
    return _table(["step", "before", "after"], rows) if rows else ""


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
        cells = [_cell(name), _number(numbers.duration(seconds)), _bar(seconds / longest), _number(numbers.size(peak))]
        rows.append([*cells, _number(str(record.get("workers", "")))])
    if not rows:
        return ""
    total = numbers.duration(sum(records[name].get("seconds", 0) for name in known))
    words = f"{total} in all. Memory is the peak of the largest single process of the stage."
    return _table(["stage", "#time", "", "#memory", "#workers"], rows) + f'<p class="small soft">{words}</p>'


def _tracking(summary: Mapping[str, Any]) -> str:
    model_id = str(summary.get("training", {}).get("model_id", ""))
    search = f"; the training run of this model: <code>tags.model_id = '{escape(model_id)}'</code>" if model_id else ""
    return (
        "<p>Every stage execution is a run in MLflow, with curves, parameters, times and system load. "
        "Start it with <code>mlflow ui --backend-store-uri sqlite:///mlflow.db</code>, "
        f"then open <code>{TRACKING_PAGE}</code>{search}. Without MLflow: <code>dvc exp show --only-changed</code>.</p>"
    )


def _section(title: str, *parts: str) -> str:
    body = "".join(parts)
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """`head`: titles, those of number columns with a leading #; `rows`: finished cells."""
    titles = "".join(
        f'<th class="n">{escape(t[1:])}</th>' if t.startswith("#") else f"<th>{escape(t)}</th>" for t in head
    )
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    top = f"<thead><tr>{titles}</tr></thead>" if any(title.strip("#") for title in head) else ""
    return f'<div class="wide"><table>{top}<tbody>{body}</tbody></table></div>'


def _cell(words: Any) -> str:
    return f"<td>{escape(str(words))}</td>"


def _number(words: str) -> str:
    return f'<td class="n">{escape(words)}</td>'


def _bar(part: float) -> str:
    return f'<td class="bar"><i style="width:{max(0.5, 100 * part):.1f}%"></i></td>'


def _readable(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return numbers.count(value) if isinstance(value, int) else f"{value:.3g}"
