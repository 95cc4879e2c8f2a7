"""The histogram of a signal: a strip a source on one axis, what fails in another colour, thresholds as lines.

Heights are square roots of documents, so that a few documents beside a threshold stay visible next to thousands.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.ticker import MaxNLocator

from antimatter.report.figure import WIDTH, Picture, drawing, fitting
from antimatter.report.palette import colour
from antimatter.report.svg_renderer import text_width

BINS = 60
_STRIP, _HEAD, _GAP = 34, 20, 14  # pixels of the bars, of the words above them, and between two sources
_SIDE = 6


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


@drawing
def histogram(title: str, strips: Sequence[Strip]) -> str:
    """The picture without its style sheet, the title as its spoken label; empty if no source has a value."""
    strips = [strip for strip in strips if len(strip.values)]
    if not strips:
        return ""
    height = len(strips) * (_HEAD + _STRIP + _GAP)
    picture = Picture(title, height=height + 24, title_shown=False)
    scale = Scale(strips)
    behind = picture.axes(x=_SIDE, y=0, width=WIDTH - 2 * _SIDE, height=height, grid="x")
    behind.set(xlim=(0, 1), yticks=[])
    behind.spines["bottom"].set_visible(False)
    scale.mark(behind)
    for index, strip in enumerate(strips):
        y = index * (_HEAD + _STRIP + _GAP)
        share_width = text_width(strip.share, strong=True)
        name = fitting(strip.name, WIDTH - share_width - 16, strong=True)
        room = WIDTH - share_width - text_width(name, strong=True) - 26
        picture.text(0, y + 14, name, strong=True)
        if room > 40:
            picture.text(text_width(name, strong=True) + 10, y + 14, fitting(strip.words, room), "muted")
        picture.text(WIDTH, y + 14, strip.share, "second", "right", strong=True)
        bars(picture.axes(x=_SIDE, y=y + _HEAD, width=WIDTH - 2 * _SIDE, height=_STRIP), strip, scale)
    return picture.render(with_style=False)


def bars(axes: Axes, strip: Strip, scale: "Scale") -> None:
    """The bars of one source, and its thresholds as lines. The axes go from 0 to 1 in both directions; bars may not
    overlap the upper tenth."""
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    bins = scale.bin_of(strip.values)
    kept = np.bincount(bins, strip.counts - strip.failing, minlength=scale.bins)
    whole = np.bincount(bins, strip.counts, minlength=scale.bins)
    filled = np.flatnonzero(whole)
    height = np.maximum(0.04, 0.92 * np.sqrt(whole[filled] / whole.max()))
    below = height * kept[filled] / whole[filled]
    left, width = filled / scale.bins, 0.85 / scale.bins
    for bottom, top, tone in ((np.zeros_like(below), below, "accent"), (below, height, "second")):
        drawn = top > bottom
        corners = (left, bottom), (left + width, bottom), (left + width, top), (left, top)
        boxes = np.stack([np.stack([x[drawn], y[drawn]], axis=1) for x, y in corners], axis=1)
        shapes = PolyCollection(list(boxes), facecolors=colour(tone), linewidths=0)  # far quicker than a patch a bar
        axes.add_collection(shapes, autolim=False)
    for value in sorted(set(strip.thresholds)):
        axes.axvline(scale.place(value), color=colour("ink"), linewidth=1.5, clip_on=False)


class Scale:
    """Values as parts of an axis, 0 to 1: linear, or by log10(1 + value) where values reach into the hundreds.

    All thresholds are on it; of the documents of a source the outermost thousandths may lie in the bins at the edges.
    """

    def __init__(self, strips: Sequence[Strip], bins: int = BINS) -> None:
        ends = [_ends(strip) for strip in strips]
        thresholds = [value for strip in strips for value in strip.thresholds]
        low, high = min([*(end[0] for end in ends), *thresholds]), max([*(end[1] for end in ends), *thresholds])
        self.logarithmic = low >= 0 and high > 100
        low = 0.0 if 0 <= low <= 0.5 * high else low
        high = 1.0 if 0.9 < high < 1 else high  # a share
        self.bins = bins
        whole = all(bool((strip.values == np.floor(strip.values)).all()) for strip in strips)
        if whole and not self.logarithmic and high - low < bins:  # a bar a number
            low, high = math.floor(low), math.floor(high) + 1
            self.bins = int(high - low)
        self.low, self.high = low, high if high > low else low + 1
        self._from, self._to = (float(self._scaled(np.array(end))) for end in (self.low, self.high))

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        return np.log10(1 + np.maximum(values, 0)) if self.logarithmic else values

    def _part(self, values: np.ndarray) -> np.ndarray:
        return (self._scaled(values) - self._from) / (self._to - self._from)

    def bin_of(self, values: np.ndarray) -> np.ndarray:
        """int64 [k]; what lies beyond an end of the axis belongs to the bin there."""
        return np.clip(np.floor(self._part(values) * self.bins + 1e-9), 0, self.bins - 1).astype(np.int64)

    def place(self, value: float) -> float:
        """Where a value lies, 0 to 1; beyond an end: there."""
        return float(np.clip(self._part(np.array(value)), 0, 1))

    def ticks(self, most: int) -> list[float]:
        """Round numbers on it, about this many at the most."""
        if not self.logarithmic:
            found = list(MaxNLocator(most, steps=[1, 2, 5, 10]).tick_values(self.low, self.high))
        else:
            found = [0.0, *(10.0**power for power in range(16))]
        found = [value for value in found if self.low - 1e-12 <= value <= self.high]
        return found[:: math.ceil(len(found) / (most + 1)) or 1] if self.logarithmic else found

    def mark(self, axes: Axes, most: int = 6) -> None:
        """Ticks and their labels on axes that go from 0 to 1; labels stay inside at both ends."""
        values = self.ticks(most)
        axes.set_xticks([self.place(value) for value in values], [_short(value) for value in values])
        for label, value in zip(axes.get_xticklabels(), values, strict=True):
            label.set_horizontalalignment(
                "left" if self.place(value) < 0.025 else "right" if self.place(value) > 0.975 else "center"
            )


def _ends(strip: Strip) -> tuple[float, float]:
    """The values between which all but the outermost thousandths of the documents lie."""
    ranks = np.cumsum(strip.counts) / strip.counts.sum()
    first, last = np.searchsorted(ranks, [0.001, 0.999])
    return float(strip.values[first]), float(strip.values[min(last, len(ranks) - 1)])


def _short(value: float) -> str:
    value = round(value, 10)
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
