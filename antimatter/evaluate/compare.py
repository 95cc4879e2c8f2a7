"""Models side by side as a table of text: ours, peers that were evaluated here, and published rows.

    held-out text              parameters   bits per byte        hellaswag       piqa
    tasks, some at a time      ours         peers                references with the number of their source

Accuracies in per cent with their standard errors, bits per byte with their 95 % interval. Peers read the same items in
the same form as ours; published rows come from other harnesses, so their sources are listed under the table.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from antimatter.evaluate import references
from antimatter.evaluate.references import Reference

WIDTH = 100
_NAME, _SIZE, _COLUMN = 24, 8, 15
_AT_ONCE = (WIDTH - _NAME - _SIZE) // _COLUMN

Column = tuple[str, str]
"""Task and metric."""


def lines(evaluations: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table of these evaluations (the shape of reports/evaluation.json), with all published rows of their tasks."""
    columns = _columns(evaluations)
    text = _held_out(evaluations)
    published = [row for task in dict.fromkeys(task for task, _ in columns) for row in references.for_task(task)]
    sources = list(dict.fromkeys((row.form, row.source) for row in published))
    for start in range(0, len(columns), _AT_ONCE):
        text += ["", *_block(columns[start : start + _AT_ONCE], evaluations, sources)]
    if columns:
        text += ["", *_notes(evaluations, columns)]
        text += [
            line for number, source in enumerate(sources, 1) for line in _wrapped(f"[{number}] ", ": ".join(source))
        ]
    return text


def _columns(evaluations: Sequence[Mapping[str, Any]]) -> list[Column]:
    """Accuracies that at least one evaluation has, in the order of their first appearance."""
    found: dict[Column, None] = {}
    for evaluation in evaluations:
        for name, task in evaluation.get("tasks", {}).items():
            found |= {(name, metric): None for metric in ("acc", "acc_norm") if metric in task["metrics"]}
    return sorted(found, key=lambda column: list(dict.fromkeys(name for name, _ in found)).index(column[0]))


def _held_out(evaluations: Sequence[Mapping[str, Any]]) -> list[str]:
    text = [f"{'':<{_NAME}}{'size':>{_SIZE}}   {'bits per byte':<30}{'held-out text, 95 % interval'}"]
    for evaluation in evaluations:
        subject, validation = evaluation["subject"], evaluation.get("validation")
        shown = "not scored"
        if validation:
            shown = f"{validation['bits_per_byte']:.4f}"
            low, high = (validation.get("interval") or {}).get("bits_per_byte", (None, None))
            shown += f"  [{low:.4f}, {high:.4f}]" if low is not None else ""
        counted = f"{validation['documents']:,} documents, {validation['bytes']:,} bytes" if validation else ""
        text.append(f"{_cut(subject['name'])}{_size(subject['parameters'])}   {shown:<30}{counted}".rstrip())
    return text


def _block(
    columns: Sequence[Column], evaluations: Sequence[Mapping[str, Any]], sources: Sequence[tuple[str, str]]
) -> list[str]:
    head = [f"{'':<{_NAME}}{'size':>{_SIZE}}", " " * (_NAME + _SIZE)]
    head[0] += "".join(f"{name[: _COLUMN - 1]:>{_COLUMN}}" for name, _ in columns)
    head[1] += "".join(f"{metric + ', %':>{_COLUMN}}" for _, metric in columns)
    text = [line.rstrip() for line in head]
    for evaluation in evaluations:
        cells = [_own(evaluation.get("tasks", {}).get(name), metric) for name, metric in columns]
        if any(cells):
            text.append(_row(evaluation["subject"]["name"], evaluation["subject"]["parameters"], cells))
    text.append(_row("by chance", None, [_chance(evaluations, name) for name, _ in columns]))
    found: dict[tuple[str, int], dict[Column, Reference]] = {}
    for name, metric in columns:
        for row in references.for_task(name):
            if row.metric == metric:
                number = sources.index((row.form, row.source)) + 1
                found.setdefault((row.model, number), {})[name, metric] = row
    for (model, number), cells_of in found.items():
        size = next(iter(cells_of.values())).parameters
        text.append(_row(f"{model} [{number}]", size, [_published(cells_of.get(column)) for column in columns]))
    return text


def _row(name: str, parameters: int | None, cells: Sequence[str]) -> str:
    return (f"{_cut(name)}{_size(parameters)}" + "".join(f"{cell or '-':>{_COLUMN}}" for cell in cells)).rstrip()


def _own(task: Mapping[str, Any] | None, metric: str) -> str:
    figures = task["metrics"].get(metric) if task else None
    return _per_cent(figures["value"], figures["error"]) if figures and figures["value"] is not None else ""


def _published(row: Reference | None) -> str:
    if row is None:
        return ""
    return _per_cent(row.value, row.error) + ("*" if row.shots else "")


def _per_cent(value: float, error: float | None) -> str:
    return f"{100 * value:.2f}" + (f" ±{100 * error:.2f}" if error is not None else "")


def _chance(evaluations: Sequence[Mapping[str, Any]], name: str) -> str:
    chances = [evaluation["tasks"][name]["chance"] for evaluation in evaluations if name in evaluation.get("tasks", {})]
    return f"{100 * chances[0]:.2f}" if chances and chances[0] is not None else ""


def _size(parameters: int | None) -> str:
    if parameters is None:
        return " " * _SIZE
    for unit, name in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if parameters >= unit:
            shown = parameters / unit
            return f"{f'{shown:.0f}' if shown >= 100 else f'{shown:.1f}'}{name}".rjust(_SIZE)
    return f"{parameters}".rjust(_SIZE)


def _cut(name: str) -> str:
    return f"{name if len(name) < _NAME else name[: _NAME - 2] + '…':<{_NAME}}"


def _notes(evaluations: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> list[str]:
    """How many items, and in which form; a difference between evaluations is said."""
    text = []
    for name in dict.fromkeys(name for name, _ in columns):
        tasks = [each["tasks"][name] for each in evaluations if name in each.get("tasks", {})]
        counts = sorted({task["items"] for task in tasks})
        text += _wrapped(f"{name}: ", f"{' or '.join(f'{count:,}' for count in counts)} items; {tasks[0]['form']}")
    text += _wrapped("± ", "standard error; * with solved examples in the prompt; [n] published, by source:")
    return text


def _wrapped(start: str, words: str) -> list[str]:
    return textwrap.wrap(words, WIDTH, initial_indent=start, subsequent_indent="    ", break_on_hyphens=False)
