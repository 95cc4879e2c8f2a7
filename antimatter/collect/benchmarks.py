"""The benchmarks stage: evaluation sets that the user brings, in one form.

    data/benchmarks/<name>.jsonl    {"name": .., "id": .., "query": .., "choices": [.., ..], "gold": 1}
                    manifest.json   what they are and how many items they have

multiple_choice: `query` (or ctx, question), `choices` (or endings), `gold` (or label, answer: an index).
cloze:           `text`, whose last word is asked: query = all before it, choices = [that word], gold = 0.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from antimatter.collect.drafts import parse_json, without_surrogates
from antimatter.collect.errors import MissingSource, SourceError, WrongDigest
from antimatter.corpus.reports import write_json
from antimatter.corpus.shards import atomic_path
from antimatter.execution.workspace import Workspace
from antimatter.params.benchmarks import Benchmark, Benchmarks


class BrokenItem(SourceError):
    """An item of a benchmark lacks a field or answers out of range: a score over the rest would be another one's."""


def build(work: Workspace) -> None:
    """Write one .jsonl a benchmark, and the manifest (always)."""
    settings: Benchmarks = work.settings
    folder = work.output / "benchmarks"
    entries = []
    for benchmark in settings.sources:
        items = read_items(benchmark)
        with atomic_path(folder / f"{benchmark.name}.jsonl") as temporary:
            lines = (json.dumps(item, ensure_ascii=False) + "\n" for item in items)
            temporary.write_text("".join(lines), encoding="utf-8")
        facts = {name: getattr(benchmark, name) for name in ("name", "format", "licence", "sha256")}
        entries.append({**facts, "items": len(items)})
    write_json(folder / "manifest.json", {"benchmarks": entries})
    work.report({"benchmarks": entries, "items": sum(entry["items"] for entry in entries)})


def read_items(benchmark: Benchmark) -> list[dict[str, Any]]:
    """All items of a benchmark in our form.

    Raises: MissingSource, WrongDigest; BrokenItem naming the file and the line.
    """
    path = Path(benchmark.path)
    if not path.is_file():
        raise MissingSource(f"benchmark {benchmark.name}: there is no file {path}", "no such file")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != benchmark.sha256:
        raise WrongDigest(
            f"benchmark {benchmark.name}: {path} has sha256 {found}, params.yaml pins {benchmark.sha256}. "
            "If the file is right, put its digest into params.yaml."
        )
    items = []
    for number, line in _lines(path, data):
        try:
            fields = parse_json(line)
            if not isinstance(fields, Mapping):
                raise ValueError("no JSON object")
            query, choices, gold = _ITEM[benchmark.format](fields)
        except ValueError as error:
            raise BrokenItem(f"benchmark {benchmark.name}: {path}, line {number}: {error}") from error
        identity = str(next((fields[name] for name in ("id", "ind") if fields.get(name) is not None), number))
        texts = [without_surrogates(text) for text in (identity, query, *choices)]
        items.append({"name": benchmark.name, "id": texts[0], "query": texts[1], "choices": texts[2:], "gold": gold})
    return items


def _lines(path: Path, data: bytes) -> Iterator[tuple[int, bytes]]:
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"{path} is no readable gzip file ({error})") from error
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            yield number, line


def _multiple_choice(fields: Mapping[str, Any]) -> tuple[str, list[str], int]:
    query = _first(fields, "query", "ctx", "question")
    choices = _first(fields, "choices", "endings")
    gold = _first(fields, "gold", "label", "answer")
    if not isinstance(query, str):
        raise ValueError("the query is no text")
    if not isinstance(choices, Sequence) or len(choices) < 2 or not all(isinstance(choice, str) for choice in choices):
        raise ValueError("the choices are no list of two texts or more")
    index = int(gold) if isinstance(gold, int) or (isinstance(gold, str) and gold.isdecimal()) else -1
    if not 0 <= index < len(choices):
        raise ValueError(f"the right answer is {gold!r}, no index of the {len(choices)} choices")
    return query, list(choices), index


def _cloze(fields: Mapping[str, Any]) -> tuple[str, list[str], int]:
    text = _first(fields, "text")
    if not isinstance(text, str) or len(text.split()) < 2:
        raise ValueError("the text has fewer than two words")
    query, word = text.rstrip().rsplit(maxsplit=1)
    return query, [word], 0


_ITEM = {"multiple_choice": _multiple_choice, "cloze": _cloze}


def _first(fields: Mapping[str, Any], *names: str) -> Any:
    for name in names:
        if name in fields:
            return fields[name]
    raise ValueError(f"no field {' or '.join(names)}")
