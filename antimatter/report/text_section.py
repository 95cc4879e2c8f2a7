"""The part of the page about the text: how much each stage and source kept, why documents left, what was cleaned."""

from collections.abc import Mapping, Sequence
from typing import Any

from antimatter.report import numbers
from antimatter.report.markup import bar, beside_each_other, block, cell, fold, method, number, quoted, table, words
from antimatter.report.removed_documents import LOOKED_AT, Example
from antimatter.report.word_diff import diff

EDITS_OF_A_STEP = 2
"""Examples of what a step of cleaning changed, each of another source."""
Removed = Mapping[tuple[str, str], Sequence[Example]]


def parts(summary: Mapping[str, Any], pictures: Mapping[str, str], removed: Removed) -> list[str]:
    """Pictures and tables; none for what is not there."""
    shown = beside_each_other(*(pictures.get(name, "") for name in ("funnel", "sources")))
    return [shown, _sources(summary), _reasons(summary.get("removed", {}), removed)]


def _sources(summary: Mapping[str, Any]) -> str:
    """A row a source, a column a stage: bytes, and documents below."""
    stages, sources = list(summary.get("funnel", {})), summary.get("sources", {})
    if not sources:
        return ""
    tokens = summary.get("tokens", {}).get("by_source", {})
    splits = [name for name in ("training", "validation") if name in tokens]
    rows = []
    for name, flow in [("all", _whole(summary)), *sources.items()]:
        cells = [
            number(numbers.size(flow[stage]["bytes"]), numbers.count(flow[stage]["documents"]))
            if stage in flow
            else number("")
            for stage in stages
        ]
        for split in splits:
            count = sum(tokens[split].values()) if name == "all" else tokens[split].get(name, 0)
            cells.append(number(numbers.count(count)))
        rows.append([cell(name), *cells])
    head = ["source", *(f"#{stage}" for stage in stages), *(f"#{split} tokens" for split in splits)]
    told = method("UTF-8 bytes of text that left each stage, below them documents; tokens as they lie in data/tokens.")
    return block("The same in numbers", table(head, rows, marked=[0]), told)


def _whole(summary: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    funnel = summary.get("funnel", {})
    return {name: {"bytes": flow["bytes_out"], "documents": flow["documents_out"]} for name, flow in funnel.items()}


def _reasons(removed: Mapping[str, Any], examples: Removed) -> str:
    reasons = removed.get("reasons", [])
    if not reasons:
        return ""
    most = max(entry["documents"] for entry in reasons)
    rows = [
        [
            f'<td class="wrap">{words(entry["reason"])} <span class="soft small">{words(entry["stage"])}</span></td>',
            number(numbers.count(entry["documents"])),
            bar(entry["documents"] / most),
        ]
        for entry in reasons
    ]
    if removed.get("other_reasons"):
        told = f"{removed['other_reasons']} other reasons"
        rows.append([cell(told), number(numbers.count(removed["other_documents"])), "<td></td>"])
    folded = [
        fold(
            f"{entry['reason']}: examples",
            *(_example(one) for one in examples.get((entry["stage"], entry["reason"]), ())),
        )
        for entry in reasons
    ]
    told = method(
        "Counted in the ledgers of the stages: every removed document has one row with the first reason that applied. "
        f"Examples: of at most {LOOKED_AT} shards the first documents of different sources."
        if any(folded)
        else "Counted in the ledgers of the stages: every removed document has one row."
    )
    return block("Why documents were removed", table(["reason, and the stage", "#documents", ""], rows), *folded, told)


def _example(one: Example) -> str:
    ellipsis = "" if one.is_whole else " …"
    text = (
        quoted(f"{one.text}{ellipsis}", small=True)
        if one.text is not None
        else '<p class="small soft">Its text is in no dataset: it left before the first one was written.</p>'
    )
    told = f"<b>{words(one.source)}</b> <code>{words(one.id[:12])}</code> {words(one.verdict)}"
    return f'<p class="small">{told}</p>{text}'


def edits(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """The first pairs of each step of cleaning, a source at most once, as one text with marks."""
    chosen: dict[str, dict[str, Mapping[str, Any]]] = {}
    for edit in found:
        of_step = chosen.setdefault(str(edit["step"]), {})
        if len(of_step) < EDITS_OF_A_STEP:
            of_step.setdefault(str(edit["source"]), edit)
    shown = [
        block(
            step.replace("_", " "),
            *(f'<p class="small soft">{words(source)}</p>{_edit(edit)}' for source, edit in of_step.items()),
        )
        for step, of_step in chosen.items()
    ]
    told = "Red was removed, green was put in; ⏎ a line break, · a space. Steps and their order: clean.steps."
    return [*shown, method(told)] if shown else []


def _edit(edit: Mapping[str, Any]) -> str:
    before, after = str(edit["before"]), str(edit["after"])
    body = (
        diff(before, after, are_excerpts=True)
        or words(after) + '<span class="gap"> (only white space at the ends differs)</span>'
    )
    return f'<div class="text small tall" dir="auto">{body}</div>'
