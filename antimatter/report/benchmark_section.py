"""The part of the page about benchmarks: our scores with error, chance and what of each set was in the training text;
beside them published ones and models measured here; some items with what the model chose."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from antimatter.evaluate.main_metric import main_metric
from antimatter.evaluate.references import Reference
from antimatter.report import numbers
from antimatter.report.markup import block, cell, fold, method, number, picture, quoted, table, words

Content = Mapping[str, Any]
Published = Mapping[str, Sequence[Reference]]
"""Task -> rows of antimatter.evaluate.references."""
NONE = (
    "No benchmark was scored. Name sets in benchmarks.sources (they are looked for in the training text too), or tasks "
    "of lm-evaluation-harness in evaluate.tasks: this chapter then shows accuracies with errors beside published ones."
)
_REPOSITORY = re.compile(r"([A-Za-z0-9-]+/[A-Za-z0-9._-]+),")
_IS_SHARE = ("acc", "acc_norm", "exact_match", "f1")
"""Metrics told as percentages."""


def parts(
    evaluation: Content,
    picture_of_tasks: str,
    contamination: Content,
    peers: Mapping[str, Content],
    references: Published,
    items: Sequence[Content],
) -> list[str]:
    """Tables; none for what is not there.

    contamination   filter.decontamination of the summary
    references      published scores by task
    """
    tasks, methods = evaluation.get("tasks") or {}, evaluation.get("method") or {}
    if not tasks:
        return [f"<p>{words(NONE)}</p>"] if evaluation else []
    told = method(
        methods.get("tasks", ""),
        "± is one standard error. Chance: the accuracy of guessing. In the training text: items of the set of that "
        "name that filter found by n-grams, of those it could look for.",
    )
    return [
        block("Scores of this model", picture(picture_of_tasks), _own(tasks, contamination), told, _forms(tasks)),
        _factual(evaluation.get("factual") or {}, methods),
        _beside(tasks, evaluation, peers, references),
        _items(items),
    ]


def _own(tasks: Mapping[str, Content], contamination: Content) -> str:
    sets = {entry["name"]: entry for entry in contamination.get("sets") or []}
    rows = []
    for name, task in tasks.items():
        for place, (metric, found) in enumerate((task.get("metrics") or {}).items()):
            is_first = place == 0
            chance = task.get("chance")
            found_in_text = "" if name not in sets else f"{sets[name]['matched_items']:,} of {sets[name]['sought']:,}"
            rows.append(
                [
                    cell(name if is_first else ""),
                    cell(metric),
                    number(value_and_error(metric, found)),
                    number(numbers.percent(chance) if chance is not None and metric in _IS_SHARE else ""),
                    number(numbers.count(task["items"]) if is_first and "items" in task else ""),
                    number((found_in_text or "not sought") if is_first else ""),
                ]
            )
    head = ["task", "metric", "#score", "#chance", "#items", "#in the training text"]
    return table(head, rows) if rows else ""


def value_and_error(metric: str, found: Content) -> str:
    """A score as people write it: 31.2 % ± 0.5, or 41.30 ± 1.20 for what is no share."""
    value, error = found.get("value"), found.get("error")
    if value is None:
        return ""
    if metric in _IS_SHARE:
        return f"{100 * value:.1f} %" + (f" ± {100 * error:.1f}" if error is not None else "")
    digits = 0 if abs(value) >= 1000 else 2
    return f"{value:,.{digits}f}" + (f" ± {error:,.{digits}f}" if error is not None else "")


def _forms(tasks: Mapping[str, Content]) -> str:
    rows = [
        [
            cell(name),
            cell(task.get("origin", "")),
            cell(str(task.get("kind", "")).replace("_", " ")),
            cell(task.get("form", ""), kind="long"),
            cell(" ".join(str(task[key]) for key in ("harness", "version") if task.get(key) is not None)),
        ]
        for name, task in tasks.items()
    ]
    return fold("How each task is asked", table(["task", "origin", "kind", "form", "harness, task version"], rows))


def _factual(factual: Content, methods: Content) -> str:
    if factual.get("accuracy") is None:
        return ""
    score = value_and_error("acc", {"value": factual["accuracy"], "error": factual.get("error")})
    told = methods.get("factual") or "The accuracy of that task (evaluate.factual_task); ± is one standard error."
    return block("Factual accuracy", f"<p>{words(score)} on {words(factual.get('task', ''))}</p>", method(told))


def _beside(
    tasks: Mapping[str, Content], evaluation: Content, peers: Mapping[str, Content], references: Published
) -> str:
    """A row a model, a column a task: one metric each, that of our own row."""
    columns = {name: found[0] for name, task in tasks.items() if (found := main_metric(task))}
    rows = [_model_row("this model", evaluation, columns)]
    for name, peer in peers.items():
        if any(column in (peer.get("tasks") or {}) for column in columns):
            label = str((peer.get("subject") or {}).get("name") or name)
            rows.append(_model_row(label, peer, columns, "measured here"))
    notes: list[tuple[str, str]] = []
    for (model, parameters), scores in _published(references, columns).items():
        cells = [cell(model, "published"), number(numbers.count(parameters))]
        rows.append([*cells, *(_cited(scores.get(name), metric, notes) for name, metric in columns.items())])
    guess = [number(numbers.percent(c) if (c := tasks[name].get("chance")) is not None else "") for name in columns]
    if len(rows) == 1:
        return ""
    rows.append([cell("chance"), number(""), *guess])
    head = ["model", "#parameters", *(f"#{name} ({metric})" for name, metric in columns.items())]
    told = method(
        "Measured here: `antimatter evaluate`, the same items, prompts and harness. Published: as the cited source has "
        "them; other prompts, harnesses and item sets move such scores by a point and more. ± is one standard error: "
        "the harness's, the source's, or for a source without one that of a share of the whole set.",
    )
    every = [row for rows_of in references.values() for row in rows_of]
    table_of = table(head, rows, marked=[0])
    return block("Beside other models", table_of, _footnotes(notes), told, _every_reference(every))


def _model_row(label: str, evaluation: Content, columns: Mapping[str, str], below: str = "") -> list[str]:
    parameters = (evaluation.get("subject") or {}).get("parameters")
    tasks = evaluation.get("tasks") or {}
    cells = []
    for name, metric in columns.items():
        task = tasks.get(name) or {}
        found = (task.get("metrics") or {}).get(metric) or {}
        items = f"{task['items']:,} items" if below and found and "items" in task else ""
        cells.append(number(value_and_error(metric, found), items))
    return [cell(label, below), number("" if parameters is None else numbers.count(parameters)), *cells]


def _published(references: Published, columns: Mapping[str, str]) -> dict[tuple[str, int], dict[str, Reference]]:
    """(model, parameters) -> task -> one row, smaller models first. Of several rows of a task that of the column's
    metric, then that with fewer examples in the prompt."""
    found: dict[tuple[str, int], dict[str, Reference]] = {}
    for task, rows in references.items():
        for row in sorted(rows, key=lambda row: (row.metric != columns.get(task), row.shots)):
            if task in columns:
                found.setdefault((row.model, row.parameters), {}).setdefault(task, row)
    return dict(sorted(found.items(), key=lambda item: (item[0][1], item[0][0])))


def _cited(row: Reference | None, metric: str, notes: list[tuple[str, str]]) -> str:
    """A published score with the number of its footnote."""
    if row is None:
        return number("")
    cited = (row.source, row.form)
    if cited not in notes:
        notes.append(cited)
    mark = f'<sup><a href="#source-{notes.index(cited) + 1}">{notes.index(cited) + 1}</a></sup>'
    told = [row.metric] if row.metric != metric else []
    told += [f"{row.shots} examples"] if row.shots else []
    below = f"<small>{words(', '.join(told))}</small>" if told else ""
    return f'<td class="n">{words(_score_of(row))}{mark}{below}</td>'


def _score_of(row: Reference) -> str:
    return value_and_error(row.metric, {"value": row.value, "error": row.binomial_error})


def _every_reference(rows: Sequence[Reference]) -> str:
    lines = [
        [
            cell(row.model), cell(row.task), cell(row.metric), number(row.shots), number(_score_of(row)),
            cell(row.form, row.source, kind="long"),
        ]
        for row in rows
    ]  # fmt: skip
    head = ["model", "task", "metric", "#examples in the prompt", "#score", "how, and where it stands"]
    return fold(f"All {len(lines)} published scores of these tasks", table(head, lines)) if lines else ""


def _footnotes(notes: Sequence[tuple[str, str]]) -> str:
    entries = [
        f'<li id="source-{place}">{_linked(source)}<br>{words(form)}</li>'
        for place, (source, form) in enumerate(notes, start=1)
    ]
    return f'<ol class="small soft">{"".join(entries)}</ol>' if entries else ""


def _linked(source: str) -> str:
    """A source as link: one that begins with owner/name, as on GitHub; others are only told."""
    found = _REPOSITORY.match(source)
    if not found:
        return words(source)
    return f'<a href="https://github.com/{escape(found[1])}">{words(found[1])}</a>{words(source[found.end(1) :])}'


def _items(items: Sequence[Content]) -> str:
    by_task: dict[str, list[Content]] = {}
    for item in items:
        by_task.setdefault(str(item.get("task", "")), []).append(item)
    shown = [fold(f"Items of {task}", *(_item(item) for item in own)) for task, own in by_task.items()]
    told = method("✓ the right answer, → what the model chose; behind each choice its log-likelihood, nats.")
    return block("Items, and what the model chose", *shown, told) if shown else ""


def _item(item: Content) -> str:
    scores, rows = list(item.get("scores") or []), []
    for place, choice in enumerate(item.get("choices") or []):
        marks = ("✓" if place == item.get("gold") else "") + ("→" if place == item.get("chosen") else "")
        score = f"{scores[place]:.2f}" if place < len(scores) else ""
        rows.append([cell(marks), cell(choice, kind="long"), number(score)])
    written = quoted(item["written"], small=True) if item.get("written") is not None else ""
    return quoted(item.get("query", ""), small=True) + (table(["", "", "#"], rows) if rows else "") + written
