"""Pictures of what filter judged: how long documents are, and how signals of quality part kept from removed ones."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from antimatter.filter.study.borderline import BOUNDS
from antimatter.filter.study.distribution import Distribution
from antimatter.report import numbers
from antimatter.report.figure import WIDTH, Picture, drawing, fitting, wrapped
from antimatter.report.histogram import Scale, Strip, bars
from antimatter.report.palette import colour

LENGTH = "words"
MOST_BOUNDS, NAMED_POLICIES = 12, 8
"""Of the bounds below the picture of lengths, and of the policies that ask for one."""
_LEGEND = (("kept", "accent"), ("removed by filter", "second"))


class Threshold(NamedTuple):
    """One bound of a rule on a signal, and the policies that ask for it."""

    bound: str
    """at_least, at_most, more_than or less_than."""
    value: float
    policies: tuple[str, ...]


def thresholds(rules: Iterable[Mapping[str, Any]], signal: str) -> list[Threshold]:
    """The bounds on a signal in `rules` of reports/filter.json, the smallest first."""
    found: dict[tuple[float, str], list[str]] = {}
    for rule in rules:
        for bound in BOUNDS:
            if rule["signal"] == signal and rule.get(bound) is not None:
                policies = found.setdefault((float(rule[bound]), bound), [])
                policies += [rule["policy"]] if rule["policy"] not in policies else []
    return [Threshold(bound, value, tuple(policies)) for (value, bound), policies in sorted(found.items())]


@drawing
def lengths(distribution: Distribution, marks: Sequence[Threshold]) -> str:
    """Documents by their number of words, both axes compressed; below them whose policies draw the lines."""
    height, left = 150, 44
    lines = [
        line
        for mark in marks[:MOST_BOUNDS]
        for line in wrapped(f"{BOUNDS[mark.bound]} {mark.value:,.0f} words: {_policies(mark)}", WIDTH - left)
    ]
    lines += [f"and {len(marks) - MOST_BOUNDS} more bounds"] if len(marks) > MOST_BOUNDS else []
    picture = Picture(
        "How long the documents are",
        "in words; the axes are logarithmic and a square root; vertical lines are the thresholds of the policies below",
        height=height + 28 + 20 * len(lines),
        legend=_LEGEND,
    )
    strip = _strip(distribution, marks)
    scale, width = Scale([strip]), WIDTH - left - 8
    axes = picture.axes(x=left, y=0, width=width, height=height)
    _, whole = _binned(strip, scale)
    for count in _rungs(int(whole.max())):
        y = 0.92 * (count / whole.max()) ** 0.5
        axes.axhline(y, color=colour("grid" if count else "axis"), linewidth=1, zorder=0.5)
        picture.text(left - 6, height * (1 - y) + 4, numbers.count(count), "muted", "right")
    bars(axes, strip, scale)
    scale.mark(axes)
    for index, words in enumerate(lines):
        picture.text(left, height + 44 + 20 * index, words, "muted")
    return picture.render()


@drawing
def quality(found: Mapping[str, Distribution], rules: Sequence[Mapping[str, Any]]) -> str:
    """Two panels a row, a signal each; thresholds stand in words beside the name and as lines in the panel."""
    shown = {name: distribution for name, distribution in found.items() if distribution.documents}
    panel, row, height = 226, 124, 62
    picture = Picture(
        "Signals of quality",
        "documents (square roots) by the value of a signal; vertical lines are thresholds; removed for whatever reason",
        height=row * ((len(shown) + 1) // 2) - 4,
        legend=_LEGEND,
    )
    for index, (name, distribution) in enumerate(shown.items()):
        x, y = (WIDTH - panel) * (index % 2), row * (index // 2)
        marks = thresholds(rules, name)
        kept = ", ".join(dict.fromkeys(f"{BOUNDS[mark.bound]} {mark.value:g}" for mark in marks))
        picture.text(x, y + 14, fitting(name.replace("_", " "), panel, strong=True), strong=True)
        picture.text(x, y + 31, fitting(f"keeps {kept}" if kept else "no rule judges it", panel), "muted")
        strip = _strip(distribution, marks)
        scale, axes = Scale([strip], bins=40), picture.axes(x=x + 1, y=y + 34, width=panel - 2, height=height)
        bars(axes, strip, scale)
        scale.mark(axes, most=4)
    return picture.render()


def _policies(mark: Threshold) -> str:
    named, more = mark.policies[:NAMED_POLICIES], len(mark.policies) - NAMED_POLICIES
    return ", ".join([*(fitting(name, 200) for name in named), *([f"{more} more"] if more > 0 else [])])


def _strip(distribution: Distribution, marks: Sequence[Threshold]) -> Strip:
    values, counts = distribution.values()
    bounds = [mark.value for mark in marks]
    return Strip(name="", values=values, counts=counts, failing=distribution.failing(), thresholds=bounds)


def _binned(strip: Strip, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    bins = scale.bin_of(strip.values)
    return bins, np.bincount(bins, strip.counts, minlength=scale.bins)


def _rungs(most: int) -> list[int]:
    """Round counts for a square-root axis, far enough apart to be read.

    >>> _rungs(3400)
    [0, 100, 500, 1000, 2000]
    """
    rungs: list[int] = [0]
    for value in [factor * 10**power for power in range(12) for factor in (1, 2, 5)]:
        if value <= most and (value / most) ** 0.5 - (rungs[-1] / most) ** 0.5 >= 0.14:
            rungs.append(value)
    return rungs
