"""Pictures of the tokens: how the tokenizer fits each source, how its vocabulary is used."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from antimatter.report.figure import MOST_ROWS, WIDTH, Picture, column, count_axis, drawing, fitting, left_out
from antimatter.report.palette import colour
from antimatter.report.svg_renderer import text_width
from antimatter.report.tokens import shortest_first

Curve = Sequence[tuple[float, float]]
_ROW, _BAR = 26, 18


@drawing
def tokens(total: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]]) -> str:
    """A bar a source: bytes per token, and tokens per word in words; the source that is spelt shortest first."""
    largest = sorted(sources.items(), key=lambda item: (-item[1].get("bytes", 0), item[0]))[:MOST_ROWS]
    rows = [("all", total), *shortest_first(dict(largest)).items()]
    left, right, height = column(name for name, _ in rows), 130, _ROW * len(rows)
    picture = Picture(
        "Bytes per token, by source",
        f"higher is better: fewer tokens for the same text{left_out(len(sources))}",
        height=height + 50,
    )
    picture.text(WIDTH, 14, "tokens per word", "muted", "right")
    most = max(figures["bytes_per_token"] for _, figures in rows) or 1.0
    axes = picture.axes(x=left, y=22, width=WIDTH - left - right, height=height, grid="x")
    axes.set(xlim=(0, most), ylim=(height, 0), yticks=[])
    count_axis(axes, "x", 5, "{:g}".format)
    for index, (name, figures) in enumerate(rows):
        y, strong, value = _ROW * index, not index, figures["bytes_per_token"]
        axes.barh(y + _BAR / 2, value, height=_BAR, color=colour("pale" if index else "accent"))
        axes.annotate(
            f"{value:.2f}", (value, y + 14), (6, 0), textcoords="offset points", weight=_weight(strong),
            annotation_clip=False,
        )  # fmt: skip
        picture.text(left - 12, y + 36, fitting(name, left - 12, strong=strong), align="right", strong=strong)
        picture.text(WIDTH, y + 36, f"{figures['tokens_per_word']:.2f}", "muted", "right", strong=strong)
    return picture.render()


@drawing
def vocabulary(curve: Curve, half: int = 0) -> str:
    """How often the entries of a vocabulary occur, over their rank, both axes logarithmic.

    curve   (rank, occurrences) of entries in use, the most frequent first
    half    how many of the first make up half of all ordinary tokens; 0: not known
    """
    left, height = 62, 200
    picture = Picture(
        "How often the entries of the vocabulary are used",
        "occurrences in the training text; both axes logarithmic",
        height=height + 46,
    )
    points = [(math.log10(rank), math.log10(count)) for rank, count in curve]
    across, up = max(1e-9, *(x for x, _ in points)), max(1.0, *(y for _, y in points))
    axes = picture.axes(x=left, y=6, width=WIDTH - left - 24, height=height, grid="both")
    axes.set(xlim=(0, across), ylim=(0, up))
    for axis, end in ((axes.xaxis, across), (axes.yaxis, up)):
        axis.set_major_locator(FixedLocator(range(math.floor(end + 1e-9) + 1)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda power, _: _power_of_ten(round(power))))
    picture.text(left + (WIDTH - left - 24) / 2, height + 42, "entries, the most frequent first", "muted", "center")
    axes.plot(*zip(*points, strict=True), color=colour("accent"), clip_on=False)
    if half:
        point = _on_line(points, math.log10(half))
        words = f"{half:,} make half of the tokens"
        x = left + point[0] / across * (WIDTH - left - 24)
        fits = x + 10 + text_width(words, strong=True) < WIDTH  # above the falling line, or below it on the left
        down = point[1] / up * height
        rise = -18 if down > height - 20 or (not fits and down > 24) else 6
        axes.plot(*point, "o", color=colour("accent"), clip_on=False)
        axes.annotate(
            words, point, (10 if fits else -8, rise), textcoords="offset points", color=colour("accent"),
            weight="bold", ha="left" if fits else "right", va="baseline",
        )  # fmt: skip
    return picture.render()


def _weight(strong: bool) -> str:
    return "bold" if strong else "normal"


def _power_of_ten(power: int) -> str:
    """1  10  100  1,000  ...  1 M  10 M"""
    return f"{10**power:,}" if power < 6 else f"{10 ** (power % 3)} {'MGTPEZY'[power // 3 - 2]}"


def _on_line(points: Curve, x: float) -> tuple[float, float]:
    """The point of a rising line at x, or the end of it that is nearest."""
    for (left, above), (right, below) in pairwise(points):
        if left <= x <= right and right > left:
            return x, above + (x - left) / (right - left) * (below - above)
    return min(points, key=lambda point: abs(point[0] - x))
