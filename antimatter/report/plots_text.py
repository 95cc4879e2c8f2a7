"""Pictures of the text on its way to the model: how much is left, of which sources, in which languages."""

from collections.abc import Mapping, Sequence
from typing import Any

from antimatter.report import numbers
from antimatter.report.figure import MOST_ROWS, WIDTH, Picture, column, count_axis, drawing, fitting, left_out
from antimatter.report.palette import SERIES, colour

OTHERS = "others"
_ROW, _BAR = 30, 18


@drawing
def funnel(flows: Mapping[str, Mapping[str, Any]]) -> str:
    """Bytes after each stage as bars, what the stage took away in a paler tone; documents in words."""
    row, left = 44, column(flows)
    picture = Picture(
        "Text left after each stage",
        "bytes; pale is what the stage took away",
        height=row * len(flows) + 2,
    )
    axes = picture.axes(x=left, y=0, width=WIDTH - left, height=max(1, row * len(flows)))
    axes.set(xlim=(0, max((max(f["bytes_in"], f["bytes_out"]) for f in flows.values()), default=0) or 1))
    axes.set(ylim=(max(1, row * len(flows)), 0))
    axes.set_axis_off()
    for index, (stage, flow) in enumerate(flows.items()):
        y = row * index
        axes.barh(y + _BAR / 2, flow["bytes_in"], height=_BAR, color=colour("pale"))
        axes.barh(y + _BAR / 2, flow["bytes_out"], height=_BAR, color=colour("accent"))
        words = f"{numbers.size(flow['bytes_out'])} in {numbers.count(flow['documents_out'])} documents"
        lost = flow["documents_in"] - flow["documents_out"]
        if lost:
            words += f", {numbers.count(lost)} removed ({numbers.percent(flow['removed_documents_share'])})"
        picture.text(left - 12, y + 14, fitting(stage, left - 12, strong=True), align="right", strong=True)
        picture.text(left, y + 33, fitting(words, WIDTH - left), "muted")
    return picture.render()


@drawing
def sources(flows: Mapping[str, Mapping[str, Mapping[str, float]]], stages: Sequence[str]) -> str:
    """Bytes after each stage, parted by source: the eight with most text at the first stage, and all others together.

    flows  source -> stage -> {"bytes": ...}, as `sources` of the summary
    """
    at = {stage: {name: flow[stage]["bytes"] for name, flow in flows.items() if stage in flow} for stage in stages}
    first = at[stages[0]] if stages else {}
    named, keys = _keys(sorted(flows, key=lambda name: (-first.get(name, 0), name)))
    left, right, height = column(stages), 70, _ROW * len(stages)
    picture = Picture(
        "Text of each source after each stage",
        "bytes of text, the largest sources first",
        height=height + 28,
        legend=keys,
    )
    axes = picture.axes(x=left, y=0, width=WIDTH - left - right, height=max(1, height), grid="x")
    axes.set(xlim=(0, max((sum(parts.values()) for parts in at.values()), default=0) or 1), ylim=(max(1, height), 0))
    axes.set_yticks([])
    count_axis(axes, "x", 4, _size)
    for index, (stage, sizes) in enumerate(at.items()):
        parts = {name: sizes.get(name, 0) for name in named}
        parts[OTHERS] = sum(sizes.values()) - sum(parts.values())
        _stack(axes, _ROW * index + _BAR / 2, parts, keys)
        name = fitting(stage, left - 12, strong=True)
        picture.text(left - 12, _ROW * index + 14, name, align="right", strong=True)
        picture.text(WIDTH, _ROW * index + 14, numbers.size(sum(sizes.values())), "muted", "right")
    return picture.render()


@drawing
def languages(mixes: Mapping[str, Mapping[str, int]]) -> str:
    """The share of each language in the documents of each source: the eight most frequent by name.

    mixes  source -> language code -> documents, as `languages` of reports/filter.json
    """
    total: dict[str, int] = {}
    for mix in mixes.values():
        for code, documents in mix.items():
            total[code] = total.get(code, 0) + documents
    named, keys = _keys(sorted(total, key=lambda code: (-total[code], code)))
    order = sorted(mixes, key=lambda name: (-sum(mixes[name].values()), name))[:MOST_ROWS]
    left, height = column(order), _ROW * len(order)
    right = 90
    picture = Picture(
        "Languages of each source",
        "share of its documents as they were found, before any was removed" + left_out(len(mixes)),
        height=height + 28,
        legend=keys,
    )
    axes = picture.axes(x=left, y=0, width=WIDTH - left - right, height=max(1, height), grid="x")
    axes.set(xlim=(0, 1), ylim=(max(1, height), 0), xticks=[0, 0.25, 0.5, 0.75, 1], yticks=[])
    axes.set_xticklabels([f"{value} %" for value in (0, 25, 50, 75, 100)])
    for index, name in enumerate(order):
        documents = sum(mixes[name].values())
        parts = {code: mixes[name].get(code, 0) / documents for code in named} if documents else {}
        parts[OTHERS] = max(0.0, 1 - sum(parts.values())) if len(total) > len(named) else 0.0
        _stack(axes, _ROW * index + _BAR / 2, parts, keys)
        picture.text(left - 12, _ROW * index + 14, fitting(name, left - 12), align="right")
        picture.text(WIDTH, _ROW * index + 14, f"{numbers.count(documents)} doc.", "muted", "right")
    return picture.render()


def _keys(order: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """The first names, and the legend: each with its colour, then all others if there are any."""
    named = list(order[: len(SERIES)])
    keys = list(zip(named, SERIES, strict=False))
    return named, [*keys, (OTHERS, "others")] if len(order) > len(named) else keys


def _stack(axes: Any, y: float, parts: Mapping[str, float], keys: Sequence[tuple[str, str]]) -> None:
    start = 0.0
    for name, tone in keys:
        axes.barh(y, parts.get(name, 0), left=start, height=_BAR, color=colour(tone))
        start += parts.get(name, 0)


def _size(text_bytes: float) -> str:
    """Round numbers of bytes, so short ones: 20 MB"""
    for limit, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if text_bytes >= limit:
            return f"{text_bytes / limit:g} {unit}"
    return f"{text_bytes:g}"
