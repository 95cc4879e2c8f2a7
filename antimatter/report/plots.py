"""The three pictures: how much text each stage keeps, the loss over tokens, bits per byte source by source."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from antimatter.report import numbers, svg

MOST_POINTS = 300
"""Points of a curve in the picture; longer curves are averaged in equal groups."""

Curve = Sequence[tuple[float, float]]


def funnel(flows: Mapping[str, Mapping[str, Any]]) -> str:
    """Bytes after each stage as bars, what the stage took away in a paler tone; documents in words."""
    row, left, right = 44, 76, 8
    drawing = svg.Drawing(30 + row * len(flows) + 4, "Text left after each stage")
    most = max((max(flow["bytes_in"], flow["bytes_out"]) for flow in flows.values()), default=0) or 1
    scale = (svg.WIDTH - left - right) / most
    for index, (stage, flow) in enumerate(flows.items()):
        y = 30 + index * row
        drawing.text(left - 8, y + 13, stage, "strong", "end")
        drawing.bar(left, y, flow["bytes_in"] * scale, 18, "pale")
        drawing.bar(left, y, flow["bytes_out"] * scale, 18, "accent")
        words = f"{numbers.size(flow['bytes_out'])} in {numbers.count(flow['documents_out'])} documents"
        lost = flow["documents_in"] - flow["documents_out"]
        if lost:
            words += f", {numbers.count(lost)} removed ({numbers.percent(flow['removed_documents_share'])})"
        drawing.text(left, y + 33, words, "muted")
    return drawing.render()


def loss(training: Curve, validation: Curve, unigram: float | None, bigram: float | None) -> str:
    """Training and validation loss over tokens, beside what counting alone achieves; labels stand at the lines."""
    height, left, right, top, bottom = 280, 34, 112, 44, 30
    drawing = svg.Drawing(height, "Loss over training tokens")
    drawing.text(0, 33, "nats per token; lower is better", "muted")
    training = thinned(training)
    lines: list[tuple[str, Curve, float, str, str]] = []  # name, points, value at the right end, line and text style
    for name, level, style in (("unigram", unigram, "third"), ("bigram", bigram, "second")):
        if level is not None:
            lines.append((name, (), level, f"line dashed s-{style}", style))
    if training:
        lines.append(("training", training, training[-1][1], "line thin s-accent", "muted"))
    if validation:
        lines.append(("validation", validation, validation[-1][1], "line s-accent", "accent strong"))
    values = [y for _, points, _, _, _ in lines for _, y in points] + [level for _, _, level, _, _ in lines]
    if not values:
        return drawing.render()
    most = max((x for _, points, _, _, _ in lines for x, _ in points), default=1) or 1
    low, high = min(values), max(values)
    low, high = low - 0.05 * (high - low or 1), high + 0.02 * (high - low or 1)
    width = svg.WIDTH - left - right

    def place(x: float, y: float) -> tuple[float, float]:
        return left + x / most * width, top + (high - y) / (high - low) * (height - top - bottom)

    for value in svg.ticks(low, high, 5):
        y = place(0, value)[1]
        drawing.line([(left, y), (left + width, y)], "grid")
        drawing.text(left - 6, y + 4, f"{value:g}", "muted", "end")
    across = svg.ticks(0, most, 4)
    for value in across:
        words = numbers.count(value) if value != across[-1] else f"{numbers.count(value)} tokens"
        drawing.text(place(value, low)[0], height - bottom + 18, words, "muted", "middle" if value else "start")
    drawing.line([(left, height - bottom), (left + width, height - bottom)], "axis")
    for _, points, level, style, _ in lines:
        drawing.line([place(*p) for p in points] if points else [place(0, level), place(most, level)], style)
    ends = svg.spread([place(most, level)[1] for _, _, level, _, _ in lines], 15, top, height - bottom)
    for (name, _, level, _, style), y in zip(lines, ends, strict=True):
        drawing.text(left + width + 8, y + 4, f"{name} {level:.2f}", style)
    return drawing.render()


def bits_per_byte(total: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]]) -> str:
    """One line a source: the model, the bigram and the unigram as dots on a common scale; the hardest source last."""
    rows = [("all", total), *sorted(sources.items(), key=lambda item: (item[1]["bits_per_byte"], item[0]))]
    kinds = (("unigram_bits_per_byte", "third"), ("bigram_bits_per_byte", "second"), ("bits_per_byte", "accent"))
    names = {"unigram_bits_per_byte": "unigram", "bigram_bits_per_byte": "bigram", "bits_per_byte": "model"}
    row, top, right = 26, 74, 46
    left = min(170.0, 14 + svg.text_width(max((_short(name) for name, _ in rows), key=len)))
    height = top + row * len(rows) + 14
    drawing = svg.Drawing(height, "Bits per byte of validation text, by source")
    drawing.text(0, 33, "lower is better; dots of counting models for comparison", "muted")
    values = [figures[kind] for _, figures in rows for kind, _ in kinds]
    low, high = 0.0, max(values) * 1.04 or 1.0
    width = svg.WIDTH - left - right

    def place(value: float) -> float:
        return left + (value - low) / (high - low) * width

    for value in svg.ticks(low, high, 5):
        drawing.line([(place(value), top - 10), (place(value), height - 14)], "grid")
        drawing.text(place(value), height - 1, f"{value:g}", "muted", "middle")
    widths = [svg.text_width(names[kind]) for kind, _ in kinds]
    labels = _apart([place(total[kind]) for kind, _ in kinds], widths)
    for (kind, style), x in zip(kinds, labels, strict=True):
        drawing.text(x, top - 16, names[kind], style + " strong", "middle")
    for index, (name, figures) in enumerate(rows):
        y = top + index * row + 6
        drawing.text(left - 12, y + 4, _short(name), "strong" if not index else "", "end")
        ends = sorted(place(figures[kind]) for kind, _ in kinds)
        drawing.line([(ends[0], y), (ends[-1], y)], "axis")
        for kind, style in kinds:
            drawing.dot(place(figures[kind]), y, 5.5 if kind == "bits_per_byte" else 4, style)
        drawing.text(svg.WIDTH, y + 4, f"{figures['bits_per_byte']:.2f}", "accent strong", "end")
    return drawing.render()


def thinned(points: Curve) -> Curve:
    """At most MOST_POINTS points: neighbours averaged, the last group ends at the last point.

    >>> thinned([(1, 2.0)])
    [(1, 2.0)]
    """
    if len(points) <= MOST_POINTS:
        return points
    borders = [len(points) * index // MOST_POINTS for index in range(MOST_POINTS + 1)]
    groups = [points[start:end] for start, end in pairwise(borders)]
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]


def _short(name: str) -> str:
    return name if len(name) <= 22 else name[:21] + "…"


def _apart(centres: Sequence[float], widths: Sequence[float]) -> list[float]:
    """Centres of labels moved apart (the gap is the widest label), inside the drawing."""
    gap = max(widths) + 6
    return svg.spread(centres, gap, gap / 2, svg.WIDTH - gap / 2)
