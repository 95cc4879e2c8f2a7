"""The part of the page about dedup: which pairs it finds, the largest clusters, between which sources, templates."""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import Any

from antimatter.report import numbers
from antimatter.report.figure import WIDTH, Picture, count_axis, drawing
from antimatter.report.markup import bar, cell, method, number, table
from antimatter.report.palette import colour

NAMED_SOURCES = 3
"""Sources named beside a cluster: those with most of its documents."""
SHOWN_PAIRS = 12
"""Pairs of sources in sight; the others are added up."""
ID_DIGITS = 12
"""Hex digits of an id: `antimatter duplicates` takes the first 6 or more."""


_METHOD = method(
    "Documents of equal words are exact duplicates. Near ones: MinHash signatures propose pairs that share a band (a "
    "bucket holds the documents of one), then the exact Jaccard similarity of their word shingles decides. A cluster: "
    "documents that such pairs link; several of them may stay, since A like B and B like C does not make A like C."
)


def parts(found: Mapping[str, Any]) -> list[str]:
    """Picture and tables from the summary of dedup; none for what it does not hold."""
    curve = s_curve(found.get("found_at_similarity", {}), found.get("similarities", {}))
    return [
        curve,
        _scheme(found.get("scheme", "")) if curve else "",
        _compared(found.get("candidates", {}), found.get("estimate_error", {})),
        _hottest(found.get("hottest_buckets", [])),
        _clusters(found.get("clusters", {})),
        _between(found.get("between_sources", [])),
        _templated(found.get("templated_sources", [])),
        _METHOD if found.get("clusters") or found.get("candidates") else "",
        _pass("Repeated lines", found.get("lines", {})),
        _pass("Repeated spans", found.get("repeated_spans", {})),
    ]


@drawing
def s_curve(found_at: Mapping[str, float], similarities: Mapping[str, int]) -> str:
    """The share of pairs that the bands find, over Jaccard similarity; behind it the pairs that were compared, their
    heights square roots, so that few stay visible beside many. Empty without a curve."""
    if not found_at:
        return ""
    curve = sorted((float(similarity), part) for similarity, part in found_at.items())
    pairs, step = _bins(similarities)
    height, left = 160, 54
    picture = Picture(
        "Which pairs of documents dedup finds",
        "line: share that the bands find" + ("; bars: pairs compared exactly, square roots" if pairs else ""),
        height=height + 46,
    )
    low = min([point[0] for point in (*curve, *pairs)])
    axes = picture.axes(x=left, y=6, width=WIDTH - left - 14, height=height, grid="y")
    axes.set(xlim=(low, 1 if low < 1 else 2), ylim=(0, 1), yticks=[0, 0.25, 0.5, 0.75, 1])
    axes.set_yticklabels([f"{value} %" for value in (0, 25, 50, 75, 100)])
    count_axis(axes, "x", 6, "{:.10g}".format)
    most = max((count for _, count in pairs), default=1)
    for similarity, count in pairs:
        width = min(1, similarity + step) - similarity
        axes.bar(
            similarity + 0.04 * width, 0.96 * (count / most) ** 0.5, 0.92 * width, align="edge", color=colour("pale")
        )
    axes.plot(*zip(*curve, strict=True), color=colour("accent"), clip_on=False)
    for similarity, part in curve:
        if round(10 * similarity, 6) in (6, 7, 8):
            axes.plot(similarity, part, "o", color=colour("accent"))
            axes.annotate(
                numbers.percent(part), (similarity, part), (-8, 4), textcoords="offset points", ha="right",
                color=colour("accent"), weight="bold",
            )  # fmt: skip
    picture.text(left + (WIDTH - left - 14) / 2, height + 42, "exact Jaccard similarity", "muted", "center")
    return picture.render()


def _bins(similarities: Mapping[str, int]) -> tuple[list[tuple[float, int]], float]:
    """(lower end, pairs) of each bar, rising, and their width; pairs of similarity 1 belong to the last one."""
    counts = {float(similarity): count for similarity, count in similarities.items()}
    starts = sorted(counts)
    step = min([0.05, *(after - before for before, after in pairwise(starts))])
    whole = counts.pop(1.0, 0)
    last = max((start for start in counts if start > 1 - 1.5 * step), default=1 - step)
    counts[last] = counts.get(last, 0) + whole
    return sorted((start, count) for start, count in counts.items() if count), step


def _scheme(scheme: str) -> str:
    return f'<p class="small soft">{escape(scheme)}.</p>' if scheme else ""


_COMPARED = {
    "documents": "documents that share a bucket with another",
    "buckets": "buckets that two or more share",
    "largest_bucket": "documents in the largest bucket",
    "met": "pairs that met in a bucket",
    "skipped_by_size": "not compared: too unlike in size",
    "skipped_by_signature": "not compared: signatures too unlike",
    "compared": "compared shingle by shingle",
    "duplicates": "at least as similar as the threshold",
    "left_out": "comparisons left out by the cap on leaders",
    "buckets_over_cap": "buckets that hold more kept documents than this cap",
}


def _compared(candidates: Mapping[str, int], error: Mapping[str, float]) -> str:
    rows = [
        [cell(words), number(numbers.count(candidates[name]))]
        for name, words in _COMPARED.items()
        if name in candidates
    ]
    if "mean_absolute" in error:
        words = "mean absolute error of the signatures' estimate"
        rows.append([cell(words), number(f"{error['mean_absolute']:.4f}")])
    if not rows:
        return ""
    note = ""
    if candidates.get("left_out"):
        documents = numbers.count(candidates["left_out"])
        words = f"{documents} comparisons were left out: parameter dedup.leaders_per_bucket caps them."
        note = f'<div class="note small">{escape(words)}</div>'
    return f'<h3>Pairs</h3><div class="short">{table(["", "#"], rows)}</div>{note}'


def _hottest(buckets: Sequence[Mapping[str, Any]]) -> str:
    """Where comparisons were left out."""
    rows = [[_identity(entry["one_of_them"]), number(numbers.count(entry["kept_documents"]))] for entry in buckets]
    head = ["one of the documents", "#kept in the bucket"]
    return f'<h3>The hottest buckets</h3><div class="short">{table(head, rows)}</div>' if rows else ""


def _clusters(clusters: Mapping[str, Any]) -> str:
    sizes, top = clusters.get("sizes", {}), clusters.get("top", [])
    parts = []
    if sizes:
        most = max(sizes.values()) or 1
        rows = [[cell(name), number(numbers.count(count)), bar(count / most)] for name, count in sizes.items()]
        parts += ["<h3>Clusters of duplicates</h3>", table(["documents in a cluster", "#clusters", ""], rows)]
    if top:
        rows = [
            [
                _identity(entry["cluster"]),
                *(number(numbers.count(entry[name]) if name in entry else "") for name in ("size", "removed")),
                cell(_named(entry.get("sources", {}))),
            ]
            for entry in top
        ]
        note = "<code>antimatter duplicates ID</code> lists what left for a document and shows the texts side by side."
        parts += ["<h3>The largest clusters</h3>", table(["cluster", "#documents", "#removed", "sources"], rows)]
        parts.append(f'<p class="small soft">{note}</p>')
    return "".join(parts)


def _identity(digits: Any) -> str:
    return f"<td><code>{escape(str(digits)[:ID_DIGITS])}</code></td>"


def _named(sources: Mapping[str, int]) -> str:
    """wiki_en 200, web 3, 2 more"""
    ordered = sorted(sources.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{name} {numbers.count(count)}" for name, count in ordered[:NAMED_SOURCES]]
    more = len(ordered) - len(named)
    return ", ".join([*named, f"{more} more"] if more else named)


def _between(pairs: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [cell(pair["removed_from"]), cell(pair["kept_in"]), number(numbers.count(pair["documents"]))]
        for pair in pairs[:SHOWN_PAIRS]
    ]
    others = pairs[SHOWN_PAIRS:]
    if others:
        documents = numbers.count(sum(pair["documents"] for pair in others))
        rows.append([cell(f"{len(others)} other pairs of sources"), cell(""), number(documents)])
    if not rows:
        return ""
    head = ["removed from", "because it is in", "#documents"]
    return f'<h3>Between which sources</h3><div class="short">{table(head, rows)}</div>'


def _templated(sources: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [
            cell(entry["source"]),
            *(number(numbers.count(entry[name])) for name in ("documents", "met")),
            number(numbers.percent(entry["share"])),
        ]
        for entry in sources
    ]
    if not rows:
        return ""
    words = (
        "Many of their kept documents share a bucket with a better ranked one that is kept too: most often "
        "they are filled into one template."
    )
    head = ["source", "#documents kept", "#share a bucket", "#share"]
    note = f'<p class="small soft">{words}</p>'
    return f'<h3>Templated sources</h3><div class="short">{table(head, rows)}</div>{note}'


_FIGURES = {
    "units_compared": "units compared: those of min_words words and more",
    "different": "different ones among them",
    "units": "units, of any length",
    "units_lost": "units lost: left with a document, and no copy is left",
    "words": "words",
    "windows_compared": "windows compared: a part of them stands elsewhere too",
    "different_windows": "different windows that stand more than once",
}


def _figure(name: str) -> str:
    return _FIGURES.get(name, name.replace("_", " "))


def _pass(title: str, figures: Mapping[str, Any]) -> str:
    """The single figures of an optional pass, those of each source, and the most frequent units or windows."""
    rows = [
        [cell(_figure(name)), number(numbers.count(value) if isinstance(value, int) else f"{value:.4g}")]
        for name, value in figures.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    if not rows and not figures.get("frequent"):
        return ""
    shown = f'<h3>{title}</h3><div class="short">{table(["", "#"], rows)}</div>'
    by_source = figures.get("by_source", {})
    names = list(next(iter(by_source.values()), {}))
    if names:
        head = ["source", *(f"#{_figure(name)}" for name in names)]
        lines = [
            [cell(source), *(number(numbers.count(counts.get(name, 0))) for name in names)]
            for source, counts in by_source.items()
        ]
        shown += table(head, lines)
    return shown + _frequent(figures.get("frequent"))


def _frequent(found: Any) -> str:
    """Where the most frequent units or windows stand; the page holds no texts of the corpus."""
    entries = [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []
    place = next((name for name in ("unit", "word") if entries and name in entries[0]), "")
    if not place:
        return ""
    rows = [
        [number(numbers.count(entry["times"])), _identity(entry["document"]), number(f"{entry[place]:,}")]
        for entry in entries
    ]
    words = {"unit": "#unit, from 0", "word": "#first word, from 0"}[place]
    return f'<h4>The most frequent</h4><div class="short">{table(["#times", "in document", words], rows)}</div>'
