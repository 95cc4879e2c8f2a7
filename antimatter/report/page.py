"""reports/index.html: everything on one page that needs no network, no script and no server.

The numbers and pictures are those of reports/ (deterministic, in git); times, memory, texts and examples come from
work/ and data/ and are shown if they are there. The page itself is built, never tracked.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from antimatter.corpus.shards import atomic_path
from antimatter.report import (
    benchmark_section,
    deduplication,
    duplicate_pairs,
    evaluation_section,
    filtering,
    lineage_section,
    numbers,
    text_section,
    tokens,
    training_section,
    written_texts,
)
from antimatter.report.markup import contents, document, note, picture, section, words
from antimatter.report.material import Material, gather


def build_page(root: Path) -> Path:
    """Write root/reports/index.html from what the stages left below root; returns its path.

    Raises: MissingData if there is no summary yet.
    """
    page = render(gather(root))
    with atomic_path(root / "reports" / "index.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
    return root / "reports" / "index.html"


def render(material: Material) -> str:
    """The page. Everything but the pictures (our own SVG) is escaped."""
    chapters = {title: html for title, parts in _chapters(material).items() if (html := section(title, *parts))}
    return document("AntiMatter: report", [_head(material.summary), contents(chapters), *chapters.values()])


def _chapters(material: Material) -> dict[str, list[str]]:
    """Parts of each chapter by its title, in the order of the data."""
    summary, pictures = material.summary, material.pictures
    training, evaluation, filtered = (summary.get(name, {}) for name in ("training", "evaluation", "filter"))
    own_pictures = {name: picture(svg) for name, svg in pictures.items()}
    decontamination = filtered.get("decontamination", {})
    duplicates = deduplication.parts(summary.get("dedup", {}))
    return {
        "Text": text_section.parts(summary, pictures, material.removed),
        "What cleaning changed": text_section.edits(material.edits),
        "Quality": filtering.parts(filtered, pictures),
        "Duplicates": [*duplicates, *duplicate_pairs.parts(material.pairs)],
        "Contamination": filtering.contamination(decontamination),
        "Tokens": tokens.parts(summary.get("tokenizer", {}), material.tokenize, own_pictures, material.pieces),
        "Training": training_section.parts(
            training,
            pictures,
            material.training_figures,
            material.quiz,
            material.written_while_training,
        ),
        "Evaluation": evaluation_section.parts(evaluation, pictures, material.peers),
        "Benchmarks": benchmark_section.parts(
            evaluation,
            pictures.get("tasks", ""),
            decontamination,
            material.peers,
            material.references,
            material.task_items,
        ),
        "What the model writes": written_texts.parts(material.samples, material.continuations),
        "Speed": [evaluation_section.speed(material.evaluation_figures)],
        "Lineage": lineage_section.parts(material.lineage, _model_id(summary), material.runs),
    }


def _model_id(summary: Mapping[str, Any]) -> str:
    return str(summary.get("training", {}).get("model_id") or summary.get("evaluation", {}).get("model_id") or "")


def _head(summary: Mapping[str, Any]) -> str:
    """What the page is about, in a few numbers, and what makes them doubtful."""
    training, counted = summary.get("training", {}), summary.get("tokens", {})
    flows = list(summary.get("funnel", {}).values())
    tiles: list[tuple[str, str]] = []
    if flows:
        tiles += [(numbers.size(flows[-1]["bytes_out"]), "text for the model")]
        tiles += [
            (numbers.count(flows[-1]["documents_out"]), f"of {numbers.count(flows[0]['documents_in'])} documents")
        ]
    if "training_tokens" in counted:
        tiles += [(numbers.count(counted["training_tokens"]), _read(training, "training tokens"))]
    if "parameters" in training:
        tiles += [(numbers.count(training["parameters"]), "parameters")]
    tiles += _scores(summary.get("evaluation", {}).get("validation") or {})
    cells = "".join(
        f'<div class="tile"><b>{words(big)}</b><span class="soft small">{words(told)}</span></div>'
        for big, told in tiles
    )
    model_id = _model_id(summary)
    model = f'<p class="soft">Model <code>{words(model_id[:16])}</code></p>' if model_id else ""
    how = '<p class="small soft">Intervals hold 95 %; each method stands beside its numbers below.</p>' if tiles else ""
    lead = f'<p class="lead">{words(_lead(summary))}</p>' if _lead(summary) else ""
    return f'<header><h1>AntiMatter</h1>{lead}{model}<div class="tiles">{cells}</div>{how}{_notes(summary)}</header>'


def _lead(summary: Mapping[str, Any]) -> str:
    """What was made and how good it is, for someone who has never seen such a page; "" without a model."""
    training, scores = summary.get("training", {}), summary.get("evaluation", {}).get("validation") or {}
    if "parameters" not in training:
        return ""
    told = f"A language model of {numbers.count(training['parameters'])} parameters, trained from scratch"
    if training.get("tokens"):
        told += f" on {numbers.count(training['tokens'])} tokens"
    sources = [name for name, flow in summary.get("sources", {}).items() if flow.get("tokenize", {}).get("documents")]
    told += (
        f"{' of' if training.get('tokens') else ' on'} {len(sources)} source{'s' * (len(sources) != 1)} of text."
        if sources
        else "."
    )
    if "bits_per_byte" in scores:
        told += f" Text that it never saw costs it {scores['bits_per_byte']:.2f} bits per byte"
        counting = [
            f"{scores[name]:.2f} {label}"
            for name, label in (
                ("bigram_bits_per_byte", "by counting pairs of tokens"),
                ("unigram_bits_per_byte", "by counting tokens"),
            )
            if name in scores
        ]
        told += f", beside {' and '.join(counting)}: lower is better." if counting else ": lower is better."
    return told


def _read(training: Mapping[str, Any], label: str) -> str:
    """How often they were read beside their number: a short run sees a part of them."""
    return f"{label}, read {training['epochs']:.3g} times" if training.get("epochs") else label


def _scores(scores: Mapping[str, Any]) -> list[tuple[str, str]]:
    tiles = []
    for name, label, digits in (("bits_per_byte", "bits per byte", 3), ("perplexity", "perplexity", 1)):
        if name in scores:
            low_high = (scores.get("interval") or {}).get(name)
            told = f", {low_high[0]:.{digits}f} to {low_high[1]:.{digits}f}" if low_high else ""
            tiles.append((f"{scores[name]:.{digits}f}", f"{label}{told}"))
    return tiles


def _notes(summary: Mapping[str, Any]) -> str:
    notes = [str(told) for told in summary.get("warnings", [])]
    for entry in summary.get("missing_sources", []):
        name = entry.get("source") or entry.get("package") or "?"
        told = [str(entry[key]).rstrip(".") for key in ("cause", "lost", "advice") if entry.get(key)]
        notes.append(f"Missing source {name}: {'; '.join(told)}.")
    return "".join(map(note, notes))
