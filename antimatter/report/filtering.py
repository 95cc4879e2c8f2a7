"""The part of the page about filter: what each rule removes, the languages of each source, evaluation items found."""

from collections.abc import Mapping
from typing import Any

from antimatter.report import numbers
from antimatter.report.markup import beside_each_other, block, cell, fold, method, number, picture, table

NAMED_SOURCES = 2
"""Sources named beside a rule: those that lose the largest share to it."""
SHOWN_RULES = 12
"""Rules in sight; the others are folded away below them."""
_SIGNALS = (
    "Signals of the documents that filter read (data/filtered/signals), removed ones included; lines are the "
    "thresholds of the rules that judge them, as the policies of params.yaml set them."
)
ACTIONS = {
    "remove": "Documents that hold enough of one were removed.",
    "mask": "They were cut out of the text; documents of nothing else were removed.",
    "report": "They were left in the text.",
}


def parts(found: Mapping[str, Any], pictures: Mapping[str, str]) -> list[str]:
    """Pictures and tables from the summary of filter; none for what is not there."""
    signals = beside_each_other(*(pictures.get(name, "") for name in ("lengths", "quality")))
    told = method(_SIGNALS) if signals else ""
    languages = _languages(found.get("languages", {}), found.get("language", {}), pictures.get("languages", ""))
    return [signals, told, _rules(found.get("rules", [])), languages]


def _rules(rules: list[Mapping[str, Any]]) -> str:
    if not rules:
        return ""
    rows = []
    for rule in rules:
        judged = rule["judged"]
        shares = [numbers.percent(rule[count] / judged) if judged else "" for count in ("failed", "alone", "first")]
        cells = [cell(rule["reason"]), number(numbers.count(rule["failed"])), *map(number, shares)]
        rows.append([*cells, cell(_where(rule["sources"]))])
    head = ["rule", "#documents", "#failed", "#alone", "#first", "most in"]
    more = rows[SHOWN_RULES:]
    told = method(
        "Shares of the documents that a rule judged: of all that fail it, those that fail no other rule (alone), those "
        "that no earlier rule removes (first). `antimatter filter-study` shows the values beside each threshold."
    )
    folded = fold(f"{len(more)} more", table(head, more)) if more else ""
    return block("What each rule removes", table(head, rows[:SHOWN_RULES]), folded, told)


def _where(sources: Mapping[str, float]) -> str:
    """wiki_fr 99.9 %, licenses 0.8 %, 2 more"""
    named = [f"{name} {numbers.percent(part)}" for name, part in list(sources.items())[:NAMED_SOURCES]]
    more = len(sources) - len(named)
    return ", ".join([*named, f"{more} more"] if more else named)


def _languages(languages: Mapping[str, Mapping[str, int]], facts: Mapping[str, Any], drawn: str) -> str:
    rows = []
    for source, mix in languages.items():
        whole = sum(mix.values()) or 1
        pieces = "".join(
            f'<i class="s{index}" style="width:{100 * count / whole:.2f}%"></i>'
            for index, count in enumerate(mix.values())
        )
        words = ", ".join(f"{code} {numbers.percent(count / whole)}" for code, count in mix.items())
        mixed = f'<td class="mix"><span>{pieces}</span></td>'
        rows.append([cell(source), mixed, cell(words, kind="wrap")])
    if not rows:
        return ""
    told = f"Detector: {facts['detector']}." if facts.get("detector") else ""
    if facts.get("arbitrated"):
        arbitrated = numbers.percent(facts["arbitrated"] / max(1, facts.get("documents", 0)))
        told += f" It was not sure of {arbitrated} of the documents; there a second detector decided."
    folded = fold("Shares of the languages", table(["source", "", "share of documents"], rows))
    return block("Languages", picture(drawn), folded, method(told))


def contamination(found: Mapping[str, Any]) -> list[str]:
    """The table of the evaluation sets that filter looked for. `found`: filter.decontamination of the summary."""
    names = ("items", "sought", "matched_items", "documents", "removed_documents")
    rows = [
        [cell(entry["name"]), *(number(numbers.count(entry[name]) if name in entry else "") for name in names)]
        for entry in found.get("sets", [])
    ]
    if not rows:
        return []
    head = ["evaluation set", "#items", "#sought", "#found in the text", "#documents with them", "#documents removed"]
    told = method(
        f"Exact n-grams of {found['ngram']} words, of shorter items all of at least {found['shortest']} words."
        if {"ngram", "shortest"} <= found.keys()
        else "Exact n-grams of words.",
        "Sought: items long enough to be looked for. " + ACTIONS.get(str(found.get("action")), ""),
    )
    return [table(head, rows), told]
