"""The part of the page about where everything comes from: commit, artifacts, parameters, versions, machine, times."""

from collections.abc import Mapping
from html import escape
from typing import Any

from antimatter.report import numbers
from antimatter.report.lineage import Lineage
from antimatter.report.markup import bar, block, cell, facts, fold, method, note, number, table, words

STAGES = (
    "collect", "conversations", "benchmarks", "clean", "filter", "dedup", "tokenizer", "tokenize", "train", "evaluate",
    "report",
)  # fmt: skip
SHOWN_DIFFERENCES, SHOWN_FILES = 30, 50


def parts(lineage: Lineage, model_id: str, runs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Blocks; none for what is not known."""
    return [
        _commit(lineage, model_id),
        _parameters(lineage),
        _artifacts(lineage),
        block("Times and memory of the last run", records(runs)) if runs else "",
        _versions(lineage),
        _tracking(lineage, model_id),
    ]


def _commit(lineage: Lineage, model_id: str) -> str:
    model = f"<p>Model <code>{words(model_id)}</code></p>" if model_id else ""
    if not lineage.commit:
        return model
    code = f"<p>Code: commit <code>{words(lineage.commit)}</code></p>"
    if not lineage.changed_files:
        return model + code + '<p class="small soft">The working tree is that of the commit.</p>'
    count = len(lineage.changed_files)
    told = f"{count} tracked file{'s differ' if count > 1 else ' differs'} from the commit."
    listed = "".join(f"<li><code>{words(name)}</code></li>" for name in lineage.changed_files[:SHOWN_FILES])
    listed += f"<li>and {count - SHOWN_FILES} more</li>" if count > SHOWN_FILES else ""
    return model + code + note(told) + fold("Which ones", f"<ul>{listed}</ul>")


def _parameters(lineage: Lineage) -> str:
    if not lineage.parameters:
        return ""
    if lineage.differences:
        rows = [
            [cell(name), cell(demo, kind="wrap"), cell(here, kind="wrap")]
            for name, demo, here in lineage.differences[:SHOWN_DIFFERENCES]
        ]
        shown = table(["parameter", "demo profile", "this run"], rows)
        more = len(lineage.differences) - SHOWN_DIFFERENCES
        shown += f'<p class="small soft">and {more} more</p>' if more > 0 else ""
    else:
        shown = '<p class="small soft">They are those of the demo profile.</p>'
    return block(
        "Parameters", shown, fold("The whole params.yaml", f"<pre><code>{words(lineage.parameters)}</code></pre>")
    )


def _artifacts(lineage: Lineage) -> str:
    rows = [
        [f"<td><code>{words(path)}</code><small>{words(stage)}</small></td>", f"<td><code>{words(digest)}</code></td>"]
        for stage, path, digest in lineage.artifacts
    ]
    data = [row for row, (_, path, _) in zip(rows, lineage.artifacts, strict=True) if path.startswith("data/")]
    if not rows:
        return ""
    head = ["artifact, and its stage", "md5 in dvc.lock"]
    told = method("DVC's digest of each output; equal digests mean equal bytes. `dvc checkout` brings them back.")
    rest = [row for row in rows if row not in data]
    folded = fold(f"{len(rest)} reports and pictures", table(head, rest)) if rest else ""
    return block("Artifacts", table(head, data) if data else "", folded, told)


def records(runs: Mapping[str, Mapping[str, Any]]) -> str:
    """Time and memory of each stage, as it ran last."""
    known = [name for name in STAGES if name in runs] + sorted(runs.keys() - set(STAGES))
    longest = max((runs[name].get("seconds", 0) for name in known), default=0) or 1
    rows = []
    for name in known:
        record = runs[name]
        seconds = record.get("seconds", 0)
        peak = max(record.get("peak_bytes_self", 0), record.get("peak_bytes_largest_worker", 0))
        cells = [cell(name), number(numbers.duration(seconds)), bar(seconds / longest), number(numbers.size(peak))]
        rows.append([*cells, number(record.get("workers", ""))])
    if not rows:
        return ""
    total = numbers.duration(sum(runs[name].get("seconds", 0) for name in known))
    return table(["stage", "#time", "", "#memory", "#workers"], rows) + method(
        f"{total} in all. Time: wall clock of the stage's last execution, a resumed one from its last start. "
        "Memory: peak of resident memory of the largest single process of the stage."
    )


def _versions(lineage: Lineage) -> str:
    if not lineage.versions and not lineage.machine:
        return ""
    machine = facts(lineage.machine)
    told = method("Of the machine and the environment in which this page was built.")
    return block("Machine and versions", machine, fold("Versions of libraries", facts(lineage.versions)), told)


def _tracking(lineage: Lineage, model_id: str) -> str:
    links = "".join(f'<li><a href="{escape(address)}">{words(name)}</a></li>' for name, address in lineage.runs)
    listed = f"<p>Runs of this model:</p><ul>{links}</ul>" if links else ""
    search = f"; the runs of this model: <code>tags.model_id = &#x27;{words(model_id)}&#x27;</code>" if model_id else ""
    compare = f'<a href="{escape(lineage.comparison)}">all runs</a>' if lineage.comparison else "all runs"
    return block(
        "Comparing experiments",
        listed,
        "<p>Every execution of a stage is a run in MLflow, with curves, parameters, times and system load. "
        f"<code>make ui</code> starts its pages; then open {compare}{search}. "
        "Without MLflow: <code>dvc exp show --only-changed</code>, <code>dvc metrics diff</code>.</p>",
    )
