"""The page of `antimatter filter-study`: what the rules remove, histograms with the thresholds in them, and the
documents beside each threshold. One file without network or script; tables scroll on a telephone, examples fold."""

from collections.abc import Iterator
from html import escape
from pathlib import Path

from antimatter.corpus.shards import atomic_path
from antimatter.filter.study.borderline import Beside, Example, Threshold
from antimatter.filter.study.source import SourceStudy
from antimatter.filter.study.study import Study
from antimatter.report import numbers, palette
from antimatter.report.filter_table import (
    LEGEND,
    QUANTILES,
    keeps,
    number_words,
    quantile_words,
    shares,
    threshold_words,
)
from antimatter.report.histogram import Strip, histogram
from antimatter.report.markup import bar, cell, document, number, section, table

_RULES_LEGEND = f'<p class="small soft">{escape(LEGEND)}</p>'
_STYLE = """
summary b{font-weight:600}
.side{display:grid;grid-template-columns:repeat(auto-fit,minmax(280px,1fr));gap:0 16px}
.side h4{font-size:13px;font-weight:500;margin:8px 0 0;color:var(--soft)}
.side .text{font-size:13px;line-height:1.4;max-height:168px;overflow-y:auto}
.key{display:inline-block;width:10px;height:10px;border-radius:2px;background:var(--accent);margin:0 4px 0 10px}
.key.out{background:var(--second)}
"""


def write_page(study: Study, folder: Path, *, every_rule: bool = False) -> Path:
    """Write folder/index.html; returns its path."""
    with atomic_path(folder / "index.html") as temporary:
        temporary.write_text(page(study, every_rule=every_rule), encoding="utf-8")
    return folder / "index.html"


def page(study: Study, *, every_rule: bool = False) -> str:
    """The page; rules that remove nothing, and the signals that only they judge, are left out unless all are wanted."""
    sections = [
        _head(study),
        section("What leaves", _overview(study)),
        section("Rule by rule", _RULES_LEGEND, *(_rules(one, every_rule) for one in study.sources.values())),
        *(_signal(study, signal, every_rule) for signal in _signals(study, every_rule)),
        section("Languages", _languages(study), *_unnumbered(study, every_rule)),
    ]
    return document("AntiMatter: filter study", sections, style=palette.style() + _STYLE)


def _head(study: Study) -> str:
    tried = escape(study.tried) if study.tried else "the policies of params.yaml"
    notes = "".join(f'<div class="note small">{escape(note)}</div>' for note in study.notes)
    return f'<h1>Filter study</h1><p class="soft">Judged by {tried}.</p>{notes}'


def _overview(study: Study) -> str:
    rows = []
    for of_source in study.sources.values():
        documents, characters = shares(of_source.removed, of_source.whole)
        cells = [number(numbers.count(of_source.whole.documents)), number(documents), number(characters)]
        if study.tried:
            cells.append(number(shares(of_source.removed_now, of_source.whole)[0]))
        part = of_source.removed.documents / max(1, of_source.whole.documents)
        rows.append([cell(of_source.source), cell(of_source.policy), *cells, bar(part) if part else "<td></td>"])
    now = ["#by params.yaml"] if study.tried else []
    return table(["source", "policy", "#documents", "#removed", "#of text", *now, ""], rows)


def _rules(of_source: SourceStudy, every_rule: bool) -> str:
    whole, so_far, rows = of_source.whole, 0, []
    for reason, losses in of_source.losses.items():
        so_far += losses.first.documents
        if not every_rule and not losses.failed.documents:
            continue
        documents, characters = shares(losses.failed, whole)
        rows.append(
            [
                cell(reason),
                cell(keeps(of_source.rules[reason])),
                number(numbers.count(losses.failed.documents)),
                number(documents),
                number(numbers.count(losses.alone.documents)),
                number(numbers.count(losses.first.documents)),
                number(numbers.percent(so_far / whole.documents)),
                number(characters),
            ]
        )
    if not rows:
        return ""
    head = ["rule", "keeps", "#failed", "#share", "#alone", "#first", "#so far", "#of text"]
    documents, characters = shares(of_source.removed, whole)
    words = f"{len(rows)} rule{'s' * (len(rows) > 1)}, {documents} of the documents, {characters} of the characters"
    return (
        f'<details><summary><b>{escape(of_source.source)}</b> <span class="soft">{words}</span></summary>'
        f"{table(head, rows)}</details>"
    )


def _signals(study: Study, every_rule: bool) -> list[str]:
    """The signals with a section of their own: those asked for, then those whose rules remove something."""
    judged = [
        rule.signal
        for of_source in study.sources.values()
        for reason, rule in of_source.rules.items()
        if rule.bounds and (every_rule or of_source.losses[reason].failed.documents)
    ]
    return [name for name in dict.fromkeys([*study.signals, *judged]) if _has_values(study, name)]


def _has_values(study: Study, signal: str) -> bool:
    return any(signal in of_source.signals for of_source in study.sources.values())


def _signal(study: Study, signal: str, every_rule: bool) -> str:
    having = [of_source for of_source in study.sources.values() if signal in of_source.signals]
    picture = histogram(signal, [_strip(of_source, signal) for of_source in having])
    rows = [[cell(one.source), *(number(word) for word in quantile_words(one, signal))] for one in having]
    quantiles = table(["source", *(f"#{name}" for name in QUANTILES)], rows)
    legend = (
        '<p class="small soft"><span class="key" style="margin-left:0"></span>stays'
        '<span class="key out"></span>fails a rule on this signal. Heights: square root of documents.</p>'
    )
    parts = [f"<details><summary>Quantiles</summary>{quantiles}</details>"]
    for of_source in having:
        for threshold in of_source.thresholds(signal):
            parts.append(_borderline(study, of_source, threshold, every_rule))
    return section(signal, legend, picture, *parts)


def _strip(of_source: SourceStudy, signal: str) -> Strip:
    distribution = of_source.signals[signal]
    values, counts = distribution.values()
    rules = [rule for rule in of_source.rules.values() if rule.signal == signal and rule.bounds]
    share = distribution.failed / of_source.whole.documents
    return Strip(
        name=of_source.source,
        values=values,
        counts=counts,
        failing=distribution.failing(),
        thresholds=[threshold.value for threshold in of_source.thresholds(signal)],
        words="; ".join(dict.fromkeys(keeps(rule) for rule in rules)),
        share=numbers.percent(share) if share else "",
    )


def _borderline(study: Study, of_source: SourceStudy, threshold: Threshold, every_rule: bool) -> str:
    """The examples of one threshold, folded; nothing without texts to show, or if it removes nothing."""
    beside = of_source.beside.get(threshold, Beside())
    if not beside.beyond and not every_rule:
        return ""
    if not any(example.id in study.excerpts for example in (*beside.removed, *beside.kept)):
        return ""
    bound = f" {threshold_words(threshold)}" if threshold.bound else ""
    title = f"<b>{escape(of_source.source)}</b>: {escape(threshold.reason)}{escape(bound)}"
    sides = "".join(_side(study, words, examples) for words, examples in _sides(threshold, beside) if examples)
    return (
        f'<details><summary>{title} <span class="soft">{numbers.count(beside.beyond)} fail</span></summary>'
        f'<div class="side">{sides}</div></details>'
    )


def _sides(threshold: Threshold, beside: Beside) -> Iterator[tuple[str, list[Example]]]:
    if not threshold.bound:
        yield "removed", beside.removed
        return
    yield "removed, nearest first", beside.removed
    yield "kept by this rule, nearest first", beside.kept


def _side(study: Study, words: str, examples: list[Example]) -> str:
    shown = [
        f'<div class="text"><small class="soft">{escape(_value(example))} · {example.id.hex()[:12]}'
        f"{escape(_others(example))}</small>\n{escape(study.excerpts[example.id])}</div>"
        for example in examples
        if example.id in study.excerpts
    ]
    return f"<div><h4>{words}</h4>{''.join(shown)}</div>"


def _value(example: Example) -> str:
    return example.value if isinstance(example.value, str) else number_words(example.value)


def _others(example: Example) -> str:
    if not example.others:
        return ""
    more = f" and {len(example.others) - 2} more" if len(example.others) > 2 else ""
    return f" · also fails {', '.join(example.others[:2])}{more}"


def _languages(study: Study) -> str:
    rows = []
    for of_source in study.sources.values():
        mix = sorted(of_source.languages.items(), key=lambda item: (-item[1], item[0]))
        words = ", ".join(f"{code} {numbers.percent(count / of_source.whole.documents)}" for code, count in mix[:6])
        more = f", {len(mix) - 6} more" if len(mix) > 6 else ""
        rows.append([cell(of_source.source), f'<td class="wrap">{escape(words + more)}</td>'])
    return table(["source", "share of documents"], rows)


def _unnumbered(study: Study, every_rule: bool) -> Iterator[str]:
    """The examples of rules without a number: languages, evaluation items."""
    for of_source in study.sources.values():
        for threshold in of_source.beside:
            if not threshold.bound:
                yield _borderline(study, of_source, threshold, every_rule)
