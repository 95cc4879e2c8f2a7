"""A few texts before and after each step, for people to judge: at most five a step and source.

    data/cleaned/examples/clean.jsonl
    {"step": "ftfy", "source": "wiki", "id": "9f3c..", "before": "..schÃ¶n..", "after": "..schön.."}

The choice depends on ids alone (the smallest digests of step and id), so the same documents are chosen however the
corpus is cut into shards. Excerpts hold corpus text, which is why they lie in data/ and not in reports/.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import xxhash

from antimatter.clean.edits import common_start
from antimatter.corpus.shards import atomic_path

EACH = 5
EXCERPT = 400  # characters
_LEAD = 120  # characters of it that come before the first change


class Examples:
    """The chosen ones among those offered so far."""

    def __init__(self) -> None:
        self._chosen: dict[tuple[str, str], list[tuple[str, dict[str, str]]]] = {}

    def offer(self, step: str, source: str, id_: bytes, before: str, after: str) -> None:
        """A text that the step changed."""
        rank = xxhash.xxh3_128_hexdigest(f"{step}:{id_.hex()}".encode())
        if self._is_wanted(step, source, rank):
            start = max(0, common_start(before, after) - _LEAD)
            end = start + EXCERPT
            self._add(step, source, rank, {"id": id_.hex(), "before": before[start:end], "after": after[start:end]})

    def merge(self, rows: Iterable[dict[str, str]]) -> None:
        """Take over the rows of another shard."""
        for row in rows:
            rank = xxhash.xxh3_128_hexdigest(f"{row['step']}:{row['id']}".encode())
            if self._is_wanted(row["step"], row["source"], rank):
                texts = {key: row[key] for key in ("id", "before", "after")}
                self._add(row["step"], row["source"], rank, texts)

    def rows(self) -> list[dict[str, str]]:
        """step, source, id (hex), before, after; by step, source and rank."""
        return [
            {"step": step, "source": source, **texts}
            for (step, source), chosen in sorted(self._chosen.items())
            for _, texts in chosen
        ]

    def _is_wanted(self, step: str, source: str, rank: str) -> bool:
        chosen = self._chosen.get((step, source), [])
        return len(chosen) < EACH or rank < chosen[-1][0]

    def _add(self, step: str, source: str, rank: str, texts: dict[str, str]) -> None:
        chosen = self._chosen.setdefault((step, source), [])
        chosen.append((rank, texts))
        chosen.sort(key=lambda example: example[0])
        del chosen[EACH:]


def write_examples(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """One JSON object a line."""
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def merged_examples(folder: Path) -> list[dict[str, str]]:
    """The chosen rows among the examples-*.jsonl of all shards."""
    examples = Examples()
    for path in sorted(folder.glob("examples-*.jsonl")):
        with open(path, encoding="utf-8") as file:
            examples.merge(json.loads(line) for line in file)
    return examples.rows()
