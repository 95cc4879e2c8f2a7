"""The filter study in the terminal: a table a source, 120 columns wide at most."""

import math
import textwrap
from collections.abc import Iterator

from antimatter.filter.rules import Rule
from antimatter.filter.study.borderline import BOUNDS, Threshold, thresholds_of
from antimatter.filter.study.source import Size, SourceStudy
from antimatter.filter.study.study import Study
from antimatter.report import numbers

WIDTH = 120
QUANTILES = {"least": 0.0, "1 %": 0.01, "5 %": 0.05, "25 %": 0.25, "50 %": 0.5, "75 %": 0.75, "95 %": 0.95,
             "99 %": 0.99, "most": 1.0}  # fmt: skip
LEGEND = (
    "failed: documents that fail the rule; alone: that fail no other; first: that no earlier rule removes; so far: "
    "removed by this rule and all before it; of text: characters of the failed."
)
_HEAD = ("failed", "share", "alone", "first", "so far", "of text")
_COLUMN = 10


def lines(study: Study, *, every_rule: bool = False) -> Iterator[str]:
    """The table line by line; of the rules only those that remove something, unless all are asked for."""
    if study.tried:
        yield from _wrapped(f"Tried in place of params.yaml: {study.tried}")
    for note in study.notes:
        yield from _wrapped(f"note: {note}")
    for of_source in study.sources.values():
        yield ""
        yield from _source(study, of_source, every_rule)
    yield ""
    yield from _wrapped(LEGEND)
    for signal in study.signals:
        yield ""
        yield from _quantiles(study, signal)


def keeps(rule: Rule) -> str:
    """What a rule keeps: >= 50, <= 100,000; nothing for a rule without a number."""
    return ", ".join(threshold_words(threshold) for threshold in thresholds_of(rule) if threshold.bound)


def threshold_words(threshold: Threshold) -> str:
    """>= 50"""
    return f"{BOUNDS[threshold.bound]} {number_words(threshold.value)}"


def shares(size: Size, whole: Size) -> tuple[str, str]:
    """Of the documents and of the characters."""
    return (
        numbers.percent(size.documents / whole.documents if whole.documents else 0),
        numbers.percent(size.characters / whole.characters if whole.characters else 0),
    )


def _source(study: Study, of_source: SourceStudy, every_rule: bool) -> Iterator[str]:
    whole, removed = of_source.whole, of_source.removed
    documents, characters = shares(removed, whole)
    yield from _wrapped(
        f"{of_source.source} (policy {of_source.policy}): {whole.documents:,} documents, {whole.characters:,} "
        "characters"
    )
    told = f"  removed {removed.documents:,} ({documents}) with {characters} of the characters"
    if study.tried:
        now, of_characters = shares(of_source.removed_now, whole)
        told += f"; params.yaml: {of_source.removed_now.documents:,} ({now}) with {of_characters}"
    yield from _wrapped(told)
    shown = {reason: losses for reason, losses in of_source.losses.items() if every_rule or losses.failed.documents}
    if not shown:
        return
    room = WIDTH - 2 - len(_HEAD) * _COLUMN
    names = {reason: _name(of_source, reason, room) for reason in shown}
    left = min(room, max(len("rule"), *map(len, names.values())))
    yield "  " + "rule".ljust(left) + "".join(word.rjust(_COLUMN) for word in _HEAD)
    so_far = 0
    for reason, losses in of_source.losses.items():
        so_far += losses.first.documents
        if reason in shown:
            share, of_characters = shares(losses.failed, whole)
            counts = (
                f"{losses.failed.documents:,}",
                share,
                f"{losses.alone.documents:,}",
                f"{losses.first.documents:,}",
            )
            figures = (*counts, numbers.percent(so_far / whole.documents), of_characters)
            yield "  " + names[reason].ljust(left) + "".join(figure.rjust(_COLUMN) for figure in figures)


def _name(of_source: SourceStudy, reason: str, room: int) -> str:
    kept = keeps(of_source.rules[reason])
    return _cut(f"{reason}  {kept}" if kept else reason, room)


def _quantiles(study: Study, signal: str) -> Iterator[str]:
    room = WIDTH - len(QUANTILES) * _COLUMN
    names = {source: _cut(source, room) for source in study.sources}
    left = max(map(len, names.values()), default=0)
    yield signal
    yield " " * left + "".join(name.rjust(_COLUMN) for name in QUANTILES)
    for source, of_source in study.sources.items():
        if signal in of_source.signals:
            yield names[source].ljust(left) + "".join(word.rjust(_COLUMN) for word in quantile_words(of_source, signal))


def _cut(words: str, room: int) -> str:
    return words if len(words) <= room else words[: room - 3] + "..."


def _wrapped(words: str) -> list[str]:
    return textwrap.wrap(words, WIDTH, subsequent_indent="  ")


def quantile_words(of_source: SourceStudy, signal: str) -> list[str]:
    """The values of QUANTILES for one source."""
    return [number_words(value) for value in of_source.signals[signal].quantiles(list(QUANTILES.values()))]


def number_words(value: float) -> str:
    """A value of a signal with four digits; whole numbers whole; nothing where there is none."""
    if not math.isfinite(value):
        return ""
    return f"{value:,.0f}" if value == round(value) else f"{value:.4g}"
