"""The pictures in git: the text that each stage keeps, how the tokenizer fits, the loss, bits per byte by source."""

import math
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


def tokens(total: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]]) -> str:
    """A bar a source: bytes per token, and tokens per word in words; the source that is spelt shortest first."""
    rows = [("all", total), *shortest_first(sources).items()]
    row, top, right = 26, 66, 124
    left = min(170.0, 20 + svg.text_width(max((_short(name) for name, _ in rows), key=len)))
    height = top + row * len(rows) + 18
    drawing = svg.Drawing(height, "Bytes per token, by source")
    drawing.text(0, 33, "higher is better: fewer tokens for the same text", "muted")
    drawing.text(svg.WIDTH, 54, "tokens per word", "muted", "end")
    most = max(figures["bytes_per_token"] for _, figures in rows) or 1.0
    scale = (svg.WIDTH - left - right) / most
    for value in svg.ticks(0, most, 5):
        drawing.line([(left + value * scale, top - 6), (left + value * scale, height - 18)], "grid")
        drawing.text(left + value * scale, height - 4, f"{value:g}", "muted", "middle")
    for index, (name, figures) in enumerate(rows):
        y, style = top + index * row, "" if index else "strong"
        drawing.text(left - 12, y + 13, _short(name), style, "end")
        drawing.bar(left, y, figures["bytes_per_token"] * scale, 18, "pale" if index else "accent")
        drawing.text(left + figures["bytes_per_token"] * scale + 6, y + 13, f"{figures['bytes_per_token']:.2f}", style)
        drawing.text(svg.WIDTH, y + 13, f"{figures['tokens_per_word']:.2f}", f"muted {style}".rstrip(), "end")
    return drawing.render()


def shortest_first(groups: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Sources by their bytes per token, the source that is spelt shortest first."""
    return dict(sorted(groups.items(), key=lambda item: (-item[1]["bytes_per_token"], item[0])))


def vocabulary(curve: Curve, half: int = 0) -> str:
    """How often the entries of a vocabulary occur, over their rank, both axes logarithmic.

    curve   (rank, occurrences) of entries in use, the most frequent first
    half    how many of the first make up half of all ordinary tokens; 0: not known
    """
    height, left, right, top, bottom = 280, 62, 14, 44, 44
    drawing = svg.Drawing(height, "How often the entries of the vocabulary are used")
    drawing.text(0, 33, "occurrences in the training text; both axes logarithmic", "muted")
    points = [(math.log10(rank), math.log10(count)) for rank, count in curve]
    across, up = max(1e-9, *(x for x, _ in points)), max(1.0, *(y for _, y in points))
    width, floor = svg.WIDTH - left - right, height - bottom

    def place(x: float, y: float) -> tuple[float, float]:
        return left + x / across * width, floor - y / up * (floor - top)

    for power in range(math.floor(up) + 1):
        y = place(0, power)[1]
        drawing.line([(left, y), (left + width, y)], "grid" if power else "axis")
        drawing.text(left - 6, y + 4, _power_of_ten(power), "muted", "end")
    for power in range(math.floor(across + 1e-9) + 1):
        x = place(power, 0)[0]
        drawing.line([(x, top), (x, floor)], "grid" if power else "axis")
        words = _power_of_ten(power)
        drawing.text(min(x, svg.WIDTH - svg.text_width(words) / 2), floor + 18, words, "muted", "middle")
    drawing.text(left + width / 2, floor + 36, "entries, the most frequent first", "muted", "middle")
    drawing.line([place(*point) for point in points], "line s-accent")
    if half:
        x, y = place(*_on_line(points, math.log10(half)))
        drawing.dot(x, y, 4, "accent")
        words = f"{half:,} make half of the tokens"
        fits = x + 10 + 1.1 * svg.text_width(words) < svg.WIDTH  # above the falling line, or below it on the left
        drawing.text(
            *((x + 10, y - 6) if fits else (x - 8, y + 18)), words, "accent strong", "start" if fits else "end"
        )
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


def _power_of_ten(power: int) -> str:
    """1  10  100  1,000  ...  1 M  10 M"""
    return f"{10**power:,}" if power < 6 else f"{10 ** (power % 3)} {'MGTPEZY'[power // 3 - 2]}"


def _on_line(points: Curve, x: float) -> tuple[float, float]:
    """The point of a rising line at x, or the end of it that is nearest."""
    for (left, above), (right, below) in pairwise(points):
        if left <= x <= right and right > left:
            return x, above + (x - left) / (right - left) * (below - above)
    return min(points, key=lambda point: abs(point[0] - x))


def _short(name: str) -> str:
    return name if len(name) <= 22 else name[:21] + "…"


def _apart(centres: Sequence[float], widths: Sequence[float]) -> list[float]:
    """Centres of labels moved apart (the gap is the widest label), inside the drawing."""
    gap = max(widths) + 6
    return svg.spread(centres, gap, gap / 2, svg.WIDTH - gap / 2)
