"""Everything that the page is made of: what the stages left below a project's root, each part only if it is there.

reports/*.json, *.svg, *.csv, peers/*.json       deterministic, in git
data/examples, data/model, data/*/removed        texts: of the model, of documents that left
work/runs, work/measured                         times and speeds, which differ from run to run
"""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from antimatter.corpus.reports import read_json
from antimatter.corpus.shards import MissingData
from antimatter.evaluate import references
from antimatter.evaluate.references import Reference
from antimatter.execution import runtime
from antimatter.report import duplicate_pairs, removed_documents, tokens
from antimatter.report.figure import EMPTY
from antimatter.report.lineage import Lineage
from antimatter.report.lineage import read as read_lineage

Content = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Material:
    """Parts that are absent are empty."""

    summary: Content = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)
    """SVG by name, of those that show something: on a page a sentence says better than a picture what is missing."""
    samples: Content = field(default_factory=dict)
    continuations: Sequence[Content] = ()
    task_items: Sequence[Content] = ()
    written_while_training: Sequence[Content] = ()
    """step, prompt, text."""
    quiz: Sequence[Mapping[str, str]] = ()
    """Rows of reports/train_quiz.csv."""
    edits: Sequence[Content] = ()
    """What cleaning changed: step, source, before, after."""
    removed: Mapping[tuple[str, str], Sequence[removed_documents.Example]] = field(default_factory=dict)
    pairs: Sequence[duplicate_pairs.Pair] = ()
    tokenize: Content = field(default_factory=dict)
    """The report of that stage."""
    pieces: tokens.Pieces | None = None
    peers: Mapping[str, Content] = field(default_factory=dict)
    """Evaluations of other models by name, in the form of our own."""
    references: Mapping[str, Sequence[Reference]] = field(default_factory=dict)
    """Published scores by task, of the tasks that the model was scored on."""
    training_figures: Content = field(default_factory=dict)
    evaluation_figures: Content = field(default_factory=dict)
    """Speeds: work/measured of the two stages."""
    runs: Mapping[str, Content] = field(default_factory=dict)
    """Seconds and memory of each stage."""
    lineage: Lineage = field(default_factory=Lineage)


def gather(root: Path) -> Material:
    """Read what there is.

    Raises: MissingData if there is no summary yet.
    """
    reports = root / "reports"
    if not (reports / "summary.json").exists():
        raise MissingData(
            f"{reports}/summary.json does not exist: there is nothing to show yet. Run `dvc repro report`."
        )
    summary, work, examples = read_json(reports / "summary.json"), _work(root), root / "data/examples"
    rules = _content(reports / "filter.json").get("rules", [])
    return Material(
        summary=summary,
        pictures=dict(_pictures(reports)),
        samples=_content(examples / "samples.json"),
        continuations=_entries(examples / "continuations.json", "continuations"),
        task_items=_entries(examples / "tasks.json", "tasks"),
        written_while_training=_entries(root / "data/model/samples.json", "samples"),
        quiz=_rows(reports / "train_quiz.csv"),
        edits=_lines(root / "data/cleaned/examples/clean.jsonl"),
        removed=removed_documents.examples(root, summary.get("removed", {}).get("reasons", []), rules),
        pairs=duplicate_pairs.pairs(root),
        tokenize=_content(reports / "tokenize.json"),
        pieces=tokens.pieces_in_use(root / "data/tokens", root / "data/tokenizer"),
        peers={path.stem: _content(path) for path in sorted((reports / "peers").glob("*.json"))},
        references={name: references.for_task(name) for name in (summary.get("evaluation", {}).get("tasks") or {})},
        training_figures=_content(work / "measured/train.json"),
        evaluation_figures=_content(work / "measured/evaluate.json"),
        runs={path.stem: _content(path) for path in sorted((work / "runs").glob("*.json"))},
        lineage=read_lineage(root, str(summary.get("training", {}).get("model_id", ""))),
    )


def _pictures(reports: Path) -> Iterator[tuple[str, str]]:
    """The files of the report stage, and those of projects drawn before there were empty ones."""
    for path in sorted(reports.glob("*.svg")):
        drawn = path.read_text(encoding="utf-8")
        if f'class="chart {EMPTY}"' not in drawn[:400]:
            yield path.stem, drawn


def _work(root: Path) -> Path:
    """work/ of the root, or where ANTIMATTER_WORK says; of another folder than the present one its own."""
    return runtime.work_folder() if root.resolve() == Path.cwd().resolve() else root / "work"


def _content(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    content = read_json(path)
    return content if isinstance(content, dict) else {}


def _entries(path: Path, name: str) -> list[Content]:
    """A list of objects: the file itself, or what it holds under `name`; of a map of lists every entry, with its key
    as `task`."""
    if not path.exists():
        return []
    content = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(content, dict):
        content = content.get(name, content)
    if isinstance(content, dict):
        lists = {key: found for key, found in content.items() if isinstance(found, list)}
        content = [{"task": key, **item} for key, found in lists.items() for item in found if isinstance(item, dict)]
    return [entry for entry in content if isinstance(entry, dict)]


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _lines(path: Path) -> list[Content]:
    """The objects of a JSON Lines file. Not splitlines(): a text may hold U+2028, which stands in JSON as it is."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
