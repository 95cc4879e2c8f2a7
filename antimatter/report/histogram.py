"""The histogram of a signal: a strip a source on one axis, what fails in another colour, thresholds as lines.

Heights are square roots of documents, so that a few documents beside a threshold stay visible next to thousands.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from antimatter.report import svg

BINS = 60
_STRIP, _HEAD, _GAP = 34, 18, 14  # pixels of the bars, of the words above them, and between two sources
_LEFT, _RIGHT = 6, 6


@dataclass(frozen=True, kw_only=True)
class Strip:
    """One source: how often each value occurs, and what its thresholds say."""

    name: str
    values: np.ndarray
    """float64 [k], ascending."""
    counts: np.ndarray
    """int64 [k], documents."""
    failing: np.ndarray
    """int64 [k], those of them that fail."""
    thresholds: Sequence[float] = ()
    words: str = ""
    """Behind the name: the thresholds in words."""
    share: str = ""
    """At the right: what fails."""


def histogram(title: str, strips: Sequence[Strip]) -> str:
    """The picture without its style sheet, the title as its spoken label; empty if no source has a value."""
    strips = [strip for strip in strips if len(strip.values)]
    if not strips:
        return ""
    top = 4
    height = top + len(strips) * (_HEAD + _STRIP + _GAP) + 14
    drawing = svg.Drawing(height, title, title_shown=False)
    axis = _Axis(strips)
    bottom = height - 20
    for value in axis.ticks():
        x = axis.place(value)
        drawing.line([(x, top), (x, bottom)], "grid")
        anchor = "start" if x < _LEFT + 12 else "end" if x > svg.WIDTH - _RIGHT - 12 else "middle"
        drawing.text(x, bottom + 16, _short(value), "muted", anchor)
    for index, strip in enumerate(strips):
        y = top + index * (_HEAD + _STRIP + _GAP)
        drawing.text(0, y + 12, strip.name, "strong")
        drawing.text(1.15 * svg.text_width(strip.name) + 10, y + 12, strip.words, "muted")
        drawing.text(svg.WIDTH, y + 12, strip.share, "second strong", "end")
        _bars(drawing, strip, axis, y + _HEAD + _STRIP)
    return drawing.render(with_style=False)


def _bars(drawing: svg.Drawing, strip: Strip, axis: "_Axis", floor: float) -> None:
    """The bars of one source, standing on `floor`, and its thresholds."""
    bins = axis.bin_of(strip.values)
    kept = np.bincount(bins, strip.counts - strip.failing, minlength=axis.bins)
    failed = np.bincount(bins, strip.failing, minlength=axis.bins)
    whole = kept + failed
    tallest = math.sqrt(whole.max())
    for index in np.flatnonzero(whole).tolist():
        x, width = _LEFT + index * axis.step, max(1.0, axis.step - 1)
        height = max(1.5, _STRIP * math.sqrt(whole[index]) / tallest)
        below = height * kept[index] / whole[index]
        if below:
            drawing.bar(x, floor - below, width, below, "accent")
        if failed[index]:
            drawing.bar(x, floor - height, width, height - below, "second")
    drawing.line([(_LEFT, floor), (svg.WIDTH - _RIGHT, floor)], "axis")
    for value in strip.thresholds:
        x = axis.place(value)
        drawing.line([(x, floor - _STRIP - 3), (x, floor + 4)], "line s-second")


class _Axis:
    """Values to pixels: linear, or by log10(1 + value) where values reach into the hundreds.

    All thresholds are on it; of the documents of a source the outermost thousandths may lie in the bins at the edges.
    """

    def __init__(self, strips: Sequence[Strip]) -> None:
        ends = [_ends(strip) for strip in strips]
        thresholds = [value for strip in strips for value in strip.thresholds]
        low, high = min([*(end[0] for end in ends), *thresholds]), max([*(end[1] for end in ends), *thresholds])
        self.logarithmic = low >= 0 and high > 100
        low = 0.0 if 0 <= low <= 0.5 * high else low
        high = 1.0 if 0.9 < high < 1 else high  # a share
        self.bins = BINS
        whole = all(bool((strip.values == np.floor(strip.values)).all()) for strip in strips)
        if whole and not self.logarithmic and high - low < BINS:  # a bar a number
            low, high = math.floor(low), math.floor(high) + 1
            self.bins = int(high - low)
        self.low, self.high = low, high if high > low else low + 1
        self._from, self._to = (float(self._scaled(np.array(end))) for end in (self.low, self.high))
        self.step = (svg.WIDTH - _LEFT - _RIGHT) / self.bins

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        return np.log10(1 + np.maximum(values, 0)) if self.logarithmic else values

    def _part(self, values: np.ndarray) -> np.ndarray:
        return (self._scaled(values) - self._from) / (self._to - self._from)

    def bin_of(self, values: np.ndarray) -> np.ndarray:
        """int64 [k]; what lies beyond an end of the axis belongs to the bin there."""
        return np.clip(np.floor(self._part(values) * self.bins + 1e-9), 0, self.bins - 1).astype(np.int64)

    def place(self, value: float) -> float:
        part = float(np.clip(self._part(np.array(value)), 0, 1))
        return _LEFT + part * (svg.WIDTH - _LEFT - _RIGHT)

    def ticks(self) -> list[float]:
        if not self.logarithmic:
            return svg.ticks(self.low, self.high, 6)
        powers = [0.0, *(10.0**power for power in range(10))]
        return [value for value in powers if self.low <= value <= self.high]


def _ends(strip: Strip) -> tuple[float, float]:
    """The values between which all but the outermost thousandths of the documents lie."""
    ranks = np.cumsum(strip.counts) / strip.counts.sum()
    first, last = np.searchsorted(ranks, [0.001, 0.999])
    return float(strip.values[first]), float(strip.values[min(last, len(ranks) - 1)])


def _short(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
