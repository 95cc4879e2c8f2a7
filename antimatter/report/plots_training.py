"""Pictures of training: loss, learning rate, gradient norm and guard events; quiz, speed, and where the time went."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from antimatter.report import numbers
from antimatter.report.figure import WIDTH, Picture, column, count_axis, drawing, fitting, spread
from antimatter.report.palette import colour
from antimatter.report.svg_renderer import text_width

MOST_POINTS = 300
"""Points of a curve in the picture; longer curves are averaged in equal groups."""
MOST_MARKED = 60
"""Points of a curve that are dots as well."""
LAST_ROWS = 10
"""Logged steps whose mean is the last training loss, as in reports/train.json."""

Curve = Sequence[tuple[float, float]]
Row = Mapping[str, float]
_RIGHT = 132  # pixels for the names of the lines


@drawing
def loss(training: Curve, validation: Curve, unigram: float | None, bigram: float | None) -> str:
    """Training and validation loss over tokens, beside what counting alone achieves; labels stand at the lines."""
    height = 210
    picture = Picture("Loss over training tokens", "nats per token; lower is better", height=height + 34)
    training, validation = finite(training), finite(validation)
    values = [y for curve in (training, validation) for _, y in curve]
    values += [level for level in (unigram, bigram) if level is not None]
    if not values:
        return picture.render()
    low, high = min(values), max(values)
    limits = low - 0.05 * (high - low or 1), high + 0.02 * (high - low or 1)
    axes = _over_tokens(picture, 6, height, [training, validation], limits, right=_RIGHT)
    ends: list[tuple[float, str, str, bool]] = []  # value, name, colour, strong
    for name, level, tone in (("unigram", unigram, "muted"), ("bigram", bigram, "second")):
        if level is not None:
            axes.axhline(level, color=colour(tone), linewidth=1.4, linestyle=(0, (4, 3)))
            ends.append((level, name, tone, False))
    if training:
        axes.plot(*_columns(thinned(training)), color=colour("accent"), linewidth=1.2, alpha=0.55)
        last = [value for _, value in training[-LAST_ROWS:]]  # as the table of the page tells it
        ends.append((sum(last) / len(last), "training", "muted", False))
    if validation:
        axes.plot(*_columns(thinned(validation)), color=colour("accent"), marker="o", markersize=5)
        ends.append((validation[-1][1], "validation", "accent", True))
    _name_lines(
        picture,
        axes,
        height,
        [(value, f"{name} {value:.{2 if value < 100 else 0}f}", tone, strong) for value, name, tone, strong in ends],
    )
    return picture.render()


@drawing
def rate(rows: Sequence[Row], events: Sequence[Mapping[str, Any]], skipped: int) -> str:
    """Learning rate and gradient norm over tokens; where the guard went back as lines with numbers.

    rows     of reports/train_loss.csv
    events   `interventions` of reports/train.json
    skipped  steps whose update was left out
    """
    height, lines = 90, []
    for event in events:
        lines.append(
            f"{event['number']}: {event['reason']} at step {event['trigger_step']:,}, "
            f"back to {event['target_step']:,}, rate x {event['rate']:g}"
        )
    note = "over training tokens; the gradient norm is measured before clipping; "
    note += (
        f"{numbers.count(skipped)} step{'s were' if skipped > 1 else ' was'} skipped"
        if skipped
        else "no step was skipped"
    )
    note += ", dots are logged steps without a finite gradient" if any(not _sound(row) for row in rows) else ""
    note += "; lines are rollbacks" if events else ", no rollback"
    picture = Picture(
        "Learning rate and gradient norm",
        note,
        height=2 * height + 100 + 18 * len(lines),
    )
    per_step = max((row["tokens"] / row["step"] for row in rows), default=1.0)
    for y, name, title in ((24, "learning_rate", "learning rate"), (height + 72, "gradient_norm", "gradient norm")):
        curve = [(row["tokens"], row[name]) for row in rows]
        is_log = name == "gradient_norm" and all(value > 0 for _, value in finite(curve))
        sound = [(x, math.log10(value) if is_log else value) for x, value in finite(curve)]
        highest = max((value for _, value in sound), default=1.0)
        lowest = min((value for _, value in sound), default=0.0) if is_log else 0.0
        room = highest - lowest or 1.0
        limits = lowest - 0.05 * room if is_log else 0.0, highest + 0.05 * room
        words = _power if is_log else "{:.2g}".format
        picture.text(0, y - 8, title + (", logarithmic" if is_log else ""), strong=True)
        axes = _over_tokens(
            picture,
            y,
            height,
            [curve],
            limits,
            left=66,
            right=14,
            ticks=_powers(limits) if is_log else None,
            words=words,
        )
        axes.plot(*_columns(thinned(sound)), color=colour("accent"), linewidth=1.5)
        for x, _ in thinned([(x, 0.0) for x, value in curve if not math.isfinite(value)]):
            axes.plot(x, limits[0], "o", color=colour("second"), markersize=6, clip_on=False)
        for event in events:
            axes.axvline(event["trigger_step"] * per_step, color=colour("second"), linewidth=1.5)
            if name == "learning_rate":
                axes.annotate(
                    str(event["number"]), (event["trigger_step"] * per_step, 1), (0, 4),
                    xycoords=("data", "axes fraction"), textcoords="offset points", ha="center",
                    color=colour("second"), weight="bold", annotation_clip=False,
                )  # fmt: skip
    for index, line in enumerate(lines):
        picture.text(0, 2 * height + 110 + 18 * index, fitting(line, WIDTH), "muted")
    return picture.render()


@drawing
def quiz(rows: Sequence[Row], chance: float | None) -> str:
    """Accuracy on the items asked during training, with one standard error to both sides, beside chance.

    rows  of reports/train_quiz.csv
    """
    height, items = 170, int(rows[-1]["items"]) if rows else 0
    picture = Picture(
        "Accuracy of a benchmark during training",
        f"share of {items:,} items answered right; the band is one standard error to both sides",
        height=height + 34,
    )
    if not rows:
        return picture.render()
    curve = [(row["tokens"], row["accuracy"]) for row in rows]
    errors = [row["error"] if math.isfinite(row["error"]) else 0.0 for row in rows]  # a single item has none
    low = [value - error for (_, value), error in zip(curve, errors, strict=True)]
    high = [value + error for (_, value), error in zip(curve, errors, strict=True)]
    bounds = [*low, *high, *([chance] if chance is not None else [])]
    limits = max(0.0, min(bounds) - 0.02), min(1.0, max(bounds) + 0.02)
    axes = _over_tokens(
        picture, 6, height, [curve], limits, right=_RIGHT, words=lambda value: f"{round(100 * value, 9):g} %"
    )
    ends = [(curve[-1][1], "accuracy", "accent", True)]
    axes.fill_between([x for x, _ in curve], low, high, color=colour("pale"))
    axes.plot(*_columns(curve), color=colour("accent"), marker="o" if len(curve) <= MOST_MARKED else "", markersize=5)
    if chance is not None:
        axes.axhline(chance, color=colour("muted"), linewidth=1.4, linestyle=(0, (4, 3)))
        ends.append((chance, "chance", "muted", False))
    _name_lines(
        picture,
        axes,
        height,
        [
            (value, f"{name} {100 * value:.{0 if value == 1 else 1}f} %", tone, strong)
            for value, name, tone, strong in ends
        ],
    )
    return picture.render()


@drawing
def throughput(points: Curve) -> str:
    """Tokens per second over steps."""
    height = 140
    picture = Picture(
        "Speed of training", "tokens per second between logged steps, over steps; wall clock", height=height + 34
    )
    points = finite(points)
    if points:
        axes = picture.axes(x=60, y=4, width=WIDTH - 60 - 30, height=height, grid="y")
        axes.set(xlim=(0, _end([points])), ylim=(0, 1.05 * max(y for _, y in points) or 1))
        count_axis(axes, "y", 4, numbers.count)
        count_axis(axes, "x", 5, numbers.count)
        axes.plot(*_columns(thinned(points)), color=colour("accent"), linewidth=1.5)
    return picture.render()


@drawing
def time(parts: Mapping[str, float]) -> str:
    """What the seconds of training went to, the longest part first."""
    row, order = 28, sorted(parts, key=lambda name: (-parts[name], name))
    total = sum(parts.values())
    left, right = column((name.replace("_", " ") for name in order), strong=False), 150
    picture = Picture(
        "Where the time went", f"wall clock of training, {numbers.duration(total)} in all", height=row * len(order) + 2
    )
    axes = picture.axes(x=left, y=0, width=WIDTH - left - right, height=max(1, row * len(order)))
    axes.set(xlim=(0, max(parts.values(), default=0) or 1), ylim=(max(1, row * len(order)), 0))
    axes.set_axis_off()
    for index, name in enumerate(order):
        axes.barh(row * index + 9, parts[name], height=18, color=colour("accent"))
        words = f"{numbers.duration(parts[name])}, {numbers.percent(parts[name] / total if total else 0)}"
        picture.text(left - 12, row * index + 14, fitting(name.replace("_", " "), left - 12), align="right")
        picture.text(WIDTH, row * index + 14, words, "muted", "right")
    return picture.render()


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


def finite(points: Curve) -> Curve:
    """Without the steps whose value is no number: their update was left out."""
    return [(x, y) for x, y in points if math.isfinite(y)]


def _name_lines(picture: Picture, axes: Axes, height: float, ends: Sequence[tuple[float, str, str, bool]]) -> None:
    """Value, words, colour and weight of each line, written beside its right end."""
    bottom, top = axes.get_ylim()
    heights = [6 + (top - value) / (top - bottom) * height for value, *_ in ends]
    for (_, words, tone, strong), y in zip(ends, spread(heights, 16, 8, height + 4), strict=True):
        picture.text(WIDTH - _RIGHT + 8, y + 4, words, tone, strong=strong)


def _powers(limits: tuple[float, float]) -> list[float] | None:
    """Exponents of 1, 2 and 5 times powers of ten inside the limits, of few of them alone; None if they are too near.

    >>> [round(10**exponent, 3) for exponent in _powers((-0.5, 0.8)) or ()]
    [0.5, 1.0, 2.0, 5.0]
    """
    factors = (1, 2, 5) if limits[1] - limits[0] < 1.7 else (1,)
    span = range(math.floor(limits[0]), math.ceil(limits[1]) + 1)
    found = [power + math.log10(factor) for power in span for factor in factors]
    found = [exponent for exponent in found if limits[0] <= exponent <= limits[1]]
    return found[:: math.ceil(len(found) / 5)] if len(found) > 1 else None


def _power(exponent: float) -> str:
    """A tick of a logarithmic axis as the number that it stands for, two digits."""
    return f"{10**exponent:.2g}"


def _sound(row: Row) -> bool:
    return math.isfinite(row["gradient_norm"])


def _over_tokens(
    picture: Picture,
    y: float,
    height: float,
    curves: Sequence[Curve],
    limits: tuple[float, float],
    *,
    right: float,
    left: float | None = None,
    ticks: Sequence[float] | None = None,
    words: Callable[[float], str] = "{:g}".format,
) -> Axes:
    """Axes with tokens along the bottom. left: room for labels, if not what they need; ticks: if not round."""
    if ticks is None:
        ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(*limits)
    ticks = [float(value) for value in ticks if limits[0] <= value <= limits[1]]
    labels = [words(round(value, 12)) for value in ticks]
    if left is None:
        left = max((text_width(label) for label in labels), default=0) + 10
    axes = picture.axes(x=left, y=y, width=WIDTH - left - right, height=height, grid="y")
    axes.set(xlim=(0, _end(curves)), ylim=limits)
    axes.set_yticks(ticks, labels)
    count_axis(axes, "x", 3, lambda value: _tokens(value) if value else "0")
    return axes


def _tokens(value: float) -> str:
    """2 M  1.5 G: round numbers, so short ones."""
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g} {unit}"
    return f"{value:g}"


def _end(curves: Sequence[Curve]) -> float:
    """Where the longest curve ends."""
    return max((x for curve in curves for x, _ in curve), default=1.0) or 1.0


def _columns(points: Curve) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
