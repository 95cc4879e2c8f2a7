"""The part of the page about filter: what rules remove, the languages of each source, evaluation items in the text."""

from collections.abc import Mapping
from html import escape
from typing import Any

from antimatter.report import numbers
from antimatter.report.markup import cell, number, table

NAMED_SOURCES = 2
"""Sources named beside a rule: those that lose the largest share to it."""
SHOWN_RULES = 12
"""Rules in sight; the others are folded away below them."""
ACTIONS = {
    "remove": "Documents that hold enough of one were removed.",
    "mask": "They were cut out of the text; documents of nothing else were removed.",
    "report": "They were left in the text.",
}


def parts(found: Mapping[str, Any]) -> list[str]:
    """Tables from the summary of filter; none for what it does not hold."""
    return [
        _rules(found.get("rules", [])),
        _languages(found.get("languages", {}), found.get("language", {})),
        _decontamination(found.get("decontamination", {})),
    ]


def _rules(rules: list[Mapping[str, Any]]) -> str:
    if not rules:
        return ""
    rows = []
    for rule in rules:
        judged = rule["judged"]
        shares = [numbers.percent(rule[count] / judged) if judged else "" for count in ("failed", "alone", "first")]
        cells = [cell(rule["reason"]), number(numbers.count(rule["failed"])), *map(number, shares)]
        rows.append([*cells, cell(_where(rule["sources"]))])
    words = (
        "Shares of the documents that a rule judged: of all that fail it, those that fail no other rule (alone), those "
        "that no earlier rule removes (first). "
    )
    head = ["rule", "#documents", "#failed", "#alone", "#first", "most in"]
    more = rows[SHOWN_RULES:]
    folded = f"<details><summary>{len(more)} more</summary>{table(head, more)}</details>" if more else ""
    note = (
        f'<p class="small soft">{words}<code>antimatter filter-study</code> shows the values beside each threshold.</p>'
    )
    return table(head, rows[:SHOWN_RULES]) + folded + note


def _where(sources: Mapping[str, float]) -> str:
    """wiki_fr 99.9 %, licenses 0.8 %, 2 more"""
    named = [f"{name} {numbers.percent(part)}" for name, part in list(sources.items())[:NAMED_SOURCES]]
    more = len(sources) - len(named)
    return ", ".join([*named, f"{more} more"] if more else named)


def _languages(languages: Mapping[str, Mapping[str, int]], facts: Mapping[str, Any]) -> str:
    rows = []
    for source, mix in languages.items():
        whole = sum(mix.values()) or 1
        pieces = "".join(
            f'<i class="s{index}" style="width:{100 * count / whole:.2f}%"></i>'
            for index, count in enumerate(mix.values())
        )
        words = ", ".join(f"{code} {numbers.percent(count / whole)}" for code, count in mix.items())
        rows.append(
            [cell(source), f'<td class="mix"><span>{pieces}</span></td>', f'<td class="wrap">{escape(words)}</td>']
        )
    if not rows:
        return ""
    told = f"Detector: {facts['detector']}." if facts.get("detector") else ""
    if facts.get("arbitrated"):
        arbitrated = numbers.percent(facts["arbitrated"] / max(1, facts.get("documents", 0)))
        told += f" It was not sure of {arbitrated} of the documents; there a second detector decided."
    note = f'<p class="small soft">{escape(told)}</p>' if told else ""
    return "<h3>Languages found in each source</h3>" + table(["source", "", "share of documents"], rows) + note


def _decontamination(found: Mapping[str, Any]) -> str:
    rows = [
        [
            cell(entry["name"]),
            *(number(numbers.count(entry[name])) for name in ("items", "sought", "matched_items", "removed_documents")),
        ]
        for entry in found.get("sets", [])
    ]
    if not rows:
        return ""
    head = ["evaluation set", "#items", "#sought", "#found in the text", "#documents removed"]
    note = f'<p class="small soft">{escape(ACTIONS.get(str(found.get("action")), ""))}</p>'
    return "<h3>Evaluation items in the text</h3>" + table(head, rows) + note
