"""Pictures of the evaluation: bits per byte by source, loss by frequency and by position, accuracy on tasks."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from antimatter.evaluate.main_metric import accuracy_of
from antimatter.report.figure import MOST_ROWS, WIDTH, Picture, column, count_axis, drawing, fitting, left_out
from antimatter.report.palette import SERIES, colour
from antimatter.report.svg_renderer import text_width

_BASELINES = (("unigram_bits_per_byte", "unigram", "muted"), ("bigram_bits_per_byte", "bigram", "second"))
MOST_REFERENCES = 5
"""Models beside ours in the picture of the tasks."""


@drawing
def bits_per_byte(total: Mapping[str, Any], sources: Mapping[str, Mapping[str, Any]]) -> str:
    """A row a source, those with most tokens: the model with its 95 % interval, and the counting models as dots; the
    hardest source last."""
    largest = sorted(sources.items(), key=lambda item: (-item[1].get("tokens", 0), item[0]))[:MOST_ROWS]
    rows = [("all", total), *sorted(largest, key=lambda item: (item[1]["bits_per_byte"], item[0]))]
    row, left, right = 28, column(name for name, _ in rows), 50
    height = row * len(rows)
    kinds = [kind for kind in _BASELINES if any(kind[0] in figures for _, figures in rows)]
    has_interval = any(_interval(figures) for _, figures in rows)
    picture = Picture(
        "Bits per byte of validation text, by source",
        "lower is better"
        + ("; bars are 95 % intervals over documents" if has_interval else "")
        + ("; small dots are counting models, for comparison" if kinds else "")
        + left_out(len(sources)),
        height=height + 28,
        legend=[("model", "accent"), *((name, tone) for _, name, tone in kinds)],
    )
    ends = [end for _, figures in rows for end in _interval(figures)]
    values = [
        figures[key] for _, figures in rows for key in ("bits_per_byte", *(k for k, _, _ in kinds)) if key in figures
    ]
    axes = picture.axes(x=left, y=0, width=WIDTH - left - right, height=height, grid="x")
    axes.set(xlim=(0, 1.04 * max([*values, *ends]) or 1), ylim=(height, 0), yticks=[])
    count_axis(axes, "x", 5, "{:g}".format)
    for index, (name, figures) in enumerate(rows):
        y, strong = row * index + 13, not index
        for key, _, tone in kinds:
            if key in figures:
                axes.plot(figures[key], y, "o", color=colour(tone), markersize=6)
        if interval := _interval(figures):
            axes.plot(interval, [y, y], color=colour("accent"), linewidth=3)
        axes.plot(figures["bits_per_byte"], y, "o", color=colour("accent"), markersize=8)
        picture.text(left - 12, y + 4, fitting(name, left - 12, strong=strong), align="right", strong=strong)
        picture.text(WIDTH, y + 4, f"{figures['bits_per_byte']:.2f}", "accent", "right", strong=True)
    return picture.render()


@drawing
def frequency(classes: Sequence[Mapping[str, Any]]) -> str:
    """Loss on targets of each class of training frequency; classes without a target stay empty.

    classes  of `by_frequency`: class 0 .. 9, loss, and tokens and entries where they are known
    """
    height, left = 170, 40
    picture = Picture(
        "Loss by frequency of the token",
        "nats; each class is about a tenth of all tokens of the training text, its most frequent entries first",
        height=height + 46,
    )
    known = [entry for entry in classes if entry.get("loss") is not None]
    axes = picture.axes(x=left, y=12, width=WIDTH - left - 4, height=height - 12, grid="y")
    most = max((entry["loss"] for entry in known), default=0) or 1
    axes.set(xlim=(-0.6, max(9, len(classes) - 1) + 0.6), ylim=(0, 1.06 * most), xticks=range(max(10, len(classes))))
    axes.set_xticklabels([str(index) for index in range(max(10, len(classes)))])
    count_axis(axes, "y", 5, "{:g}".format)
    for entry in known:
        axes.bar(entry["class"], entry["loss"], width=0.72, color=colour("accent"))
        axes.annotate(
            f"{entry['loss']:.1f}", (entry["class"], entry["loss"]), (0, 4), textcoords="offset points", ha="center"
        )
    picture.text(left, height + 42, "frequent", "muted")
    picture.text(WIDTH - 4, height + 42, "rare", "muted", "right")
    return picture.render()


@drawing
def position(places: Sequence[Mapping[str, Any]]) -> str:
    """Loss by how many tokens the model has seen before the one it predicts, logarithmic.

    places  of `by_position`: from, to, tokens, loss
    """
    height, left = 180, 40
    picture = Picture(
        "Loss by position in the context",
        "nats; the more a model makes of what it has read, the further the line falls",
        height=height + 46,
    )
    known = [entry for entry in places if entry.get("loss") is not None]
    axes = picture.axes(x=left, y=6, width=WIDTH - left - 30, height=height, grid="y")
    points = [(math.log2((entry["from"] * entry["to"]) ** 0.5), entry["loss"]) for entry in known]
    values = [y for _, y in points] or [0.0]
    room = max(values) - min(values) or 1
    axes.set(xlim=(-0.2, max([x for x, _ in points] or [1]) + 0.2))
    axes.set(ylim=(min(values) - 0.08 * room, max(values) + 0.15 * room))
    count_axis(axes, "y", 5, "{:g}".format)
    ticks, labels = [x for x, _ in points], [f"{entry['to']:,}" for entry in known]
    keep = set(_apart([x / ((ticks[-1] or 1) + 0.4) * (WIDTH - left - 30) for x in ticks], labels))
    axes.set_xticks(ticks, [label if index in keep else "" for index, label in enumerate(labels)])
    axes.plot([x for x, _ in points], [y for _, y in points], color=colour("accent"), marker="o", markersize=7)
    for index in {0, len(points) - 1} if points else ():
        axes.annotate(
            f"{points[index][1]:.2f}", points[index], (0, 9), textcoords="offset points", ha="center",
            color=colour("accent"), weight="bold",
        )  # fmt: skip
    picture.text(left + (WIDTH - left - 30) / 2, height + 42, "tokens read so far, at most", "muted", "center")
    return picture.render()


@drawing
def tasks(found: Mapping[str, Mapping[str, Any]], references: Mapping[str, Mapping[str, float]]) -> str:
    """Accuracy on each task with one standard error to both sides, chance, and published models as ticks.

    found       `tasks` of the evaluation; those without an accuracy are left out
    references  model -> task -> accuracy by the same metric
    """
    scored = {name: best[1] for name, task in found.items() if (best := accuracy_of(task))}
    shown = dict(list(scored.items())[:MOST_ROWS])
    models = [name for name, scores in references.items() if set(scores) & set(shown)][:MOST_REFERENCES]
    tones = dict(zip(models, SERIES[1:], strict=False))
    row, left, right = 34, column((_title(name) for name in shown), 140), 100
    height = row * len(shown)
    picture = Picture(
        "Accuracy on tasks",
        "percent of the items answered right, choices weighed by length where the task has that metric; bars are a "
        "standard error to both sides, dashed lines chance"
        + (", upright marks published models" if models else "")
        + left_out(len(scored)),
        height=height + 28,
        legend=[("this model", "accent"), *tones.items()],
    )
    axes = picture.axes(x=left, y=0, width=WIDTH - left - right, height=max(1, height), grid="x")
    axes.set(xlim=(0, 1), ylim=(max(1, height), 0), xticks=[0, 0.25, 0.5, 0.75, 1], yticks=[])
    axes.set_xticklabels([f"{value} %" for value in (0, 25, 50, 75, 100)])
    for index, (name, accuracy) in enumerate(shown.items()):
        y, task = row * index + 15, found[name]
        value, error = float(accuracy["value"]), float(accuracy.get("error") or 0.0)
        if task.get("chance") is not None:
            axes.plot(
                [task["chance"]] * 2, [y - 12, y + 12], color=colour("muted"), linestyle=(0, (3, 2)), linewidth=1.5
            )
        for model, tone in tones.items():
            if name in references[model]:
                axes.plot([references[model][name]] * 2, [y - 8, y + 8], color=colour(tone), linewidth=3)
        axes.plot([max(0, value - error), min(1, value + error)], [y, y], color=colour("accent"), linewidth=3)
        axes.plot(value, y, "o", color=colour("accent"), markersize=8, clip_on=False)
        picture.text(left - 12, y + 4, fitting(_title(name), left - 12), align="right")
        picture.text(
            WIDTH,
            y + 4,
            f"{100 * value:.1f}" + (f" ± {100 * error:.1f}" if error else ""),
            "accent",
            "right",
            strong=True,
        )
    return picture.render()


def _interval(figures: Mapping[str, Any]) -> list[float]:
    return list((figures.get("interval") or {}).get("bits_per_byte") or [])


def _title(task: str) -> str:
    return task.replace("_", " ")


def _apart(places: Sequence[float], labels: Sequence[str]) -> list[int]:
    """Which labels can stand at these pixels without touching; the last one always does."""
    chosen: list[int] = []
    for index in reversed(range(len(labels))):
        right = places[index] + text_width(labels[index]) / 2
        if not chosen or right + 8 <= places[chosen[-1]] - text_width(labels[chosen[-1]]) / 2:
            chosen.append(index)
    return chosen
